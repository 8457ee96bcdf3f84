"""Patterns rendered while training: those of the dataset's experiment, and none of them twice."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from frames.files import write_json
from frames.labels import NO_STRUCTURE
from frames.readout.config import ReadoutConfig
from frames.store.dataset import Dataset, open_dataset
from simulate.config import SimulationConfig
from simulate.experiment.detector_torch import record
from simulate.experiment.reach import reach_of, reach_q
from simulate.molecules.atoms import Atoms
from simulate.plan.plan import Plan
from simulate.plan.plan import read as read_plan
from simulate.render import images as render
from simulate.render.fresh import SEEDS_APART, Source
from simulate.render.layout import layout_of
from simulate.render.shards import make_shard
from simulate.stages.dataset import complete_dataset
from simulate.stages.dataset_layout import make_layout
from simulate.stages.geometry import make_geometry
from simulate.stages.plan import make_plan
from simulate.stages.volume import make_volume
from train.batches.fresh import FreshBatches
from train.config.recipe import Recipe
from train.tasks.classify import fit

CPU = torch.device("cpu")
PULSE = {"photons_per_pulse": 3e14, "beam": {"fluence_jitter": {"model": "gamma", "sigma": 0.3}}}
CONFIG = {
    "structures": [{"id": i, "source": "phantom", "phantom": "globule"} for i in ("one", "two")],
    "plan": {"patterns_per_class": 20, "hit_multiplicities": [0, 1, 2]},
    "storage": {"patterns_per_shard": 32, "patterns_per_chunk": 16},
    "datasets": {
        "clean": {**PULSE, "record": "expected"},
        "clean_torch": {**PULSE, "record": "expected", "engine": "torch", "select": {"shares": {0: 0.5, 2: 0.6}}},
        "noisy": {
            **PULSE,
            "record": "photons",
            "background": {"flat_photons": 0.2},
            "detector": {"missing": "quarter"},
            "readout": {"read_noise_photons": 0.3, "gain_spread": 0.1, "hot_fraction": 0.01, "dead_fraction": 0.01},
        },
    },
}


class Made(NamedTuple):
    plan: Plan
    datasets: dict[str, Dataset]
    sources: dict[str, Source]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A run of two balls of 200 carbon atoms, up to its datasets."""
    folder = tmp_path_factory.mktemp("fresh")
    config = SimulationConfig.model_validate(CONFIG)
    atoms_files, records = {}, {}
    for structure, radius in (("one", 20.0), ("two", 26.0)):
        rng = np.random.default_rng(3)
        directions = rng.standard_normal((200, 3))
        positions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
        positions *= radius * rng.uniform(size=(200, 1)) ** (1 / 3)
        atoms = Atoms(np.full(200, "C"), positions - positions.mean(axis=0), np.ones(200))
        atoms_files[structure], records[structure] = folder / f"{structure}.npz", folder / f"{structure}.json"
        atoms.save(atoms_files[structure])
        write_json(records[structure], {"radius_nm": atoms.radius / 10})
    make_plan(config, "ballistic", atoms_files, folder / "plan.parquet")
    reach = reach_of(config.datasets["clean"])
    volumes = {structure: folder / f"{structure}-field.npz" for structure in atoms_files}
    for structure, file in volumes.items():
        record = file.with_suffix(".json")
        make_volume(atoms_files[structure], reach_q(reach), config.volume, file, record)
    datasets, sources = {}, {}
    for name in config.datasets:
        geometry = folder / name / "geometry.npz"
        make_geometry(config.datasets[name], geometry, geometry.with_suffix(".json"))
        inputs = render.Inputs(folder / "plan.parquet", geometry, volumes, atoms_files)
        make_layout(config, inputs.plan, geometry, records, folder / name)
        for shard in range(layout_of(config, name).n_shards):
            make_shard(folder / name, shard, inputs, config, made_from="test")
        complete_dataset(config, folder / name, geometry.with_suffix(".json"))
        datasets[name], sources[name] = open_dataset(folder / name), Source(config, name, inputs)
    return Made(read_plan(folder / "plan.parquet"), datasets, sources)


def test_no_pattern_comes_twice(made: Made) -> None:
    """Not from the dataset, not in another epoch, not in a training from another seed."""
    source = made.sources["noisy"]
    plans = [made.plan, *(source.plan(epoch, seed) for epoch in (0, 1, 2) for seed in (0, 1))]
    seeds = np.concatenate([plan.table["seed"] for plan in plans])
    assert len(np.unique(seeds)) == len(seeds)
    orientations = np.concatenate([plan.orientations for plan in plans])
    assert len(np.unique(orientations, axis=0)) == len(orientations)


@pytest.mark.parametrize(("name", "of_the_14"), [("noisy", (14, 14, 14)), ("clean_torch", (7, 14, 8))])
def test_an_epoch_has_the_classes_of_the_training_split(made: Made, name: str, of_the_14: tuple[int, ...]) -> None:
    classes = made.sources[name].plan(3, seed=5).table.groupby(["structure", "hit_multiplicity"]).size().to_dict()
    none, one, two = of_the_14
    assert classes == {("", 0): none, ("one", 1): one, ("one", 2): two, ("two", 1): one, ("two", 2): two}
    card = {(c["structure"], c["hit_multiplicity"]): c["train"] for c in made.datasets[name].card["classes"]}
    assert card == {(structure or NO_STRUCTURE, hits): n for (structure, hits), n in classes.items()}


def test_epochs_that_would_meet_the_next_seeds_are_refused(made: Made) -> None:
    with pytest.raises(OverflowError, match="train for fewer epochs"):
        made.sources["noisy"].plan(SEEDS_APART // 14, seed=0)


@pytest.mark.parametrize("name", ["clean", "noisy"])
def test_fresh_patterns_are_what_a_dataset_would_hold(made: Made, name: str) -> None:
    """Given the dataset's own rows, the source reads what the dataset does: to the bit, or 13 bits of it in a store."""
    stored = made.datasets[name].read(slice(0, 50))
    fresh = made.sources[name].read(made.plan.rows(slice(0, 50)))
    assert np.allclose(fresh, stored, rtol=2**-13 if name == "clean" else 0, atol=0)


def test_on_a_device_expected_photons_are_the_same(made: Made) -> None:
    rows = made.plan.rows(slice(0, 40))
    one = made.sources["clean"].read(rows)
    other = made.sources["clean_torch"].on(CPU)(rows, torch.Generator()).numpy()
    assert np.linalg.norm(one - other) < 4e-5 * np.linalg.norm(one)  # float32 phases, as in test_patterns


def test_on_a_device_readings_have_the_statistics_of_the_dataset(made: Made) -> None:
    """Mean and variance, pixel by pixel, of 400 readings of one shot: λg and λg² + σ², with their standard errors."""
    source, n = made.sources["noisy"], 400
    row = made.plan.take(np.flatnonzero(made.plan.table["hit_multiplicity"] == 2)[:1])
    readings = source.on(CPU)(row.take(np.zeros(n, np.int64)), torch.Generator().manual_seed(1)).double().numpy()
    chosen = source.config.datasets["noisy"]
    quiet = chosen.model_copy(update={"record": "expected"})
    config = source.config.model_copy(update={"datasets": {"noisy": quiet}})
    mean = Source(config, "noisy", source.inputs).read(row)[0].astype(np.float64)
    from frames.readout import readout

    live = render.load_geometry(source.inputs.geometry).live
    gain, hot = readout.gains(chosen.readout, mean.shape), readout.hot(chosen.readout, mean.shape)
    works = (live > 0) & ~readout.dead(chosen.readout, mean.shape)
    assert np.all(readings[:, ~works] == 0)
    expected = gain * mean + chosen.readout.hot_photons * hot
    variance = gain**2 * mean + 0.3**2
    error = (readings.mean(axis=0) - expected)[works] / np.sqrt(variance[works] / n)
    assert np.abs(error).max() < 6  # of 12,000 pixels, beyond 6 deviations one in 10⁵ times
    assert error.std() == pytest.approx(1, abs=5 / np.sqrt(2 * works.sum()))
    # The variance of a sample variance is (μ₄ − σ⁴)/n; for Poisson counts μ₄ − σ⁴ = 2λ² + λ, times the gain to the 4th.
    spread = np.sqrt((gain**4 * (2 * mean**2 + mean) + 2 * 0.3**4 + 4 * 0.3**2 * gain**2 * mean) / n)
    error = ((readings.var(axis=0, ddof=1) - variance) / spread)[works]
    assert error.std() == pytest.approx(1, abs=0.1)
    assert abs(error.mean()) < 5 / np.sqrt(works.sum())


def test_on_a_device_nothing_counts_more_than_a_dataset_holds() -> None:
    bright, live = torch.full((2, 3, 3), 1e6), torch.ones(3, 3)
    with pytest.raises(OverflowError, match=r"set readout\.saturation_photons"):
        record(bright, ReadoutConfig(), live)
    assert (record(bright, ReadoutConfig(saturation_photons=1000), live) == 1000).all()


@pytest.mark.parametrize("name", ["clean", "clean_torch", "noisy"])
def test_batches_are_epochs_of_labelled_patterns(made: Made, name: str) -> None:
    dataset, source = made.datasets[name], made.sources[name]
    batches = FreshBatches(source, dataset, 16, CPU, seed=3)
    parts = list(batches.epoch(2))
    sizes = [16, 16, 16, 3] if name == "clean_torch" else [16, 16, 16, 16, 6]
    assert [len(part) for part in parts] == sizes
    assert len(batches) == len(sizes)
    assert batches.n_patterns == sum(sizes)
    table = source.plan(2, seed=3).table
    known = {**{structure: i for i, structure in enumerate(dataset.structures)}, "": -1}
    assert np.concatenate([part.labels["structure"] for part in parts]).tolist() == [
        known[s] for s in table["structure"]
    ]
    counts = np.concatenate([part.labels["hit_multiplicity"] for part in parts])
    assert [dataset.hit_multiplicities[i] for i in counts] == table["hit_multiplicity"].tolist()
    images = np.concatenate([np.asarray(part.images) for part in parts])
    empty = images[counts == dataset.hit_multiplicities.index(0)]
    assert np.array_equal(next(iter(batches.epoch(2))).images, parts[0].images)  # resumed trainings see the same
    assert not np.array_equal(next(iter(batches.epoch(3))).images, parts[0].images)
    if name != "noisy":
        assert not empty.any()


def test_a_network_trains_on_them_and_resumes(made: Made, tmp_path: Path) -> None:
    recipe = Recipe(epochs=3, batch_size=16, on_the_fly=True)
    arguments = "late10", made.datasets["clean"], recipe, 0, CPU
    whole = fit(*arguments, tmp_path / "whole", made.sources["clean"])
    assert [row.epoch for row in whole] == [1, 2, 3]

    class Interrupted(Exception):
        pass

    class Stopping(Source):
        def read(self, rows: Plan) -> np.ndarray:
            if self.config is not None and epochs.pop() is None:
                raise Interrupted
            return super().read(rows)

    epochs = [None, 1]
    source = made.sources["clean"]
    with pytest.raises(Interrupted):
        fit(*arguments, tmp_path / "halves", Stopping(source.config, source.name, source.inputs))
    resumed = fit(*arguments, tmp_path / "halves", source)
    assert [row.train_loss for row in resumed] == [row.train_loss for row in whole]


def test_a_recipe_for_fresh_patterns_needs_their_source(made: Made, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no source to render patterns from"):
        fit("late10", made.datasets["clean"], Recipe(on_the_fly=True), 0, CPU, tmp_path)


def test_of_some_structures_the_source_renders_the_same_patterns(made: Made) -> None:
    """And batches of them have the labels of the dataset, and as many patterns as its training split has of them."""
    source, dataset = made.sources["noisy"], made.datasets["noisy"]
    whole, some = source.plan(0, seed=3), source.only(["two"]).plan(0, seed=3)
    rows = some.table[some.table["structure"] == "two"]
    assert set(rows["seed"]) == set(whole.table[whole.table["structure"] == "two"]["seed"])
    one = source.only(["two"]).read(some.take(rows.index.to_numpy()))
    place = {seed: row for row, seed in enumerate(whole.table["seed"])}
    other = source.read(whole.take(np.array([place[seed] for seed in rows["seed"]])))
    np.testing.assert_array_equal(one, other)
    number = dataset.structures.index("two")
    batches = FreshBatches(source, dataset, 8, CPU, seed=3, structures=[number])
    assert batches.n_patterns == (dataset.structure[dataset.splits["train"]] == number).sum()
    assert {int(n) for patterns in batches.epoch() for n in patterns.labels["structure"]} <= {number, -1}
