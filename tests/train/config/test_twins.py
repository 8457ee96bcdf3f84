"""The section `twins`: what is trained, in which folds, and what is refused."""

import pytest
from pydantic import ValidationError

from train.config.twins import TwinsConfig, TwinTraining, twin_recipes

FAMILIES = {"rings": ["a", "b"], "spikes": ["c"]}


def twins(**changes) -> TwinsConfig:
    return TwinsConfig.model_validate({"encoders": {"late10": {}}, "datasets": ["bright"]} | changes)


def test_an_encoder_takes_from_the_section_what_it_does_not_say():
    config = twins(
        families=FAMILIES,
        seeds=[0, 1],
        recipe={"base": "specklenn", "epochs": 3},
        encoders={
            "late10": {},
            "mine": {"network": "polar", "seeds": [7], "folds": ["none"], "recipe": {"margin": 0.3}},
        },
    )
    plain, mine = config.encoders["late10"], config.encoders["mine"]
    assert (plain.network, plain.folds, plain.seeds) == ("late10", ("none", "rings", "spikes"), (0, 1))
    assert (plain.recipe.epochs, plain.recipe.mining, plain.recipe.margin) == (3, "semi_hard", 0.02)
    assert (mine.recipe.epochs, mine.recipe.margin) == (3, 0.3)
    assert config.trainings[:3] == [
        TwinTraining("bright", "late10", fold, 128, 0.02, seed)
        for fold, seed in (("none", 0), ("none", 1), ("rings", 0))
    ]
    assert config.trainings[-1] == TwinTraining("bright", "mine", "none", 128, 0.3, 7)
    assert config.held_out("rings") == ("a", "b")
    assert config.held_out("none") == ()


def test_a_grid_is_every_dimension_by_every_margin():
    encoder = {"network": "late3", "embedding_dims": [2, 4], "margins": [0, 0.1, 1]}
    trainings = twins(encoders={"grid": encoder}).trainings
    assert [training.shape for training in trainings] == [*("d2-m0", "d2-m0.1", "d2-m1", "d4-m0", "d4-m0.1", "d4-m1")]


def test_every_named_recipe_is_one():
    for name in twin_recipes():
        twins(recipe={"base": name})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"families": {"none": ["a"]}}, "choose another name"),
        ({"encoders": {"late10": {"folds": ["cubes"]}}}, r"cubes.* none of \['none'"),
        ({"encoders": {"late11": {}}}, "no network is called 'late11'"),
        ({"recipe": {"margin": -1}}, "margin is -1"),
        ({"recipe": {"mining": "lucky"}}, "mining"),
        ({"recipe": {"proxy_weight": 1}}, "expected squared_l2"),
        ({"recipe": {"target_weights": {}}}, "target_weights"),
        ({"recipe": {"base": "plain"}}, "base 'plain' is none of the named recipes"),
        ({"encoders": {"late10": {"margins": [0.1, 0.1]}}}, "duplicates"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        twins(**changes)


BEGUN = {
    "shapes": {"network": "late3", "datasets": ["made_up"], "folds": ["none"]},
    "late3": {"start": "shapes"},
}


def test_a_training_starts_from_one_of_its_own_fold_or_of_none():
    config = twins(families=FAMILIES, seeds=[3, 4], encoders=BEGUN)
    starts = {training: config.start_of(training) for training in config.trainings}
    shapes = config.trainings[0]
    assert starts[shapes] is None
    mine = [training for training in config.trainings if training.encoder == "late3"]
    assert {training.fold for training in mine} == {"none", "rings", "spikes"}
    for training in mine:
        assert starts[training] == TwinTraining("made_up", "shapes", "none", *shapes[3:5], training.seed)
    in_folds = twins(families=FAMILIES, encoders=BEGUN | {"shapes": BEGUN["shapes"] | {"folds": ["none", "rings"]}})
    assert [in_folds.start_of(t).fold for t in in_folds.trainings if t.encoder == "late3"] == ["none", "rings", "none"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"late3": {"start": "shape"}}, "no encoder 'shape'; there are .*'shapes'"),
        ({"late3": {"start": "shapes", "network": "late5"}}, "of 'shapes' .*do not fit"),
        ({"late3": {"start": "shapes", "recipe": {"embedding_dim": 3}}}, "do not fit"),
        ({"late3": {"start": "shapes", "recipe": {"initialisation": "he"}}}, "would overwrite its weights"),
        ({"shapes": {"network": "late3", "folds": ["rings"]}}, "not trained in folds .*'spikes'"),
        ({"shapes": {"network": "late3", "datasets": ["a", "b"]}}, "several datasets"),
        ({"more": {"network": "late3", "start": "late3"}}, "'late3' has a start itself"),
    ],
)
def test_what_cannot_be_started_from_is_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        twins(families=FAMILIES, encoders=BEGUN | changes)
