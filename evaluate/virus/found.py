"""Where selections, classes and tables of a run lie, and the jobs that make them."""

from pathlib import Path

import numpy as np
import pandas as pd

from evaluate.virus import methods
from evaluate.virus.config import DetectionConfig, SelectionConfig
from evaluate.virus.experiment import VirusRunConfig
from evaluate.virus.files import (
    SINGLE,
    dataset_folder,
    hits_file,
    plan_file,
    read_splits,
    rehearsal_file,
    seen_file,
    selection_file,
    sizes_file,
    splits_file,
    wanted,
)
from evaluate.virus.methods import Experiment
from evaluate.virus.source.place import place_of
from evaluate.virus.source.rehearsed import read_rehearsal, rehearse
from evaluate.virus.source.seen import StoredFrames, read_seen, see
from evaluate.virus.tables import read_selection, write_tables
from frames.files import atomic_path, read_table, write_arrays
from frames.store.dataset import open_dataset
from train.batches.polar_bins import polar_bins


def make_selection(
    run: Experiment, method: str, seed: int, detection: DetectionConfig, selection: SelectionConfig, folder: Path
) -> None:
    """Train a method and write what it selects; networks lie beside it. ValueError for a method that is none."""
    output = selection_file(folder, method, seed)
    if method in detection.methods:
        found = methods.yolo(run, method, detection, seed, output.parent)
    elif method == "ours":
        rehearsed = None if selection.rehearsal is None else read_rehearsal(rehearsal_file(folder)).labelled
        found = methods.ours(run, selection, seed, output.parent, rehearsed)
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
    """Tables of all selections of a run, `flow.csv` and `page.npz`, below tables/."""
    found = {
        (name, seed): read_selection(selection_file(folder, name, seed)) for name, seed in wanted(detection, selection)
    }
    write_tables(run, selection, found, folder / "tables")
    with atomic_path(folder / "tables" / "flow.csv") as temporary:
        flow(folder).to_csv(temporary, index=False)


def flow(folder: Path) -> pd.DataFrame:
    """How many frames are left after each step of a run, a row for each kind of hit, `all` the first.

    Columns: kind; shots, hits, right_size, one_particle (of the right size, and passing the second test too); train,
    validation and test, frames that networks see; called_single, those of them that the person calls single hits.
    """
    plan = read_table(plan_file(folder)).to_pandas()[["frame", "kind"]]
    hits = read_table(hits_file(folder)).to_pandas().set_index("frame")["hit"]
    sizes = read_table(sizes_file(folder)).to_pandas().set_index("frame")
    seen = read_splits(splits_file(folder)).set_index("frame")
    frame = plan["frame"]
    right = frame.map(sizes["right_size"]).eq(True)
    steps = {
        "shots": True,
        "hits": frame.map(hits).eq(True),
        "right_size": right,
        "one_particle": right & frame.map(sizes["one_particle"]).eq(True),
        **{split: frame.map(seen["split"]).eq(split) for split in ("train", "validation", "test")},
        "called_single": frame.map(seen["manual"]).eq(SINGLE),
    }
    table = plan[["kind"]].assign(**steps)
    by_kind = table[table["kind"] != ""].groupby("kind").sum()
    total = table.drop(columns="kind").sum().to_frame("all").T
    return pd.concat([total, by_kind.sort_values("right_size", ascending=False)]).rename_axis("kind").reset_index()


def make_seen(run: Experiment, detection: DetectionConfig, selection: SelectionConfig, folder: Path) -> None:
    """Write what all methods see of a run's frames, which are read once: `evaluate.virus.source.seen.Seen`."""
    scales = sorted({detection.representation(method).scale for method in detection.methods})
    seen = see(run.frames, run.mask, run.bins(selection), run.boxed, scales, detection.image_size, log=selection.em.log)
    seen.write(seen_file(folder))


def make_rehearsal(run: VirusRunConfig) -> None:
    """Write the simulated frames that ours learns from as well: `evaluate.virus.source.rehearsed.Rehearsal`.

    Seen by the run's detector, with its mask. ValueError of a run that asks for none.
    """
    how, place = run.selection, place_of(run)
    if (asked := how.rehearsal) is None:
        raise ValueError("selection has no section `rehearsal`: ours learns from labelled frames alone")
    bins = polar_bins(place.geometry.shape, place.xy, place.geometry.mask, how.n_rings, how.n_angles, how.r_min_pixels)
    detector = None if run.virus.recorded is not None else run.virus.simulated.detector
    found = rehearse(asked, place.geometry, place.row_column, detector, run.virus.sizes, bins)
    found.write(rehearsal_file(run.folder))


def read_experiment(folder: Path, centre: tuple[float, float], *, seen: bool = True) -> Experiment:
    """Frames of the splits of a run's folder, with the detector's mask; the beam at `centre` (x, y) [pixels].

    seen : whether `make_seen` has written what methods see of them; else it is made when it is asked for.

    FileNotFoundError; ValueError for a damaged file, or a frame that the store lacks.
    """
    splits = read_splits(splits_file(folder))
    dataset = open_dataset(dataset_folder(folder))
    wanted = splits["frame"].to_numpy()
    if len(wanted) and not 0 <= wanted.min() <= wanted.max() < len(dataset):
        raise ValueError(
            f"{splits_file(folder)} names frame {wanted.max()}, but {dataset_folder(folder)} holds {len(dataset)}; "
            "make both anew"
        )
    frames = StoredFrames(dataset, wanted)
    return Experiment(frames, splits, dataset.mask, centre, read_seen(seen_file(folder)) if seen else None)
