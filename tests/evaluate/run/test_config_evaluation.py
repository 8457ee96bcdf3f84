"""What the config of a run may ask of its evaluation: what is refused, and how that is said."""

from typing import Any

import pytest

from evaluate.baselines import registry
from evaluate.run.config import load_config
from evaluate.run.sections import BASELINES, EvaluationConfig
from support.made.mappings import set_at


@pytest.mark.parametrize(
    ("ensembles", "message"),
    [
        ({"late10": ["late10"]}, "late10: a model or a baseline is called that; choose another name"),
        ({"all": ["late10", "late11"]}, "all: ['late11'] are none of training.models ['late10', 'late3']"),
        ({"all": ["late3"]}, "all: no dataset has two trainings of ['late3'] and all of them; add seeds or models"),
    ],
)
def test_an_ensemble_that_cannot_be_made_is_refused(
    noisy_mapping: dict[str, Any], ensembles: dict[str, list[str]], message: str
) -> None:
    set_at(noisy_mapping, "training.models", {"late10": {"seeds": [0, 1]}, "late3": {"datasets": ["noisy"]}})
    set_at(noisy_mapping, "evaluation.ensembles", ensembles)
    with pytest.raises(ValueError, match="1 problem in the config") as error:
        load_config(noisy_mapping)
    assert f"evaluation.ensembles.{message}" in str(error.value)


def test_an_ensemble_answers_where_all_its_models_do(noisy_mapping: dict[str, Any]) -> None:
    set_at(noisy_mapping, "training.models", {"late10": {"seeds": [0, 1]}, "late3": {"datasets": ["noisy"]}})
    set_at(noisy_mapping, "evaluation.ensembles", {"seeds": ["late10"], "all": ["late10", "late3"]})
    config, seeds = load_config(noisy_mapping), [("late10", 0), ("late10", 1)]
    assert config.members("clean") == {"seeds": seeds}
    assert config.members("noisy") == {"seeds": seeds, "all": [*seeds, ("late3", 0)]}


def test_an_evaluation_that_can_be_made_is_taken(noisy_mapping: dict[str, Any]) -> None:
    assert load_config(noisy_mapping).evaluation == EvaluationConfig(baselines=("total_intensity",))
    set_at(noisy_mapping, "evaluation.baselines", ["spectral_clustering"])
    set_at(noisy_mapping, "evaluation.cross_dataset", {"noisy": ["clean", "dim"]})
    set_at(noisy_mapping, "evaluation.photon_curve", ["noisy", "dim"])
    set_at(noisy_mapping, "evaluation.bayes_limit", {"datasets": ["small", "dim"], "orientations": [10]})
    evaluation = load_config(noisy_mapping).evaluation
    assert evaluation.cross_dataset == {"noisy": ("clean", "dim")}
    assert evaluation.bayes_limit is not None
    assert (evaluation.bayes_limit.datasets, evaluation.bayes_limit.orientations) == (("small", "dim"), (10,))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "baselines",
            ["majority"],
            "evaluation.baselines.0 = 'majority': no baseline is called 'majority'; known: total",
        ),
        ("baselines", ["total_intensity"] * 2, "evaluation.baselines: ['total_intensity', 'total_intensity'] has dup"),
        (
            "cross_dataset",
            {"noisy": ["dirty"]},
            "evaluation.cross_dataset.noisy: 'dirty' is not one of simulation.datasets",
        ),
        (
            "cross_dataset",
            {"dim": ["noisy"]},
            "evaluation.cross_dataset.dim: nothing is trained on 'dim', only on ['clean', ",
        ),
        (
            "cross_dataset",
            {"noisy": ["noisy"]},
            "what was trained on 'noisy' is evaluated on it anyway; remove it",
        ),
        ("cross_dataset", {"noisy": ["small"]}, "'small' has images of 64 x 64 pixels, expected 128 x 128"),
        ("cross_dataset", {"noisy": ["dim", "dim"]}, "evaluation.cross_dataset.noisy: ['dim', 'dim'] has duplicates"),
        ("photon_curve", ["dirty"], "evaluation.photon_curve: 'dirty' is not one of simulation.datasets"),
        (
            "photon_curve",
            ["noisy", "dim", "small"],
            "evaluation.photon_curve: 'small' differs from 'noisy' in detector, expected in photons_per_pulse alone",
        ),
        (
            "photon_curve",
            ["noisy", "clean"],
            "'clean' differs from 'noisy' in record, beam, detector, readout, expected",
        ),
        (
            "bayes_limit",
            {"datasets": ["dirty"]},
            "evaluation.bayes_limit.datasets: 'dirty' is not one of simulation.datasets",
        ),
        ("bayes_limit", {"datasets": ["clean"]}, "evaluation.bayes_limit: dataset clean: no exact likelihood is known"),
        (
            "bayes_limit",
            {"datasets": ["noisy"], "patterns_per_structure": 1001},
            "patterns_per_structure is 1001, but 'noisy' has 1000 single hits of each structure in its test split",
        ),
        (
            "bayes_limit",
            {"datasets": ["noisy"], "orientations": [0]},
            "evaluation.bayes_limit.orientations.0 = 0: should be",
        ),
        ("limit", {"datasets": ["noisy"]}, "evaluation.limit is not a known key"),
    ],
)
def test_an_evaluation_that_cannot_be_made_is_refused(
    noisy_mapping: dict[str, Any], key: str, value: Any, message: str
) -> None:
    set_at(noisy_mapping, f"evaluation.{key}", value)
    with pytest.raises(ValueError, match="1 problem in the config") as error:
        load_config(noisy_mapping)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("key", "now"),
    [
        ("evaluation.transfers", "cross_dataset"),
        ("evaluation.limits", "bayes_limit"),
        ("evaluation.twins.asked_about", "evaluate_on"),
        ("evaluation.twins.controls", "baselines"),
        ("twins.encoders.plain.asked_about", "evaluate_on"),
    ],
)
def test_a_key_that_has_another_name_by_now_is_refused_with_it(
    noisy_mapping: dict[str, Any], key: str, now: str
) -> None:
    set_at(noisy_mapping, "twins", {"datasets": ["noisy"], "encoders": {"plain": {"network": "late10"}}})
    set_at(noisy_mapping, key, ["noisy"])
    with pytest.raises(ValueError, match="1 problem in the config") as error:
        load_config(noisy_mapping)
    assert f"{key} is called {now} now (found ['noisy']); rename it" in str(error.value)


def test_a_model_is_not_asked_about_structures_that_it_does_not_know(noisy_mapping: dict[str, Any]) -> None:
    noisy_mapping["simulation"]["structures"].append({"id": "1abc"})
    set_at(noisy_mapping, "simulation.datasets.known", {"base": "noisy", "select": {"structures": "phantoms"}})
    set_at(noisy_mapping, "evaluation.cross_dataset", {"noisy": ["known"]})
    with pytest.raises(ValueError, match=r"noisy: 'known' has the structures \['ball'\], expected \['ball', '1abc'\]"):
        load_config(noisy_mapping)


def test_an_encoder_is_not_asked_about_images_of_another_size(noisy_mapping: dict[str, Any]) -> None:
    """But for a grid, which is asked about what it was trained on alone."""
    set_at(noisy_mapping, "twins", {"datasets": ["noisy"], "encoders": {"plain": {"network": "late10"}}})
    set_at(noisy_mapping, "evaluation.twins", {"evaluate_on": ["small"]})
    with pytest.raises(ValueError, match=r"twins.encoders.plain, of 'noisy': 'small' has images of 64 x 64 pixels"):
        load_config(noisy_mapping)
    set_at(noisy_mapping, "twins.encoders.plain.margins", [0.1, 1e-5])
    load_config(noisy_mapping)


def test_there_is_no_limit_without_single_hits(noisy_mapping: dict[str, Any]) -> None:
    set_at(noisy_mapping, "simulation.plan.hit_multiplicities", [2, 3])
    set_at(noisy_mapping, "evaluation.bayes_limit", {"datasets": ["noisy"]})
    with pytest.raises(
        ValueError, match=r"evaluation.bayes_limit: of single hits, but plan.hit_multiplicities is \[2, 3\]"
    ):
        load_config(noisy_mapping)


def test_problems_of_all_sections_are_listed_at_once(noisy_mapping: dict[str, Any]) -> None:
    set_at(
        noisy_mapping, "training.models", {"late10": {"datasets": ["small"]}, "total_intensity": {"network": "late3"}}
    )
    set_at(noisy_mapping, "evaluation.cross_dataset", {"noisy": ["dirty", "small"], "small": ["small"]})
    set_at(noisy_mapping, "evaluation.bayes_limit", {"datasets": ["clean", "dirty"]})
    with pytest.raises(ValueError, match="7 problems in the config"):
        load_config(noisy_mapping)


def test_baselines_are_those_there_are() -> None:
    assert set(registry.BASELINES) == set(BASELINES)
