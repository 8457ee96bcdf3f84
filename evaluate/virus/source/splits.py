"""Which frames networks see: hits of the right size, so many of each answer in each split.

Of each split, in order of frame number, the first that pass and that the annotator calls single, and the first that
pass and that he does not; so numbers are exact, and a frame stays when more are asked for.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from evaluate.virus.files import OTHER, SINGLE
from frames.labels import SPLITS
from frames.schema import Strict

if TYPE_CHECKING:
    import pandas as pd


class Numbers(Strict):
    """Frames of a split, by what the annotator calls them."""

    single: Annotated[int, Field(ge=1)]
    other: Annotated[int, Field(ge=1)]


def choose(table: "pd.DataFrame", passes: np.ndarray, numbers: Mapping[str, Numbers]) -> "pd.DataFrame":
    """Rows of a table (frame, split, manual, ...) that networks see, ordered by split and frame.

    Parameters
    ----------
    passes : (n,) whether each row is a hit of the right size.

    Raises
    ------
    ValueError naming every split and answer of which too few pass, and how many do.
    """
    import pandas as pd

    chosen, short = [], []
    for split in SPLITS:
        there = table[passes & (table["split"] == split).to_numpy()].sort_values("frame")
        parts = []
        for answer, wanted in ((SINGLE, numbers[split].single), (OTHER, numbers[split].other)):
            found = there[there["manual"] == answer]
            if len(found) < wanted:
                fired = int((table["split"] == split).sum())
                short.append(f"{split}: {len(found)} frames called {answer} pass, {wanted} wanted of {fired} frames")
            parts.append(found.iloc[:wanted])
        chosen.append(pd.concat(parts).sort_values("frame"))
    if short:
        raise ValueError("; ".join(short) + "; plan more shots (virus.simulation.shots), or ask for fewer frames")
    return pd.concat(chosen, ignore_index=True)
