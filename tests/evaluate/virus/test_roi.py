"""The ROI of the published runs, 240 x 123 pixels of one plane at 130 mm: hits and sizes by the settings there are."""

import numpy as np
import pandas as pd
import pytest

from evaluate.virus.hits import HitsConfig, find_hits
from evaluate.virus.sizes import SizesConfig, measure
from frames.readout.readout import read
from simulate.virus.bodies import Bodies
from simulate.virus.config import DetectorConfig, VirusSimulationConfig
from simulate.virus.detector import CENTRE, geometry_of, readout_of
from simulate.virus.icosahedron import icosahedron
from simulate.virus.images import photons_of, photons_per_fluence
from simulate.virus.plan import plan

GEOMETRY, MIDDLE = geometry_of("roi"), CENTRE["roi"]
Q = np.linalg.norm(GEOMETRY.q, axis=-1)


@pytest.fixture(scope="module")
def shots() -> tuple[pd.DataFrame, np.ndarray]:
    """60 shots and their frames as the detector reads them [photons]."""
    config = VirusSimulationConfig(
        shots={"train": 58, "validation": 1, "test": 1},
        kinds={"single": 0.4, "aggregate": 0.4, "empty": 0.2},
        detector=DetectorConfig(geometry="roi"),
    )
    bodies = Bodies.of(config.virus, GEOMETRY.q_max)
    table = plan(config, photons_per_fluence(bodies, GEOMETRY))
    frames = photons_of(table, bodies, GEOMETRY, config.detector)
    seeds = table["seed"].to_numpy(np.uint64)
    return table, read(frames, readout_of(config.detector), seeds, GEOMETRY.live)


def test_every_particle_is_a_hit_and_nothing_is_none(shots: tuple[pd.DataFrame, np.ndarray]) -> None:
    table, frames = shots
    found = find_hits(frames, GEOMETRY.mask, MIDDLE, HitsConfig())
    assert (found.hit == (table["kind"] != "empty").to_numpy()).all()


def test_singles_pass_both_tests_and_aggregates_fail_the_second(shots: tuple[pd.DataFrame, np.ndarray]) -> None:
    table, frames = shots
    found = measure(frames, GEOMETRY.mask, MIDDLE, Q, SizesConfig())
    single, aggregate = ((table["kind"] == kind).to_numpy() for kind in ("single", "aggregate"))
    assert found.right_size[single].all()
    assert found.one_particle[single].all()
    # dense cores fit 2.7 nm less than the circumdiameter of the virus, see VirusConfig.diameter_nm; steps are .5 nm
    assert (found.diameter_nm - table["diameter_nm"])[single].to_numpy() == pytest.approx(-2.7, abs=1.0)
    assert found.one_particle[aggregate].mean() <= 0.05


@pytest.mark.parametrize("diameter", [56.0, 70.0, 83.0])
def test_an_icosahedron_is_found_to_be_as_large_as_it_is(diameter: float) -> None:
    turned = np.linalg.qr(np.random.default_rng(int(diameter)).normal(size=(3, 3)))[0]
    expected = icosahedron(GEOMETRY.q @ turned, 5 * diameter) ** 2 * GEOMETRY.photons_per_electron2()
    frame = np.random.default_rng(0).poisson(1e5 * expected / expected.sum())
    found = measure(frame[None], GEOMETRY.mask, MIDDLE, Q, SizesConfig())
    assert found.diameter_nm[0] == pytest.approx(diameter, rel=0.03)
    assert found.right_size[0]
    assert found.one_particle[0]
