"""Every job of a run with the work that its rule declares, as JSON: `python workflow/jobs.py CONFIG`."""

import contextlib
import json
import sys
from pathlib import Path

from snakemake.api import SnakemakeApi
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    OutputSettings,
    Quietness,
    ResourceSettings,
)

ROOT = Path(__file__).resolve().parents[1]


def main(config: str) -> None:
    """Print the jobs of a run as if nothing of it stood."""
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL}, dryrun=True)) as api:
        run = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(configfiles=[Path(config).resolve()]),
            snakefile=ROOT / "Snakefile",
        )
        with contextlib.redirect_stdout(sys.stderr):
            run.dag(DAGSettings(forceall=True)).printrulegraph()  # of what the API offers, the least that needs a DAG
        workflow = run._workflow
        jobs = workflow.globals["jobs_with_work"](workflow.dag.jobs)
        print(json.dumps([job._asdict() for job in jobs]))


if __name__ == "__main__":
    main(*sys.argv[1:])
