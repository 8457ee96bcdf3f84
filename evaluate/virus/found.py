"""Where selections, classes and tables of a run lie, and the jobs that make them."""

from pathlib import Path

import numpy as np

from evaluate.virus import methods
from evaluate.virus.config import DetectionConfig, SelectionConfig
from evaluate.virus.files import selection_file, wanted
from evaluate.virus.methods import Experiment
from evaluate.virus.tables import read_selection, write_tables
from frames.files import write_arrays


def make_selection(
    run: Experiment, method: str, seed: int, detection: DetectionConfig, selection: SelectionConfig, folder: Path
) -> None:
    """Train a method and write what it selects; networks lie beside it. ValueError for a method that is none."""
    output = selection_file(folder, method, seed)
    if method in detection.methods:
        found = methods.yolo(run, method, detection, seed, output.parent)
    elif method == "ours":
        found = methods.ours(run, selection, seed, output.parent)
    elif method == "spectral":
        found = methods.spectral(run, selection, seed)
    elif method == "em":
        found, classes, good = methods.em(run, selection, seed)
        chosen = np.isin(classes.classes, good)
        methods.write_em_class(output.parent / "em_class.h5", classes.classes, chosen)
        arrays = {"models": classes.models, "classes": classes.classes, "chosen": good}
        write_arrays(output.parent / "classes.npz", arrays)
    else:
        raise ValueError(f"no method is called {method!r}; known: {', '.join(detection.methods)}, em, spectral, ours")
    found.write(output)


def make_tables(run: Experiment, detection: DetectionConfig, selection: SelectionConfig, folder: Path) -> None:
    """Tables of all selections of a run, and `page.npz`, below tables/."""
    found = {
        (name, seed): read_selection(selection_file(folder, name, seed)) for name, seed in wanted(detection, selection)
    }
    write_tables(run, selection, found, folder / "tables")
