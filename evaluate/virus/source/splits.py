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


SIMULATED = "plan more shots (virus.simulation.shots), or ask for fewer frames"
RECORDED = "label more frames, or ask for fewer (virus.splits)"
"""What to do where too few pass"""


def dealt(table: "pd.DataFrame", passes: np.ndarray, numbers: Mapping[str, Numbers], seed: int) -> "pd.DataFrame":
    """The table with a split for every frame that passes, was labelled and has none.

    Drawn at random, of either answer as many to each split as it still lacks, and what is left to the test split.
    """
    split = table["split"].to_numpy(object).copy()
    generator = np.random.default_rng(seed)
    for answer, field in ((SINGLE, "single"), (OTHER, "other")):
        mine = (table["manual"] == answer).to_numpy() & passes
        free = generator.permutation(np.flatnonzero(mine & (split == "")))
        for name in SPLITS:
            lacking = max(0, getattr(numbers[name], field) - int((mine & (split == name)).sum()))
            split[free[:lacking]], free = name, free[lacking:]
        split[free] = SPLITS[-1]
    return table.assign(split=split)


def choose(
    table: "pd.DataFrame", passes: np.ndarray, numbers: Mapping[str, Numbers], advice: str = SIMULATED
) -> "pd.DataFrame":
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
        raise ValueError("; ".join(short) + f"; {advice}")
    return pd.concat(chosen, ignore_index=True)
