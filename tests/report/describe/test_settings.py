"""What differs between two configs is said, whatever it is."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from report.describe.settings import compared, model_differences, recipe_differences, settings, shift
from simulate.experiment.config import DatasetConfig
from simulate.plan.config import PlanConfig
from train.config.recipe import Recipe
from train.config.training import ModelConfig

PLAN = PlanConfig()
PLAIN: dict[str, Any] = {"photons_per_pulse": 1e12, "record": "photons"}


def dataset(**values: Any) -> DatasetConfig:
    return DatasetConfig.model_validate(PLAIN | values)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"photons_per_pulse": 5e11}, "photons per pulse: 5 × 1011 instead of 1 × 1012"),
        (
            {"beam": {"fluence_jitter": {"model": "loguniform", "decades": 3}}},
            "photons from shot to shot: × 10u, u even between −3 and 0 instead of constant",
        ),
        (
            {"beam": {"centre_offset_um": [1200, -600]}},
            "place of the beam on the detector: (1200, −600) µm from the middle of the image instead of the middle of "
            "the image",
        ),
        (
            {"select": {"shares": {1: 1, 2: 0.25, 3: 0.25}}},
            "patterns of the plan: 25 % of those of 2 and 3 particles instead of all",
        ),
        (
            {"select": {"views": {"side": "inside", "cone_deg": 45}}},
            "particles are seen: only within 45° of a particle’s z axis instead of from all sides",
        ),
        ({"detector": {"missing": "half"}}, "unusable pixels: half of the detector missing instead of none"),
        (
            {"readout": {"read_noise_photons": 0.3}},
            "noise: Poisson, then Gaussian, σ = 0.3 photons per pixel instead of Poisson",
        ),
        ({"readout": {"seed": 7}}, "readout.seed: 7 instead of 0"),
    ],
)
def test_one_difference_is_one_phrase(values: dict[str, Any], said: str) -> None:
    (phrase,) = shift(dataset(**values), dataset(), PLAN)
    assert getattr(phrase, "striptags", lambda: phrase)() == said


def leaves(values: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def changed(config: Any, path: tuple[str, ...], value: Any) -> Any:
    key, *below = path
    return config.model_copy(update={key: changed(getattr(config, key), tuple(below), value) if below else value})


@pytest.mark.parametrize("path", [path for path, _ in leaves(dataset().model_dump())], ids=".".join)
def test_no_key_of_a_dataset_can_differ_unsaid(path: tuple[str, ...]) -> None:
    """Whatever is added to a dataset's config: it is described, or named as it stands there."""
    choices = {
        "record": "expected",
        "placement": "dispersed",
        "side": "outside",
        "focus_profile": "gaussian",
        "missing": "half",
        "engine": "skopi",
        "shares": {2: 0.5},
        "centre_offset_um": (3.0, 4.0),
        "mask_file": Path("mask.npy"),
    }
    names = {("detector", "model"): "agipd1m", ("beam", "fluence_jitter", "model"): "gamma"}
    other = changed(dataset(), path, names.get(path, choices.get(path[-1], 77)))
    assert shift(other, dataset(), PLAN)
    assert not shift(other, other, PLAN)


def test_every_setting_is_described() -> None:
    described = settings(dataset(), PLAN)
    assert all(described.values())
    assert not settings(dataset(), PlanConfig(hit_multiplicities=(1,)))["particles of a multiple hit"]


def test_recipes_differ_key_by_key() -> None:
    assert recipe_differences(Recipe(initialisation="he", epochs=5, on_the_fly=True), Recipe()) == [
        *("epochs: 5 instead of 20", "initialisation: he instead of torch", "on the fly: yes instead of no"),
    ]
    assert recipe_differences(Recipe(), Recipe()) == []


def test_recipes_are_a_table_of_what_any_of_them_changes() -> None:
    table = compared([Recipe(epochs=5), Recipe(on_the_fly=True)], Recipe())
    assert {key: (row.values, row.reference) for key, row in table.different.items()} == {
        "epochs": (["5", "20"], "20"),
        "on the fly": (["no", "yes"], "no"),
    }
    assert "learning rate" in table.same
    assert not set(table.same) & set(table.different)


def test_settings_are_told_in_words() -> None:
    """What only a teacher gives a meaning is left out without one; nothing is an empty word."""
    plain = compared([Recipe(target_weights={"hit_multiplicity": 4})], Recipe())
    assert plain.different["weight of hit multiplicity"].values == ["4"]
    assert plain.same["teacher"] == "none"
    assert plain.same["memory (GB)"] == "8"
    of_teachers = {"teacher weight", "label weight", "starts as teacher", "teacher temperature"}
    assert not of_teachers & {*plain.same, *plain.different}
    assert of_teachers < {*compared([Recipe(teacher="model.pt")], Recipe()).same}
    assert all(plain.same.values())


def test_models_differ_in_network_and_recipe() -> None:
    shared = {"datasets": ("noisy",), "seeds": (0,)}
    ours = ModelConfig(network="late5", recipe={"epochs": 3}, **shared)
    theirs = ModelConfig(network="late10", recipe={"epochs": 4}, **shared)
    assert model_differences(ours, theirs) == ["network: late5 instead of late10", "epochs: 3 instead of 4"]
