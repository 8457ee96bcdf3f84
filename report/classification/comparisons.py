"""What a change of network or recipe is worth: models of a run against one another."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evaluate.run.outputs import ours
from report.classification.results import Result
from train.config.training import ModelConfig


@dataclass(frozen=True)
class Difference:
    """Of two mean test accuracies."""

    value: float
    standard_error: float
    """from the seeds; NaN where one of the two has but one"""


@dataclass(frozen=True)
class Variant:
    """A model that shares its network, or its recipe, with another one."""

    model: str
    against: str
    differences: dict[str, Difference]
    """dataset that both were trained on -> model less the other"""


def variants(models: Mapping[str, ModelConfig], results: Sequence[Result]) -> list[Variant]:
    """Models of one network by several recipes, each against the model called after our network, or else the best.

    Other networks by the recipe of that model are variants of it too, unless all models share that recipe.
    """
    pairs, main = [], ours(models)
    for network in dict.fromkeys(model.network for model in models.values()):
        group = [name for name, model in models.items() if model.network == network]
        against = main if main in group else max(group, key=lambda name: _mean_of(name, results))
        pairs += [(name, against) for name in group if name != against]
    if main and any(model.recipe != models[main].recipe for model in models.values()):
        alike = [name for name, model in models.items() if model.recipe == models[main].recipe]
        pairs += [(name, main) for name in alike if models[name].network != models[main].network]
    found = [Variant(*pair, _differences(*pair, results)) for pair in pairs]
    return [variant for variant in found if variant.differences]


def _mean_of(model: str, results: Sequence[Result]) -> float:
    """Test accuracy of a model over all that it was trained on."""
    known = [scores.mean["test_accuracy"] for result in results for scores in result.models if scores.name == model]
    return float(np.mean(known))


def _differences(model: str, against: str, results: Sequence[Result]) -> dict[str, Difference]:
    found = {}
    for result in results:
        if {model, against} <= {scores.name for scores in result.models}:
            mine, theirs = result.of(model), result.of(against)
            variance = sum(one.deviation["test_accuracy"] ** 2 / len(one.by_seed) for one in (mine, theirs))
            value = mine.mean["test_accuracy"] - theirs.mean["test_accuracy"]
            found[result.dataset] = Difference(value, math.sqrt(variance))
    return found
