"""Atomic form factors of neutral atoms (Waasmaier & Kirfel 1995), from skopi's table."""

from collections.abc import Iterable
from functools import cache

import numpy as np
from numpy.typing import NDArray


@cache
def _table() -> dict[str, NDArray[np.float64]]:
    # Imported here: `form_factor` below must also run where skopi and gemmi are not installed.
    import gemmi

    from simulate.skopi.table import waasmaier_kirfel_table

    return {gemmi.Element(z).name: row for z, row in waasmaier_kirfel_table().items()}


def known_elements() -> frozenset[str]:
    """Symbols of the elements that have a form factor."""
    return frozenset(_table())


def coefficients(elements: Iterable[str]) -> NDArray[np.float64]:
    """Rows (a1..a5, c, b1..b5) for each element symbol, shape (n_elements, 11), b in Å².

    Raises
    ------
    KeyError for an element without form factor.
    """
    symbols = [str(symbol) for symbol in elements]
    if missing := sorted(set(symbols) - known_elements()):
        raise KeyError(f"no form factor for element(s) {missing}; known are the elements from H to Cf")
    return np.array([_table()[symbol] for symbol in symbols])


def form_factor(coefficients: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
    """f0(q) [electrons] = Σ a_i exp(-b_i stol²) + c, stol = q/4π.

    Parameters
    ----------
    coefficients : (11,) one row of `coefficients`.
    q :            (...) lengths of scattering vectors [Å⁻¹].
    """
    a, c, b = coefficients[:5], coefficients[5], coefficients[6:]
    stol2 = np.square(q / (4 * np.pi))
    return c + sum(ai * np.exp(-bi * stol2) for ai, bi in zip(a, b, strict=True))
