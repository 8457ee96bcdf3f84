"""What arrays of frames have to be, and the words in which it is said that one is not."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

MASKS = ("mask", "pixel_mask", "mask_shared")
"""What a mask beside frames is called: by European XFEL and CXI, by NeXus, by Cheetah."""


NAMED = 5
"""Stretches of frames that a message names, at most."""


def nothing_there(path: Path | str, wanted: Sequence[str], held: Mapping[str, tuple[int, ...]], note: str = "") -> str:
    """What to say where no array has one of these names: the arrays that could be meant."""
    stacks = [f"{key} {tuple(shape)}" for key, shape in held.items() if len(shape) == 3]
    return (
        f"{path} has no dataset {' or '.join(wanted)}; {note}its arrays of three dimensions: "
        f"{', '.join(stacks[:20]) or 'none'}; name the one that holds the frames (n, ny, nx)"
    )


def must_be_numbers(dtype: DTypeLike, source: str) -> None:
    """ValueError for values that are no real numbers."""
    if np.dtype(dtype).kind not in "biuf":
        raise ValueError(f"{source} holds {dtype} values, expected real numbers")


def shape_of(shape: Sequence[int], source: str) -> tuple[int, int, int]:
    """(n, ny, nx), none of them 0; ValueError for other shapes."""
    if 0 in shape:
        raise ValueError(f"{source} holds no frames: shape {tuple(shape)}, expected frames (n, ny, nx), all above 0")
    if len(shape) != 3:
        raise ValueError(
            f"{source} has shape {tuple(shape)}, expected frames (n, ny, nx): put the panels of a detector together "
            "first, and write a single frame as (1, ny, nx)"
        )
    n, ny, nx = (int(length) for length in shape)
    return n, ny, nx


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
