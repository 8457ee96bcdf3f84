"""Frames that are not there are told and not made up: sources, links and chunks that are gone or go in circles."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr

from support.made.files_of_others import COUNTS, DATA, NX, NY, N, read_by_both, refused, written


@pytest.mark.parametrize("kind", ["beside", "in a folder", "absolute", "numbered", "nested", "dataset", "short"])
def test_virtual_datasets_need_their_sources(kind: str, tmp_path: Path) -> None:
    """Two files of three frames each; whole, they are read, wherever both were moved together."""
    home = tmp_path / "home"
    (home / "raw").mkdir(parents=True)
    folder = "raw/" if kind == "in a folder" else f"{home}/" if kind == "absolute" else ""
    parts = [f"{folder}part-{part}.h5" for part in range(2)]
    for part, name in enumerate(parts):
        written(home / name, {"d": COUNTS[3 * part : 3 * part + 3]})
    path = home / "all.cxi"
    with h5py.File(path, "w") as file:
        file["cxi_version"] = 160
        if kind == "numbered":
            space = h5py.h5s.create_simple((N, NY, NX), (h5py.h5s.UNLIMITED, NY, NX))
            space.select_hyperslab((0, 0, 0), (h5py.h5s.UNLIMITED, 1, 1), (3, 1, 1), (3, NY, NX))
            properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            properties.set_virtual(space, b"part-%b.h5", b"d", h5py.h5s.create_simple((3, NY, NX)))
            group = file.create_group("entry_1/data_1")
            h5py.h5d.create(group.id, b"data", h5py.h5t.NATIVE_FLOAT, space, dcpl=properties)
        else:
            layout = h5py.VirtualLayout((N, NY, NX), "f4")
            for part, name in enumerate(parts):
                layout[3 * part : 3 * part + 3] = h5py.VirtualSource(name, "d", (3, NY, NX))
            file.create_virtual_dataset(DATA, layout)
    if kind == "nested":
        inner, path = path, home / "outer.h5"
        layout = h5py.VirtualLayout((N, NY, NX), "f4")
        layout[:] = h5py.VirtualSource(inner.name, DATA, (N, NY, NX))
        with h5py.File(path, "w") as file:
            file.create_virtual_dataset("photons", layout)
    assert np.array_equal(read_by_both(path), COUNTS)
    moved = Path(shutil.move(home, tmp_path / "moved"))
    path = moved / path.name
    assert np.array_equal(read_by_both(path), COUNTS)
    gone = moved / (parts[0] if kind == "numbered" else parts[1].removeprefix(f"{home}/"))
    if kind == "dataset":
        with h5py.File(gone, "a") as file:
            del file["d"]
        assert "d of the file part-1.h5, which has no such dataset" in refused(path)
    elif kind == "short":
        written(gone, {"d": COUNTS[3:5]})
        assert r"part-1.h5, whose shape is (2, 8, 5), less than is asked" in refused(path)
    else:
        gone.unlink()
        assert gone.name in refused(path)
        assert "which is not there; put that file beside this one" in refused(path)


def test_virtual_datasets_need_a_source_for_every_frame(tmp_path: Path) -> None:
    written(tmp_path / "part.h5", {"d": COUNTS[:2]})
    layout = h5py.VirtualLayout((N, NY, NX), "f4", maxshape=(None, NY, NX))
    layout[:2] = layout[4:6] = h5py.VirtualSource(tmp_path / "part.h5", "d", (2, NY, NX))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_virtual_dataset("photons", layout)
    assert "without a source for frames 2 to 3, in all or in part" in refused(tmp_path / "a.h5")
    layout = h5py.VirtualLayout((N, NY, NX), "f4")
    for half in range(2):
        layout[half::2] = h5py.VirtualSource(written(tmp_path / f"{half}.h5", {"d": COUNTS[half::2]}), "d", (3, NY, NX))
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_virtual_dataset("photons", layout)
    assert np.array_equal(read_by_both(tmp_path / "b.h5"), COUNTS)


def test_a_numbered_source_that_is_gone_in_the_middle_is_named(tmp_path: Path) -> None:
    """HDF5 ends the dataset there, and says nothing of the frames that follow."""
    space = h5py.h5s.create_simple((N, NY, NX), (h5py.h5s.UNLIMITED, NY, NX))
    space.select_hyperslab((0, 0, 0), (h5py.h5s.UNLIMITED, 1, 1), (2, 1, 1), (2, NY, NX))
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_virtual(space, b"part-%b.h5", b"d", h5py.h5s.create_simple((2, NY, NX)))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        h5py.h5d.create(file.id, b"photons", h5py.h5t.NATIVE_FLOAT, space, dcpl=properties)
    for part in range(3):
        written(tmp_path / f"part-{part}.h5", {"d": COUNTS[2 * part : 2 * part + 2]})
    assert np.array_equal(read_by_both(tmp_path / "a.h5"), COUNTS)
    (tmp_path / "part-1.h5").unlink()
    assert "of which part-1.h5 is not there, but part-2.h5 is" in refused(tmp_path / "a.h5")


def test_virtual_datasets_of_their_own_file(tmp_path: Path) -> None:
    layout = h5py.VirtualLayout((N, NY, NX), "f4")
    layout[:] = h5py.VirtualSource(".", "raw", (N, NY, NX))
    with h5py.File(written(tmp_path / "a.h5", {"raw": COUNTS}), "a") as file:
        file.create_virtual_dataset("photons", layout)
    assert np.array_equal(read_by_both(tmp_path / "a.h5"), COUNTS)


@pytest.mark.parametrize("target", ["soft", "external", "external, other name", "external, in a folder"])
def test_dangling_links_say_where_they_lead(target: str, tmp_path: Path) -> None:
    written(tmp_path / "raw.h5", {"d": COUNTS})
    link, said = {
        "soft": (h5py.SoftLink("/gone/d"), "is a link to /gone/d, which is not there"),
        "external": (h5py.ExternalLink("gone.h5", "/d"), "/d of the file gone.h5, which is not there; put that file"),
        "external, other name": (h5py.ExternalLink("raw.h5", "/e"), "/e of the file raw.h5, which cannot be read"),
        "external, in a folder": (h5py.ExternalLink("x/raw.h5", "/d"), "x/raw.h5, which is not there"),
    }[target]
    for number, at in enumerate((DATA, "photons", "entry_1/data_1")):
        path = written(tmp_path / f"{number}.h5", {"cxi_version": 160})
        with h5py.File(path, "a") as file:
            file[at] = link
        assert said in refused(path)
        assert f"{at} is a link" in refused(path)
    with h5py.File(tmp_path / "good.h5", "w") as file:
        file["photons"] = h5py.ExternalLink("raw.h5", "/d")
    assert np.array_equal(read_by_both(tmp_path / "good.h5"), COUNTS)


def test_frames_that_were_never_written_are_named(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = file.create_dataset("photons", (N, NY, NX), "f4", chunks=(1, NY, NX))
        for row in (0, 1, 4):
            made[row] = COUNTS[row]
        file.create_dataset("whole", (N, NY, NX), "f4")
        file.create_dataset("halves", (N, NY, NX), "f4", chunks=(4, NY // 2, NX))[:, :4] = COUNTS[:, :4]
        file.create_dataset("dark", data=np.zeros((N, NY, NX)), chunks=(1, NY, NX))
    assert "frames 2 to 3, 5 were never written" in refused(tmp_path / "a.h5")
    assert "was never written: frames 0 to 5" in refused(tmp_path / "a.h5", "whole")
    assert "frames 0 to 5 were never written, in all or in part" in refused(tmp_path / "a.h5", "halves")
    assert not read_by_both(tmp_path / "a.h5", "dark").any()


def test_values_kept_in_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with h5py.File("a.h5", "w") as file:
        file.create_dataset("photons", (N, NY, NX), "f4", external=[("a.raw", 0, h5py.h5f.UNLIMITED)])[:] = COUNTS
    path = tmp_path / "a.h5"
    assert np.array_equal(read_by_both(path), COUNTS)
    (tmp_path / "a.raw").write_bytes((tmp_path / "a.raw").read_bytes()[:-8])
    assert "in the file a.raw, which is cut short" in refused(path)
    (tmp_path / "a.raw").unlink()
    assert "in the file a.raw, which is not there" in refused(path)


@pytest.mark.parametrize(("version", "shards"), [(2, None), (3, None), (3, (2, NY, NX))])
def test_chunks_of_zarr_that_are_gone_are_no_dark_frames(version: int, shards: object, tmp_path: Path) -> None:
    group = zarr.create_group(tmp_path / "a.zarr", zarr_format=version)
    made = group.create_array("photons", shape=COUNTS.shape, dtype="f4", chunks=(1, NY, NX), shards=shards)
    made[:] = COUNTS
    assert np.array_equal(read_by_both(tmp_path / "a.zarr"), COUNTS)
    (tmp_path / "a.zarr/photons" / (made.metadata.encode_chunk_key((2, 0, 0)))).unlink()
    assert ("frames 4 to 5" if shards else "frames 2") in refused(tmp_path / "a.zarr")
    assert "are not there, in all or in part, and would read 0" in refused(tmp_path / "a.zarr")


def test_links_and_sources_that_go_in_circles_are_told(tmp_path: Path) -> None:
    layout = h5py.VirtualLayout((N, NY, NX), "f4")
    layout[:] = h5py.VirtualSource("virtual.h5", "photons", (N, NY, NX))
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        file.create_virtual_dataset("photons", layout)
    assert "is a virtual dataset of itself" in refused(tmp_path / "virtual.h5")
    with h5py.File(tmp_path / "soft.h5", "w") as file:
        file["photons"], file["other"] = h5py.SoftLink("/other"), h5py.SoftLink("/photons")
    assert "photons is a link to /other" in refused(tmp_path / "soft.h5")
    with h5py.File(tmp_path / "external.h5", "w") as file:
        file["photons"] = h5py.ExternalLink("external.h5", "/photons")
    assert "photons is a link to /photons of the file external.h5" in refused(tmp_path / "external.h5")


def test_a_virtual_source_that_is_no_hdf5_is_told(tmp_path: Path) -> None:
    layout = h5py.VirtualLayout((N, NY, NX), "f4")
    layout[:] = h5py.VirtualSource("part.h5", "d", (N, NY, NX))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_virtual_dataset("photons", layout)
    (tmp_path / "part.h5").write_text("a page of the web")
    assert "d of the file part.h5, which cannot be read" in refused(tmp_path / "a.h5")
    with h5py.File(tmp_path / "part.h5", "w") as file:
        file.create_dataset("d", (N, NY, NX), "f4", chunks=(1, NY, NX))[:4] = COUNTS[:4]
    assert "d of the file part.h5, which: frames 4 to 5 were never written" in refused(tmp_path / "a.h5")


def test_a_damaged_chunk_of_zarr_names_the_array(tmp_path: Path) -> None:
    zarr.create_group(tmp_path / "a.zarr").create_array("photons", data=COUNTS, chunks=(1, NY, NX))
    chunk = tmp_path / "a.zarr/photons/c/1/0/0"
    chunk.write_bytes(chunk.read_bytes()[:-4])
    assert "photons is damaged: frames 0 to 5 cannot be read" in refused(tmp_path / "a.zarr")
