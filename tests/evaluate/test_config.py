"""The typed config of a run: what it refuses, and how it says so."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from evaluate.config import IMAGE_PIXELS, RunConfig, load_config
from train.models.registry import build

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted(path for path in [*(ROOT / "config").glob("*.yaml"), ROOT / "config.yaml"] if path.exists())


@pytest.fixture
def mapping() -> dict[str, Any]:
    return {
        "run": "toy",
        "title": "Toy",
        "simulation": {
            "structures": [{"id": "ball", "source": "phantom", "phantom": "globule"}],
            "datasets": {"clean": {"photons_per_pulse": 1e14, "record": "expected"}},
        },
        "training": {"models": ["late10"], "datasets": ["clean"]},
    }


def set_at(mapping: dict[str, Any], dotted: str, value: Any) -> None:
    *path, last = dotted.split(".")
    for key in path:
        mapping = mapping.setdefault(key, {})
    mapping[last] = value


def test_a_run_lies_under_its_results_folder(mapping: dict[str, Any]) -> None:
    config = load_config(mapping)
    assert isinstance(config, RunConfig)
    assert config.folder == Path("results/toy")
    assert load_config(mapping | {"results_dir": "/scratch/x"}).folder == Path("/scratch/x/toy")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_configs_are_valid(path: Path) -> None:
    load_config(yaml.safe_load(path.read_text(encoding="utf-8")))


def test_there_are_shipped_configs() -> None:
    assert SHIPPED


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("colour", "red", "colour is not a known key (found 'red'); correct or remove it"),
        ("simulation.beam.fluence", 1, "simulation.beam.fluence is not a known key (found 1)"),
        ("training.recipe.lr", 0.1, "training.recipe.lr is not a known key (found 0.1)"),
        (
            "simulation.datasets.clean.photons_per_pulse",
            -1e12,
            "simulation.datasets.clean.photons_per_pulse = -1000000000000.0: should be greater than 0",
        ),
        ("simulation.datasets.clean.photons_per_pulse", float("nan"), "photons_per_pulse = nan: should be"),
        ("simulation.datasets.clean.record", "images", "record = 'images': should be 'expected' or 'photons'"),
        (
            "simulation.plan.split",
            {"train": 0.5, "validation": 0.1, "test": 0.2},
            "split fractions sum to 0.8, expected 1",
        ),
        ("simulation.plan.hit_multiplicities", [1, 1], "hit_multiplicities [1, 1] must be non-empty and unique"),
        ("simulation.plan.hit_multiplicities", [0], "hit_multiplicities [0] hit nothing; name at least one other"),
        ("simulation.structures", [{"id": "None", "source": "phantom", "phantom": "globule"}], "structure id 'none'"),
        ("simulation.datasets.clean.base", "foggy", "simulation: dataset clean: base 'foggy' is neither a dataset"),
        ("simulation.datasets.clean.readout", {"read_noise_photons": 0.3}, "an expectation has no detector noise"),
        ("run", "../../etc", "run = '../../etc': string should match pattern"),
        ("run", "toy/../other", "run = 'toy/../other': string should match pattern"),
        ("simulation.datasets.a/b", {"photons_per_pulse": 1.0, "record": "expected"}, "string should match pattern"),
        ("title", "", "title = '': string should have at least 1 character"),
        ("training.models", ["late99"], "training.models.0 = 'late99': no network is called 'late99'; known: late10"),
        ("training.datasets", ["dirty"], "training.datasets: 'dirty' is not one of simulation.datasets ['clean']"),
        (
            "simulation.detector.n_pixels",
            64,
            "training.models: 'late10' takes images of 128 x 128 pixels, but "
            "simulation.datasets.clean.detector.n_pixels is 64",
        ),
    ],
)
def test_each_problem_is_named_with_key_value_and_expectation(
    mapping: dict[str, Any], key: str, value: Any, message: str
) -> None:
    set_at(mapping, key, value)
    with pytest.raises(ValueError, match="1 problem in the config") as error:
        load_config(mapping)
    assert message in str(error.value)


def test_a_bad_value_over_a_base_names_its_dotted_key(mapping: dict[str, Any]) -> None:
    set_at(mapping, "simulation.datasets.noisy", {"base": "poster", "photons_per_pulse": -1})
    with pytest.raises(ValueError, match="1 problem") as error:
        load_config(mapping)
    assert "simulation.datasets.noisy.photons_per_pulse = -1: should be greater than 0" in str(error.value)


def test_all_problems_are_listed_at_once(mapping: dict[str, Any]) -> None:
    del mapping["title"]
    set_at(mapping, "simulation.beam.photon_energy_eV", 0)
    set_at(mapping, "simulation.detector.shape", "round")
    set_at(mapping, "training.seeds", [-1])
    with pytest.raises(ValueError, match="4 problems") as error:
        load_config(mapping)
    for key in (
        "title is missing",
        "simulation.beam.photon_energy_eV = 0:",
        "simulation.detector.shape is not",
        "seeds.0",
    ):
        assert key in str(error.value)


def test_both_mismatches_of_the_halves_are_listed(mapping: dict[str, Any]) -> None:
    set_at(mapping, "training.datasets", ["dirty", "clean"])
    set_at(mapping, "simulation.detector.n_pixels", 64)
    with pytest.raises(ValueError, match="2 problems"):
        load_config(mapping)


def test_a_dataset_that_is_not_trained_on_may_have_other_images(mapping: dict[str, Any]) -> None:
    small = {"base": "poster", "detector": {"n_pixels": 64}}
    set_at(mapping, "simulation.datasets.small", small)
    assert load_config(mapping).simulation.datasets["small"].detector.n_pixels == 64
    set_at(mapping, "training.datasets", ["clean", "small"])
    with pytest.raises(ValueError, match=r"1 problem[\s\S]*simulation\.datasets\.small\.detector\.n_pixels is 64"):
        load_config(mapping)


def test_values_do_not_change_after_validation(mapping: dict[str, Any]) -> None:
    config = load_config(mapping)
    with pytest.raises(ValueError, match="frozen"):
        config.run = "other"


@pytest.mark.parametrize("model", sorted(IMAGE_PIXELS))
def test_networks_take_the_size_that_is_asked_for_and_no_other(model: str) -> None:
    network, size = build(model, n_structures=2, n_multiplicities=2), IMAGE_PIXELS[model]
    network(torch.zeros(1, 1, size, size))
    with pytest.raises(ValueError, match=str(size)):
        network(torch.zeros(1, 1, size // 2, size // 2))
