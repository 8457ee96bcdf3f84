"""Values that are no readings but stand where none was made: not finite, the ends of a type, -1, -999, what an array
is filled with. No mask covers them, or nothing would be said here."""

import numpy as np
from numpy.typing import NDArray

HIGHEST = tuple(2**bits - 1 for bits in (16, 31, 32, 63, 64))
"""Highest values of integers, by which detectors mark pixels without a reading; kept when a file is converted."""

NO_READING = float(np.float32(1e30))
"""Beyond it, the same for floats of any size, no detector reads anything; the largest floats, and 9.97e36 of NetCDF,
stand where nothing was written."""

WRAPPED = 4096
"""Below zero no pedestal and no noise of a detector brings it further."""

BROKEN = 5e-4
"""Share of a detector's pixels that may be broken, and read as much as they can."""

ADVICE = "add a dataset `mask` beside the frames (nonzero: bad), or set them to 0"


def must_be_readings(
    images: NDArray, bad: NDArray[np.bool_] | None, source: str, first: int, fill: float | None = None
) -> NDArray:
    """The images, 0 where masked; ValueError for a pixel that no mask covers and whose value is no reading.

    -1 is none where no other value is negative, as noise would be, and it fills a row of a frame, or the same pixel in
    every frame that is read. Another whole number below it, as -999, is none under the same conditions, alone or with
    -1; of a single frame, and for -2, which rounded noise may well be, a row has to be filled (DECTRIS writes -1 into
    gaps and -2 into dead pixels).

    Parameters
    ----------
    images : (n, ny, nx), or as a detector stores them (n, ..., ny, nx).
    bad :    broadcast against the images; None where there is no mask.
    first :  index of the first image in the file.
    fill :   what the file says that it is filled with.
    """
    kept = zero_where(bad, images)

    def refuse(where: NDArray[np.bool_], what: str, advice: str = ADVICE) -> None:
        raise ValueError(_told(where, what, source, first, advice))

    if kept.size == 0 or kept.dtype == bool:
        return kept
    must_be_finite(kept, source, first)
    if fill is not None and (filled := kept == fill).any():
        refuse(filled, f"are {fill:g}, which the file is filled with where nothing was written,")
    highest, lowest = kept.max(), kept.min()
    integers = np.iinfo(kept.dtype) if kept.dtype.kind in "iu" else None
    if kept.dtype.kind == "u" and (wrapped := _wrapped(kept, highest)) is not None:
        least, bits = int(kept[wrapped].min()), 8 * kept.dtype.itemsize
        refuse(
            wrapped,
            f"are {least} to {highest}, which look like the negative numbers {least - 2**bits} to "
            f"{int(highest) - 2**bits} stored without a sign,",
            f"store the same bits as int{bits}, as numpy's `frames.view('int{bits}')` reads them",
        )
    marks = (*HIGHEST, *(() if integers is None else (integers.max,)))
    if any(int(highest) == mark or (kept.dtype == np.float32 and highest == np.float32(mark)) for mark in marks):
        refuse(kept == highest, f"are {highest:.10g}, the highest number of an integer: saturated, or no reading,")
    if integers is not None and lowest < -1 and lowest == integers.min:
        refuse(kept == lowest, f"are {lowest}, the lowest number of an integer,")
    if kept.dtype.kind == "f" and max(abs(float(highest)), abs(float(lowest))) > NO_READING:
        refuse(abs(kept) > NO_READING, f"are beyond {NO_READING:g}, which no detector reads,")
    if (
        lowest <= -1
        and lowest == round(float(lowest))
        and ((negative := kept < 0) == ((kept == lowest) | (kept == -1))).all()
    ):
        rows = negative if bad is None else negative | bad
        always = negative.all(axis=0).any() and (lowest == -1 or (lowest < -2 and len(kept) > 1))
        if always or (rows.all(axis=-1) & negative.any(axis=-1)).any():
            refuse(negative, f"are {lowest:g}" if lowest == -1 or not (kept == -1).any() else f"are {lowest:g} or -1")
    return kept


def _wrapped(kept: NDArray, highest: np.unsignedinteger) -> NDArray[np.bool_] | None:
    """Where values of a type without a sign look like negative ones; None where they do not.

    They are of several numbers within 4096 of the highest, and in more pixels than may be broken; none lies between
    them and a quarter of the type's range, as the flanks of bright peaks would.
    """
    most = int(np.iinfo(kept.dtype).max)
    if most < HIGHEST[0] or int(highest) <= most - WRAPPED:
        return None
    near = kept > most - WRAPPED
    if near.mean() < BROKEN or (kept[near] == highest).all() or ((kept > most // 4) & ~near).any():
        return None
    return near


def zero_where(bad: NDArray[np.bool_] | None, images: NDArray) -> NDArray:
    """The images, 0 where a mask that is broadcast against them says so: themselves where it says so nowhere."""
    if bad is None or not bad.any():
        return images
    kept = np.array(images)
    np.copyto(kept, kept.dtype.type(0), where=bad)  # in half the time of np.where
    return kept


def must_be_finite(images: NDArray, source: str, first: int) -> None:
    """ValueError for values that are not finite."""
    if images.dtype.kind == "f" and not (finite := np.isfinite(images)).all():
        raise ValueError(_told(~finite, "are no finite numbers", source, first))


def _told(where: NDArray[np.bool_], what: str, source: str, first: int, advice: str = ADVICE) -> str:
    frame = int(np.argmax(where.reshape(len(where), -1).any(axis=1)))
    pixel = ", ".join(str(at) for at in np.argwhere(where[frame])[0])
    return (
        f"{source}: frame {first + frame} has {int(where[frame].sum())} pixels that {what} and that no mask says to "
        f"leave out, the first at [{pixel}]; {advice}"
    )
