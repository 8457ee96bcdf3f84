"""Whether a dataset holds the bytes that were written; what is damaged is named, and can be made again alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from frames.files import read_json, remove_leftovers, sha256, write_json
from frames.store.card import brightness_of, class_counts, photon_histogram
from frames.store.layout import Layout
from frames.store.writer import PER_PATTERN, array, label_codes, shard_file, shard_marker

UNREADABLE = ValueError, KeyError, TypeError
"""What is raised of a record that is no JSON any more, or whose keys are others."""


class DamagedDatasetError(RuntimeError):
    """A dataset that is incomplete or does not hold the bytes that were written; names every problem."""


def shard_problem(folder: Path, layout: Layout, shard: int, made_from: str | None = None) -> str | None:
    """What is wrong with a shard, or None when it is exactly what its marker says (and made from `made_from`)."""
    marker_file, where = shard_marker(folder, shard), _where(folder, layout, shard)
    if not marker_file.exists():
        return f"{where} is missing: it was never finished"
    try:
        marker = read_json(marker_file)
        n_bytes, digest, source = marker["bytes"], marker["sha256"], marker["made_from"]
    except UNREADABLE as error:
        return f"{where} is unknown: its marker is damaged ({error!r})"
    if problem := _file_problem(folder, layout, shard, n_bytes, digest):
        return problem
    if made_from is not None and source != made_from:
        return f"{where} is out of date: it was made from other inputs or code"
    return None


def _where(folder: Path, layout: Layout, shard: int) -> str:
    rows, file = layout.rows(shard), shard_file(folder, layout, shard)
    return f"shard {shard} (patterns {rows.start}-{rows.stop - 1}, {file.relative_to(folder)})"


def _file_problem(folder: Path, layout: Layout, shard: int, n_bytes: int, digest: str | None = None) -> str | None:
    """What is wrong with the file of a finished shard, as far as its size tells where no digest is given."""
    file, where = shard_file(folder, layout, shard), _where(folder, layout, shard)
    if not file.exists():
        return f"{where} is missing: it was finished, but its file is not there"
    if (size := file.stat().st_size) != n_bytes:
        return f"{where} is damaged: {size} bytes, expected {n_bytes}"
    if digest is not None and sha256(file) != digest:
        return f"{where} is damaged: its sha256 is not the one recorded when it was written"
    return None


def damaged_labels(folder: Path) -> list[str]:
    """Files of labels and metadata that are not what they were: zarr reads a chunk that is gone as zeros."""
    return [
        name
        for name, recorded in read_json(folder / "layout.json")["files"].items()
        if not (folder / name).exists() or sha256(folder / name) != recorded
    ]


def label_problems(folder: Path) -> list[str]:
    """What is wrong with the labels and metadata, in words."""
    return [
        f"{name} (labels or metadata) is {'damaged' if (folder / name).exists() else 'missing'}"
        for name in damaged_labels(folder)
    ]


def complete(folder: Path, card: Mapping[str, Any], background: NDArray[np.float32] | float = 0.0) -> dict[str, Any]:
    """Check every shard and write `dataset.json`, the marker of a complete dataset; returns the card.

    What killed jobs left half-written beside the shards is removed.

    Parameters
    ----------
    card :       what is known of how the dataset was made; what can be told from the patterns is added.
    background : that is among the photons, (ny, nx) mean per pixel that is live as a whole, in a nominal pulse.

    Raises
    ------
    DamagedDatasetError naming every shard that is missing or damaged.
    """
    layout = Layout.load(folder)
    shard_problems = [shard_problem(folder, layout, shard) for shard in range(layout.n_shards)]
    _raise_if_any([*label_problems(folder), *shard_problems], folder)
    remove_leftovers(folder)
    markers = [read_json(shard_marker(folder, shard)) for shard in range(layout.n_shards)]
    per_pattern = PER_PATTERN[layout.record]
    sums, unit = np.concatenate([marker[per_pattern] for marker in markers]), per_pattern.split("_")[0]
    group = zarr.open_group(folder / "patterns.zarr", mode="r", zarr_format=3)
    codes = {target.name: label_codes(group, target) for target in layout.targets}
    split, live = (array(group, name)[:] for name in ("split", "live"))
    pulse_factor = array(group, "pulse_factor")[:] if "pulse_factor" in group else np.ones(1)
    steady = (background * live).sum(dtype=np.float64)
    first = layout.targets[0]
    full_card = {
        "name": folder.name,
        "layout": layout.as_json(),
        **card,
        "live_pixels": int((live > 0).sum()),
        "background_photons_per_pattern": float(steady * pulse_factor.mean(dtype=np.float64)),
        per_pattern: {
            **brightness_of(sums),
            "histogram": photon_histogram(sums, first.values(codes[first.name])),
        },
        "classes": class_counts(layout.targets, codes, split, sums, unit),
        "bytes": sum(marker["bytes"] for marker in markers),
        "shards": [{key: marker[key] for key in ("shard", "rows", "bytes", "sha256")} for marker in markers],
    }
    write_json(folder / "dataset.json", full_card)
    return full_card


def raise_if_incomplete(folder: Path, layout: Layout, card: Mapping[str, Any]) -> None:
    """DamagedDatasetError where labels or shards are not what they were, as far as the sizes of the shards tell.

    zarr takes what is not there for zeros, or for what its array is filled with.
    """
    sizes = {entry["shard"]: entry["bytes"] for entry in card["shards"]}
    shards = [_file_problem(folder, layout, shard, sizes[shard]) for shard in range(layout.n_shards)]
    _raise_if_any([*label_problems(folder), *shards, *_layout_problem(folder, card)], folder)


def raise_if_damaged(folder: Path, layout: Layout, card: Mapping[str, Any], shard: int) -> None:
    """DamagedDatasetError for a shard that does not hold the bytes that it had when the dataset was completed."""
    entry = card["shards"][shard]
    _raise_if_any([_file_problem(folder, layout, shard, entry["bytes"], entry["sha256"])], folder)


def _raise_if_any(problems: Sequence[str | None], folder: Path) -> None:
    if found := [problem for problem in problems if problem]:
        raise DamagedDatasetError(
            f"dataset {folder} has {len(found)} problem(s):\n  " + "\n  ".join(found) + "\n"
            f"`singlehit repair {folder}` forgets what is damaged; "
            f"`snakemake {folder}/dataset.json` makes it, and only it, again"
        )


def verify(folder: Path) -> list[str]:
    """Every problem of a dataset, in words; empty when all shards hold the bytes that were written.

    Raises
    ------
    FileNotFoundError where there is no dataset; ValueError where `layout.json`, which says what to expect, is damaged.
    """
    layout = Layout.load(folder)
    shards = [shard_problem(folder, layout, shard) for shard in range(layout.n_shards)]
    problems = [*label_problems(folder), *(problem for problem in shards if problem)]
    if not (folder / "dataset.json").exists():
        return [*problems, "dataset.json is missing: the dataset was never completed"]
    try:
        card = read_json(folder / "dataset.json")
        recorded = {entry["shard"]: entry["sha256"] for entry in card["shards"]}
        problems += _layout_problem(folder, card)
    except UNREADABLE as error:
        return [*problems, f"dataset.json is damaged ({error!r})"]
    for shard, problem in enumerate(shards):
        if problem is None and read_json(shard_marker(folder, shard))["sha256"] != recorded.get(shard):
            problems.append(
                f"shard {shard} is not the one that dataset.json names: it was written again after the dataset was "
                "completed, with other bytes, or dataset.json was edited"
            )
    return problems


def _layout_problem(folder: Path, card: Mapping[str, Any]) -> list[str]:
    """Of a layout that is not that of the completed dataset, one problem."""
    layout = {key: value for key, value in read_json(folder / "layout.json").items() if key != "files"}
    return [] if layout == card["layout"] else ["layout.json is not what it was when the dataset was completed"]


def _is_made_by(shard: int, job_file: Path) -> bool:
    """Whether a job's list has this shard; one that is damaged may have had any."""
    try:
        return shard in read_json(job_file)["shards"]
    except UNREADABLE:
        return True


def repair(folder: Path) -> list[str]:
    """Forget what is missing or damaged, so that snakemake makes it again; returns the problems, as `verify` does.

    Asked for `dataset.json` alone, snakemake then sees that the bytes are what they were, and networks stand. Where
    labels or metadata are damaged the empty store is made again; shards that are whole are kept.
    """
    if not (problems := verify(folder)):
        return []
    layout, labels = Layout.load(folder), damaged_labels(folder)
    for shard in range(layout.n_shards):
        if shard_problem(folder, layout, shard):
            shard_marker(folder, shard).unlink(missing_ok=True)
            for job in (folder / "jobs").glob("*.json"):
                if _is_made_by(shard, job):
                    job.unlink()
    for name in labels:
        (folder / name).unlink(missing_ok=True)
    if labels or any(problem.startswith("layout.json") for problem in problems):
        (folder / "layout.json").unlink()
    (folder / "dataset.json").unlink(missing_ok=True)
    return problems
