"""Frames of other detectors as images, from files: the same as folded in memory, masked as files and tables say."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
import zarr

from frames.frames import Frames
from frames.pixels import folding
from frames.pixels.folding import folded, open_folded
from frames.pixels.positions import MaskBeside, Pixels, assembled
from frames.pixels.table import NOWHERE, fold
from simulate.experiment.panels import of_panels
from simulate.experiment.tabulate import tabulate

N = 7


def two_modules():
    """Of the sixteen of a detector: panels (16, 128, 64)."""
    whole = vars(of_panels("agipd1m", 700.0, 6000.0))
    return Pixels(**{name: value[32:48] if isinstance(value, np.ndarray) else value for name, value in whole.items()})


@pytest.fixture(scope="module")
def table():
    """Into 64 x 64 pixels of 20 x 20 native ones."""
    return tabulate(two_modules(), 64, 20)


@pytest.fixture(scope="module")
def stack(table):
    return np.random.default_rng(0).poisson(0.2, (N, *table.frame_shape)).astype(np.uint16)


def write_h5(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name.replace("__", "/")] = values
    return path


def test_panels_are_folded_as_they_are_read(table, stack, tmp_path, monkeypatch):
    """In blocks, one frame at a time where memory holds no more."""
    np.save(tmp_path / "a.npy", stack)
    write_h5(tmp_path / "b.h5", entry_1__data_1__data=stack)
    write_h5(tmp_path / "c.cxi", run__raw=stack)
    expected = fold(stack, table)
    for at_once in (folding.BYTES_AT_ONCE, 1, 2 * 4 * table.target.size):
        monkeypatch.setattr(folding, "BYTES_AT_ONCE", at_once)
        for name, key in (("a.npy", None), ("b.h5", None), ("c.cxi", "/run/raw")):
            frames = open_folded(tmp_path / name, table, key)
            assert frames.shape == (N, 64, 64)
            assert np.array_equal(frames.read(slice(None)), expected)
            assert np.array_equal(frames.read(slice(2, 5)), expected[2:5])
            assert np.array_equal(np.concatenate([block for _, block in frames.blocks()]), expected)
    instrument = frames.instrument
    assert (instrument.photon_energy_eV, instrument.distance_mm, instrument.pixel_size_um) == (6000, 700, 4000)
    assert np.array_equal(instrument.mask, table.live == 0)


def test_images_of_any_format_are_folded_too(tmp_path):
    """260 x 257 with gaps that hold no numbers, and the mask of a file beside them."""
    usable = np.ones((260, 257), bool)
    usable[100:104] = False
    pixels = Pixels(**vars(assembled((260, 257), (128.0, 130.0), 300.0, 586.0)) | {"usable": usable})
    table = tabulate(pixels, 128, 2)
    images = np.random.default_rng(1).poisson(3.0, (N, 260, 257)).astype(np.float32)
    images[:, 100:104] = np.nan
    np.save(tmp_path / "a.npy", images)
    frames = open_folded(tmp_path / "a.npy", table).read(slice(None))
    assert np.array_equal(frames, fold(images, table))
    assert frames[:, 52].any()  # image row 64 is rows 130 and 131: those of the gap are 49 and 50, whole
    assert not frames[:, 49:51].any()
    mask = np.zeros((260, 257), np.uint8)
    mask[:130] = 1
    write_h5(tmp_path / "b.h5", photons=images, mask=mask)
    masked = open_folded(tmp_path / "b.h5", table).read(slice(None))
    assert not masked[:, :64].any()
    assert np.array_equal(masked[:, 64:], frames[:, 64:])


@pytest.mark.parametrize("each", [False, True], ids=["one mask", "a mask of each frame"])
def test_a_mask_beside_panels_leaves_pixels_out(table, stack, tmp_path, each):
    generator = np.random.default_rng(2)
    mask = (generator.random(stack.shape if each else stack.shape[1:]) < 0.3).astype(np.uint32)
    write_h5(tmp_path / "a.cxi", entry_1__data_1__data=stack, entry_1__instrument_1__detector_1__mask=mask)
    frames = open_folded(tmp_path / "a.cxi", table)
    expected = fold(stack * (mask == 0), table)
    assert np.array_equal(frames.read(slice(1, 6)), expected[1:6])


def test_a_mask_whose_bits_the_table_knows(table, stack, tmp_path):
    """Where 1 is good: taken otherwise it would leave the bad ones."""
    good = (np.random.default_rng(3).random(stack.shape[1:]) < 0.8).astype(np.uint8)
    pixels = two_modules()
    known = tabulate(Pixels(**vars(pixels) | {"mask": MaskBeside("run/good", 1, 0)}), 64, 20)
    write_h5(tmp_path / "a.h5", photons=stack, run__good=good)
    assert np.array_equal(open_folded(tmp_path / "a.h5", known).read(slice(None)), fold(stack * good, table))
    write_h5(tmp_path / "b.h5", photons=stack)
    with pytest.raises(ValueError, match=r"b\.h5 has no mask run/good, by which the table of pixels masks"):
        open_folded(tmp_path / "b.h5", known)
    np.save(tmp_path / "c.npy", stack)
    with pytest.raises(ValueError, match=r"c\.npy is one array, and has no"):
        open_folded(tmp_path / "c.npy", known)


def test_frames_that_are_not_the_tables_are_refused(table, stack, tmp_path):
    np.save(tmp_path / "a.npy", stack[:, :8])
    with pytest.raises(ValueError, match=r"a\.npy holds frames of \(8, 128, 64\) pixels, but the table"):
        open_folded(tmp_path / "a.npy", table)
    np.save(tmp_path / "b.npy", stack.astype(complex))
    with pytest.raises(ValueError, match=r"b\.npy holds complex128 values, expected real numbers"):
        open_folded(tmp_path / "b.npy", table)
    (tmp_path / "c.npy").write_bytes(b"no numbers")
    with pytest.raises(ValueError, match=r"c\.npy is no \.npy file"):
        open_folded(tmp_path / "c.npy", table)
    write_h5(tmp_path / "d.h5", other=stack)
    with pytest.raises(ValueError, match=r"d\.h5 has no dataset entry_1/data_1/data .*: other \(7, 16, 128, 64\)"):
        open_folded(tmp_path / "d.h5", table)
    write_h5(tmp_path / "e.h5", photons=stack, mask=np.zeros((3, 3), np.uint8))
    with pytest.raises(ValueError, match=r"and their mask \(3, 3\) do not agree"):
        open_folded(tmp_path / "e.h5", table)
    with pytest.raises(FileNotFoundError):
        open_folded(tmp_path / "absent.h5", table)


def test_stacks_of_panels_in_zarr_are_read(table, stack, tmp_path):
    """In groups with a mask beside them, and arrays that are alone; by the mask that a table knows, too."""
    mask = (np.random.default_rng(4).random(stack.shape[1:]) < 0.3).astype(np.uint8)
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    for name, values in (("photons", stack), ("mask", mask), ("run/good", 1 - mask)):
        group.create_array(name, data=values, chunks=(2, *values.shape[1:]), config={"write_empty_chunks": True})
    assert np.array_equal(open_folded(tmp_path / "a.zarr", table).read(slice(None)), fold(stack * (mask == 0), table))
    known = replace(table, mask=MaskBeside("run/good", 1, 0))
    assert np.array_equal(open_folded(tmp_path / "a.zarr", known).read(slice(None)), fold(stack * (mask == 0), table))
    zarr.save_array(tmp_path / "b.zarr", stack)
    assert np.array_equal(open_folded(tmp_path / "b.zarr", table).read(slice(2, 4)), fold(stack[2:4], table))
    with pytest.raises(ValueError, match=r"b\.zarr has no mask run/good, by which the table of pixels masks"):
        open_folded(tmp_path / "b.zarr", known)


def read_all(path, table):
    return open_folded(path, table).read(slice(None))


def refusal(path, table):
    """The one line in which frames are refused."""
    with pytest.raises(ValueError, match=path.name) as refused:
        read_all(path, table)
    said = str(refused.value)
    assert "\n" not in said
    return said


def test_panels_whose_values_are_not_there_are_refused(table, stack, tmp_path):
    write_h5(tmp_path / "raw.h5", photons=stack)
    layout = h5py.VirtualLayout(stack.shape, stack.dtype)
    layout[:] = h5py.VirtualSource("raw.h5", "photons", stack.shape)
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        file.create_virtual_dataset("photons", layout)
    assert np.array_equal(read_all(tmp_path / "virtual.h5", table), fold(stack, table))
    (tmp_path / "raw.h5").unlink()
    assert "photons of the file raw.h5, which is not there" in refusal(tmp_path / "virtual.h5", table)
    with h5py.File(tmp_path / "part.h5", "w") as file:
        file.create_dataset("photons", stack.shape, stack.dtype, chunks=(1, *stack.shape[1:]))[:4] = stack[:4]
    assert "frames 4 to 6 were never written" in refusal(tmp_path / "part.h5", table)


@pytest.mark.parametrize(
    ("value", "dtype", "what"),
    [
        (65535, np.uint16, "65535, the highest number of an integer"),
        (np.nan, np.float32, "no finite numbers"),
        (-999, np.float32, "-999, which the file is filled with"),
    ],
)
def test_a_detector_pixel_without_a_reading_is_found_before_it_is_summed(table, stack, tmp_path, value, dtype, what):
    """One that adds to an image, and that no mask takes away: others may hold anything."""
    target = table.target.copy()
    inside, outside = (3, 40, 20), (3, 40, 21)
    target[outside] = NOWHERE
    table = replace(table, target=target)

    def write(name, at, **arrays):
        values = stack.astype(dtype)
        values[3][at] = value
        path = write_h5(tmp_path / name, photons=values, **arrays)
        with h5py.File(path, "a") as file:
            if value == -999:
                file["photons"].attrs["_FillValue"] = np.float32(value)
        return path

    assert np.array_equal(read_all(write("outside.h5", outside), table), fold(stack, table))
    said = refusal(write("inside.h5", inside), table)
    assert what in said
    assert "frame 3 has 1 pixels" in said
    mask = np.zeros(table.frame_shape, np.uint8)
    mask[inside] = 1
    both = write("masked.h5", tuple(np.transpose([inside, outside])), mask=mask)
    assert np.array_equal(read_all(both, table), fold(stack * (mask == 0), table))


def test_a_masked_module_adds_nothing_and_masks_of_all_modules_are_refused(table, stack, tmp_path):
    mask = np.zeros(table.frame_shape, np.uint8)
    seen = np.flatnonzero((table.target >= 0).any(axis=(1, 2)))
    mask[seen[0]] = 1
    one = read_all(write_h5(tmp_path / "one.h5", photons=stack, mask=mask), table)
    assert np.array_equal(one, fold(stack * (mask == 0), table))
    mask[seen] = 1  # and none beside these adds to the image
    write_h5(tmp_path / "all.h5", photons=stack)
    with h5py.File(tmp_path / "all.h5", "a") as file:
        file.create_dataset("mask", data=mask).attrs["means"] = "bad"
    assert "the mask leaves no pixel of frames 0 to 6" in refusal(tmp_path / "all.h5", table)


def test_a_sum_may_be_what_no_pixel_is(table, tmp_path):
    """65535 photons in an image pixel, of pixels that hold far fewer."""
    stack = np.zeros((1, *table.frame_shape), np.uint16)
    here = np.argwhere(table.target == np.bincount(table.target[table.target >= 0]).argmax())
    for at in here[:3]:
        stack[0][tuple(at)] = 65535 // 3
    np.save(tmp_path / "a.npy", stack)
    assert read_all(tmp_path / "a.npy", table).max() == 65535


def made_up(values, **known):
    return Frames("a", values.shape, values.dtype, "reading", values.__getitem__, source="made up", **known)


def test_pixels_that_hold_no_number_and_masks_that_leave_none_are_refused(table, stack):
    values = stack.astype(np.float32)
    values[3][table.target >= 0] = np.nan
    frames = folded(made_up(values), table)
    with pytest.raises(ValueError, match=r"made up: frame 3 has .* pixels that are no finite numbers"):
        frames.read(slice(2, 5))
    bad = np.ones(table.frame_shape, bool)
    frames = folded(made_up(stack, bad=lambda _: bad), table)
    with pytest.raises(ValueError, match="made up: the mask leaves no pixel of frames 0 to 6"):
        frames.read(slice(None))
