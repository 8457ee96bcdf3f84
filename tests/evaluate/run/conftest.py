"""Configs of small runs, as mappings: one dataset, and four of which two are trained on."""

from typing import Any

import pytest


@pytest.fixture
def mapping() -> dict[str, Any]:
    return {
        "run": "toy",
        "title": "Toy",
        "simulation": {
            "structures": [{"id": "ball", "source": "phantom", "phantom": "globule"}],
            "datasets": {"clean": {"photons_per_pulse": 1e14, "record": "expected"}},
        },
        "training": {"models": ["late10"], "datasets": ["clean"]},
    }


@pytest.fixture
def noisy_mapping(mapping: dict[str, Any]) -> dict[str, Any]:
    """Patterns of photons as well, with less of them and on a smaller detector."""
    others = {
        "noisy": {"base": "poster"},
        "dim": {"base": "noisy", "photons_per_pulse": 1e11},
        "small": {"base": "dim", "detector": {"n_pixels": 64}},
    }
    mapping["simulation"]["datasets"] |= others
    mapping["training"]["datasets"] = ["clean", "noisy"]
    return mapping
