"""Rule limit: Bayes-optimal accuracies of all datasets in one table."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from evaluate.limit.limit import write_limit
from evaluate.run.job import start
from evaluate.run.provenance import origin

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
provenance = origin(run.model_dump(mode="json"), "evaluate.limit.limit")
table = pd.concat([pd.read_csv(path) for path in snakemake.input], ignore_index=True)
write_limit(table.assign(run=run.run), Path(snakemake.output.table), provenance)
