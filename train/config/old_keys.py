"""Keys of configs that have another name now."""

from collections.abc import Mapping
from typing import Any

from frames.targets import MULTIPLICITY

OLD_RECIPE_KEYS: Mapping[str, str] = {
    "missing": "detector_dropout",
    "input": "input_transform",
    "keep": "checkpoint",
    "fresh": "on_the_fly",
    "alike": "positives",
    "count_weight": "target_weights",
}
"""Of recipes, and so of the networks that were trained by them"""

OLD_KEYS: Mapping[str, str] = {
    **OLD_RECIPE_KEYS,
    "devices": "gpus_per_training",
    "asked_about": "evaluate_on",
    "transfers": "cross_dataset",
    "controls": "baselines",
    "limits": "bayes_limit",
}
"""Old name -> new; it counts in a section that knows the new one."""


def renamed_value(key: str, value: Any) -> Any:
    """What the value of an old key is under the new one."""
    if key == "count_weight":
        return {MULTIPLICITY: value}
    return "best" if (key, value) == ("keep", "best_validation") else value


def renamed(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe as it was kept with a trained network, by today's names."""
    return {OLD_RECIPE_KEYS.get(key, key): renamed_value(key, value) for key, value in recipe.items()}
