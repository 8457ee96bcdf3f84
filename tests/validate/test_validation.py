"""Every check of docs/validation.md at a reduced size keeps its limits, and a wrong simulation breaks them."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from frames.geometry import Geometry
from simulate.diffraction.patterns import expected_photons
from simulate.diffraction.volume import VolumeStack
from simulate.molecules import phantoms
from simulate.plan import plan
from simulate.plan.config import PlanConfig
from simulate.plan.placement import MODELS, body_of
from simulate.plan.shots import Shots
from support import references
from validate import page
from validate.check import Finding, Measure, scientific
from validate.contents import FIGURES, SECTIONS
from validate.diffraction import closed_forms, fringes, interpolation, refinement, sums
from validate.experiment import corrections, photons
from validate.fixtures import Molecule, Render, detector, plain_field
from validate.plan import contacts, orientations

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def globule() -> Molecule:
    return Molecule("globule", phantoms.build("globule"))


@pytest.fixture(scope="module")
def small(globule: Molecule) -> list[Finding]:
    return list(page.findings(page.SMALL, [globule], [globule]))


@pytest.mark.parametrize("key", SECTIONS)
def test_every_check_keeps_its_limits(small: list[Finding], key: str) -> None:
    found = {finding.key: finding for finding in small}[key]
    assert found.measures
    assert found.failures == []


def test_page_and_figures(small: list[Finding], tmp_path: Path) -> None:
    written = tmp_path / "docs" / "validation.md"
    page.write(written, written.parent / "validation", small, ["1abc: sha256 `0`"], "this test")
    text = written.read_text()
    for finding in small:
        assert f"## {finding.title}\n" in text
        assert f"validation/{finding.key}.svg" in text
        assert all(measure.name.replace("|", "\\|") in text for measure in finding.measures)
    figures = {file.name: file.read_bytes() for file in (tmp_path / "docs" / "validation").iterdir()}
    assert set(figures) == set(FIGURES)
    page.write(written, written.parent / "validation", small, ["1abc: sha256 `0`"], "this test")
    assert {file.name: file.read_bytes() for file in (tmp_path / "docs" / "validation").iterdir()} == figures
    assert written.read_text() == text


def test_a_failed_limit_is_named_and_nothing_is_written(small: list[Finding], tmp_path: Path) -> None:
    broken = dataclasses.replace(small[0], measures=(Measure("the moon", 2.0, 1.0, "cheese"),))
    with pytest.raises(RuntimeError, match=r"the moon is 2, expected <= 1 \(cheese"):
        page.write(tmp_path / "page.md", tmp_path / "figures", [*small[1:], broken], [], "this test")
    assert list(tmp_path.iterdir()) == []


def test_committed_page_has_every_section(small: list[Finding]) -> None:
    text = (ROOT / "docs" / "validation.md").read_text()
    for finding in small:
        assert f"## {finding.title}\n" in text
        assert (ROOT / "docs" / "validation" / f"{finding.key}.svg").exists()


def test_limits_hold_both_ways_and_never_for_nan() -> None:
    assert Measure("", 1.0, 2.0, "").holds
    assert not Measure("", 1.0, 2.0, "", at_least=True).holds
    assert not Measure("", np.nan, 2.0, "").holds
    assert not Measure("", np.nan, 2.0, "", at_least=True).holds


def test_numbers_read_well() -> None:
    numbers = {
        0.0: "0",
        0.01274: "0.0127",
        5.23e-4: "5.23 × 10⁻⁴",
        1e-3: "1 × 10⁻³",
        2811.2: "2,810",
        1.3e12: "1.3 × 10¹²",
    }
    assert {value: scientific(value) for value in numbers} == numbers


def test_plain_sums_are_the_references(globule: Molecule) -> None:
    points = np.random.default_rng(0).uniform(-0.4, 0.4, size=(20, 3))
    assert plain_field(points, globule.core) == pytest.approx(references.field(points, *globule.core), rel=1e-12)


def test_debye_is_the_plain_double_sum(globule: Molecule) -> None:
    positions, _, species, table = globule.core
    core = positions[:150], np.linspace(0.5, 1, 150), species[:150], table
    q = np.array([0.01, 0.1, 0.38])
    distance = np.linalg.norm(core[0][:, None] - core[0], axis=-1)
    factors = np.stack([closed_forms.form_factor(row, q) for row in table])[core[2]] * core[1][:, None]
    slow = [factors[:, k] @ np.sinc(q[k] * distance / np.pi) @ factors[:, k] for k in range(3)]
    assert closed_forms.debye_intensity(core, q) == pytest.approx(slow, rel=1e-4)


# Wrong simulations


def failed(finding: Finding) -> str:
    return "\n".join(finding.failures)


def test_missing_polarisation_is_found() -> None:
    def unpolarised(volumes: VolumeStack, geometry: Geometry, shots: Shots) -> np.ndarray:
        return expected_photons(volumes, geometry, shots) / geometry.polarisation.astype(np.float32)

    found = corrections.check(detector(32, distance_mm=80.0), detector(32), unpolarised)
    assert failed(found).count("rendered against") == 2
    assert failed(found).count("skopi") == 2


def test_transposed_images_are_found() -> None:
    def transposed(volumes: VolumeStack, geometry: Geometry, shots: Shots) -> np.ndarray:
        return expected_photons(volumes, geometry, shots).transpose(0, 2, 1)

    assert "rendered against" in failed(corrections.check(detector(32, distance_mm=80.0), detector(32), transposed))


def test_an_error_as_large_as_skopis_is_found(globule: Molecule) -> None:
    """Trilinear slices of a plain volume with skopi's number of voxels per fringe of 4a0v, 5.5."""

    def trilinear(volumes: VolumeStack, geometry: Geometry, shots: Shots) -> np.ndarray:
        spacing = np.pi / (globule.atoms.radius * 5.5)
        plain = interpolation.plain_volume(globule.core, spacing, int(geometry.q_max / spacing) + 2)
        rotations = interpolation.rotation_matrices(shots.orientations)
        field = interpolation.slices(plain, geometry.q @ rotations[:, None], 1)
        return geometry.photons_per_electron2() * np.abs(field) ** 2

    found = sums.check([globule], detector(64), trilinear, n_points=200, seed=3)
    assert "photons of the rendering" in failed(found)
    assert "type 3" not in failed(found)


def test_kernels_that_are_not_compensated_are_found(globule: Molecule) -> None:
    def damped(volumes: VolumeStack, geometry: Geometry, shots: Shots) -> np.ndarray:
        plain = interpolation.plain_volume(globule.core, float(volumes.spacings[0]), int(volumes.sizes[0]) // 2)
        return expected_photons(interpolation.stack([dataclasses.replace(plain, accuracy=1e-5)]), geometry, shots)

    found = interpolation.check([globule], detector(64), damped, oversamplings=(3, 4, 5, 6, 8), n=1, seed=1)
    assert "over its estimate" in failed(found)
    assert "power" in failed(found)


def test_a_careless_refinement_is_found(globule: Molecule, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refinement, "BANDWIDTH_MARGIN", 0.4)  # the particle's own fringes are left out of the band
    found = refinement.check([globule], detector(), tolerances=(1e-2, 1e-3, 1e-4), n=1, seed=2)
    assert "over √2 times the tolerance" in failed(found)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda shots: dataclasses.replace(shots, positions=shots.positions * 1.01), "place of the"),
        (lambda shots: dataclasses.replace(shots, positions=shots.positions * [1, 1, -1]), "place of the"),
    ],
    ids=["1 % too far apart", "mirrored along the beam"],
)
def test_misplaced_fringes_are_found(globule: Molecule, change, named: str) -> None:
    wrong: Render = lambda volumes, geometry, shots: expected_photons(volumes, geometry, change(shots))  # noqa: E731
    assert named in failed(fringes.check(globule, wrong, positions_at=(500,), separations=(100,), seed=8))


def test_incoherent_sums_are_found(globule: Molecule) -> None:
    def incoherent(volumes: VolumeStack, geometry: Geometry, shots: Shots) -> np.ndarray:
        alone = dataclasses.replace(
            shots,
            start=np.arange(len(shots.species) + 1),
            **{name: np.repeat(getattr(shots, name), 2, axis=0) for name in ("photon_energy_eV", "beam_centre")},
            pulse_factor=np.repeat(shots.pulse_factor, 2),
        )
        return expected_photons(volumes, geometry, alone).sum(axis=0, keepdims=True)

    found = fringes.check(globule, incoherent, positions_at=(500,), separations=(600,), seed=8)
    assert {"place", "contrast", "error"} <= {word for word in ("place", "contrast", "error") if word in failed(found)}


@pytest.mark.filterwarnings("ignore:invalid value")  # of rounded normal numbers all may be 0
def test_counts_that_are_not_poissons_are_found() -> None:
    def rounded_normal(expected: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        rng = np.random.default_rng(seeds)
        return np.maximum(np.rint(rng.normal(expected, np.sqrt(expected))), 0).astype(np.uint16)

    def same_twice(expected: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        half = photons_of(expected[:, :, ::2], seeds)
        return np.repeat(half, 2, axis=2)

    def photons_of(expected: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        return page.sample_photons(np.ascontiguousarray(expected), seeds)

    arguments = {"means": (0.1, 10.0), "shape": (4, 128, 128), "seed": 0}
    assert "smallest p value" in failed(photons.check(rounded_normal, **arguments))
    assert "correlation" in failed(photons.check(same_twice, **arguments))


def test_uneven_orientations_are_found() -> None:
    """Uniform Euler angles, the classical mistake; and pairs that are turned alike."""
    from scipy.spatial.transform import Rotation

    rng = np.random.default_rng(0)
    euler = Rotation.from_euler("zyz", rng.uniform(0, [2 * np.pi, np.pi, 2 * np.pi], size=(4000, 3)))
    uneven = np.roll(euler.as_quat(), 1, axis=1).reshape(-1, 2, 4)
    assert "rotation angle" in failed(orientations.check(uneven, ""))
    assert "direction cosines" in failed(orientations.check(uneven, ""))
    alike = page.plan.draw(
        PlanConfig(hit_multiplicities=(1,), patterns_per_class=2000), "ballistic", {"a": body_of(np.zeros((1, 3)))}
    ).orientations[:, None]
    assert failed(orientations.check(alike.repeat(2, axis=1), "")).count("angle between the two") == 1


def test_overlap_is_found(globule: Molecule) -> None:
    config = PlanConfig(seed=1, patterns_per_class=10, hit_multiplicities=(2,))
    plans = {model: plan.draw(config, model, {"globule": body_of(globule.atoms.positions)}) for model in MODELS}
    assert failed(contacts.check([globule], plans, config)) == ""
    squeezed = {model: dataclasses.replace(made, positions=0.99 * made.positions) for model, made in plans.items()}
    found = failed(contacts.check([globule], squeezed, config))
    assert all(model in found for model in ("ballistic", "random_contact", "surface_contact"))
