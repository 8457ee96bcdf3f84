"""Values that are no readings, such as marks of gaps and of dead pixels, are refused unless a mask covers them."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr

from frames.formats.open import open_frames
from support.made.files_of_others import COUNTS, DATA, NX, NY, N, read_by_both, refused, written


@pytest.mark.parametrize(
    ("dtype", "value", "said"),
    [
        ("u2", 2**16 - 1, "65535, the highest number of an integer"),
        ("u4", 2**32 - 1, "4294967295, the highest"),
        ("u8", 2**64 - 1, "the highest"),
        ("i4", 2**31 - 1, "2147483647, the highest"),
        ("i4", 2**16 - 1, "65535, the highest"),
        ("f4", 2**16 - 1, "65535, the highest"),
        ("f4", 2**32 - 1, "4294967296, the highest"),
        ("f8", 2**32 - 1, "4294967295, the highest"),
        ("i2", -(2**15), "-32768, the lowest number of an integer"),
        ("i2", -1, "-1"),
        ("i4", -1, "-1"),
        ("f4", -1, "-1"),
        ("i4", -2, "-2"),
        ("i4", -999, "-999"),
        ("f4", -9999, "-9999"),
        ("f4", np.finfo("f4").max, "beyond 1e+30, which no detector reads"),
        ("f8", 9.969209968386869e36, "beyond 1e+30"),
        ("f8", -1.7e308, "beyond 1e+30"),
        ("f4", np.nan, "no finite numbers"),
        ("f8", -np.inf, "no finite numbers"),
    ],
)
@pytest.mark.parametrize("kind", ["h5", "cxi", "zarr", "npy"])
def test_marks_that_no_mask_covers_are_refused(dtype: str, value: float, said: str, kind: str, tmp_path: Path) -> None:
    """A row of a frame; where a mask covers it, it is left out."""
    marked = COUNTS.astype(dtype)
    marked[4, 3] = value
    path = tmp_path / f"a.{kind}"
    mask = np.zeros((NY, NX), "u2")
    mask[3] = 1
    if kind == "npy":
        np.save(path, marked)
    elif kind == "zarr":
        zarr.create_group(path).create_array("photons", data=marked)
    else:
        written(path, {DATA if kind == "cxi" else "photons": marked})
    assert f"frame 4 has {NX} pixels that are" in refused(path)
    assert said in refused(path)
    if kind == "npy":
        return
    if kind == "zarr":
        zarr.open_group(path).create_array("mask", data=mask)
    else:
        with h5py.File(path, "a") as file:
            file["entry_1/data_1/mask" if kind == "cxi" else "mask"] = mask
    expected = np.where(mask > 0, 0, COUNTS.astype(dtype))
    assert np.array_equal(open_frames(path).read(slice(0, N)), expected)


def test_gaps_and_dead_pixels_of_two_marks_are_refused_together(tmp_path: Path) -> None:
    """As DECTRIS writes them: -1 in the gap between modules, -2 in a pixel that is dead."""
    marked = COUNTS.astype("i4")
    marked[:, 3], marked[:, 1, 2] = -1, -2
    np.save(tmp_path / "a.npy", marked)
    assert f"frame 0 has {NX + 1} pixels that are -2 or -1 and" in refused(tmp_path / "a.npy")


def test_a_pixel_that_is_the_same_below_zero_in_every_frame_is_no_reading(tmp_path: Path) -> None:
    marked = COUNTS.astype("i4")
    marked[:, 1, 2] = -4095
    np.save(tmp_path / "a.npy", marked)
    assert "frame 0 has 1 pixels that are -4095" in refused(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", marked[:1])  # of one frame it is a value as any other
    assert np.array_equal(open_frames(tmp_path / "b.npy").read(slice(0, 1)), marked[:1])
    marked[2, 1, 2] = 0
    np.save(tmp_path / "c.npy", marked)
    assert np.array_equal(open_frames(tmp_path / "c.npy").read(slice(0, N)), marked)


def test_readings_below_zero_are_readings(tmp_path: Path) -> None:
    """Noise goes below zero: -1 is a value as any other where there are others, or where it is scattered."""
    for count in (2, 40):  # of two frames some pixels are below zero in both
        rounded = np.random.default_rng(9).normal(0, 0.7, (count, 40, 40)).round().clip(-2).astype(np.int16)
        assert rounded.min() == -2
        assert np.array_equal(read_by_both(written(tmp_path / f"{count}.h5", {"photons": rounded})), rounded)
    noisy = np.random.default_rng(8).normal(0, 1, (40, NY, NX)).round().astype(np.int16)
    assert (noisy < -1).any()
    assert np.array_equal(read_by_both(written(tmp_path / "a.h5", {"photons": noisy})), noisy)
    quiet = np.random.default_rng(8).normal(0, 0.35, (40, NY, NX)).round().astype(np.int16)
    assert set(np.unique(quiet)) == {-1, 0, 1}
    assert np.array_equal(read_by_both(written(tmp_path / "b.h5", {"photons": quiet})), quiet)
    bright = COUNTS.copy()
    bright[0, 0, 0], bright[1, 1, 1] = 65535, 65540
    assert np.array_equal(read_by_both(written(tmp_path / "c.h5", {"photons": bright})), bright)


@pytest.mark.parametrize("dtype", ["u2", ">u2", "u4"])
@pytest.mark.parametrize("highest", [-1, -2])
def test_negative_numbers_without_a_sign_are_told(dtype: str, highest: int, tmp_path: Path) -> None:
    """As a pedestal that is subtracted in the type of the readings leaves them; -1 need not be among them."""
    values = np.random.default_rng(7).poisson(3.0, (N, NY, NX)) - 4
    values[(values < 0) & (values > highest)] = 0
    values[1, 2, 3], values[1, 2, 4] = -4, highest
    np.save(tmp_path / "a.npy", values.astype(dtype))
    bits = 8 * np.dtype(dtype).itemsize
    assert f"are {2**bits - 4} to {2**bits + highest}, which look like the negative numbers -4 to {highest} stored " \
        f"without a sign" in refused(tmp_path / "a.npy")  # fmt: skip
    assert f"store the same bits as int{bits}" in refused(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", values.astype(dtype).astype(f"u{bits // 8}").view(f"i{bits // 8}"))
    assert np.array_equal(open_frames(tmp_path / "b.npy").read(slice(0, N)), values)


def test_bright_and_broken_pixels_are_no_negative_numbers(tmp_path: Path) -> None:
    """Peaks have flanks; of a detector few pixels are broken, or all of these read the same."""
    flanks = np.random.default_rng(7).poisson(3.0, (N, NY, NX)).astype("u2")
    flanks[:, 2, 1:4] = 63000, 65000, 30000
    broken = np.zeros((2, 200, 200), "u2")
    broken[:, 3, 7], broken[:, 9, 1] = 64000, 65001
    alike = flanks.copy()
    alike[:, 2, 1:4] = 65534
    for name, frames in {"flanks": flanks, "broken": broken, "alike": alike}.items():
        np.save(tmp_path / f"{name}.npy", frames)
        assert np.array_equal(open_frames(tmp_path / f"{name}.npy").read(slice(0, len(frames))), frames), name


@pytest.mark.filterwarnings("error")
def test_half_precision_is_read_as_it_is(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", COUNTS.astype("f2"))
    assert np.array_equal(open_frames(tmp_path / "a.npy").read(slice(0, N)), COUNTS)


@pytest.mark.parametrize(("name", "value"), [("scale_factor", 0.5), ("add_offset", [-10.0])])
def test_values_that_are_to_be_scaled_first_are_refused(name: str, value: object, tmp_path: Path) -> None:
    """What NetCDF keeps in few bits; scaled by one, or shifted by nothing, they are what they are."""
    nothing = {"scale_factor": 1, "add_offset": 0}
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["photons"], file["as_they_are"] = COUNTS, COUNTS
        file["photons"].attrs[name] = value
        file["as_they_are"].attrs.update(nothing)
    made = zarr.create_group(tmp_path / "a.zarr").create_array("photons", data=COUNTS)
    made.attrs[name] = value
    for path in (tmp_path / "a.h5", tmp_path / "a.zarr"):
        assert f"{path}: photons says {name} {np.ravel(value)[0]:g} of itself, which is not applied" in refused(path)
    assert np.array_equal(open_frames(tmp_path / "a.h5", "as_they_are").read(slice(0, N)), COUNTS)
    made.attrs.update(nothing)
    assert np.array_equal(open_frames(tmp_path / "a.zarr").read(slice(0, N)), COUNTS)


def test_what_a_file_says_that_it_is_filled_with_is_no_reading(tmp_path: Path) -> None:
    values = COUNTS.copy()
    values[3, 2, 1] = -7
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("photons", data=values, chunks=(1, NY, NX), fillvalue=-7)
        file["other"] = values
        file["other"].attrs["_FillValue"] = np.float32(-7)
        file["none"] = values
    for name in ("photons", "other"):
        assert "frame 3 has 1 pixels that are -7, which the file is filled with" in refused(tmp_path / "a.h5", name)
    assert np.array_equal(read_by_both(tmp_path / "a.h5", "none"), values)
    made = zarr.create_array(tmp_path / "a.zarr", shape=values.shape, dtype="f4", chunks=(1, NY, NX), fill_value=-7)
    made[:] = values
    assert "frame 3 has 1 pixels that are -7" in refused(tmp_path / "a.zarr")
