"""The typed config of a run: what it refuses, and how it says so."""

from pathlib import Path
from typing import Any

import pytest
import torch

from evaluate.run.config import RunConfig, load_config, read_config
from evaluate.run.sections import BASELINES
from evaluate.run.systems import load_run
from support.heads import sizes
from support.made.mappings import set_at
from train.models.registry import MODELS, build

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = sorted(path for path in [*(ROOT / "config").rglob("*.yaml"), ROOT / "config.yaml"] if path.exists())


def test_a_run_lies_under_its_results_folder(mapping: dict[str, Any]) -> None:
    config = load_config(mapping)
    assert isinstance(config, RunConfig)
    assert config.folder == Path("results/toy")
    assert load_config(mapping | {"results_dir": "/scratch/x"}).folder == Path("/scratch/x/toy")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_configs_are_valid(path: Path) -> None:
    load_run(read_config(path), [path])


@pytest.mark.parametrize("patterns_per_class", [10, 15, 25, 40, 60, 100])
@pytest.mark.parametrize("multiplicities", [[1, 2], [1, 2, 3, 4], [3, 1]])
@pytest.mark.parametrize(("n_structures", "datasets"), [(1, ["noisy"]), (2, ["noisy"]), (6, ["clean", "noisy"])])
def test_what_is_not_said_never_refuses_a_small_run(
    patterns_per_class: int, multiplicities: list[int], n_structures: int, datasets: list[str]
) -> None:
    """With every section there is: what it asks of patterns by default is no more than there are."""
    demo = read_config(ROOT / "config" / "demo.yaml")
    structures = demo["simulation"]["structures"][:n_structures]
    simulation = {
        "structures": structures,
        "plan": {"patterns_per_class": patterns_per_class, "hit_multiplicities": multiplicities},
        "datasets": {name: {"base": {"noisy": "poster"}.get(name, name)} for name in datasets},
    }
    families = {"last": [structures[-1]["id"]]} if n_structures > 1 else {}
    config = load_config(
        {
            "run": "small",
            "title": "Small",
            "simulation": simulation,
            "training": {"models": ["late10"], "datasets": datasets},
            "twins": {"encoders": {"polar": {}}, "datasets": datasets, "families": families},
            "evaluation": {"bayes_limit": {"datasets": ["noisy"]}, "ensembles": {}, "baselines": list(BASELINES)},
        }
    )
    sizes = config.simulation.plan.split_sizes
    labels, limits = config.evaluation.twins.labels, config.evaluation.bayes_limit
    assert labels == tuple(n for n in (1, 5, 10, 20) if n <= sizes["validation"])
    assert limits is not None
    assert limits.patterns_per_structure == min(24, sizes["test"])
    assert load_config(config.model_dump(mode="json")) == config


def test_what_is_said_is_refused_where_there_is_less(mapping: dict[str, Any]) -> None:
    set_at(mapping, "simulation.plan.patterns_per_class", 60)
    set_at(mapping, "twins", {"encoders": {"late10": {}}, "datasets": ["clean"]})
    assert load_config(mapping).evaluation.twins.labels == (1, 5)
    set_at(mapping, "evaluation.twins.labels", [1, 5, 10, 20])
    with pytest.raises(
        ValueError, match=r"twins.labels asks for 20 labelled patterns, but 'clean' has 6 of each struc"
    ):
        load_config(mapping)


def test_the_demo_of_sixty_patterns_a_class_is_taken() -> None:
    demo = read_config(ROOT / "config" / "demo.yaml")
    set_at(demo, "simulation.plan.patterns_per_class", 60)
    assert load_config(demo).evaluation.twins.labels == (1, 5)


def test_a_run_may_train_nothing_and_then_nothing_is_asked_of_networks(mapping: dict[str, Any]) -> None:
    del mapping["training"]
    assert load_config(mapping).training is None
    set_at(mapping, "evaluation", {"cross_dataset": {"clean": []}})
    with pytest.raises(ValueError, match=r"nothing is trained on 'clean', as there is no section `training`"):
        load_config(mapping)


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
        ("simulation.datasets.clean.base", "foggy", "simulation.datasets.clean.base: 'foggy' is neither a dataset"),
        ("simulation.datasets.clean.readout", {"read_noise_photons": 0.3}, "an expectation has no detector noise"),
        ("run", "../../etc", "run = '../../etc': string should match pattern"),
        ("run", "toy/../other", "run = 'toy/../other': string should match pattern"),
        ("simulation.datasets.a/b", {"photons_per_pulse": 1.0, "record": "expected"}, "string should match pattern"),
        ("title", "", "title = '': string should have at least 1 character"),
        (
            "training.models",
            ["late99"],
            "training.models.late99.network = 'late99': no network is called 'late99'; known: late3",
        ),
        (
            "training.models",
            {"late10": {"datasets": ["dirty"]}},
            "training.models.late10.datasets: 'dirty' is not one of simulation.datasets ['clean']",
        ),
        ("training.models", {"a.b": {"network": "late10"}}, "training.models.a.b = 'a.b': string should match pattern"),
        (
            "training.models",
            {"majority": {"network": "late10"}},
            "training.models.majority: a baseline is called that; choose another name",
        ),
        ("training.recipe.base", "ours?", "training.recipe.base 'ours?' is none of the named recipes ['poster'"),
        ("training.datasets", ["dirty"], "training.datasets: 'dirty' is not one of simulation.datasets ['clean']"),
        (
            "simulation.detector.n_pixels",
            64,
            "training.models.late10: 'late10' takes images of 128 x 128 pixels, but "
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


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("training.datasets", "clean", "training.datasets = 'clean': should be a list, such as ['clean']"),
        ("simulation.plan", 3, "simulation.plan = 3: should be keys with values"),
        ("run", 7, 'run = 7: should be text; write "7"'),
        ("simulation.beam.photon_energy_eV", 5, "photon_energy_eV = 5: should be greater than or equal to 100"),
        ("simulation.detector.distance_mm", 323_000, "distance_mm = 323000: should be less than or equal to 100000"),
    ],
)
def test_values_are_refused_in_words_of_yaml(mapping: dict[str, Any], key: str, value: Any, message: str) -> None:
    set_at(mapping, key, value)
    with pytest.raises(ValueError, match="problem") as error:
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


@pytest.mark.parametrize("model", sorted(set(MODELS) - {"resnet18", "vgg16"}))
def test_networks_take_the_size_that_is_asked_for_and_no_other(model: str) -> None:
    network = build(model, sizes(2, 2)).eval()
    network(torch.zeros(1, 1, 128, 128))
    with pytest.raises(ValueError, match="128"):
        network(torch.zeros(1, 1, 64, 64))


@pytest.mark.parametrize("model", MODELS)
def test_a_config_asks_no_network_for_images_that_it_cannot_be_built_for(mapping: dict[str, Any], model: str) -> None:
    """Of 256 pixels and 80: those that have no layers for them are refused by both."""
    for n_pixels in (256, 80):
        set_at(mapping, "simulation.datasets.clean.detector", {"n_pixels": n_pixels})
        set_at(mapping, "training", {"datasets": ["clean"], "seeds": [0], "models": {"one": {"network": model}}})
        set_at(mapping, "evaluation", {})
        try:
            build(model, sizes(2, 2), n_pixels)
        except ValueError as error:
            takes = str(error).partition("takes ")[2].partition(",")[0]
            with pytest.raises(ValueError, match=rf"training\.models\.one: '{model}' takes {takes}"):
                load_config(mapping)
        else:
            load_config(mapping)
