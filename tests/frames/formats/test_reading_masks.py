"""The masks of a file mean what they say, for screening and for export alike."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from frames import export
from frames.formats.cxi import DETECTOR, write_cxi
from frames.formats.emc import write_emc
from frames.formats.masks import UNUSABLE, bad_pixels
from frames.formats.open import open_frames
from frames.formats.skopi_h5 import read_skopi, write_skopi
from frames.frames import Frames, Instrument
from support.made.files_of_others import COUNTS, DATA, NX, NY, N, cxi, read_by_both, refused, written

# Every bit of Cheetah's 16 alone, none, and all of them.
BITS = np.array([0, *(1 << np.arange(16)), 0xFFFF, *np.zeros(NY * NX - 18, int)]).reshape(NY, NX)
SAY_DO_NOT_USE = [0x1, 0x2, 0x4, 0x8, 0x10, 0x80, 0x200]


@pytest.mark.parametrize("dtype", ["u2", "<i2", ">u2", "i4", "u4", ">i4", "i8", "u8", "f8"])
def test_bits_of_cxi_mean_the_same_in_integers_of_any_width(dtype: str, tmp_path: Path) -> None:
    mask = BITS.astype("u2").view("i2").astype(dtype) if np.dtype(dtype).kind == "i" else BITS.astype(dtype)
    bad = np.isin(BITS, [*SAY_DO_NOT_USE, 0xFFFF])
    assert np.array_equal(read_by_both(cxi(tmp_path / "a.cxi", mask=mask)), np.where(bad, 0, COUNTS))


@pytest.mark.parametrize("dtype", [bool, "u1", "i1"])
def test_narrow_masks_of_cxi(dtype: object, tmp_path: Path) -> None:
    low = BITS > 0 if dtype is bool else BITS & 0x7F
    bad = low if dtype is bool else (low & UNUSABLE) > 0
    assert np.array_equal(read_by_both(cxi(tmp_path / "a.cxi", mask=low.astype(dtype))), np.where(bad, 0, COUNTS))


def test_the_bits_are_those_that_cxi_says_not_to_use() -> None:
    assert sum(SAY_DO_NOT_USE) == UNUSABLE
    assert bad_pixels(np.array([np.nan, 1.0, 64.0]), "cxi").tolist() == [True, True, False]
    assert bad_pixels(np.array([np.nan, 1.0, 0.0]), "good").tolist() == [True, False, True]


@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "u4", "u8"])
@pytest.mark.parametrize("name", ["photons", "INSTRUMENT/DET/0CH0:xtdf/image/data", "entry/instrument/detector/data"])
def test_outside_cxi_every_bit_is_bad(name: str, dtype: str, tmp_path: Path) -> None:
    """European XFEL's and NeXus's bits: a pixel with any of them is masked."""
    flags = (BITS & 0xFF if dtype == "u1" else BITS & 0xFFFF).astype(dtype)
    mask = "pixel_mask" if name.startswith("entry/") else "mask"
    path = written(tmp_path / "a.h5", {name: COUNTS, f"{name.rpartition('/')[0]}/{mask}".lstrip("/"): flags})
    assert np.array_equal(read_by_both(path, name), np.where(flags > 0, 0, COUNTS))


def test_what_a_mask_means_can_be_said(tmp_path: Path) -> None:
    path = written(tmp_path / "a.h5", {"photons": COUNTS, "mask": BITS.astype("u2")})
    for means, bad in (("bad", BITS > 0), ("good", BITS == 0), ("cxi", bad_pixels(BITS, "cxi"))):
        assert np.array_equal(read_by_both(path, None, means), np.where(bad, 0, COUNTS))
        assert "as asked" in open_frames(path, None, means).mask_said  # type: ignore[arg-type]
    with h5py.File(path, "a") as file:
        file["mask"].attrs["means"] = "cxi"
    assert np.array_equal(read_by_both(path), np.where(bad_pixels(BITS, "cxi"), 0, COUNTS))
    with h5py.File(path, "a") as file:
        file["mask"].attrs["means"] = "perhaps"
    assert "means 'perhaps', expected one of bad, good, cxi" in refused(path)


@pytest.mark.parametrize("dtype", [bool, "u1", "u4", "f4"])
@pytest.mark.parametrize("each", [False, True])
def test_a_mask_that_takes_most_pixels_away_has_to_be_explained(dtype: object, each: bool, tmp_path: Path) -> None:
    """As psana has it, 1 where a pixel is good."""
    good = np.ones((N, NY, NX) if each else (NY, NX))
    good[..., 2, 3] = 0
    path = written(tmp_path / "a.h5", {"photons": COUNTS, "mask": good.astype(dtype)})
    assert "nonzero in 98% of the pixels, and nothing says whether" in refused(path)
    assert "--mask-means" in refused(path)
    assert np.array_equal(read_by_both(path, None, "good"), COUNTS * good)


def test_our_own_mask_of_most_pixels_needs_no_word(tmp_path: Path) -> None:
    """As of a detector with a few modules."""
    mask = np.ones((NY, NX), bool)
    mask[2:4, 1:3] = False
    instrument = Instrument(mask=mask, q=np.full((NY, NX, 3), 1e-3))
    counts = Frames("x", COUNTS.shape, np.uint16, "photons", COUNTS.astype("u2").__getitem__, {}, instrument)
    for writer, name in ((write_skopi, "a.h5"), (write_cxi, "a.cxi")):
        writer(counts, tmp_path / name)
        assert np.array_equal(read_by_both(tmp_path / name), np.where(mask, 0, COUNTS))


def test_masks_in_two_places_are_both_heeded(tmp_path: Path) -> None:
    """One for every shot beside the data, one for all shots beside the detector's."""
    fixed, each = np.zeros((NY, NX), "u2"), np.zeros((N, NY, NX), "u4")
    fixed[1, 2], each[4, 3, 3] = 8, 2
    path = written(
        tmp_path / "a.cxi",
        {"cxi_version": 160, DATA: COUNTS, "entry_1/data_1/mask": each, f"{DETECTOR}/mask": fixed},
    )
    assert np.array_equal(read_by_both(path), np.where((each > 0) | (fixed > 0), 0, COUNTS))


def test_a_mask_that_leaves_no_pixel_is_told(tmp_path: Path) -> None:
    for path in (
        written(tmp_path / "a.h5", {"photons": COUNTS, "mask": np.ones((NY, NX), "u1")}),
        cxi(tmp_path / "a.cxi", mask=np.ones((N, NY, NX), "u2")),
    ):
        assert "the mask leaves no pixel of frames 0 to 5" in refused(path)
        assert np.array_equal(read_by_both(path, None, "good"), COUNTS)


@pytest.mark.parametrize("shape", [(NX, NY), (2, NY, NX), (1, 1, NY, NX), (NY,)])
def test_a_mask_of_another_shape_is_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    assert "do not agree" in refused(cxi(tmp_path / "a.cxi", mask=np.zeros(shape, "u2")))


def test_a_mask_that_is_a_dangling_link_is_not_left_out(tmp_path: Path) -> None:
    path = cxi(tmp_path / "a.cxi", mask=np.zeros((NY, NX), "u2"))
    with h5py.File(path, "a") as file:
        del file[f"{DETECTOR}/mask"]
    assert "data_1/mask is a link to /entry_1/instrument_1/detector_1/mask, which is not there" in refused(path)


@pytest.mark.parametrize("dtype", ["u2", "u4", bool])
def test_a_mask_for_every_shot_survives_export(dtype: object, tmp_path: Path) -> None:
    each = np.random.default_rng(3).random((N, NY, NX)) < 0.2
    source, again, part = (tmp_path / name for name in ("a.cxi", "b.cxi", "c.cxi"))
    cxi(source, mask=each.astype(dtype))
    assert np.array_equal(read_by_both(source), np.where(each, 0, COUNTS))
    assert export.main([str(source), "--format", "cxi", "--output", str(again)]) == 0
    assert np.array_equal(read_by_both(again), np.where(each, 0, COUNTS))
    assert export.main([str(source), "--format", "cxi", "--output", str(part), "--rows", "2:5"]) == 0
    assert np.array_equal(read_by_both(part), np.where(each, 0, COUNTS)[2:5])
    with h5py.File(again) as file:
        assert file["entry_1/image_1/mask"].shape == (N, NY, NX)
        assert np.array_equal(file["entry_1/image_1/mask"][()], each)
        assert np.array_equal(file[DATA][()], COUNTS)


def test_formats_that_hold_one_mask_refuse_one_for_every_shot(tmp_path: Path) -> None:
    each = np.zeros((N, NY, NX), bool)
    each[2, 1, 1] = True
    path = written(
        tmp_path / "a.h5",
        {"photons": COUNTS.astype("u2"), "mask": each, "pixel_position_reciprocal": np.ones((1, NY, NX, 3))},
    )
    assert np.array_equal(read_by_both(path), np.where(each, 0, COUNTS))
    for writer in (write_skopi, write_emc):
        with pytest.raises(ValueError, match=r"mask for every pattern, .* hold one for all; export as CXI"):
            writer(read_skopi(path), tmp_path / "b.emc")
    write_cxi(read_skopi(path), tmp_path / "b.cxi")
    assert np.array_equal(read_by_both(tmp_path / "b.cxi"), np.where(each, 0, COUNTS))


def test_masks_of_panels_for_every_shot(tmp_path: Path) -> None:
    """Two panels of 2 x 2 with a column between them."""
    stack = np.arange(1, 25, dtype=np.uint16).reshape(3, 2, 2, 2)
    columns, rows = np.meshgrid([0, 1, 3, 4], [0, 1])
    places = np.stack([columns, rows], axis=-1).reshape(2, 2, 2, 2).transpose(1, 0, 2, 3)
    for mask in (np.arange(24).reshape(stack.shape) % 5 == 0, np.arange(8).reshape(2, 2, 2) == 3):
        path = written(tmp_path / "a.h5", {"photons": stack, "pixel_index_map": places, "mask": mask})
        kept = np.where(mask, 0, stack)
        expected = np.zeros((3, 2, 5))
        expected[:, :, :2], expected[:, :, 3:] = kept[:, 0], kept[:, 1]
        assert np.array_equal(read_by_both(path), expected)
