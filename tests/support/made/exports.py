"""A dataset whose detector is known, and what an export of it has to hold."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from frames import export
from frames.formats.cxi import read_cxi
from frames.formats.emc import read_emc
from frames.formats.skopi_h5 import read_skopi
from frames.frames import Frames, Instrument
from frames.geometry import Geometry
from frames.readout.config import ReadoutConfig
from frames.store import integrity
from frames.store import writer as store
from frames.store.dataset import Dataset, open_dataset
from frames.store.layout import Layout
from frames.targets import shot_targets
from simulate.experiment.geometry import square_detector
from simulate.render import labels

N, SIDE, SHARD = 50, 12, 16
ENERGY, PIXEL_UM, DISTANCE_MM = 4600.0, 6400.0, 323.0
READERS = {"cxi": read_cxi, "skopi": read_skopi, "emc": read_emc}
SUFFIXES = {"cxi": "photons.cxi", "skopi": "photons.h5", "emc": "photons.emc"}
MULTIPLICITIES = [3, 1, 0, 2, 1]
CONSTANTS = 1e-8
"""q comes from skopi, whose hc is 1.23984197386209e-6 eV m: relative 8.4e-9 from that of CODATA."""


def made(folder: Path, images: np.ndarray, geometry: Geometry, readout: ReadoutConfig) -> Dataset:
    """A complete dataset of two structures and multiplicities from 0 to 3, in shards of 16."""
    n = len(images)
    multiplicity = np.resize(MULTIPLICITIES, n)
    layout = Layout(
        n_patterns=n,
        image_shape=geometry.shape,
        record="photons" if images.dtype == np.uint16 else "expected",
        patterns_per_chunk=4,
        patterns_per_shard=SHARD,
        targets=shot_targets(["a", "b"], [0, 1, 2, 3]),
        readout=readout.model_dump(mode="json"),
    )
    table = pd.DataFrame(
        {
            "structure": np.where(multiplicity == 0, "", np.resize(["a", "b"], n)),
            "hit_multiplicity": multiplicity,
            "split": ["train"] * 35 + ["validation"] * 5 + ["test"] * (n - 40),
            "seed": np.arange(n, dtype=np.uint64) + np.uint64(2**63),
        }
    )
    rng = np.random.default_rng(1)
    pulses = labels.Pulses(
        rng.uniform(1e11, 1e12, n), rng.normal(ENERGY, 9, n), rng.standard_normal((n, 2)), rng.uniform(0.5, 2, n)
    )
    labels.create(folder, layout, table, pulses, geometry.live)
    for shard in range(layout.n_shards):
        store.write_shard(folder, layout, shard, images[layout.rows(shard)], made_from="test")
    geometry.save(folder / "geometry.npz")
    integrity.complete(folder, {})
    return open_dataset(folder)


def same_labels(found: Frames, expected: Frames) -> None:
    assert set(found.labels) == set(expected.labels)
    for name, label in expected.labels.items():
        assert found.labels[name].values.dtype == label.values.dtype
        assert np.array_equal(found.labels[name].values, label.values), name
        assert dict(found.labels[name].attributes) == dict(label.attributes), name


def same_instrument(found: Instrument, geometry: Geometry) -> None:
    # Units are changed by a factor and back: a few roundings of float64.
    close = {"rtol": 8 * np.finfo(float).eps, "atol": 0}
    assert found.mask is not None
    assert np.array_equal(found.mask, geometry.mask)
    assert found.photon_energy_eV == pytest.approx(ENERGY, rel=close["rtol"])
    assert found.pixel_size_um == pytest.approx(PIXEL_UM, rel=close["rtol"])
    assert found.distance_mm == pytest.approx(DISTANCE_MM, rel=close["rtol"])
    np.testing.assert_allclose(found.q, geometry.q, **close)
    np.testing.assert_allclose(found.solid_angle, geometry.solid_angle * geometry.live, **close)
    np.testing.assert_allclose(found.polarisation, geometry.polarisation, **close)


@pytest.fixture(scope="module")
def detector() -> Geometry:
    """Every pixel with its own share of live area; one quarter dead."""
    live = np.random.default_rng(5).uniform(0.5, 1, (SIDE, SIDE))
    live[: SIDE // 2, : SIDE // 2] = 0
    return square_detector(
        photon_energy_eV=ENERGY, n_pixels=SIDE, pixel_size_um=PIXEL_UM, distance_mm=DISTANCE_MM, live=live
    )


@pytest.fixture(scope="module")
def counts(detector: Geometry) -> np.ndarray:
    """Sparse counts with a few large ones; the first and the last pattern are dark."""
    photons = np.random.default_rng(0).poisson(0.4, size=(N, SIDE, SIDE))
    photons[7, -1, -1] = 60_000
    photons[[0, -1]] = 0
    photons[:, detector.mask] = 0
    return photons.astype(np.uint16)


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory, counts: np.ndarray, detector: Geometry) -> Dataset:
    """Counts, read with noise."""
    readout = ReadoutConfig(read_noise_photons=0.3)
    return made(tmp_path_factory.mktemp("run") / "noisy", counts, detector, readout)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory, detector: Geometry) -> Dataset:
    """Expected photons."""
    means = np.random.default_rng(2).uniform(0, 9, (N, SIDE, SIDE)).astype(np.float32)
    return made(tmp_path_factory.mktemp("run") / "clean", means, detector, ReadoutConfig())


@pytest.fixture
def stored(noisy: Dataset) -> Frames:
    return export.of_dataset(noisy, as_stored=True)
