"""A result file is complete or absent."""

from pathlib import Path

import pytest

from frames.files import atomic_path, read_json, sha256, write_json


def test_nothing_is_left_of_a_failed_write(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    target.write_text("old")

    def fail() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        fail()
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]
    assert target.read_text() == "old"


def test_the_suffix_is_kept_and_folders_are_made(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "new" / "array.npz") as temporary:
        assert temporary.suffix == ".npz"
        temporary.write_bytes(b"x")
    assert (tmp_path / "new" / "array.npz").read_bytes() == b"x"


def test_json_round_trip_and_refusal_of_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"Å": [1, 2.5]})
    assert read_json(tmp_path / "a.json") == {"Å": [1, 2.5]}
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "b.json", float("nan"))
    assert not (tmp_path / "b.json").exists()


def test_sha256_of_known_bytes(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256(tmp_path / "abc").startswith("ba7816bf8f01cfea")
