"""The training half of a run's config."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, ValidationError, model_validator

from simulate.config import Identifier, Strict
from simulate.experiment import overlaid
from simulate.names import did_you_mean
from train.models.registry import MODELS
from train.recipe import Recipe

RECIPES = Path(__file__).parent / "recipes.yaml"
DEFAULT_RECIPE = "poster"


def recipes() -> dict[str, dict[str, Any]]:
    """The named recipes of train/recipes.yaml, not yet validated."""
    return yaml.safe_load(RECIPES.read_text(encoding="utf-8"))


def based(recipe: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A recipe's values over those of its `base`, and of that one's; ValueError where a base is unknown or a circle."""
    values, chain = dict(recipe), list[str]()
    while (base := values.pop("base", None)) is not None:
        if base in chain:
            raise ValueError(f"recipes {' -> '.join([*chain, base])} are based on each other")
        if base not in list(known):
            raise ValueError(f"base {base!r} is none of the named recipes {list(known)}{did_you_mean(base, known)}")
        chain.append(base)
        values = overlaid(known[base], values)
    return values


def _resolved(recipe: Any) -> Any:
    return based({"base": DEFAULT_RECIPE} | dict(recipe), recipes()) if isinstance(recipe, Mapping) else recipe


def _default_recipe() -> Recipe:
    return Recipe(**_resolved({}))


def _network(name: str) -> str:
    if name not in MODELS:
        raise ValueError(f"no network is called {name!r}; known: {', '.join(MODELS)}{did_you_mean(name, MODELS)}")
    return name


Network = Annotated[str, AfterValidator(_network), Field(description="name in train/models/registry.py")]


def unique(values: tuple) -> tuple:
    """The values; ValueError where one is there twice."""
    if len(set(values)) != len(values):
        raise ValueError(f"{list(values)} has duplicates")
    return values


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
    devices: int = Field(1, ge=1, description="GPUs of each training; a CPU trains alone, and comes to the same")
    threads: Threads = None
    recipe: ResolvedRecipe = Field(default_factory=_default_recipe, description="`base`: one of train/recipes.yaml")

    @model_validator(mode="after")
    def _several_devices_are_gpus(self) -> Self:
        if self.device == "cpu" and self.devices > 1:
            raise ValueError(f"devices is {self.devices}, GPUs of each training, with device cpu, expected 1")
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


def completed(values: Any, key: str, shared: Iterable[tuple[str, Any, Any]]) -> Any:
    """A section whose `key` names networks, each with what it does not say itself taken from the section.

    Parameters
    ----------
    shared : key, type, and what stands for it where the section's own is not valid.
    """
    if not isinstance(values, Mapping) or not isinstance(models := _by_name(values.get(key)), Mapping):
        return values
    common = {name: _valid(annotation, values.get(name), default) for name, annotation, default in shared}
    return {**values, key: {name: _complete(name, model, common) for name, model in models.items()}}


def _by_name(models: Any) -> Any:
    """A list of networks as a mapping from each to nothing that is different."""
    if not isinstance(models, list | tuple):
        return models
    if not all(isinstance(name, str) for name in models) or len(set(models)) != len(models):
        raise ValueError(f"models is {models}, expected different names of networks, or a mapping from names")
    return dict.fromkeys(models)


def _complete(name: Any, model: Any, shared: Mapping[str, Any]) -> Any:
    """A model with all that it does not say itself; what is no mapping is left for pydantic to refuse."""
    own = {} if model is None else model
    if not isinstance(own, Mapping):
        return own
    complete = {"network": name, **shared, **own}
    if isinstance(recipe := own.get("recipe"), Mapping) and "base" not in recipe:
        complete["recipe"] = overlaid(shared["recipe"], recipe)
    return complete


def _valid(annotation: Any, value: Any, default: Any) -> Any:
    """The value or, where it is not valid, the default: an error in what models share is told once, not by each."""
    try:
        TypeAdapter(annotation).validate_python(value)
    except ValidationError:
        return default
    return value
