"""Numbers as a reader wants them: to the digits that matter, with their units."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from evaluate.run.sections import BASELINES

THIN = "\u202f"
"""A space that does not break."""


LEAST = 1e-6
"""Of a fraction, and of what is missing to 1, that is still written in digits."""


def hundredths(fraction: float) -> str:
    """A measured fraction in per cent, without the sign: 63.8; 0.25; 99.998. None alone is 0.0, and all alone 100.0."""
    if math.isnan(fraction):
        return "–"
    if fraction in (0, 1) or 0.00995 <= fraction < 0.9995:
        return f"{100 * fraction:.1f}"
    missing = 1 - fraction
    if min(fraction, missing) < LEAST:
        return f"<{100 * LEAST:g}" if fraction < LEAST else f">{100 - 100 * LEAST:.4f}"
    if fraction < 0.5:
        return f"{100 * fraction:.2g}"
    return f"{100 * fraction:.{-math.floor(math.log10(100 * missing) + 1e-9)}f}"


def percent(fraction: float) -> str:
    """A measured fraction: 63.8 %"""
    return "–" if math.isnan(fraction) else f"{hundredths(fraction)}{THIN}%"


def exact_percent(fraction: float) -> str:
    """A fraction that was set, with all its digits: 0.05 %"""
    return f"{100 * fraction:.10g}{THIN}%"


def mean_and_deviation(mean: float, deviation: float, between: str = " ± ") -> str:
    """Two fractions in per cent: 59.9 ± 1.2; the mean alone where the deviation is NaN."""
    return hundredths(mean) + ("" if math.isnan(mean) or math.isnan(deviation) else f"{between}{100 * deviation:.1f}")


def points(difference: float, decimals: int = 1) -> str:
    """A difference of two fractions in percentage points: +1.3, −12.0"""
    rounded = round(100 * difference, decimals)
    return f"{rounded:+.{decimals}f}".replace("-", "−") if rounded else f"{0:.{decimals}f}"


def spoken(name: str) -> str:
    """A model as it is called, a baseline in words: total intensity."""
    return name.replace("_", " ") if name in BASELINES else name


def number(value: float, digits: int = 3) -> Markup:
    """To some significant digits, as 1,270 or 0.0127; below a thousandth and from a million on as 1.27 × 10¹⁴."""
    exponent = math.floor(math.log10(abs(value))) if value else 0
    if -3 <= exponent < 6:
        decimals = digits - 1 - exponent
        return Markup(f"{round(value, decimals):,.{max(0, decimals)}f}")
    mantissa, power = map(float, f"{value:.{digits - 1}e}".split("e"))
    return Markup("{:g}\u202f×\u202f10<sup>{:g}</sup>").format(mantissa, power).replace("-", "−")


def size(n_bytes: int) -> str:
    """3.4 GB"""
    power = min(int(math.log10(max(n_bytes, 1)) // 3), 4)
    return f"{n_bytes / 1000**power:.3g}{THIN}{('bytes', 'kB', 'MB', 'GB', 'TB')[power]}"


def duration(seconds: float) -> str:
    """2 h 5 min"""
    if seconds < 100:
        return f"{seconds:.3g}{THIN}s"
    minutes = round(seconds / 60)
    return f"{minutes}{THIN}min" if minutes < 100 else f"{minutes // 60}{THIN}h {minutes % 60}{THIN}min"


def enumerated(items: Sequence[str]) -> Markup:
    """a, b and c"""
    *others, last = items
    return Markup(" and ").join([Markup(", ").join(others), last] if others else [last])
