"""The section on the virus keeps its limits, and a wrong closed form or a wrong scaling breaks them."""

import numpy as np
import pytest

from simulate.diffraction import patterns
from simulate.virus.icosahedron import icosahedron
from validate.check import Finding
from validate.virus import icosahedron as section

SMALL = {"n_voxels": 48, "n_points": 60, "n_directions": 300, "seed": 11}


def _failing(found: Finding) -> set[str]:
    return {measure.name.split(",")[0] for measure in found.measures if not measure.holds}


def test_faces_that_lie_too_far_out_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(section, "icosahedron", lambda q, radius=1.0: icosahedron(np.asarray(q) * 1.02, radius))
    failing = _failing(section.check(**SMALL))
    assert "icosahedron against a sum over voxels" in failing
    assert "70 nm sliced from the one volume" in failing


def test_a_volume_sliced_at_the_wrong_size_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(section, "field_at", lambda volume, q: patterns.field_at(volume, q * 1.001))
    assert _failing(section.check(**SMALL)) == {f"{size} nm sliced from the one volume" for size in (55, 70, 84)}
