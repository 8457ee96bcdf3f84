"""From plan to store: the same bytes whatever the sharding and the workers; skopi's engine where skopi is right."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from simulate import dataset, render, stages, store
from simulate.atoms import Atoms
from simulate.config import SimulationConfig
from simulate.files import read_json, sha256, write_json
from simulate.plan import read as read_plan

CONFIG = {
    "structures": [
        {"id": "one", "source": "phantom", "phantom": "globule"},
        {"id": "two", "source": "phantom", "phantom": "globule"},
    ],
    "detector": {"n_pixels": 32, "pixel_size_um": 2400, "beamstop_radius_pixels": 2.0},
    "plan": {"patterns_per_class": 10, "hit_multiplicities": [1, 2], "fluence_jitter": {"model": "normal"}},
    "storage": {"patterns_per_shard": 8, "patterns_per_chunk": 4},
    "datasets": {
        "clean": {"photons_per_pulse": 1e14, "record": "expected"},
        "noisy": {"photons_per_pulse": 1e14, "record": "photons", "fluence_jitter": True, "read_noise_photons": 0.3},
        "by_torch": {"photons_per_pulse": 1e14, "record": "expected", "engine": "torch"},
        "by_skopi": {"photons_per_pulse": 1e14, "record": "expected", "engine": "skopi"},
        "photons_by_skopi": {"photons_per_pulse": 1e14, "record": "photons", "engine": "skopi"},
    },
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[SimulationConfig, render.Inputs, Path]:
    """Two balls of 400 carbon atoms, of 20 and 26 Å radius, up to the plan."""
    folder = tmp_path_factory.mktemp("run")
    config = SimulationConfig.model_validate(CONFIG)
    stages.make_geometry(config, folder / "geometry.npz", folder / "geometry.json")
    inputs = render.Inputs(
        folder / "plan.parquet",
        folder / "geometry.npz",
        {s.id: folder / f"{s.id}-field.npz" for s in config.structures},
        {s.id: folder / f"{s.id}.npz" for s in config.structures},
    )
    for structure, radius in (("one", 20.0), ("two", 26.0)):
        directions = np.random.default_rng(3).standard_normal((400, 3))
        positions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
        positions *= radius * np.random.default_rng(4).uniform(size=(400, 1)) ** (1 / 3)
        atoms = Atoms(np.full(400, "C"), positions - positions.mean(axis=0), np.ones(400))
        atoms.save(inputs.atoms[structure])
        write_json(folder / f"{structure}.json", {"radius_nm": atoms.radius / 10})
        stages.make_volume(
            inputs.atoms[structure],
            inputs.geometry,
            config.volume,
            inputs.volumes[structure],
            folder / f"{structure}-field.json",
        )
    stages.make_plan(config, {s.id: folder / f"{s.id}.json" for s in config.structures}, inputs.plan)
    return config, inputs, folder


def produce(config: SimulationConfig, inputs: render.Inputs, folder: Path, workers: int) -> dataset.Dataset:
    stages.make_layout(config, inputs.plan, inputs.geometry, folder)
    n_shards = stages.layout_of(config, folder.name).n_shards
    stages.make_shards(config, inputs, folder, list(range(n_shards)), workers, folder / "jobs" / "0.json")
    stages.complete_dataset(config, folder, inputs.geometry.with_suffix(".json"))
    return dataset.open_dataset(folder)


def test_bytes_do_not_depend_on_the_workers(run, tmp_path: Path) -> None:
    config, inputs, _ = run
    stores = [produce(config, inputs, tmp_path / f"{n}" / "noisy", workers=n) for n in (1, 2)]
    for shard in range(5):
        one, two = (sha256(store.shard_file(made.folder, made.layout, shard)) for made in stores)
        assert one == two


def test_patterns_do_not_depend_on_the_sharding(run) -> None:
    config, inputs, _ = run
    plan = read_plan(inputs.plan)
    whole = render.images(plan, inputs, config, "noisy")
    for start, stop in ((0, 3), (17, 18), (25, 40)):
        assert np.array_equal(render.images(plan.iloc[start:stop], inputs, config, "noisy"), whole[start:stop])


def test_dataset_holds_what_the_plan_says(run, tmp_path: Path) -> None:
    config, inputs, _ = run
    plan = read_plan(inputs.plan)
    made = produce(config, inputs, tmp_path / "clean", workers=1)
    assert np.array_equal(np.array(made.structures)[made.structure], plan["structure"])
    assert np.array_equal(made.hit_multiplicity, plan["hit_multiplicity"])
    photons = made.read(slice(0, 40)).sum(axis=(1, 2))
    for structure in ("one", "two"):
        one, two = (photons[(plan["structure"] == structure) & (plan["hit_multiplicity"] == m)] for m in (1, 2))
        # Two particles scatter twice the photons, up to fringes in the bright centre.
        assert two.mean() / one.mean() == pytest.approx(2, rel=0.3)
    assert np.all(made.read(slice(0, 40))[:, made.mask] == 0)
    assert made.mask.sum() == 12


def test_jitter_scales_the_fluence_of_its_dataset_alone(run) -> None:
    config, inputs, _ = run
    plan = read_plan(inputs.plan)
    nominal = render.shot_fluence(plan, config, "clean")
    assert nominal == pytest.approx(np.full(40, 1e14 / (np.pi * 0.25)))
    assert render.shot_fluence(plan, config, "noisy") == pytest.approx(nominal * plan["fluence_factor"])


def test_finished_shards_are_kept_and_others_made(run, tmp_path: Path) -> None:
    config, inputs, _ = run
    made = produce(config, inputs, tmp_path / "noisy", workers=1)
    files = [store.shard_file(made.folder, made.layout, shard) for shard in range(5)]
    before = [file.stat().st_mtime_ns for file in files]
    sums = [sha256(file) for file in files]
    store.shard_marker(made.folder, 2).unlink()  # as if the job had been killed while it wrote this shard
    files[2].write_bytes(b"half a shard")
    stages.make_shards(config, inputs, made.folder, list(range(5)), 1, made.folder / "jobs" / "0.json")
    after = [file.stat().st_mtime_ns for file in files]
    assert [a == b for a, b in zip(after, before, strict=True)] == [True, True, False, True, True]
    assert [sha256(file) for file in files] == sums
    assert read_json(made.folder / "jobs" / "0.json")["sha256"] == sums


def test_another_fluence_makes_all_shards_again(run, tmp_path: Path) -> None:
    config, inputs, _ = run
    made = produce(config, inputs, tmp_path / "clean", workers=1)
    brighter = config.model_copy(
        update={"datasets": {"clean": config.datasets["clean"].model_copy(update={"photons_per_pulse": 2e14})}}
    )
    before = made.read(slice(0, 40))
    stages.make_shards(brighter, inputs, made.folder, list(range(5)), 1, made.folder / "jobs" / "0.json")
    assert made.read(slice(0, 40)) == pytest.approx(2 * before, rel=2**-12)


def test_torch_engine_agrees(run) -> None:
    config, inputs, _ = run
    plan = read_plan(inputs.plan)
    fast, torch = (render.images(plan, inputs, config, name) for name in ("clean", "by_torch"))
    # float32 phases and sums: a few roundings of 2⁻²⁴ times tens of radians
    assert np.linalg.norm(fast - torch) < 1e-5 * np.linalg.norm(fast)


def test_skopis_own_experiment_agrees(run) -> None:
    """skopi interpolates linearly on 151³ voxels and samples pixel centres: right for particles as small as these."""
    config, inputs, _ = run
    plan = read_plan(inputs.plan)
    ours, theirs = (render.images(plan, inputs, config, name) for name in ("clean", "by_skopi"))
    error = np.linalg.norm(ours - theirs, axis=(1, 2)) / np.linalg.norm(theirs, axis=(1, 2))
    # Linear interpolation damps an atom at x by sinc²(x h): 1 − (π x h)²/3 per axis, twice that in intensity. With
    # R = 26 Å and h = 2 · 0.0613 Å⁻¹ / 150, (π R h)² = 4.5e-3: an intensity error of 2 · 4.5e-3 / 3 · (3/5) ~ 2e-3.
    # Particles touch within 52 Å, so a pixel's average differs from its centre by (Δs d)²π²/6 ~ (0.0028 · 52)² · 1.6:
    # coarse pixels of the small detector, and it is the multi-hits alone that show it.
    single = plan["hit_multiplicity"] == 1
    assert error[single].max() < 4e-3
    assert error[~single].max() < 0.05


def test_skopis_photons_are_a_poisson_sample_of_its_own_mean(run) -> None:
    config, inputs, _ = run
    plan = read_plan(inputs.plan).iloc[:8]
    means = render.images(plan, inputs, config, "by_skopi")
    photons = render.images(plan, inputs, config, "photons_by_skopi")
    assert photons.dtype == np.uint16
    # Σ photons is Poisson of Σ means
    assert abs(photons.sum() - means.sum()) < 5 * np.sqrt(means.sum())
    assert np.array_equal(photons, render.images(plan, inputs, config, "photons_by_skopi"))


def test_wide_particle_is_refused_before_rendering(run, tmp_path: Path) -> None:
    config, inputs, _ = run
    far = np.zeros((2, 3))
    far[:, 0] = [-400.0, 400.0]
    Atoms(np.array(["C", "C"]), far, np.ones(2)).save(tmp_path / "wide.npz")
    with pytest.raises(ValueError, match=r"80.0 nm wide.*sample only up to"):
        stages.make_volume(
            tmp_path / "wide.npz", inputs.geometry, config.volume, tmp_path / "v.npz", tmp_path / "v.json"
        )
    assert not (tmp_path / "v.npz").exists()


def test_mask_file_is_checked(tmp_path: Path) -> None:
    np.save(tmp_path / "mask.npy", np.zeros((5, 5), dtype=bool))
    config = SimulationConfig.model_validate(
        {**CONFIG, "detector": {"n_pixels": 32, "mask_file": tmp_path / "mask.npy"}}
    )
    with pytest.raises(ValueError, match=r"bool \(5, 5\), expected bool \(32, 32\)"):
        stages.make_geometry(config, tmp_path / "geometry.npz", tmp_path / "geometry.json")


def test_plan_rows_of_one_shard_keep_their_order(run) -> None:
    config, inputs, _ = run
    plan = read_plan(inputs.plan)
    assert isinstance(plan, pd.DataFrame)
    backwards = render.images(plan.iloc[::-1], inputs, config, "clean")
    assert np.array_equal(backwards[::-1], render.images(plan, inputs, config, "clean"))
