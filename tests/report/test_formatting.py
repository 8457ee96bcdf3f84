"""Numbers as a reader wants them."""

import pytest

from report.formatting import (
    duration,
    enumerated,
    exact_percent,
    hundredths,
    mean_and_deviation,
    number,
    percent,
    points,
    size,
    spoken,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.00"),
        (1270.4, "1,270"),
        (27.63, "27.6"),
        (0.0127, "0.0127"),
        (999.6, "1,000"),
        (211234.0, "211,000"),
        (1.2732e14, "1.27\u202f×\u202f10<sup>14</sup>"),
        (1e14, "1\u202f×\u202f10<sup>14</sup>"),
        (4.9e-4, "4.9\u202f×\u202f10<sup>−4</sup>"),
        (9.999e-4, "1\u202f×\u202f10<sup>−3</sup>"),
    ],
)
def test_numbers_to_three_digits(value: float, text: str) -> None:
    assert str(number(value)) == text


def test_units() -> None:
    assert [percent(x) for x in (0.6376, 1.0, float("nan"))] == ["63.8\u202f%", "100.0\u202f%", "–"]
    assert [size(n) for n in (0, 999, 96_400_000, 7_200_000_000)] == [
        *("0\u202fbytes", "999\u202fbytes", "96.4\u202fMB", "7.2\u202fGB"),
    ]
    assert [duration(s) for s in (0.1234, 64, 125, 7510)] == [
        *("0.123\u202fs", "64\u202fs", "2\u202fmin", "2\u202fh 5\u202fmin"),
    ]


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        *((0, "0.0"), (1, "100.0"), (0.0005, "0.05"), (1 / 400, "0.25"), (0.00998, "1.0"), (0.6376, "63.8")),
        *((0.99949, "99.9"), (0.9996, "99.96"), (43_999 / 44_000, "99.998"), (1e-8, "<0.0001"), (1 - 1e-8, ">99.9999")),
    ],
)
def test_only_none_is_nought_and_only_all_are_a_hundred(fraction: float, text: str) -> None:
    assert hundredths(fraction) == text
    assert percent(fraction) == f"{text}\u202f%"


def test_what_was_set_keeps_its_digits() -> None:
    assert [exact_percent(x) for x in (0.0005, 0.05, 0.00125, 1)] == [
        *("0.05\u202f%", "5\u202f%", "0.125\u202f%", "100\u202f%"),
    ]


def test_a_deviation_stands_behind_its_mean() -> None:
    assert [mean_and_deviation(*of) for of in ((0.599, 0.012), (0.5, float("nan")), (float("nan"), 0.1))] == [
        *("59.9 ± 1.2", "50.0", "–"),
    ]


def test_differences_have_a_sign_but_for_nothing() -> None:
    assert [points(x) for x in (0.0134, -0.12, 0.0004, -0.0004)] == ["+1.3", "−12.0", "0.0", "0.0"]
    assert [points(x, 0) for x in (0.054, -0.004)] == ["+5", "0"]


def test_lists_and_names_are_read_out() -> None:
    assert [enumerated(list(items)) for items in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]
    assert [spoken(name) for name in ("total_intensity", "late10_he")] == ["total intensity", "late10_he"]
