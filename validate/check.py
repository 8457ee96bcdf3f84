"""What a check returns: numbers beside the limits that they have to keep, and a figure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure


@dataclass(frozen=True)
class Measure:
    """One number, and what it has to be."""

    name: str
    value: float
    limit: float
    because: str
    """Where the limit comes from."""
    at_least: bool = False
    """The limit is the smallest value allowed, not the largest."""

    @property
    def holds(self) -> bool:
        """False for NaN, too."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit


@dataclass(frozen=True)
class Table:
    """Numbers that have no limit of their own."""

    caption: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Finding:
    """One section of the page."""

    key: str
    """Name of the figure's file."""
    title: str
    text: str
    """What is asked, what the figure shows, and what is surprising about it."""
    oracle: str
    """What the simulation is held against."""
    settings: str
    """Structures, counts and seeds."""
    measures: tuple[Measure, ...]
    draw: Callable[[Figure], None]
    inches: tuple[float, float]
    tables: tuple[Table, ...] = ()

    @property
    def failures(self) -> list[str]:
        """A line for every limit that is not kept."""
        return [
            f"{self.title}: {measure.name} is {measure.value:.4g}, "
            f"expected {'>=' if measure.at_least else '<='} {measure.limit:.4g} ({measure.because})"
            for measure in self.measures
            if not measure.holds
        ]


def scientific(value: float, digits: int = 3) -> str:
    """A number to some significant digits: 0.0127, 1,270, 5.23 × 10⁻⁴, 1.3 × 10¹²."""
    rounded = float(f"{value:.{digits - 1}e}")
    if rounded == 0 or 1e-2 <= abs(rounded) < 1e6:
        return f"{rounded:,.0f}" if abs(rounded) >= 10**digits else f"{rounded:g}"
    mantissa, power = f"{rounded:.{digits - 1}e}".split("e")
    return f"{float(mantissa):g} × 10{str(int(power)).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"
