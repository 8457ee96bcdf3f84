"""Values that are no readings but stand where none was made: not finite, the ends of a type, -1, what an array is
filled with. No mask covers them, or nothing would be said here."""

import numpy as np
from numpy.typing import NDArray

HIGHEST = tuple(2**bits - 1 for bits in (16, 31, 32, 63, 64))
"""Highest values of integers, by which detectors mark pixels without a reading; kept when a file is converted."""

ADVICE = "add a dataset `mask` beside the frames (nonzero: bad), or set them to 0"


def must_be_readings(
    images: NDArray, bad: NDArray[np.bool_] | None, source: str, first: int, fill: float | None = None
) -> None:
    """ValueError for a pixel that no mask covers and whose value is no reading; names the frame and the value.

    -1 is one where no other value is negative, as noise would be, and it fills a row of a frame, or the same pixel in
    every frame that is read.

    Parameters
    ----------
    bad :   broadcast against the images (n, ny, nx); None where there is no mask.
    first : index of the first image in the file.
    fill :  what the file says that it is filled with.
    """

    def refuse(where: NDArray[np.bool_], what: str) -> None:
        where = where if bad is None else where & ~bad
        if where.any():
            frame = int(np.argmax(where.any(axis=(1, 2))))
            raise ValueError(
                f"{source}: frame {first + frame} has {int(where[frame].sum())} pixels that {what} and that no mask "
                f"says to leave out; {ADVICE}"
            )

    if images.size == 0 or images.dtype == bool:
        return
    if images.dtype.kind == "f" and not (finite := np.isfinite(images)).all():
        refuse(~finite, "are no finite numbers")
    if fill is not None:
        refuse(images == fill, f"are {fill:g}, which the file is filled with where nothing was written,")
    seen = images if bad is None else images[np.broadcast_to(~bad, images.shape)]
    seen = seen[np.isfinite(seen)] if seen.dtype.kind == "f" else seen
    if seen.size == 0:
        return
    highest, lowest = seen.max(), seen.min()
    integers = np.iinfo(images.dtype) if images.dtype.kind in "iu" else None
    marks = (*HIGHEST, *(() if integers is None else (integers.max,)))
    if any(int(highest) == mark or (images.dtype == np.float32 and highest == np.float32(mark)) for mark in marks):
        refuse(images == highest, f"are {highest:.10g}, the highest number of an integer: saturated, or no reading,")
    if integers is not None and lowest < -1 and lowest == integers.min:
        refuse(images == lowest, f"are {lowest}, the lowest number of an integer,")
    if lowest == -1:
        marked = images == -1 if bad is None else (images == -1) & ~bad
        others = seen[seen < 0]
        rows = marked if bad is None else marked | bad
        stands = marked.all(axis=0).any() or (rows.all(axis=2) & marked.any(axis=2)).any()
        if (others == -1).all() and stands:
            refuse(marked, "are -1")
