"""Form factors as skopi has them."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from skopi.ff_waaskirf_database import load_waaskirf_database

Array = NDArray[np.float64]


@cache
def waasmaier_kirfel_table() -> dict[int, Array]:
    """Coefficients (a1..a5, c, b1..b5) of the neutral atoms by atomic number; b in Å².

    Waasmaier & Kirfel (1995), Acta Cryst. A51, 416-431. Of carbon and silicon, listed twice, the free atom is taken.
    """
    table: dict[int, Array] = {}
    for row in load_waaskirf_database():
        if row[1] == 0:
            table.setdefault(int(row[0]), row[2:])
    return table
