"""Datasets and their bases: what holds where two of them say something."""

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from frames.readout.config import ReadoutConfig
from frames.schema import overlaid
from simulate.config import SimulationConfig
from simulate.experiment.config import DatasetConfig
from simulate.experiment.presets import presets, resolve
from simulate.render.layout import layout_of

SIMULATION: dict[str, Any] = {"structures": [{"id": "ball", "source": "phantom", "phantom": "globule"}]}


def datasets(entries: dict[str, Any], **sections: Any) -> dict[str, DatasetConfig]:
    return SimulationConfig.model_validate({**SIMULATION, **sections, "datasets": entries}).datasets


@pytest.mark.parametrize("name", list(presets()))
def test_every_preset_is_a_dataset_as_it_stands(name: str) -> None:
    made = datasets({"mine": {"base": name}})["mine"]
    assert made == DatasetConfig.model_validate(presets()[name])


def test_the_posters_two_sets_are_presets() -> None:
    """Photons, fluence jitter and noise as in the poster; the noise-free one is constant from shot to shot."""
    made = datasets({"noise_free": {"base": "clean"}, "noisy": {"base": "poster"}})
    clean, noisy = made["noise_free"], made["noisy"]
    assert (clean.photons_per_pulse, clean.record, clean.beam.fluence_jitter.model) == (1e14, "expected", "none")
    assert (noisy.photons_per_pulse, noisy.record, noisy.readout.read_noise_photons) == (1e12, "photons", 0.3)
    jitter = noisy.beam.fluence_jitter
    assert (jitter.model, jitter.sigma, jitter.floor) == ("normal", 0.9, 0.1)
    assert clean.detector == noisy.detector
    assert (noisy.beam.photon_energy_eV, noisy.detector.image_pixel_size_um) == (4600, 600)


def test_a_base_may_be_a_dataset_a_preset_or_a_chain_of_them() -> None:
    made = datasets(
        {
            "dimmest": {"base": "dim", "photons_per_pulse": 1e10},
            "noisy": {"base": "poster"},
            "dim": {"base": "noisy", "photons_per_pulse": 1e11},
        }
    )
    assert made["dim"] == made["noisy"].model_copy(update={"photons_per_pulse": 1e11})
    assert made["dimmest"] == made["noisy"].model_copy(update={"photons_per_pulse": 1e10})


def test_a_dataset_named_as_a_preset_may_start_from_it_and_is_what_others_start_from() -> None:
    made = datasets({"clean": {"base": "clean", "photons_per_pulse": 1e13}, "other": {"base": "clean"}})
    assert made["clean"].photons_per_pulse == made["other"].photons_per_pulse == 1e13


def test_overrides_merge_section_by_section() -> None:
    beam = {"energy_jitter": 0.01, "fluence_jitter": {"sigma": 0.5}}
    made = datasets({"mine": {"base": "poster", "beam": beam}})["mine"]
    assert made.beam.energy_jitter == 0.01
    assert made.beam.fluence_jitter.model == "normal"  # the preset's stays
    assert made.beam.fluence_jitter.sigma == 0.5
    assert made.readout.read_noise_photons == 0.3


def test_the_runs_defaults_lie_below_presets_and_datasets() -> None:
    plain = {"photons_per_pulse": 1e12, "record": "photons"}
    made = datasets(
        {"plain": plain, "own": {**plain, "beam": {"photon_energy_eV": 9000}}, "preset": {"base": "poster"}},
        beam={"photon_energy_eV": 7000, "energy_jitter": 0.002},
        detector={"n_pixels": 64, "beamstop_radius_pixels": 4},
    )
    assert [made[name].beam.photon_energy_eV for name in made] == [7000, 9000, 4600]
    assert [made[name].beam.energy_jitter for name in made] == [0.002] * 3  # of which the preset says nothing
    assert [made[name].detector.n_pixels for name in made] == [64, 64, 128]
    assert made["preset"].detector.beamstop_radius_pixels == 4


def test_what_is_given_is_not_changed() -> None:
    entries: dict[str, Any] = {"a": {"base": "poster", "beam": {"energy_jitter": 0.01}}, "b": {"base": "a"}}
    before = copy.deepcopy(entries)
    resolve(entries, {"beam": {"photon_energy_eV": 7000}})
    assert entries == before


def test_a_resolved_config_resolves_to_itself() -> None:
    whole = SimulationConfig.model_validate({**SIMULATION, "datasets": {"a": {"base": "poster"}, "b": {"base": "a"}}})
    assert SimulationConfig.model_validate(whole.model_dump(mode="json")) == whole


@pytest.mark.parametrize("base", ["foggy", "mine", ["poster"], 3])
def test_an_unknown_base_is_named_with_all_that_are_known(base: Any) -> None:
    entries = {"mine": {"base": base}, "other": {"photons_per_pulse": 1.0, "record": "expected"}}
    with pytest.raises(ValidationError) as error:
        datasets(entries)
    for word in (repr(base), "'mine'", "'other'", *presets()):
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("entries", "chain"),
    [
        ({"a": {"base": "b"}, "b": {"base": "a"}}, "a -> b -> a"),
        ({"a": {"base": "b"}, "b": {"base": "c"}, "c": {"base": "b"}}, "a -> b -> c -> b"),
    ],
)
def test_datasets_that_are_each_others_base_are_refused(entries: dict[str, Any], chain: str) -> None:
    with pytest.raises(ValidationError, match=chain):
        datasets(entries)


def test_a_dataset_that_is_no_mapping_is_refused_as_such() -> None:
    with pytest.raises(ValidationError) as error:
        datasets({"a": 3, "b": {"base": "a"}})
    assert [details["loc"] for details in error.value.errors()] == [("datasets", "a"), ("datasets", "b")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"record": "expected", "readout": {"read_noise_photons": 0.3}}, "an expectation has no detector noise"),
        ({"beam": {"injection_radius_um": 1.0}}, "needs focus_profile: gaussian"),
        ({"engine": "skopi", "beam": {"energy_jitter": 0.01}}, r"skopi knows no beam\.energy_jitter; use"),
        ({"engine": "skopi", "beam": {"centre_offset_um": [0, 5]}}, r"skopi knows no beam\.centre_offset_um; use"),
        ({"placement": "surface_contact", "select": {"views": {"side": "inside"}}}, "surface_contact laid them by how"),
        ({"select": {"shares": {1: 0.0}}}, "greater than 0"),
        ({"select": {"shares": {1: 1.5}}}, "less than or equal to 1"),
        ({"select": {"views": {"cone_deg": 90}}}, "less than 90"),
        (
            {"engine": "skopi", "background": {"flat_photons": 1}, "detector": {"model": "pnccd"}},
            r"skopi knows no background, detector\.model; use",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DatasetConfig.model_validate({"photons_per_pulse": 1e12, "record": "photons", **change})


def test_skopi_takes_no_mixed_species() -> None:
    entries = {"reference": {"photons_per_pulse": 1e12, "record": "photons", "engine": "skopi"}}
    with pytest.raises(ValidationError, match=r"\['reference'\] have engine: skopi, which knows no mixed species"):
        datasets(entries, plan={"mixed_fraction": 0.5})


@pytest.mark.parametrize(
    ("share", "message"),
    [
        ({5: 0.5}, r"simulation\.datasets\.mine\.select\.shares: of hit multiplicities \[5\], .*plan's \[1, 2, 3, 4\]"),
        (
            {2: 0.04},
            r"datasets\.mine\.select\.shares\.2: 0\.04 leaves the classes of hit multiplicity 2 no validation",
        ),
    ],
)
def test_shares_are_of_the_plans_classes_and_leave_none_of_them_empty(share: dict[int, float], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        datasets({"mine": {"base": "clean", "select": {"shares": share}}}, plan={"patterns_per_class": 100})


def test_the_posters_earlier_balance_of_classes() -> None:
    """57 % singles: 1 of 1 + 3/4; the shares of a base are overridden one by one, and a dumped config is the same."""
    entries = {
        "poster": {"base": "clean", "select": {"shares": {2: 0.25, 3: 0.25, 4: 0.25}}},
        "other": {"base": "poster", "select": {"shares": {4: 1.0}, "views": {"side": "inside"}}},
    }
    config = SimulationConfig.model_validate({**SIMULATION, "datasets": entries})
    layout = layout_of(config, "poster")
    assert layout.n_patterns == 5000 * (1 + 3 / 4)
    assert round(100 * 5000 / layout.n_patterns) == 57
    assert config.datasets["other"].select.shares == {2: 0.25, 3: 0.25, 4: 1.0}
    assert SimulationConfig.model_validate_json(config.model_dump_json()) == config


def test_a_saturating_detector_still_reads_the_stored_photons() -> None:
    made = datasets({"mine": {"base": "clean", "record": "photons", "readout": {"saturation_photons": 100}}})["mine"]
    assert made.readout.is_ideal


def test_a_bad_default_is_told_once() -> None:
    plain = {"photons_per_pulse": 1e12, "record": "photons"}
    with pytest.raises(ValidationError) as error:
        datasets({"a": plain, "b": plain}, beam={"photon_energy_eV": -1})
    assert [details["loc"] for details in error.value.errors()] == [("beam", "photon_energy_eV")]


def test_overlaid_by_hand() -> None:
    below = {"a": 1, "section": {"x": 1, "y": {"deep": 1}}, "gone": {"z": 1}}
    above = {"section": {"y": {"deep": 2}, "w": 3}, "gone": None}
    assert overlaid(below, above) == {"a": 1, "section": {"x": 1, "y": {"deep": 2}, "w": 3}}


def test_null_forgets_a_section_but_is_a_value_elsewhere() -> None:
    below = {"readout": {"seed": 3, "saturation_photons": 100}, "detector": {"mask_file": "a.npy"}}
    assert overlaid(below, {"readout": None, "detector": {"mask_file": None}}) == {"detector": {"mask_file": None}}
    quiet = resolve({"a": {"base": "lcls-amo", "record": "expected", "readout": None}}, {})[0]["a"]
    assert DatasetConfig.model_validate(quiet).readout == ReadoutConfig()


@pytest.mark.parametrize(
    "beyond",
    [
        {"photons_per_pulse": 1e45},
        {"photons_per_pulse": float("inf")},
        {"background": {"flat_photons": 1e300}},
        {"background": {"radial_photons": 1e39}},
        {"background": {"radial_radius_pixels": 1e-310}},
        {"readout": {"read_noise_photons": 1e300}},
        {"readout": {"hot_photons": 1e39}},
        {"readout": {"adu_per_photon": 1e300}},
        {"readout": {"adu_per_photon": 1e-300}},
        {"beam": {"fluence_jitter": {"model": "lognormal", "sigma": 1e200}}},
        {"beam": {"fluence_jitter": {"model": "normal", "floor": 1e200}}},
        {"beam": {"focus_profile": "gaussian", "injection_radius_um": 1e200}},
        {"beam": {"centre_offset_um": (1e300, 0)}},
        {"beam": {"centre_jitter_um": 1e300}},
    ],
)
def test_numbers_beyond_all_experiments_are_refused_by_name(beyond: dict[str, Any]) -> None:
    name = list(flat_names(beyond))[-1]
    with pytest.raises(ValidationError, match=rf"(?s){name}.*(less|greater) than or equal to|{name}.*finite"):
        DatasetConfig.model_validate({"photons_per_pulse": 1e12, "record": "photons", **beyond})


def flat_names(values: dict[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        yield name
        if isinstance(value, dict):
            yield from flat_names(value)


def test_the_brightest_pulse_allowed_has_a_finite_fluence() -> None:
    beam = {"focus_radius_um": 0.01, "focus_profile": "gaussian"}
    dataset = DatasetConfig.model_validate({"photons_per_pulse": 1e20, "record": "expected", "beam": beam})
    # r_e² F² of a capsid of 10⁸ electrons, straight ahead and into one steradian, in single precision
    assert dataset.peak_fluence * 8e-22 * 1e16 < 1e-10 * np.finfo(np.float32).max
