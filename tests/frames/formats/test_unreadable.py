"""What cannot be read is told in a line: groups, words, filters that are missing, files half written or cut short."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import h5py
import numpy as np
import pytest

from frames.formats.open import open_frames
from support.made.files_of_others import COUNTS, DATA, NX, NY, N, read_by_both, refused, written


def test_a_group_is_no_frames(tmp_path: Path) -> None:
    path = written(tmp_path / "a.h5", {"photons/run1": COUNTS})
    for name in (None, "photons"):
        said = refused(path, name)
        assert "photons is a group of run1" in said
        assert "photons/run1 (6, 8, 5); name the one" in said
    assert np.array_equal(read_by_both(path, "photons/run1"), COUNTS)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.zeros((N, NY, NX), complex), "complex128 values, expected real numbers"),
        (np.zeros((N, NY, NX), [("a", "f4"), ("b", "i4")]), "values, expected real numbers"),
        (np.full((N, NY, NX), b"text"), "S4 values, expected real numbers"),
        (np.full((N, NY, NX), "text", h5py.string_dtype()), "object values, expected real numbers"),
        (np.full((N, NY, NX), h5py.Reference(), h5py.ref_dtype), "object values, expected real numbers"),
        (h5py.Empty("f4"), "holds no frames: it is empty"),
        (np.float32(3), r"has shape (), expected frames (n, ny, nx)"),
        (COUNTS[0], r"has shape (8, 5), expected frames (n, ny, nx)"),
        (np.zeros((2, 3, 4, NY, NX)), r"has shape (2, 3, 4, 8, 5), expected frames"),
    ],
)
@pytest.mark.parametrize("name", [DATA, "photons", "frames"])
def test_what_are_no_frames_of_numbers(values: object, said: str, name: str, tmp_path: Path) -> None:
    assert said in refused(written(tmp_path / "a.h5", {name: values}), name)


def with_filter(path: Path, number: int) -> Path:
    """A chunk that only a plug-in can decompress."""
    space, properties = h5py.h5s.create_simple((1, NY, NX)), h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((1, NY, NX))
    properties.set_filter(number, h5py.h5z.FLAG_OPTIONAL, (0, 2))
    with h5py.File(path, "w") as file:
        made = h5py.h5d.create(file.id, b"photons", h5py.h5t.NATIVE_FLOAT, space, dcpl=properties)
        made.write_direct_chunk((0, 0, 0), b"compressed", 0)
    return path


def test_a_filter_that_is_not_installed_says_what_to_install(tmp_path: Path) -> None:
    assert "that is not installed: unknown (number 300); pip install hdf5plugin" in refused(
        with_filter(tmp_path / "a.h5", 300)
    )
    names = {32001: "Blosc", 32004: "LZ4", 32008: "bitshuffle"}
    for number in names:
        with_filter(tmp_path / f"{number}.h5", number)
    code = f"""
        import sys
        sys.modules["hdf5plugin"] = None  # as where it is not installed
        from frames.formats.open import open_frames
        for number in {[*names]}:
            try:
                open_frames(f"{tmp_path}/{{number}}.h5")
            except ValueError as error:
                print(error)
    """
    environment = {name: value for name, value in os.environ.items() if name != "HDF5_PLUGIN_PATH"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False, env=environment
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        f"{tmp_path}/{number}.h5: photons is compressed by a filter that is not installed: {name} (number {number}); "
        "pip install hdf5plugin"
        for number, name in names.items()
    ]


def test_hdf5plugin_is_used_where_it_is_installed(tmp_path: Path) -> None:
    hdf5plugin = pytest.importorskip("hdf5plugin")
    for number, filters in enumerate((hdf5plugin.Bitshuffle(), hdf5plugin.LZ4(), hdf5plugin.Blosc())):
        with h5py.File(tmp_path / f"{number}.h5", "w") as file:
            file.create_dataset("photons", data=COUNTS, chunks=(1, NY, NX), **filters)
        path = tmp_path / f"{number}.h5"
        code = f"from frames.formats.open import open_frames; print(open_frames({str(path)!r}).read(slice(0, 6)).sum())"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == f"{COUNTS.sum()}\n"


@pytest.mark.parametrize("swmr", [False, True])
def test_a_file_that_is_being_written_is_told(swmr: bool, tmp_path: Path) -> None:
    code = f"""
        import h5py, os, sys
        file = h5py.File("{tmp_path}/a.h5", "w", libver="latest")
        file.create_dataset("photons", data=[[[1.0]]], chunks=(1, 1, 1), maxshape=(None, 1, 1))
        if {swmr}:
            file.swmr_mode = True
        file.flush()
        print("written", flush=True)
        sys.stdin.readline()
        os._exit(1)  # as when it is killed
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "written\n"
        assert "is open in a program that writes it" in refused(tmp_path / "a.h5")
        writer.communicate("\n")
    assert "if nothing writes it any more, run `h5clear -s" in refused(tmp_path / "a.h5")


def test_a_file_that_is_cut_short_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "a.h5", {"photons": COUNTS})
    path.write_bytes(path.read_bytes()[:-100])
    assert "is cut short" in refused(path)


@pytest.mark.parametrize("ending", ["NPY", "Npy", "H5", "HDF5", "CXI"])
def test_endings_may_be_in_capitals(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{ending}"
    if ending.lower() == "npy":
        with path.open("wb") as stream:
            np.save(stream, COUNTS)
    else:
        written(path, {"photons": COUNTS})
    assert np.array_equal(open_frames(path).read(slice(0, N)), COUNTS)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("a.npz", "holds several arrays: save the frames alone with np.save"),
        ("a.cxi.GZ", "is packed with gzip: unpack it"),
        ("a.cbf", "holds a single image: write the frames as (n, ny, nx) into HDF5"),
        ("a.xyz", "is of no known format"),
    ],
)
def test_what_to_do_with_other_files_is_said(name: str, advice: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"something")
    with pytest.raises(ValueError, match=re.escape(f"{tmp_path / name} {advice}")):
        open_frames(tmp_path / name)
