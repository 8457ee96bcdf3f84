"""What arrays of frames have to be, and the words in which it is said that one is not."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from frames.formats.masks import StoredMask
from frames.pixels.positions import MaskBeside


@dataclass(frozen=True)
class AsStored:
    """Asks for frames of any number of axes, as (n, panels, slow, fast), which a table of pixels makes images of."""

    mask: MaskBeside | None = None
    """The one that the table knows, instead of those that are found"""


def must_be_there(masks: Sequence[StoredMask], stored: AsStored | None, path: Path | str) -> None:
    """ValueError without the mask that a table of pixels knows."""
    if stored is not None and stored.mask is not None and not masks:
        raise ValueError(f"{path} has no mask {stored.mask.name}, by which the table of pixels masks its frames")


MASKS = ("mask", "pixel_mask", "mask_shared")
"""What a mask beside frames is called: by European XFEL and CXI, by NeXus, by Cheetah."""


NAMED = 5
"""Stretches of frames that a message names, at most."""


def nothing_there(path: Path | str, wanted: Sequence[str], held: Mapping[str, tuple[int, ...]], note: str = "") -> str:
    """What to say where no array has one of these names: the arrays that could be meant."""
    stacks = [f"{key} {tuple(shape)}" for key, shape in held.items() if len(shape) > 2]
    return (
        f"{path} has no dataset {' or '.join(wanted)}; {note}its arrays of three dimensions or more: "
        f"{', '.join(stacks[:20]) or 'none'}; name the one that holds the frames (n, ny, nx)"
    )


def must_be_numbers(dtype: DTypeLike, source: str) -> None:
    """ValueError for values that are no real numbers."""
    if np.dtype(dtype).kind not in "biuf":
        raise ValueError(f"{source} holds {dtype} values, expected real numbers")


def must_be_values(attributes: Mapping[str, Any], source: str) -> None:
    """ValueError for numbers that are values only once they are scaled or shifted, as NetCDF's conventions have it."""
    for name, nothing in (("scale_factor", 1.0), ("add_offset", 0.0)):
        said = np.ravel(attributes.get(name, nothing))
        if said.dtype.kind in "iuf" and (said != nothing).any():
            raise ValueError(
                f"{source} says {name} {said[0]:g} of itself, which is not applied here; write the values themselves, "
                "or remove the attribute if they are"
            )


def shape_of(shape: Sequence[int], source: str, stored: AsStored | None = None) -> tuple[int, ...]:
    """(n, ny, nx), or that of frames as they are stored, none of them 0; ValueError for other shapes."""
    if 0 in shape:
        raise ValueError(f"{source} holds no frames: shape {tuple(shape)}, expected frames (n, ny, nx), all above 0")
    if len(shape) < 3 or (len(shape) > 3 and stored is None):
        raise ValueError(
            f"{source} has shape {tuple(shape)}, expected frames (n, ny, nx): put the panels of a detector together "
            "first, or by a table of `singlehit tabulate` (docs/guide/selecting.md), and write a single frame as "
            "(1, ny, nx)"
        )
    return tuple(int(length) for length in shape)


def in_words(rows: Iterable[int]) -> str:
    """Frames in words: 'frames 0 to 3, 7, 9 to 11'."""
    spans: list[list[int]] = []
    for row in rows:
        if spans and spans[-1][1] == row - 1:
            spans[-1][1] = int(row)
        else:
            spans.append([int(row), int(row)])
    words = [str(first) if first == last else f"{first} to {last}" for first, last in spans[:NAMED]]
    return f"frames {', '.join(words)}{' and others' if len(spans) > NAMED else ''}"
