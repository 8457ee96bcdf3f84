"""What twin networks are trained on what, in a run's config."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from frames.schema import Identifier, Strict, did_you_mean, unique
from train.config.inherit import based, completed
from train.config.recipe import TwinRecipe
from train.config.training import Datasets, Network, Seeds, Threads

RECIPES = Path(__file__).parent / "twin_recipes.yaml"
DEFAULT_RECIPE = "poster"

NONE = "none"
"""Fold in which nothing is held out."""


def twin_recipes() -> dict[str, dict[str, Any]]:
    """The named recipes of train/config/twin_recipes.yaml, not yet validated."""
    return yaml.safe_load(RECIPES.read_text(encoding="utf-8"))


def _resolved(recipe: Any) -> Any:
    return based({"base": DEFAULT_RECIPE} | dict(recipe), twin_recipes()) if isinstance(recipe, Mapping) else recipe


def _default_recipe() -> TwinRecipe:
    return TwinRecipe(**_resolved({}))


ResolvedTwinRecipe = Annotated[TwinRecipe, BeforeValidator(_resolved)]
Folds = Annotated[tuple[Identifier, ...], Field(min_length=1), AfterValidator(unique)]


class TwinTraining(NamedTuple):
    """One training."""

    dataset: str
    encoder: str
    fold: str
    embedding_dim: int
    margin: float
    seed: int

    @property
    def shape(self) -> str:
        """Of the embedding, as in paths: `d8-m0.2`."""
        return shape(self.embedding_dim, self.margin)


def shape(embedding_dim: int, margin: float) -> str:
    """Of an embedding, as in paths: `d8-m0.2`."""
    return f"d{embedding_dim}-m{margin:g}"


class EncoderConfig(Strict):
    """One network by one recipe, trained on each of its datasets, in each fold, from each seed."""

    network: Network
    recipe: ResolvedTwinRecipe
    datasets: Datasets
    seeds: Seeds
    start: Identifier | None = Field(
        None,
        description="encoder whose weights a training begins with: of the same fold and seed, or, where it has none of "
        f"these, of fold `{NONE}` and its first seed",
    )
    folds: Folds = Field(description=f"families that are held out, each in turn; `{NONE}`: nothing is")
    embedding_dims: Annotated[tuple[Annotated[int, Field(ge=1)], ...], AfterValidator(unique)] = Field(
        (), description="instead of the recipe's: a grid of these by `margins`"
    )
    margins: Annotated[tuple[Annotated[float, Field(ge=0)], ...], AfterValidator(unique)] = ()
    evaluate_on: Annotated[tuple[Identifier, ...], AfterValidator(unique)] | None = Field(
        None, description="instead of evaluation.twins.evaluate_on"
    )

    @property
    def grid(self) -> list[tuple[int, float]]:
        """Embedding dimension and margin of every training."""
        dims, margins = self.embedding_dims or (self.recipe.embedding_dim,), self.margins or (self.recipe.margin,)
        return [(dim, margin) for dim in dims for margin in margins]

    @property
    def is_grid(self) -> bool:
        """Whether it is trained for several embedding dimensions, or margins."""
        return len(self.grid) > 1


class TwinsConfig(Strict):
    """Twin networks, and which structures are held out together.

    `encoders` is a mapping from a name in files and tables to what is different there; see `training.models`.
    """

    encoders: Annotated[dict[Identifier, EncoderConfig], Field(min_length=1)]
    datasets: Datasets
    seeds: Seeds = (0,)
    families: dict[Identifier, Annotated[tuple[Identifier, ...], Field(min_length=1), AfterValidator(unique)]] = Field(
        {}, description="name -> structures that nobody trains on in that fold"
    )
    folds: Folds = (NONE,)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Threads = None
    recipe: ResolvedTwinRecipe = Field(
        default_factory=_default_recipe, description="`base`: train/config/twin_recipes.yaml"
    )

    @model_validator(mode="before")
    @classmethod
    def _encoders_are_complete(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and "folds" not in values:
            values = {**values, "folds": tuple(dict.fromkeys((NONE, *values.get("families", ()))))}
        return completed(
            values,
            "encoders",
            (
                ("datasets", Datasets, ("any",)),
                ("seeds", Seeds, (0,)),
                ("recipe", ResolvedTwinRecipe, {}),
                ("folds", Folds, (NONE,)),
            ),
        )

    @model_validator(mode="after")
    def _folds_are_families(self) -> Self:
        if NONE in self.families:
            raise ValueError(
                f"a family is called {NONE!r}, which is the fold that holds nothing out; choose another name"
            )
        for name, encoder in self.encoders.items():
            if unknown := [fold for fold in encoder.folds if fold not in (NONE, *self.families)]:
                there = [NONE, *self.families]
                meant = did_you_mean(unknown[0], there)
                raise ValueError(f"encoders.{name}.folds: {unknown} are none of {there}{meant}")
        return self

    @model_validator(mode="after")
    def _starts_are_alike(self) -> Self:
        for name, encoder in self.encoders.items():
            if encoder.start is None:
                continue
            key = f"encoders.{name}.start"
            if encoder.start not in self.encoders:
                meant = did_you_mean(encoder.start, self.encoders)
                raise ValueError(f"{key}: no encoder {encoder.start!r}; there are {list(self.encoders)}{meant}")
            begun = self.encoders[encoder.start]
            if begun.start is not None or len(begun.datasets) > 1 or begun.is_grid:
                raise ValueError(
                    f"{key}: {encoder.start!r} has a start itself, or several datasets, embedding dimensions or "
                    "margins; begin with an encoder that is trained in one way"
                )
            ours, theirs = (
                (one.network, one.recipe.embedding_dim, one.recipe.distance, bool(one.recipe.proxy_weight))
                for one in (encoder, begun)
            )
            if ours != theirs or (encoder.is_grid and encoder.embedding_dims):
                raise ValueError(
                    f"{key}: network, embedding_dim, distance and use of proxies are {ours}, of {encoder.start!r} "
                    f"{theirs}; its weights do not fit"
                )
            if encoder.recipe.initialisation != "torch":
                raise ValueError(f"{key}: initialisation {encoder.recipe.initialisation} would overwrite its weights")
            if NONE not in begun.folds and (missing := sorted(set(encoder.folds) - set(begun.folds))):
                raise ValueError(f"{key}: {encoder.start!r} is not trained in folds {missing}, nor in {NONE!r}")
        return self

    def start_of(self, training: TwinTraining) -> TwinTraining | None:
        """The training whose weights this one begins with."""
        if (start := self.encoders[training.encoder].start) is None:
            return None
        begun = self.encoders[start]
        (dim, margin), fold = begun.grid[0], training.fold if training.fold in begun.folds else NONE
        seed = training.seed if training.seed in begun.seeds else begun.seeds[0]
        return TwinTraining(begun.datasets[0], start, fold, dim, margin, seed)

    @property
    def trainings(self) -> list[TwinTraining]:
        """Every training, encoder by encoder."""
        return [
            TwinTraining(dataset, name, fold, dim, margin, seed)
            for name, encoder in self.encoders.items()
            for dataset in encoder.datasets
            for fold in encoder.folds
            for dim, margin in encoder.grid
            for seed in encoder.seeds
        ]

    def held_out(self, fold: str) -> Sequence[str]:
        """Ids of the structures that nobody trains on in a fold."""
        return () if fold == NONE else self.families[fold]
