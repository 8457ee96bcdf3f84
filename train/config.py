"""The training half of a run's config."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from simulate.config import Identifier, Strict
from train.models.registry import MODELS
from train.recipe import Recipe


def _network(name: str) -> str:
    if name not in MODELS:
        raise ValueError(f"no network is called {name!r}; known: {', '.join(MODELS)}")
    return name


class TrainingConfig(Strict):
    """Every model is trained on every dataset with every seed."""

    models: Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], Field(min_length=1)]
    datasets: Annotated[tuple[Identifier, ...], Field(min_length=1)]
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**32)], ...], Field(min_length=1)] = (0,)
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="`auto`: a GPU where there is one")
    recipe: Recipe = Recipe()

    @model_validator(mode="after")
    def _each_is_trained_once(self) -> Self:
        for name in ("models", "datasets", "seeds"):
            if len(set(values := getattr(self, name))) != len(values):
                raise ValueError(f"{name} {list(values)} has duplicates")
        return self
