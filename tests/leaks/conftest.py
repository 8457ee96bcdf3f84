"""Worlds small enough to be learned from a hundred times: a stored dataset, and one that can be rendered afresh."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from frames.files import write_json
from frames.store.dataset import Dataset, open_dataset
from simulate.config import SimulationConfig
from simulate.experiment.reach import reach_of, reach_q
from simulate.molecules.atoms import Atoms
from simulate.render import images as render
from simulate.render.layout import layout_of
from simulate.render.shards import make_shard
from simulate.stages.dataset import complete_dataset
from simulate.stages.dataset_layout import make_layout
from simulate.stages.geometry import make_geometry
from simulate.stages.plan import make_plan
from simulate.stages.volume import make_volume
from support.datasets import make_dataset

STRUCTURES = ("left", "middle", "right")
N_TRAIN, N_VALIDATION, N_TEST = 66, 12, 22
PER_SHARD = 16
"""Patterns: rows 64 to 79 are one shard, and of all three splits."""


@pytest.fixture(autouse=True, scope="module")
def _one_plain_thread() -> Iterator[None]:
    """As for the tests of train/: `fit` flushes denormals for the rest of its process."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)
    torch.set_flush_denormal(False)


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Dataset]:
    """Three structures by two multiplicities, a bright stripe each: as expected photons, and as counts with noise."""
    n = N_TRAIN + N_VALIDATION + N_TEST
    generator = np.random.default_rng(0)
    structure, count = np.arange(n) % 3, np.arange(n) // 3 % 2
    images = 0.1 * generator.random((n, 128, 128), dtype=np.float32)
    for image, column, row in zip(images, structure, count, strict=True):
        image[64 * row : 64 * row + 64, 43 * column : 43 * column + 42] += generator.uniform(1, 3)
    split = np.repeat(["train", "validation", "test"], [N_TRAIN, N_VALIDATION, N_TEST])
    labels = np.array(STRUCTURES)[structure], 1 + count, split
    folder: Path = tmp_path_factory.mktemp("leaks")
    counts = generator.poisson(images).astype(np.uint16)
    size = {"patterns_per_shard": PER_SHARD}
    return {
        "expected": open_dataset(make_dataset(folder / "expected", images, *labels, **size)),
        "counted": open_dataset(make_dataset(folder / "counted", counts, *labels, **size, read_noise_photons=0.3)),
    }


@pytest.fixture(scope="session")
def combed(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Two structures by two multiplicities that baselines tell: by fine bins of intensity, where classes follow each
    other as the teeth of a comb, and by shape."""
    n = 300
    generator = np.random.default_rng(0)
    tooth = generator.integers(0, 24, n)
    structure, count = tooth % 2, tooth // 2 % 2
    y, x = np.mgrid[:16, :16] - 7.5
    number = (2 + structure + 2 * count)[:, None, None]
    petals = 1 + np.cos(number * np.arctan2(y, x)) + 3 * generator.random((n, 16, 16))
    images = (petals * ((10 + tooth) / petals.sum(axis=(1, 2)))[:, None, None]).astype(np.float32)
    labels = np.array(["ball", "ring"])[structure], 1 + count
    return open_dataset(
        make_dataset(tmp_path_factory.mktemp("combed") / "combed", images, *labels, patterns_per_shard=64)
    )


class Rendered(NamedTuple):
    """A dataset with what it was rendered from."""

    config: SimulationConfig
    dataset: Dataset
    inputs: render.Inputs


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """Two lumps of 40 carbon atoms, one wider than the other, counted with noise."""
    folder = tmp_path_factory.mktemp("rendered")
    dataset = {"photons_per_pulse": 1e15, "record": "photons", "readout": {"read_noise_photons": 0.3}}
    config = SimulationConfig.model_validate(
        {
            "structures": [{"id": name, "source": "phantom", "phantom": "globule"} for name in ("narrow", "wide")],
            "plan": {"patterns_per_class": 40, "hit_multiplicities": [1, 2]},
            "storage": {"patterns_per_shard": 64, "patterns_per_chunk": 16},
            "datasets": {"noisy": dataset},
        }
    )
    atoms_files, records, volumes = {}, {}, {}
    for size, structure in ((8.0, "narrow"), (16.0, "wide")):
        positions = np.random.default_rng(0).uniform(-size, size, size=(40, 3))
        atoms = Atoms(np.full(40, "C"), positions - positions.mean(axis=0), np.ones(40))
        atoms_files[structure], records[structure] = folder / f"{structure}.npz", folder / f"{structure}.json"
        volumes[structure] = folder / f"{structure}-field.npz"
        atoms.save(atoms_files[structure])
        write_json(records[structure], {"radius_nm": atoms.radius / 10})
        q = reach_q(reach_of(config.datasets["noisy"]))
        make_volume(atoms_files[structure], q, config.volume, volumes[structure], folder / f"{structure}-field.json")
    make_plan(config, "ballistic", atoms_files, folder / "plan.parquet")
    geometry = folder / "geometry.npz"
    make_geometry(config.datasets["noisy"], geometry, geometry.with_suffix(".json"))
    inputs = render.Inputs(folder / "plan.parquet", geometry, volumes, atoms_files)
    make_layout(config, inputs.plan, geometry, records, folder / "noisy")
    for shard in range(layout_of(config, "noisy").n_shards):
        make_shard(folder / "noisy", shard, inputs, config, made_from="test")
    complete_dataset(config, folder / "noisy", geometry.with_suffix(".json"))
    return Rendered(config, open_dataset(folder / "noisy"), inputs)
