"""The training half of a run's config."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from frames.schema import Identifier, Strict, did_you_mean, unique
from train.config.inherit import based, completed
from train.config.recipe import Recipe
from train.models.registry import MODELS

RECIPES = Path(__file__).parent / "recipes.yaml"
DEFAULT_RECIPE = "poster"


def recipes() -> dict[str, dict[str, Any]]:
    """The named recipes of train/config/recipes.yaml, not yet validated."""
    return yaml.safe_load(RECIPES.read_text(encoding="utf-8"))


def _resolved(recipe: Any) -> Any:
    return based({"base": DEFAULT_RECIPE} | dict(recipe), recipes()) if isinstance(recipe, Mapping) else recipe


def _default_recipe() -> Recipe:
    return Recipe(**_resolved({}))


def _network(name: str) -> str:
    if name not in MODELS:
        raise ValueError(f"no network is called {name!r}; known: {', '.join(MODELS)}{did_you_mean(name, MODELS)}")
    return name


Network = Annotated[str, AfterValidator(_network), Field(description="name in train/models/registry.py")]


Datasets = Annotated[tuple[Identifier, ...], Field(min_length=1), AfterValidator(unique)]
Seeds = Annotated[tuple[Annotated[int, Field(ge=0, lt=2**32)], ...], Field(min_length=1), AfterValidator(unique)]
ResolvedRecipe = Annotated[Recipe, BeforeValidator(_resolved)]
Threads = Annotated[
    int | None,
    Field(
        ge=1,
        description="of a CPU, exactly so many for each training, for weights that are the same to the bit; by default "
        "a training has its share of the cores and measures how many of them to take",
    ),
]


class ModelConfig(Strict):
    """One network by one recipe, trained on each of its datasets from each of its seeds."""

    network: Network
    recipe: ResolvedRecipe
    datasets: Datasets
    seeds: Seeds


class TrainingConfig(Strict):
    """What is trained on what.

    `models` is a list of networks, or a mapping from a name in files and tables to what is different there: `network`
    (by default the name itself), `datasets`, `seeds`, `recipe`. A model's recipe is laid over that of all models,
    unless it names a `base`: then it starts from there.
    """

    models: Annotated[dict[Identifier, ModelConfig], Field(min_length=1)]
    datasets: Datasets
    seeds: Seeds = (0,)
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="`auto`: a GPU where there is one")
    gpus_per_training: int = Field(1, ge=1, description="a CPU trains alone, and comes to the same")
    threads: Threads = None
    recipe: ResolvedRecipe = Field(
        default_factory=_default_recipe, description="`base`: one of train/config/recipes.yaml"
    )

    @model_validator(mode="after")
    def _several_gpus_are_no_cpu(self) -> Self:
        if self.device == "cpu" and self.gpus_per_training > 1:
            raise ValueError(f"gpus_per_training is {self.gpus_per_training} with device cpu, expected 1")
        return self

    @model_validator(mode="before")
    @classmethod
    def _models_are_complete(cls, values: Any) -> Any:
        shared: tuple[tuple[str, Any, Any], ...] = (
            ("datasets", Datasets, ("any",)),
            ("seeds", Seeds, (0,)),
            ("recipe", ResolvedRecipe, {}),
        )
        return completed(values, "models", shared)

    @property
    def trainings(self) -> list[tuple[str, str, int]]:
        """Dataset, model and seed of every training, in this order."""
        return [
            (dataset, name, seed)
            for dataset in self.conditions
            for name, model in self.models.items()
            if dataset in model.datasets
            for seed in model.seeds
        ]

    @property
    def conditions(self) -> list[str]:
        """Every dataset that a model is trained on."""
        trained_on = [dataset for model in self.models.values() for dataset in model.datasets]
        in_order = dict.fromkeys([*self.datasets, *trained_on])
        return [dataset for dataset in in_order if dataset in trained_on]
