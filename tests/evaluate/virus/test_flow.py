"""How many frames each step leaves, of a run that was written by hand."""

from pathlib import Path

import pyarrow as pa

from evaluate.virus import files
from evaluate.virus.found import flow
from frames.files import write_table


def write(path: Path, columns: dict) -> None:
    write_table(path, pa.table({name: list(values) for name, values in columns.items()}))


def test_every_step_is_counted_by_kind(tmp_path: Path) -> None:
    (tmp_path / "plans").mkdir()
    kinds = ["single", "single", "double", "empty", "single"]
    write(files.plan_file(tmp_path), {"frame": range(5), "kind": kinds})
    hit = [True, True, True, False, True]
    write(files.hits_file(tmp_path), {"frame": range(5), "hit": hit})
    sizes = {"frame": [0, 1, 2, 4], "right_size": [True, True, True, False], "one_particle": [True, True, False, True]}
    write(files.sizes_file(tmp_path), sizes)
    seen = {"frame": [0, 2], "split": ["train", "test"], "manual": ["single", "single"]}
    write(files.splits_file(tmp_path), seen)
    table = flow(tmp_path).set_index("kind")
    assert table.loc["all"].tolist() == [5, 4, 3, 2, 1, 0, 1, 2]
    assert table.loc["single"].tolist() == [3, 3, 2, 2, 1, 0, 0, 1]
    assert table.loc["empty"].tolist() == [1, 0, 0, 0, 0, 0, 0, 0]
