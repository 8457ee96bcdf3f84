"""What was learned, gathered: against tables and predictions counted again, and by hand."""

import math

import pytest

from evaluate.predictions.predictions import read_predictions
from evaluate.run.config import RunConfig
from evaluate.run.files import RunFiles
from evaluate.run.outputs import main_conditions
from frames.store.dataset import open_dataset
from report.classification.comparisons import variants
from report.classification.summary import learned
from support.scores import result, scored
from train.config.training import ModelConfig

Run = tuple[RunFiles, RunConfig]


def test_mean_and_deviation_are_over_the_seeds() -> None:
    model = scored("a", 0.5, 0.6, 0.8)
    assert model.mean["test_accuracy"] == pytest.approx(1.9 / 3)
    assert model.deviation["test_accuracy"] == pytest.approx(math.sqrt((1.25 - 1.9**2 / 3) / 2))  # sum of squares 1.25
    assert model.range() == (0.5, 0.8)
    assert math.isnan(scored("a", 0.5).deviation["test_accuracy"])


def test_networks_and_baselines_are_apart_and_flagged(finished_run: Run) -> None:
    files, config = finished_run
    found = learned(files, config.study)
    noisy = found.result("noisy")
    assert [network.name for network in noisy.networks] == ["late10", "late10_he", "together"]
    assert [baseline.name for baseline in noisy.baselines] == ["azimuthal", "total_intensity", "majority"]
    assert (noisy.best.name, noisy.strongest.name) == ("late10_he", "total_intensity")
    assert [score.collapsed for score in noisy.of("late10").by_seed] == [(), ("hit_multiplicity", "structure")]
    assert noisy.trainings["late10"].seconds == 300  # two of 150 s
    assert noisy.trainings["late10"].parameters == 164967
    assert (noisy.trainings["together"].seconds, noisy.trainings["together"].parameters) == (450, 3 * 164967)
    assert [network.name for network in found.result("clean").networks] == ["late10"]  # one of two is not trained there
    # Of `late10`, seed 3 names one ball and one 9xyz rightly; seed 5 says "ball" to both.
    assert [score.accuracies["lone_accuracy"] for score in noisy.of("late10").by_seed] == [1.0, 0.5]
    assert [(limit.fluence, limit.orientations, limit.coarser) for limit in noisy.bayes_limits] == [
        *(("known", 100, (50, 0.93)), ("unknown", 100, (50, 0.9))),
    ]


def test_asked_elsewhere_counts_like_at_home(finished_run: Run) -> None:
    """The structure of single hits is in no table: against the predictions, pattern by pattern."""
    files, config = finished_run
    found = learned(files, config.study)
    assert [transfer.dataset for transfer in found.transfers["noisy"]] == ["dim", "clean"]
    for transfer in found.transfers["noisy"]:
        for score in transfer.of("late10").by_seed:
            table = read_predictions(files.predictions("noisy", "late10", score.seed, transfer.dataset))
            right = [
                row.structure == row.predicted_structure for row in table.itertuples() if row.hit_multiplicity == 1
            ]
            assert score.accuracies["lone_accuracy"] == sum(right) / len(right)


def test_curve_joins_levels_trained_at_and_asked_about(finished_run: Run) -> None:
    files, config = finished_run
    curve = learned(files, config.study).curve
    assert curve is not None
    assert list(curve.photons_per_pulse) == ["dim", "noisy"]  # ascending
    lines = {(line.model, line.trained_on): list(line.points) for line in curve.networks}
    assert lines == {
        ("late10", None): ["noisy"],
        ("late10_he", None): ["noisy"],
        ("together", None): ["noisy"],
        ("late10", "noisy"): ["dim", "noisy"],
        ("late10_he", "noisy"): ["dim", "noisy"],
        ("together", "noisy"): ["dim", "noisy"],
    }
    singles = open_dataset(files.dataset("dim"))
    images = singles.read_raw(slice(None))[singles.hit_multiplicity == 1]
    assert curve.photons_per_single_hit["dim"] == pytest.approx(images.sum(axis=(1, 2), dtype=float).mean())


def model(network: str, base: str = "poster", **recipe: object) -> ModelConfig:
    return ModelConfig(network=network, recipe={"base": base, **recipe}, datasets=("noisy",), seeds=(0,))


def test_variants_share_a_network_or_the_recipe_of_our_network() -> None:
    models = {
        "late10": model("late10"),
        "late10_he": model("late10", initialisation="he"),
        "late5": model("late5"),
        "polar": model("polar", "ours"),
        "shorter": model("polar", "ours", epochs=1),
        "late3": model("late3", "ours"),
    }
    networks = [scored(name, 0.1 * number) for number, name in enumerate(models, start=1)]
    found = variants(models, [result(networks, [scored("majority", 0.02)])])
    assert [(variant.model, variant.against) for variant in found] == [
        *(
            ("late10", "late10_he"),
            ("shorter", "polar"),
            ("late3", "polar"),
        ),  # the best late10; polar by name
    ]
    assert found[0].differences["noisy"].value == pytest.approx(-0.1)
    assert not variants({"late5": model("late5"), "late10": model("late10")}, [result(networks, [])])


def test_difference_of_means_has_the_error_of_both() -> None:
    models = {"late10": model("late10"), "late10_he": model("late10", initialisation="he")}
    networks = [scored("late10", 0.5, 0.7), scored("late10_he", 0.8, 0.9)]
    difference = variants(models, [result(networks, [])])[0].differences["noisy"]
    assert difference.value == pytest.approx(-0.25)
    # Variances of one seed 0.02 and 0.005, of the mean of two half of that.
    assert difference.standard_error == pytest.approx(math.sqrt(0.0125))


def test_many_conditions_leave_the_levels_to_the_curve(finished_run: Run) -> None:
    _, config = finished_run
    assert main_conditions(config.study) == ["clean", "noisy"]
    levels = tuple(f"ph{number}" for number in range(4))
    late10 = config.training.models["late10"].model_copy(update={"datasets": ("clean", *levels)})
    training = config.training.model_copy(update={"models": {"late10": late10}, "datasets": ("clean",)})
    evaluation = config.evaluation.model_copy(update={"photon_curve": levels})
    assert main_conditions(config.model_copy(update={"training": training, "evaluation": evaluation}).study) == [
        "clean"
    ]
