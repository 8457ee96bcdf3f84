"""Volumes that are handed on: measured, and refined until they are as accurate as was asked for."""

import logging
from pathlib import Path

import numpy as np
import pytest

from frames.files import read_json
from simulate.diffraction.volume import Volume, choose_grid, sufficient_volume
from simulate.molecules.atoms import Atoms
from simulate.molecules.config import VolumeConfig
from simulate.stages.volume import make_volume

HEXAGON = np.array([[np.cos(a), np.sin(a), 0] for a in np.arange(6) * np.pi / 3]) * 1.39
FLAT = np.stack(np.meshgrid(np.arange(35.0), np.arange(35.0), [0.0]), axis=-1).reshape(-1, 3)
SHAPES = {
    "one": np.zeros((1, 3)),
    "pair": np.array([[0, 0, 0], [0, 0, 1.2]]),
    "coincident": np.zeros((1200, 3)),
    "benzene": HEXAGON,
    "flat": FLAT,
    "line": FLAT[:, :1] * [1, 0, 0] + np.arange(1225)[:, None] * [0.05, 0, 0],
    "small": np.random.default_rng(0).uniform(-6, 6, (60, 3)),
}


def saved(folder: Path, positions: np.ndarray, element: str = "C") -> Path:
    atoms = Atoms(np.full(len(positions), element), positions.astype(float), np.ones(len(positions))).centred()
    atoms.save(folder / "atoms.npz")
    return folder / "atoms.npz"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", list(SHAPES))
@pytest.mark.parametrize(("reach", "accuracy"), [(0.39, 1e-3), (1.2, 1e-2), (0.39, 1e-4)])
def test_every_molecule_has_a_volume_as_accurate_as_asked_for(
    tmp_path: Path, shape: str, reach: float, accuracy: float
) -> None:
    volume, record = tmp_path / "volume.npz", tmp_path / "volume.json"
    make_volume(saved(tmp_path, SHAPES[shape]), reach, VolumeConfig(accuracy=accuracy), volume, record)
    told = read_json(record)
    assert told["measured_error"] <= accuracy == told["requested_error"]
    made = Volume.load(volume)
    assert made.q_max >= reach * (1 - 1e-12)
    assert np.isfinite(made.oversampling)
    half = made.n // 2
    electrons = 6 * len(SHAPES[shape])  # F(0), times what undoes the kernel's damping of atoms away from the origin
    assert made.field[1, half, half].real == pytest.approx(electrons, rel=0.5)


def test_refining_is_said_and_stops_at_the_largest_grid(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = saved(tmp_path, HEXAGON), 0.39, VolumeConfig(), tmp_path / "v.npz", tmp_path / "v.json"
    with caplog.at_level(logging.INFO):
        make_volume(*files)
    assert "volume of atoms: intensity error" in caplog.text
    assert "refining to" in caplog.text
    tight = VolumeConfig(accuracy=1e-5, max_grid=31)
    with pytest.raises(RuntimeError, match=r"on a grid of 31³ voxels, .* raise volume.accuracy or volume.max"):
        make_volume(files[0], 0.39, tight, tmp_path / "w.npz", tmp_path / "w.json")
    assert not (tmp_path / "w.npz").exists()


def test_a_volume_that_is_accurate_at_once_is_made_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, molecule: tuple[np.ndarray, ...]
) -> None:
    atoms = saved(tmp_path, molecule[0])
    with caplog.at_level(logging.INFO):
        make_volume(atoms, 0.39, VolumeConfig(), tmp_path / "v.npz", tmp_path / "v.json")
    assert "refining" not in caplog.text
    positions = Atoms.load(atoms).positions
    spacing, half = choose_grid(positions, np.full(len(positions), 6.0), 0.39, 1e-3, 401)
    made = Volume.load(tmp_path / "v.npz")
    assert (made.n, made.spacing) == (2 * half + 1, spacing)


def test_atoms_that_scatter_nothing_are_refused(molecule: tuple[np.ndarray, ...]) -> None:
    positions, occupancies, species, table = molecule
    with pytest.raises(ValueError, match="sum to 0: nothing scatters"):
        sufficient_volume(positions, 0 * occupancies, species, table, q_max=0.4, accuracy=1e-3, max_grid=401)
