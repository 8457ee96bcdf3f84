"""The page about what a run took."""

from pathlib import Path
from typing import Any

from evaluate.run.benchmarks import COLUMNS, ITSELF, by_rule, read_jobs
from evaluate.run.files import RunFiles
from evaluate.run.systems import Run
from evaluate.table_files import write_table
from report.formatting import duration, percent, size
from report.page import write_page


def write_cost(files: RunFiles, config: Run, provenance: dict[str, Any]) -> None:
    """Write cost.csv, its .json and cost.html from the benchmarks of a finished run.

    Raises
    ------
    FileNotFoundError if no job has a benchmark.
    """
    jobs = read_jobs(files.benchmarks)
    jobs = jobs[jobs["rule"] != ITSELF]
    if jobs.empty:
        raise FileNotFoundError(f"{files.benchmarks} holds no benchmark; run the workflow, which writes them")
    table = by_rule(jobs)
    write_table(table.assign(run=config.run), files.cost, COLUMNS, provenance)
    write_page(
        Path(__file__).parent / "page.html.j2",
        (duration, percent, size),
        files.cost_page,
        config=config,
        rows=table.to_dict("records"),
        most_cpu=table["cpu_hours"].iloc[:-1].max(),
        most_elapsed=table["elapsed_hours"].iloc[:-1].max(),
        longest=jobs.nlargest(10, "cpu_s").to_dict("records"),
        hosts=sorted(set(jobs["host"]) - {""}),
        on_slurm=config.on_slurm,
        pages=sorted(page.name for page in files.folder.glob("*.html") if page != files.cost_page),
        provenance={key: value for key, value in provenance.items() if key != "config"},
    )
