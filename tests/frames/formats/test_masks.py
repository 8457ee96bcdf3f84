"""What masks say, pixel by pixel: by hand."""

import re

import numpy as np
import pytest
from numpy.typing import NDArray

from frames.formats.masks import (
    LOOKED_AT,
    Bad,
    MaskMeans,
    StoredMask,
    bad_of,
    bad_pixels,
    means_by_place,
    must_leave_pixels,
)

SHAPE = (3, 2, 2)
ASK = "--mask-means bad, good or cxi (mask_means=...)"


def stored(name: str, values: NDArray, means: str | None = None, asked: list[slice] | None = None) -> StoredMask:
    """A mask in memory; what is fetched of it is noted in `asked`."""

    def fetch(rows: slice) -> NDArray:
        if asked is not None:
            asked.append(rows)
        return values[rows]

    return StoredMask(name, values.shape, fetch, means)


@pytest.mark.parametrize(
    ("means", "values", "bad"),
    [
        ("good", [0, 1, 32, 128], [1, 0, 0, 0]),
        ("good", [0.0, 1.0, -1.0, np.nan], [1, 0, 0, 1]),
        ("bad", [0, 1, 32, 128], [0, 1, 1, 1]),
        ("bad", [0.0, 1.0, -1.0, np.nan], [0, 1, 1, 1]),
        ("cxi", [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 96], [0, 1, 1, 1, 1, 1, 0, 0, 1, 0, 1, 0, 0]),
        ("cxi", [0.0, 1.0, 32.0, np.nan], [0, 1, 0, 1]),
        ("cxi", [False, True], [0, 1]),
    ],
)
def test_bad_pixels_by_hand(means: MaskMeans, values: list, bad: list[int]) -> None:
    np.testing.assert_array_equal(bad_pixels(np.array(values), means), np.array(bad, bool), strict=True)


def test_a_mask_that_leaves_no_pixel_is_an_error_that_says_what_to_do() -> None:
    message = (
        "a.h5: the mask leaves no pixel of frames 4 to 8; it was taken as mask `m`: nonzero is bad: invert it if "
        f"it says where they are good, {ASK}"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        must_leave_pixels(np.ones((2, 2), bool), "a.h5", slice(4, 9), "mask `m`: nonzero is bad")
    for bad in (None, np.empty((0, 2, 2), bool), np.array([[True, True], [True, False]])):
        must_leave_pixels(bad, "a.h5", slice(4, 9), "")


def test_masks_of_all_frames_are_bad_where_one_of_them_is() -> None:
    one = stored("one", np.array([[0, 1], [0, 0]]), "bad")
    other = stored("other", np.array([[[1, 1], [0, 1]]]), "good")  # with an axis of one frame
    bits = stored("bits", np.array([[32, 0], [32, 0]]), "cxi")
    bad = bad_of([one, other, bits], SHAPE, "a.h5", None)
    assert bad.fixed is not None
    assert bad.fixed.tolist() == [[False, True], [True, False]]
    assert bad.of_rows is None
    assert bad.said == (
        "mask `one`: nonzero is bad, as the file says; mask `other`: nonzero is good, as the file says; "
        "mask `bits`: bad by the bits of CXI, 0x29F, as the file says"
    )
    assert bad_of([], SHAPE, "a.h5", None) == Bad(None, None, "")


def test_a_mask_for_every_frame_adds_to_that_of_all() -> None:
    each, asked = np.zeros(SHAPE, int), []
    each[0, 0, 0] = each[2, 1, 1] = 32
    second = np.zeros(SHAPE, int)
    second[1, 1, 0] = 32
    masks = [
        stored("fixed", np.array([[0, 32], [0, 0]])),
        *(stored("each", each, asked=asked), stored("second", second)),
    ]
    bad = bad_of(masks, SHAPE, "a.h5", None)
    assert asked == [slice(0, LOOKED_AT)]
    assert bad.fixed is None
    assert bad.of_rows is not None
    expected = (each + second + [[0, 1], [0, 0]]) > 0
    np.testing.assert_array_equal(bad.of_rows(slice(0, 3)), expected)
    np.testing.assert_array_equal(bad.of_rows(slice(1, 2)), expected[1:2])
    assert bad.said == "; ".join(
        f"mask `{name}`: nonzero is bad, as nothing says otherwise" for name in ("fixed", "each", "second")
    )
    fixed = bad_of(masks[:1], SHAPE, "a.h5", None).fixed
    assert fixed is not None
    assert fixed.tolist() == [[False, True], [False, False]]
    alone = bad_of(masks[1:2], SHAPE, "a.h5", None)
    assert alone.of_rows is not None
    np.testing.assert_array_equal(alone.of_rows(slice(1, 3)), each[1:3] > 0)


def test_two_frames_may_have_a_mask_each() -> None:
    bad = bad_of([stored("m", np.array([[[0, 0]], [[0, 1]]]))], (2, 1, 2), "a.h5", None)
    assert bad.of_rows is not None
    assert bad.of_rows(slice(0, 2)).tolist() == [[[False, False]], [[False, True]]]


def test_a_mask_of_all_frames_is_read_to_its_last_row() -> None:
    values = np.zeros((LOOKED_AT + 4, 2), int)
    values[-1, 0] = 32
    fixed = bad_of([stored("m", values)], (3, LOOKED_AT + 4, 2), "a.h5", None).fixed
    assert fixed is not None
    np.testing.assert_array_equal(fixed, values > 0)


def test_who_reads_the_file_has_the_last_word() -> None:
    mask = stored("m", np.array([[0, 1], [1, 1]]), "bad")
    bad = bad_of([mask], SHAPE, "a.h5", "good")
    assert bad.fixed is not None
    assert bad.fixed.tolist() == [[True, False], [False, False]]
    assert bad.said == "mask `m`: nonzero is good, as asked"
    each = bad_of([stored("m", np.ones(SHAPE, int))], SHAPE, "a.h5", "good")
    assert each.of_rows is not None
    assert not each.of_rows(slice(0, 3)).any()


def test_more_than_half_of_the_pixels_are_not_taken_for_bad_unless_somebody_says_so() -> None:
    most, half = np.array([[1, 1], [1, 0]]), np.array([[1, 1], [0, 0]])
    message = "a.h5: m is nonzero in 75% of the pixels, and nothing says whether these are bad or good; say so: " + ASK
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        bad_of([stored("m", most)], SHAPE, "a.h5", None)
    for values, means in ((half, None), (np.ones((2, 2)), None), (most, "bad")):
        fixed = bad_of([stored("m", values, means)], SHAPE, "a.h5", None).fixed
        assert fixed is not None
        np.testing.assert_array_equal(fixed, values > 0)


@pytest.mark.parametrize("shape", [(2, 3), (1, 2, 3), (2, 2, 2), (4, 2, 2), (2,), (1, 3, 2, 2)])
def test_a_mask_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    message = f"a.h5: frames (3, 2, 2) and their mask {shape} do not agree; expected (2, 2)"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        bad_of([stored("m", np.zeros(shape))], SHAPE, "a.h5", None)


def test_another_meaning_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^a\.h5: m means 'BAD', expected one of bad, good, cxi$"):
        bad_of([stored("m", np.zeros((2, 2)), "BAD")], SHAPE, "a.h5", None)


@pytest.mark.parametrize(
    ("name", "attributes", "means"),
    [
        ("entry_1/data_1/mask", {"means": "good"}, "good"),
        ("entry_1/data_1/mask", {"means": b"good"}, "good"),
        ("entry_12/data_1/mask", {}, "cxi"),
        ("entry/mask", {}, None),
        ("INSTRUMENT/x/image/mask", {}, "bad"),
        ("entry/instrument/detector/pixel_mask", {}, "bad"),
        ("mask", {}, None),
    ],
)
def test_what_a_mask_means_by_its_own_word_or_its_place(name: str, attributes: dict, means: str | None) -> None:
    assert means_by_place(name, attributes) == means
