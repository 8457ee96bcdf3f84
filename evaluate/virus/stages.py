"""From a store of all shots to the frames that networks see: hits, sizes, splits."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from evaluate.virus import files
from evaluate.virus.hits import HitsConfig, find_hits
from evaluate.virus.sizes import SizesConfig, measure
from evaluate.virus.source.splits import RECORDED, SIMULATED, Numbers, choose, dealt
from frames.files import atomic_path, read_table, write_table
from frames.geometry import Geometry
from frames.store.dataset import open_dataset
from simulate.virus.dataset import read_plan
from simulate.virus.plan import confusion

AT_ONCE = 256
"""Frames held together."""


def make_hits(
    folder: Path, geometry: Geometry, centre: tuple[float, float], config: HitsConfig, sizes: SizesConfig
) -> None:
    """Write hits.parquet of all shots: frame, photons, score, lit, hit; and sizes.parquet of the hits.

    The latter has frame, and the fields of `sizes.Sizes`. Frames are read once for both. ValueError where nothing is
    a hit.
    """
    dataset, parts, measured = open_dataset(files.dataset_folder(folder)), [], []
    q = np.linalg.norm(geometry.q, axis=-1)
    for start in range(0, len(dataset), AT_ONCE):
        rows = np.arange(start, min(start + AT_ONCE, len(dataset)))
        frames = dataset.read(slice(int(rows[0]), int(rows[-1]) + 1))
        found = find_hits(frames, geometry.mask, centre, config)
        parts.append(pd.DataFrame({"frame": rows, **vars(found)}))
        if found.hit.any():
            of_hits = measure(frames[found.hit], geometry.mask, centre, q, sizes)
            measured.append(pd.DataFrame({"frame": rows[found.hit], **vars(of_hits)}))
    if not measured:
        raise ValueError(f"{files.dataset_folder(folder)} holds no hit; look at virus.hits and at the background")
    _write(files.hits_file(folder), pd.concat(parts, ignore_index=True))
    _write(files.sizes_file(folder), pd.concat(measured, ignore_index=True))


def make_splits(folder: Path, numbers: dict[str, Numbers], *, reject_dimers: bool, dealt_by: int | None = None) -> None:
    """Write splits.parquet, and what the annotator got wrong as tables/annotator.csv.

    reject_dimers: whether frames must pass the second test, too; the published sets were chosen by size alone.
    dealt_by: of recorded frames, the seed by which those without a split are dealt to the splits.
    """
    plan = read_plan(files.plan_file(folder))
    hits = read_table(files.hits_file(folder)).to_pandas()[["frame", "photons"]]
    sizes = read_table(files.sizes_file(folder)).to_pandas()
    sizes["passes"] = sizes["right_size"] & (sizes["one_particle"] if reject_dimers else True)
    table = plan.merge(hits, on="frame", validate="1:1").merge(
        sizes[["frame", "diameter_nm", "passes"]].rename(columns={"diameter_nm": "fitted_diameter_nm"}),
        on="frame", how="left", validate="1:1",
    )  # fmt: skip
    passes = table["passes"].eq(True).to_numpy()
    if dealt_by is not None:
        table = dealt(table, passes, numbers, dealt_by)
    advice = SIMULATED if dealt_by is None else RECORDED
    files.write_splits(files.splits_file(folder), choose(table, passes, numbers, advice))
    with atomic_path(folder / "tables" / "annotator.csv") as temporary:
        (confusion(plan) if dealt_by is None else called(plan)).to_csv(temporary, index=False)


def called(plan: pd.DataFrame) -> pd.DataFrame:
    """Labelled frames and those called single, of recorded frames, whose kind nobody knows: columns of `confusion`."""
    labelled = plan["manual"] != ""
    single = int((plan["manual"] == files.SINGLE).sum())
    shots = int(labelled.sum())
    row = {"kind": "recorded", "shots": shots, "called_single": single, "share": single / max(shots, 1)}
    return pd.DataFrame([row])


def _write(path: Path, table: pd.DataFrame) -> None:
    write_table(path, pa.Table.from_pandas(table, preserve_index=False))
