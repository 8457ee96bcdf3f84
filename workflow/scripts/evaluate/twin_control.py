"""Rule twin_control: the features of a control, of training patterns, as a twin network leaves its embeddings."""

from pathlib import Path
from typing import TYPE_CHECKING

from evaluate.baselines.feature_controls import CONTROLS
from evaluate.predictions.embeddings import embedded_by, write_support
from evaluate.run.job import start
from frames.store.dataset import open_dataset
from train.config.recipe import support_rows

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, files = start(snakemake)
wildcards = snakemake.wildcards
dataset = open_dataset(files.dataset(wildcards.dataset))
rows = support_rows(dataset.splits["train"])
write_support(embedded_by(CONTROLS[wildcards.control], dataset, rows), Path(snakemake.output.support))
