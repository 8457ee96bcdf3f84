"""Recipes and the training half of the config."""

import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from train.config.inherit import based
from train.config.recipe import Recipe
from train.config.training import TrainingConfig, recipes

POSTER = Recipe(**recipes()["poster"])
REPOSITORY = Path(__file__).resolve().parents[3]


def test_the_default_recipe_is_the_posters():
    recipe = Recipe()
    assert (recipe.learning_rate, recipe.weight_decay, recipe.batch_size, recipe.epochs) == (1e-3, 1e-3, 128, 20)
    assert (recipe.target_weights, recipe.input_transform, recipe.checkpoint) == (
        {},
        "standardise",
        "last",
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("weight_decay", -1e-3),
        ("batch_size", 0),
        ("epochs", 0),
        ("target_weights", {"hit_multiplicity": -1.0}),
        ("memory_gb", 0.0),
        ("detector_dropout", 1.5),
        ("input_transform", "log"),
        ("checkpoint", "first"),
    ],
)
def test_a_recipe_refuses_nonsense_and_names_it(key, value):
    with pytest.raises(ValueError, match=key):
        Recipe(**{key: value})
    with pytest.raises(ValidationError, match=key):
        TrainingConfig.model_validate({"models": ["late10"], "datasets": ["noisy"], "recipe": {key: value}})


def test_a_recipe_does_not_change():
    with pytest.raises(FrozenInstanceError):
        Recipe().epochs = 3


def config(**values):
    return TrainingConfig.model_validate({"models": ["late10"], "datasets": ["noisy"], **values})


def test_a_list_of_networks_is_every_network_on_every_dataset_from_every_seed():
    section = config(models=["late10", "late3"], datasets=["noisy", "clean"], seeds=[4, 2], recipe={"epochs": 3})
    for name, model in section.models.items():
        assert (model.network, model.datasets, model.seeds) == (name, ("noisy", "clean"), (4, 2))
        assert model.recipe == replace(POSTER, epochs=3)
    assert section.trainings == [
        (dataset, name, seed) for dataset in ("noisy", "clean") for name in ("late10", "late3") for seed in (4, 2)
    ]


def test_a_mapping_says_what_is_different():
    models = {
        "late10": None,
        "late10_he": {"network": "late10", "recipe": {"initialisation": "he"}},
        "late5": {"datasets": ["dim", "clean"], "seeds": [7]},
    }
    section = config(models=models, datasets=["clean", "noisy"], seeds=[0, 1], recipe={"epochs": 3})
    assert list(section.models) == ["late10", "late10_he", "late5"]
    assert [model.network for model in section.models.values()] == ["late10", "late10", "late5"]
    assert section.models["late10_he"].recipe == replace(POSTER, epochs=3, initialisation="he")
    assert section.models["late5"].recipe == section.models["late10"].recipe == replace(POSTER, epochs=3)
    assert section.conditions == ["clean", "noisy", "dim"]
    both = [("late10", 0), ("late10", 1), ("late10_he", 0), ("late10_he", 1)]
    assert section.trainings == [
        *(("clean", *one) for one in [*both, ("late5", 7)]),
        *(("noisy", *one) for one in both),
        ("dim", "late5", 7),
    ]


def test_a_dataset_that_no_model_is_trained_on_is_no_condition():
    section = config(models={"late10": {"datasets": ["clean"]}}, datasets=["noisy"])
    assert section.conditions == ["clean"]


def test_a_resolved_config_is_valid_and_means_the_same():
    models = {"mine": {"network": "late10", "recipe": {"base": "ours", "epochs": 2}, "seeds": [1]}, "late3": {}}
    section = config(models=models, recipe={"epochs": 3, "checkpoint": "best"})
    assert TrainingConfig.model_validate(section.model_dump(mode="json")) == section


def test_the_posters_recipe_is_the_default():
    """Written out in full, and what a bare Recipe is, but for the augmentation and the weight of a question."""
    bare = replace(Recipe(), augment="poster", target_weights={"hit_multiplicity": 4.0})
    assert POSTER == config().recipe == config().models["late10"].recipe == bare
    assert "base" not in recipes()["poster"]


@pytest.mark.parametrize("name", recipes())
def test_every_named_recipe_is_one(name):
    assert config(recipe={"base": name}).recipe == Recipe(**based(recipes()[name], recipes()))


def test_a_recipe_starts_from_its_base_alone():
    """From the one that it names, not from that of all models."""
    models = {"own": {"network": "late10", "recipe": {"base": "poster", "batch_size": 64}}, "late3": {}}
    section = config(models=models, recipe={"base": "ours", "epochs": 3})
    assert section.models["own"].recipe == replace(POSTER, batch_size=64)
    assert section.models["late3"].recipe == config(recipe={"base": "ours", "epochs": 3}).recipe


def test_bases_go_on():
    known = {"first": {"epochs": 1, "batch_size": 2}, "second": {"base": "first", "epochs": 3}}
    found = based({"base": "second", "checkpoint": "last"}, known)
    assert found == {"epochs": 3, "batch_size": 2, "checkpoint": "last"}
    with pytest.raises(ValueError, match=r"base 'third' is none of the named recipes \['first', 'second'\]"):
        based({"base": "third"}, known)
    with pytest.raises(ValueError, match="recipes a -> b -> a are based on each other"):
        based({"base": "a"}, {"a": {"base": "b"}, "b": {"base": "a"}})


def test_config_takes_what_yaml_gives():
    """PyYAML reads 1e-3 as text: a number has a dot there."""
    section = {"models": ["late10"], "datasets": ["noisy"], "seeds": [0, 1], "recipe": {"learning_rate": "2e-3"}}
    config = TrainingConfig.model_validate(section)
    assert config.recipe == replace(POSTER, learning_rate=2e-3)
    assert config.seeds == (0, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": ["late11"]}, "no network is called .late11.; known: late3"),
        ({"models": []}, "at least 1"),
        ({"datasets": ["../elsewhere"]}, "datasets"),
        ({"models": ["late10", "late10"]}, "expected different names of networks"),
        ({"models": [{"late10": {}}]}, "expected different names of networks"),
        ({"models": "late10"}, "models"),
        ({"models": {"a/b": {"network": "late10"}}}, "a/b"),
        ({"models": {"late10": ["he"]}}, r"models.late10\s"),
        ({"models": {"mine": {}}}, "no network is called 'mine'"),
        ({"models": {"late10": {"seeds": [1, 1]}}}, r"models.late10.seeds\s.*duplicates"),
        ({"models": {"late10": {"datasets": []}}}, "models.late10.datasets"),
        ({"models": {"late10": {"recipe": {"lr": 1}}}}, "models.late10.recipe.lr"),
        ({"models": {"late10": {"recipe": {"base": "mine"}}}}, r"models.late10.recipe\s.*base 'mine' is none of"),
        ({"recipe": {"base": "mine"}}, "base 'mine' is none of the named recipes"),
        ({"seeds": [1, 1]}, "duplicates"),
        ({"seeds": [-1]}, "seeds"),
        ({"device": "tpu"}, "device"),
        ({"epochs": 3}, "epochs"),
        ({"recipe": {"epoch": 3}}, "epoch"),
    ],
)
def test_config_refuses_what_cannot_be_meant(change, message):
    with pytest.raises(ValidationError, match=message):
        TrainingConfig.model_validate({"models": ["late10"], "datasets": ["noisy"], **change})


def test_an_error_in_what_models_share_is_told_once():
    models = {"late10": {}, "late3": {"recipe": {"checkpoint": "first"}}}
    with pytest.raises(ValidationError) as error:
        config(models=models, seeds=[1, 1], recipe={"epoch": 3})
    where = sorted(".".join(map(str, details["loc"])) for details in error.value.errors())
    assert where == ["models.late3.recipe.checkpoint", "recipe.epoch", "seeds"]


def run_python(code: str) -> None:
    result = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_reading_a_config_does_not_import_torch():
    """Snakemake reads it for every job, and torch takes two seconds to import."""
    run_python("import sys, train.config.training; assert 'torch' not in sys.modules")


def test_all_but_the_configs_import_where_only_numpy_scipy_and_torch_are_installed():
    modules = [
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
        for path in sorted((REPOSITORY / "train").rglob("*.py"))
        if path.name != "__init__.py"
        and path.relative_to(REPOSITORY / "train").as_posix()
        not in ("config/inherit.py", "config/training.py", "config/twins.py", "config/hits.py")
    ]
    assert "train.tasks.classify" in modules
    absent = ["pydantic", "pandas", "zarr", "tqdm", "dask", "sklearn", "matplotlib", "snakemake"]
    run_python(
        f"import sys, importlib; sys.modules.update(dict.fromkeys({absent}))\n"
        f"for module in {modules}: importlib.import_module(module)"
    )


def test_several_gpus_are_no_cpu():
    assert (config().gpus_per_training, config(gpus_per_training=4).gpus_per_training) == (1, 4)
    with pytest.raises(ValidationError, match="gpus_per_training is 2 with device cpu"):
        config(gpus_per_training=2, device="cpu")
    with pytest.raises(ValidationError, match="gpus_per_training"):
        config(gpus_per_training=0)
