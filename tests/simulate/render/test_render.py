"""From plan to store: the same bytes whatever the sharding and the workers; skopi's engine where skopi is right."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from frames.files import read_json, sha256, write_json
from frames.geometry import Geometry
from frames.labels import SPLITS
from frames.store import dataset, writer
from simulate.config import SimulationConfig
from simulate.experiment import background
from simulate.experiment.reach import reach_of, reach_q
from simulate.molecules.atoms import Atoms
from simulate.plan import shots
from simulate.plan.plan import Plan
from simulate.plan.plan import read as read_plan
from simulate.render import images as render
from simulate.render.layout import layout_of
from simulate.render.shards import make_shard
from simulate.stages import volume as volume_stage
from simulate.stages.dataset import complete_dataset
from simulate.stages.dataset_layout import make_layout
from simulate.stages.dataset_shards import make_shards
from simulate.stages.geometry import make_geometry
from simulate.stages.plan import make_plan
from simulate.stages.volume import make_volume

# Seen from near their z, so that every engine has to turn the plan's particles.
PULSE = {"photons_per_pulse": 1e14, "select": {"views": {"side": "inside", "cone_deg": 30}}}
PHOTONS = {**PULSE, "record": "photons"}
EXPECTED = {**PULSE, "record": "expected"}
GLOW = {"flat_photons": 2.0, "radial_photons": 5.0, "radial_radius_pixels": 4.0}
JITTER = {"fluence_jitter": {"model": "normal"}}

CONFIG: dict[str, Any] = {
    "structures": [
        {"id": "one", "source": "phantom", "phantom": "globule"},
        {"id": "two", "source": "phantom", "phantom": "globule"},
    ],
    "detector": {"n_pixels": 32, "pixel_size_um": 2400, "beamstop_radius_pixels": 2.0},
    "plan": {"patterns_per_class": 10, "hit_multiplicities": [0, 1, 2]},
    "storage": {"patterns_per_shard": 8, "patterns_per_chunk": 4},
    "datasets": {
        "clean": EXPECTED,
        "noisy": {**PHOTONS, "beam": JITTER, "readout": {"read_noise_photons": 0.3}},
        "glowing": {**EXPECTED, "beam": JITTER, "background": GLOW, "detector": {"missing": "quarter"}},
        "glow_alone": {**EXPECTED, "photons_per_pulse": 1e-9, "beam": JITTER, "background": GLOW},
        "everything": {
            **PHOTONS,
            "beam": {**JITTER, "energy_jitter": 0.01, "centre_jitter_um": 500, "focus_profile": "gaussian"},
            "background": GLOW,
            "detector": {"missing": "quarter"},
            "readout": {"saturation_photons": 8, "gain_spread": 0.1},
        },
        "selected": {**PHOTONS, "select": {**PULSE["select"], "shares": {0: 0.75, 2: 0.75}}},
        "shifted": {**EXPECTED, "beam": {"centre_offset_um": [4800, -2400]}},
        "by_torch": {**EXPECTED, "engine": "torch"},
        "by_skopi": {**EXPECTED, "engine": "skopi"},
        "photons_by_skopi": {**PHOTONS, "engine": "skopi"},
    },
}
N = 2 * 2 * 10 + 10


class Run(NamedTuple):
    config: SimulationConfig
    inputs: Callable[[str], render.Inputs]
    plan: Plan
    folder: Path

    def images(self, name: str, rows: slice = slice(None)) -> np.ndarray:
        return render.images(self.plan.rows(rows), self.inputs(name), self.config, name)

    def shots(self, name: str) -> shots.Shots:
        return shots.draw(self.plan, self.config.datasets[name])

    def geometry(self, name: str) -> Geometry:
        return Geometry.load(self.inputs(name).geometry)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two balls of 400 carbon atoms, of 20 and 26 Å radius, up to the plan."""
    folder = tmp_path_factory.mktemp("run")
    config = SimulationConfig.model_validate(CONFIG)
    atoms_files = {s.id: folder / f"{s.id}.npz" for s in config.structures}
    for structure, radius in (("one", 20.0), ("two", 26.0)):
        directions = np.random.default_rng(3).standard_normal((400, 3))
        positions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
        positions *= radius * np.random.default_rng(4).uniform(size=(400, 1)) ** (1 / 3)
        atoms = Atoms(np.full(400, "C"), positions - positions.mean(axis=0), np.ones(400))
        atoms.save(atoms_files[structure])
        write_json(folder / f"{structure}.json", {"radius_nm": atoms.radius / 10})
    make_plan(config, "ballistic", atoms_files, folder / "ballistic.parquet")

    def volumes(name: str) -> dict[str, Path]:
        reach = reach_of(config.datasets[name])
        files = {structure: folder / f"{structure}-{reach}.npz" for structure in atoms_files}
        for structure, file in files.items():
            if not file.exists():
                make_volume(atoms_files[structure], reach_q(reach), config.volume, file, file.with_suffix(".json"))
        return files

    def inputs(name: str) -> render.Inputs:
        geometry = folder / f"{name}-geometry.npz"
        if not geometry.exists():
            make_geometry(config.datasets[name], geometry, geometry.with_suffix(".json"))
        by_skopi = config.datasets[name].engine == "skopi"
        return render.Inputs(
            plan=folder / "ballistic.parquet",
            geometry=geometry,
            volumes={} if by_skopi else volumes(name),
            atoms=atoms_files if by_skopi else {},
        )

    return Run(config, inputs, read_plan(folder / "ballistic.parquet"), folder)


def produce(run: Run, folder: Path, workers: int | None = None) -> dataset.Dataset:
    """By so many workers on a cluster, or in this process."""
    inputs = run.inputs(folder.name)
    records = {s.id: run.folder / f"{s.id}.json" for s in run.config.structures}
    make_layout(run.config, inputs.plan, inputs.geometry, records, folder)
    shards = list(range(layout_of(run.config, folder.name).n_shards))
    if workers is None:
        for shard in shards:
            make_shard(folder, shard, inputs, run.config, made_from="test")
    else:
        make_shards(run.config, inputs, folder, shards, workers, folder / "jobs" / "0.json")
    complete_dataset(run.config, folder, inputs.geometry.with_suffix(".json"))
    return dataset.open_dataset(folder)


def test_bytes_do_not_depend_on_the_workers(run: Run, tmp_path: Path) -> None:
    stores = [produce(run, tmp_path / f"{n}" / "everything", workers=n) for n in (1, 2)]
    for shard in range(7):
        one, two = (sha256(writer.shard_file(made.folder, made.layout, shard)) for made in stores)
        assert one == two


@pytest.mark.parametrize("name", ["clean", "everything"])
def test_patterns_do_not_depend_on_the_sharding(run: Run, name: str) -> None:
    whole = run.images(name)
    for start, stop in ((0, 3), (17, 18), (25, 50)):
        assert np.array_equal(run.images(name, slice(start, stop)), whole[start:stop])


def test_dataset_holds_what_the_plan_says(run: Run, tmp_path: Path) -> None:
    table = run.plan.table
    made = produce(run, tmp_path / "clean")
    assert len(made) == N
    assert np.array_equal(np.array([*made.structures, ""])[made.structure], table["structure"])
    assert np.array_equal(made.hit_multiplicity, table["hit_multiplicity"])
    photons = made.read(slice(0, N)).sum(axis=(1, 2))
    for structure in ("one", "two"):
        one, two = (photons[(table["structure"] == structure) & (table["hit_multiplicity"] == m)] for m in (1, 2))
        # Two particles scatter twice the photons, up to fringes in the bright centre.
        assert two.mean() / one.mean() == pytest.approx(2, rel=0.3)
    assert not photons[table["hit_multiplicity"] == 0].any()
    assert np.all(made.read(slice(0, N))[:, made.mask] == 0)
    assert made.mask.sum() == 12


def test_labels_are_those_of_the_shots(run: Run, tmp_path: Path) -> None:
    made, drawn = produce(run, tmp_path / "everything"), run.shots("everything")
    nominal = 2 * 1e14 / (np.pi * 0.25)  # on the axis of a Gaussian
    for row, factor in enumerate(drawn.pulse_factor):
        particles = drawn.fluence[drawn.start[row] : drawn.start[row + 1]]
        expected = particles.mean() if len(particles) else nominal * factor
        assert made.fluence[row] == pytest.approx(expected, rel=1e-6)  # float32
    assert np.array_equal(made.pulse_factor, drawn.pulse_factor.astype(np.float32))
    assert np.array_equal(made.photon_energy_eV, drawn.photon_energy_eV.astype(np.float32))
    assert np.array_equal(made.beam_centre, drawn.beam_centre.astype(np.float32))
    assert made.photon_energy_eV.std() > 10
    assert made.beam_centre.std(axis=0).min() > 0.05
    assert np.array_equal(made.live, run.geometry("everything").live)
    assert made.mask.sum() == 12 + 16 * 16 - 3  # beamstop and a quarter, which share a quarter of the beamstop


def test_a_selection_is_what_the_whole_dataset_has_of_its_rows(run: Run, tmp_path: Path) -> None:
    """Three quarters of the double hits and of the empty shots, each as it is rendered with all others."""
    made = produce(run, tmp_path / "selected")
    assert made.layout.n_shards < -(-N // made.layout.patterns_per_shard)
    counts = {(c["structure"], c["hit_multiplicity"]): [c[s] for s in SPLITS] for c in made.card["classes"]}
    whole, part = [7, 1, 2], [5, 1, 2]
    assert counts == {("one", 1): whole, ("one", 2): part, ("two", 1): whole, ("two", 2): part, ("none", 0): part}
    assert made.splits == {"train": slice(0, 29), "validation": slice(29, 34), "test": slice(34, 44)}
    rows = {seed: row for row, seed in enumerate(run.plan.table["seed"])}
    of_plan = np.array([rows[seed] for seed in made.seed])
    table = run.plan.table.iloc[of_plan]
    assert np.array_equal(made.hit_multiplicity, table["hit_multiplicity"])
    assert np.array_equal(np.array([*made.structures, ""])[made.structure], table["structure"])
    assert np.array_equal(made.read(slice(0, len(made))), run.images("selected")[of_plan])


def test_a_shifted_beam_moves_the_pattern_by_whole_pixels(run: Run) -> None:
    """By (2, -1) of 2400 µm: solid angle and polarisation move with it, beamstop and panels do not."""
    shifted, centred = run.images("shifted"), run.images("clean")
    live = run.geometry("clean").live > 0
    both = live[:-1, 2:] & live[1:, :-2]
    a, b = shifted[:, :-1, 2:][:, both], centred[:, 1:, :-2][:, both]
    # The slices lie on other coarse points: each refined to a quarter of the volumes' accuracy of 1e-3 along an axis.
    assert np.linalg.norm(a - b) < 2e-3 * np.linalg.norm(b)
    assert np.linalg.norm(shifted - centred) > 0.1 * np.linalg.norm(centred)


def test_background_follows_pulse_and_live_share(run: Run) -> None:
    """Signal and background add up; where nothing was hit, the background is all."""
    factor = run.shots("glowing").pulse_factor
    live = run.geometry("glowing").live
    steady = background.expected(run.config.datasets["glowing"].background, (32, 32))
    glow = factor[:, None, None] * steady * live
    assert glow[:, ~run.geometry("glowing").mask].min() > 0
    empty = (run.plan.table["hit_multiplicity"] == 0).to_numpy()
    images = run.images("glowing")
    assert np.allclose(images[empty], glow[empty], rtol=1e-6)  # float32
    signal = factor[:, None, None] * run.images("clean") * live
    # The same shots at a scaled fluence; float32 sums of signal and background.
    assert np.allclose(images, signal + glow, rtol=1e-5, atol=1e-5 * float(images.max()) * 1e-3)


def test_without_particles_worth_mentioning_all_is_background(run: Run) -> None:
    glow = run.shots("glow_alone").pulse_factor[:, None, None] * background.expected(
        run.config.datasets["glow_alone"].background, (32, 32)
    )
    assert np.allclose(run.images("glow_alone"), glow * run.geometry("glow_alone").live, rtol=1e-6)


def test_stored_photons_saturate(run: Run) -> None:
    images = run.images("everything")
    assert images.dtype == np.uint16
    assert images.max() == 8


def test_finished_shards_are_kept_and_others_made(run: Run, tmp_path: Path) -> None:
    made = produce(run, tmp_path / "noisy", workers=1)
    shards = list(range(made.layout.n_shards))
    files = [writer.shard_file(made.folder, made.layout, shard) for shard in shards]
    before = [file.stat().st_mtime_ns for file in files]
    sums = [sha256(file) for file in files]
    writer.shard_marker(made.folder, 2).unlink()  # as if the job had been killed while it wrote this shard
    files[2].write_bytes(b"half a shard")
    make_shards(run.config, run.inputs("noisy"), made.folder, shards, 1, made.folder / "jobs" / "0.json")
    after = [file.stat().st_mtime_ns for file in files]
    assert [a == b for a, b in zip(after, before, strict=True)] == [shard != 2 for shard in shards]
    assert [sha256(file) for file in files] == sums
    assert read_json(made.folder / "jobs" / "0.json")["sha256"] == sums


def changed(run: Run, name: str, **sections: Any) -> Run:
    """The same run with other settings of one dataset."""
    values = run.config.model_dump(mode="json")
    values["datasets"][name] |= sections
    return run._replace(config=SimulationConfig.model_validate(values))


def test_another_fluence_makes_all_shards_again(run: Run, tmp_path: Path) -> None:
    before = produce(run, tmp_path / "clean", workers=1).read(slice(0, N))
    after = produce(changed(run, "clean", photons_per_pulse=2e14), tmp_path / "clean", workers=1).read(slice(0, N))
    assert after == pytest.approx(2 * before, rel=2**-12)


def test_another_readout_renders_nothing(run: Run, tmp_path: Path) -> None:
    """Photons stay where they are and are read with other noise; a lower saturation is in the photons, and is not."""
    made = produce(run, tmp_path / "noisy", workers=1)
    files = [writer.shard_file(made.folder, made.layout, shard) for shard in range(made.layout.n_shards)]
    before = [file.stat().st_mtime_ns for file in files]
    louder = produce(changed(run, "noisy", readout={"read_noise_photons": 3.0}), tmp_path / "noisy", workers=1)
    assert [file.stat().st_mtime_ns for file in files] == before
    assert louder.card["config"]["readout"]["read_noise_photons"] == 3.0
    noise = (louder.read(slice(0, N)) - louder.read_raw(slice(0, N)))[:, ~louder.mask]
    assert noise.std() == pytest.approx(3.0, rel=5 / np.sqrt(2 * noise.size))
    produce(changed(run, "noisy", readout={"saturation_photons": 5}), tmp_path / "noisy", workers=1)
    assert all(file.stat().st_mtime_ns > time for file, time in zip(files, before, strict=True))


def test_torch_engine_agrees(run: Run) -> None:
    fast, torch = run.images("clean"), run.images("by_torch")
    # float32 phases and sums: a few roundings of 2⁻²⁴ times tens of radians
    assert np.linalg.norm(fast - torch) < 1e-5 * np.linalg.norm(fast)


def test_skopis_own_experiment_agrees(run: Run) -> None:
    """skopi interpolates linearly on 151³ voxels and samples pixel centres: right for particles as small as these."""
    ours, theirs = run.images("clean"), run.images("by_skopi")
    multiplicity = run.plan.table["hit_multiplicity"].to_numpy()
    assert not theirs[multiplicity == 0].any()
    error = np.linalg.norm(ours - theirs, axis=(1, 2)) / np.maximum(np.linalg.norm(theirs, axis=(1, 2)), 1e-30)
    # Linear interpolation damps an atom at x by sinc²(x h): 1 − (π x h)²/3 per axis, twice that in intensity. With
    # R = 26 Å and h = 2 · 0.0613 Å⁻¹ / 150, (π R h)² = 4.5e-3: an intensity error of 2 · 4.5e-3 / 3 · (3/5) ~ 2e-3.
    # Particles touch within 52 Å, so a pixel's average differs from its centre by (Δs d)²π²/6 ~ (0.0028 · 52)² · 1.6:
    # coarse pixels of the small detector, and it is the multi-hits alone that show it.
    assert error[multiplicity == 1].max() < 4e-3
    assert error[multiplicity == 2].max() < 0.05


def test_skopis_photons_are_a_poisson_sample_of_its_own_mean(run: Run) -> None:
    means, photons = run.images("by_skopi", slice(0, 8)), run.images("photons_by_skopi", slice(0, 8))
    assert photons.dtype == np.uint16
    # Σ photons is Poisson of Σ means
    assert abs(photons.sum() - means.sum()) < 5 * np.sqrt(means.sum())
    assert np.array_equal(photons, run.images("photons_by_skopi", slice(0, 8)))


def test_wide_particle_is_refused_before_rendering(run: Run, tmp_path: Path) -> None:
    inputs = run.inputs("clean")
    write_json(tmp_path / "wide.json", {"radius_nm": 40.0})
    records = {"one": run.folder / "one.json", "two": tmp_path / "wide.json"}
    with pytest.raises(ValueError, match=r"dataset clean, structure two: .*80.0 nm wide.*move the detector back"):
        make_layout(run.config, inputs.plan, inputs.geometry, records, tmp_path / "clean")
    assert not (tmp_path / "clean").exists()


def test_a_volume_that_misses_its_accuracy_is_not_handed_on(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(volume_stage, "measured_error", lambda *arguments: 0.5)
    with pytest.raises(RuntimeError, match=r"volume of one: intensity error 5.00e-01.*more than the 1.00e-03"):
        make_volume(run.folder / "one.npz", 0.4, run.config.volume, tmp_path / "v.npz", tmp_path / "v.json")
    assert not (tmp_path / "v.npz").exists()


def test_mask_file_is_checked(tmp_path: Path) -> None:
    np.save(tmp_path / "mask.npy", np.zeros((5, 5), dtype=bool))
    config = SimulationConfig.model_validate(
        {**CONFIG, "detector": {"n_pixels": 32, "mask_file": tmp_path / "mask.npy"}}
    )
    with pytest.raises(ValueError, match=r"bool \(5, 5\), expected bool \(32, 32\)"):
        make_geometry(config.datasets["clean"], tmp_path / "geometry.npz", tmp_path / "geometry.json")
    np.save(tmp_path / "mask.npy", np.ones((32, 32), dtype=bool))
    with pytest.raises(ValueError, match=r"no pixel of the detector counts photons: .*mask\.npy leave none of 1024"):
        make_geometry(config.datasets["clean"], tmp_path / "geometry.npz", tmp_path / "geometry.json")
    assert not (tmp_path / "geometry.npz").exists()
