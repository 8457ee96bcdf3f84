"""Form factors: closed forms and a hand-copied reference row."""

import numpy as np
import pytest

from simulate.molecules.form_factors import coefficients, form_factor, known_elements


def test_forward_scattering_is_the_number_of_electrons() -> None:
    numbers = {"H": 1, "C": 6, "N": 7, "O": 8, "P": 15, "S": 16, "Cl": 17, "Fe": 26, "Zn": 30, "Se": 34}
    for symbol, electrons in numbers.items():
        f0 = form_factor(coefficients([symbol])[0], np.zeros(1))[0]
        # The fit of Waasmaier & Kirfel is good to 0.02 electrons for these.
        assert f0 == pytest.approx(electrons, abs=0.02), symbol


def test_carbon_is_the_free_atom_of_the_published_table() -> None:
    # Waasmaier & Kirfel (1995), Table 1, C: a1, b1, c
    row = coefficients(["C"])[0]
    assert (row[0], row[6], row[5]) == pytest.approx((2.657506, 14.780758, 4.297983), abs=1e-6)


def test_argument_is_q_over_four_pi() -> None:
    row = coefficients(["O"])[0]
    stol = 0.25
    expected = row[5] + sum(a * np.exp(-b * stol**2) for a, b in zip(row[:5], row[6:], strict=True))
    assert form_factor(row, np.array([4 * np.pi * stol]))[0] == pytest.approx(expected, rel=1e-14)


def test_unknown_element_is_named() -> None:
    with pytest.raises(KeyError, match="Es"):
        coefficients(["C", "Es"])
    assert {"C", "Zn", "Mg", "Se", "Cl"} <= known_elements()
