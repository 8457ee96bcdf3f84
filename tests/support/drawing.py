"""Figures as tests see them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from matplotlib.figure import Figure

from report.plot import style


def watch_drawing(monkeypatch: pytest.MonkeyPatch, *modules: ModuleType) -> list[Figure]:
    """A list that every figure joins, after one of these modules drew it."""
    seen: list[Figure] = []

    @contextmanager
    def drawing(path: Path, inches: tuple[float, float], **options: Any) -> Iterator[Figure]:
        with style.drawing(path, inches, **options) as figure:
            seen.append(figure)
            yield figure

    for module in modules:
        monkeypatch.setattr(module, "drawing", drawing)
    return seen
