"""Where the files of a run on a virus lie, and the columns of its table of splits.

    <folder>/plans/shots.parquet        a row per shot that was fired: `simulate.virus.plan`
    <folder>/plans/volumes.npz          volumes that the frames are sliced from
    <folder>/datasets/shots/            Zarr store of all shots (photons, uint16), `frames.store.dataset.Dataset`
    <folder>/plans/beam.json            of recorded frames: row and column of the beam; geometry.npz, where pixels lie
    <folder>/hits.parquet               a row per shot: what hit finding measured
    <folder>/sizes.parquet              a row per hit: what the size filter measured
    <folder>/splits.parquet             a row per frame that networks see: `SPLITS`
    <folder>/seen.npz                   what methods see of these frames: `source.seen.Seen`
    <folder>/rehearsal.npz              simulated frames that ours learns from as well: `source.rehearsed.Rehearsal`
    <folder>/tables/annotator.csv       the annotator's answers against what was hit

A frame is named by `frame`, its row in the store of all shots, in every table. The rows of `splits.parquet` are in the
order of `train`, `validation`, `test`, and of `frame` within each.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from frames.files import read_table, write_table

if TYPE_CHECKING:
    import pandas as pd

    from evaluate.virus.config import DetectionConfig, SelectionConfig

SPLITS: Mapping[str, str] = {
    "frame": "row of the frame in the dataset, int64",
    "split": "train, validation or test",
    "manual": "single or other, as the annotator says; of real files, as their CSV of labels says",
    "truth": "single or other, as it was hit; empty for real files without it",
    "kind": "what was hit, `simulate.virus.kinds.KINDS`; empty for real files without it",
    "photons": "counted in the live pixels outside of the inner radius",
    "diameter_nm": "of the particle that was hit, an icosahedron's circumdiameter; NaN where unknown",
    "fitted_diameter_nm": "by the size filter, circumdiameter of the icosahedron that fits best",
    "fluence": "photons/um2 in which the particle was; NaN where unknown",
}
"""Columns of splits.parquet -> what they are."""

ORIGIN = ("file", "row")
"""Further columns, of recorded frames: the file that a frame is from, and its number there."""

SINGLE, OTHER = "single", "other"


def plan_file(folder: Path) -> Path:
    """The plan of all shots."""
    return folder / "plans" / "shots.parquet"


def volumes_file(folder: Path) -> Path:
    """Volumes that the shots are sliced from: `simulate.virus.bodies.Bodies.arrays`."""
    return folder / "plans" / "volumes.npz"


def geometry_file(folder: Path) -> Path:
    """Where the pixels of recorded frames lie: `frames.geometry.Geometry`."""
    return folder / "plans" / "geometry.npz"


def beam_file(folder: Path) -> Path:
    """Row and column [pixels] at which the beam meets recorded frames."""
    return folder / "plans" / "beam.json"


def dataset_folder(folder: Path) -> Path:
    """The store of all shots."""
    return folder / "datasets" / "shots"


def hits_file(folder: Path) -> Path:
    """What hit finding measured."""
    return folder / "hits.parquet"


def sizes_file(folder: Path) -> Path:
    """What the size filter measured."""
    return folder / "sizes.parquet"


def splits_file(folder: Path) -> Path:
    """Frames that networks see."""
    return folder / "splits.parquet"


def seen_file(folder: Path) -> Path:
    """What methods see of the frames of the splits."""
    return folder / "seen.npz"


def rehearsal_file(folder: Path) -> Path:
    """Simulated frames that ours learns from as well."""
    return folder / "rehearsal.npz"


def write_splits(path: Path, splits: "pd.DataFrame") -> None:
    """Write a table of splits, atomically; ValueError for columns that are missing, or a frame that is there twice."""
    import pyarrow as pa

    if missing := [name for name in SPLITS if name not in splits]:
        raise ValueError(f"{path}: a table of splits needs columns {', '.join(missing)}")
    if len(twice := splits["frame"][splits["frame"].duplicated()]):
        raise ValueError(f"{path}: frame {twice.iloc[0]} is in the table twice; a frame belongs to one split")
    columns = [*SPLITS, *(name for name in ORIGIN if name in splits)]
    write_table(path, pa.Table.from_pandas(splits[columns], preserve_index=False))


def read_splits(path: Path) -> "pd.DataFrame":
    """What `write_splits` wrote. FileNotFoundError; ValueError for a damaged file."""
    return read_table(path).to_pandas()


def wanted(detection: "DetectionConfig", selection: "SelectionConfig") -> list[tuple[str, int]]:
    """(method, seed) of every selection of a run."""
    found = detection.trainings + [("em", seed) for seed in selection.em_seeds] + [("spectral", 0)]
    return found + [("ours", seed) for seed in selection.seeds]


def selection_file(folder: Path, method: str, seed: int | str) -> Path:
    """What a method selects: `evaluate.virus.methods.Selected`."""
    return folder / "selections" / method / f"seed{seed}" / "selected.npz"
