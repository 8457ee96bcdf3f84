"""Figures of a finished run, drawn again from its tables alone: patterns, predictions and networks may be gone.

singlehit draw results/demo --list
singlehit draw results/demo accuracies.svg --out accuracies.svg
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from evaluate.run.config import RunConfig, load_config
from evaluate.run.files import RunFiles
from evaluate.run.outputs import has_report
from frames.files import read_json
from frames.schema import did_you_mean
from report.classification.draw import Drawing, drawings
from report.twin.draw import drawings as twin_drawings


def config_of(folder: Path) -> RunConfig:
    """The config of a finished run, from its folder.

    FileNotFoundError where the folder holds no finished run.
    """
    record = RunFiles(folder).cost.with_suffix(".json")
    if not record.exists():
        raise FileNotFoundError(f"{record} is not there: expected the folder of a finished run, such as results/demo")
    return load_config(read_json(record)["config"])


def figures_of(folder: Path) -> Mapping[str, Drawing]:
    """Every figure of a finished run, by its name in the folder's figures/."""
    files, config = RunFiles(folder), config_of(folder)
    found = drawings(files, config) if has_report(config) else {}
    return found | (twin_drawings(files, config) if config.twins else {})


def main(argv: Sequence[str] | None = None) -> int:
    """Command line: draw a figure of a run, or list them; the status of the process."""
    parser = argparse.ArgumentParser(
        prog="singlehit draw", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="folder of a finished run, as results/demo")
    parser.add_argument("figure", nargs="*", help="names of figures, as in its folder figures/")
    parser.add_argument("--list", action="store_true", help="print the names of the figures that there are")
    parser.add_argument("--out", type=Path, help="file to write (default: over the run's own figure)")
    chosen = parser.parse_args(argv)
    found = figures_of(chosen.run)
    if chosen.list or not chosen.figure:
        print(*found, sep="\n")
        return 0
    if unknown := [name for name in chosen.figure if name not in found]:
        raise ValueError(
            f"{chosen.run} has no figure {unknown[0]!r}{did_you_mean(unknown[0], found)}; --list names them"
        )
    if chosen.out and len(chosen.figure) > 1:
        raise ValueError(f"--out is one file, but {len(chosen.figure)} figures are asked for; name one")
    for name in chosen.figure:
        path = chosen.out or RunFiles(chosen.run).figure(name)
        found[name](path)
        print(path)
    return 0
