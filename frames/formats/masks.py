"""What a mask says of each pixel: a file says it, or whoever reads the file; the width of its integers says nothing."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from frames.pixels.positions import MaskBeside

MaskMeans = Literal["bad", "good", "cxi"]

MASK_MEANS: dict[MaskMeans, str] = {
    "bad": "nonzero is bad",
    "good": "nonzero is good",
    "cxi": "bad by the bits of CXI, 0x29F",
}

UNUSABLE = 0x0000029F
"""Bits of CXI that say not to use a pixel: invalid, saturated, hot, dead, shadowed, bad, missing."""

LOOKED_AT = 16
"""Masks of single frames that are counted before frames are read."""

MASK_HELP = "what nonzero means in the file's mask, or that it has bits of CXI (default: what the file says)"

ASK = "--mask-means bad, good or cxi (mask_means=...)"


def bad_pixels(mask: NDArray, means: MaskMeans) -> NDArray[np.bool_]:
    """Where a mask of any type says not to use a pixel; a value that is no number is bad."""
    if means == "good":
        return ~((mask != 0) & (mask == mask))
    if means == "bad" or mask.dtype == bool:
        return np.asarray(mask != 0)
    no_number = mask != mask
    return (np.where(no_number, 0, mask).astype(np.int64) & UNUSABLE != 0) | no_number


def must_leave_pixels(bad: NDArray[np.bool_] | None, source: str, rows: slice, said: str) -> None:
    """ValueError for a mask of some frames that leaves no pixel of any."""
    if bad is not None and bad.size and bad.all():
        raise ValueError(
            f"{source}: the mask leaves no pixel of frames {rows.start} to {rows.stop - 1}; it was taken as {said}: "
            f"invert it if it says where they are good, {ASK}"
        )


@dataclass(frozen=True)
class StoredMask:
    """A mask as it lies in a file."""

    name: str
    shape: tuple[int, ...]
    fetch: Callable[[slice], NDArray]
    """Its values, of rows where it has one for every frame."""
    means: str | None = None
    """What the file says that it means, one of `MASK_MEANS`."""
    beside: "MaskBeside | None" = None
    """What a table of pixels says of its bits, which goes before all else"""

    def bad(self, rows: slice, means: MaskMeans) -> NDArray[np.bool_]:
        """Where it says not to use a pixel."""
        values = np.asarray(self.fetch(rows))
        return bad_pixels(values, means) if self.beside is None else self.beside.unusable(values)


@dataclass(frozen=True)
class Bad:
    """The pixels of a stack of frames that are not to be used."""

    fixed: NDArray[np.bool_] | None = None
    """(ny, nx) of all frames alike; None where each frame has its own, or there is no mask"""
    of_rows: Callable[[slice], NDArray[np.bool_]] | None = None
    """(rows, ny, nx) of frames that have each their own"""
    said: str = ""
    """which masks were taken, and to mean what; empty where there is none"""


def bad_of(masks: Sequence[StoredMask], shape: tuple[int, ...], source: str, asked: MaskMeans | None) -> Bad:
    """What all masks of a file together say: bad is what one of them says is bad.

    Parameters
    ----------
    shape : of the frames, of any number of axes.
    asked : what they mean, instead of what the file says.

    Raises
    ------
    ValueError for another shape, and where nonzero is taken for bad although nobody says so and most pixels would be.
    """
    fixed: NDArray[np.bool_] | None = None
    each: list[tuple[StoredMask, MaskMeans]] = []
    said = []
    for mask in masks:
        means = "bad" if mask.beside else asked or _known(mask, source)
        leads = len(mask.shape) == len(shape)
        of_frame = mask.shape[1:] if leads else mask.shape
        if of_frame != shape[1:] or (leads and mask.shape[0] not in (1, shape[0])):
            raise ValueError(f"{source}: frames {shape} and their mask {mask.shape} do not agree; expected {shape[1:]}")
        per_frame = leads and mask.shape[0] > 1
        first = mask.bad(slice(0, LOOKED_AT) if per_frame else slice(None), means or "bad")
        if means is None and 0.5 < (share := first.mean()) < 1:
            raise ValueError(
                f"{source}: {mask.name} is nonzero in {share:.0%} of the pixels, and nothing says whether these are "
                f"bad or good; say so: {ASK}"
            )
        why = "as asked" if asked else "as the file says" if means else "as nothing says otherwise"
        what = "its bits as the table of pixels knows them" if mask.beside else f"{MASK_MEANS[means or 'bad']}, {why}"
        said.append(f"mask `{mask.name}`: {what}")
        if per_frame:
            each.append((mask, means or "bad"))
        else:
            one = first.reshape(shape[1:])
            fixed = one if fixed is None else fixed | one
    if not each:
        return Bad(fixed, None, "; ".join(said))

    def of_rows(rows: slice) -> NDArray[np.bool_]:
        bad = np.zeros((rows.stop - rows.start, *shape[1:]), bool) if fixed is None else fixed
        for mask, means in each:
            bad = bad | mask.bad(rows, means)
        return bad

    return Bad(None, of_rows, "; ".join(said))


def _known(mask: StoredMask, source: str) -> MaskMeans | None:
    for means in MASK_MEANS:
        if mask.means == means:
            return means
    if mask.means is not None:
        raise ValueError(f"{source}: {mask.name} means {mask.means!r}, expected one of {', '.join(MASK_MEANS)}")
    return None


def means_by_place(name: str, attributes: Any) -> str | None:
    """What a mask means by its own attribute `means`, or by the layout whose name it has; None where nothing says."""
    if (means := attributes.get("means")) is not None:
        return str(means.decode() if isinstance(means, bytes) else means)
    if re.match(r"entry_\d+/", name):  # CXI
        return "cxi"
    if name.startswith("INSTRUMENT/") or name.endswith("pixel_mask"):  # European XFEL, NeXus: bits, all of them bad
        return "bad"
    return None
