"""Recipes and the training half of the config."""

import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from pydantic import ValidationError

from train.config import TrainingConfig
from train.recipe import Recipe

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_default_recipe_is_the_posters():
    recipe = Recipe()
    assert (recipe.learning_rate, recipe.weight_decay, recipe.batch_size, recipe.epochs) == (1e-3, 1e-3, 128, 20)
    assert (recipe.count_weight, recipe.input, recipe.keep) == (4.0, "standardise", "last")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("weight_decay", -1e-3),
        ("batch_size", 0),
        ("epochs", 0),
        ("count_weight", -1.0),
        ("memory_gb", 0.0),
        ("input", "log"),
        ("keep", "first"),
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


def test_config_takes_what_yaml_gives():
    """PyYAML reads 1e-3 as text: a number has a dot there."""
    section = {"models": ["late10"], "datasets": ["noisy"], "seeds": [0, 1], "recipe": {"learning_rate": "1e-3"}}
    config = TrainingConfig.model_validate(section)
    assert config.recipe == Recipe(learning_rate=1e-3)
    assert config.seeds == (0, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": ["late11"]}, "known: late10"),
        ({"models": []}, "at least 1"),
        ({"datasets": ["../elsewhere"]}, "datasets"),
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


def run_python(code: str) -> None:
    result = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_reading_a_config_does_not_import_torch():
    """Snakemake reads it for every job, and torch takes two seconds to import."""
    run_python("import sys, train.config; assert 'torch' not in sys.modules")


def test_all_but_the_config_imports_where_only_numpy_scipy_and_torch_are_installed():
    modules = [
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
        for path in sorted((REPOSITORY / "train").rglob("*.py"))
        if path.name not in ("config.py", "__init__.py")
    ]
    assert "train.fit" in modules
    absent = ["pydantic", "pandas", "zarr", "tqdm", "dask", "sklearn", "matplotlib", "snakemake"]
    run_python(
        f"import sys, importlib; sys.modules.update(dict.fromkeys({absent}))\n"
        f"for module in {modules}: importlib.import_module(module)"
    )
