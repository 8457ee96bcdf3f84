"""Rule virus_page: the page about single hits of a virus."""

from typing import TYPE_CHECKING

from evaluate.run.job import start
from evaluate.virus.files import selection_file, wanted
from report.virus.page import build_page

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

run, _ = start(snakemake)
first: dict[str, int] = {}
for method, seed in wanted(run.detection, run.selection):
    first.setdefault(method, seed)
selections = {method: selection_file(run.folder, method, seed) for method, seed in first.items()}
build_page(
    run.folder / "tables",
    selections,
    {method: selections[method].parent / "history.csv" for method in run.detection.methods},
    selections["em"].parent / "classes.npz",
    run.folder / "figures",
    run.folder / "pr772.html",
    run.title,
    run.detection.recipe.iterations,
    rehearsed=run.selection.rehearsal is not None,
)
