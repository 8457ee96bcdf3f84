"""The section `sfx.learning` of a config: how hits are learned to be found."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from frames.schema import Identifier, Strict, did_you_mean, unique
from train.batches.contrast import Contrast
from train.config.hit_recipe import RECIPES, HitRecipe
from train.models.hit_finding.registry import LEAST_PIXELS, NETWORKS

Method = Literal["supervised", "transfer", "adversarial", "self_training"]


def _recipe(value: Any) -> Any:
    """A recipe that names another as its `base` has what it does not say from there."""
    if not isinstance(value, Mapping):
        return value
    base = value.get("base", "plain")
    if base not in RECIPES:
        raise ValueError(f"no recipe is called {base!r}; known: {', '.join(RECIPES)}{did_you_mean(base, RECIPES)}")
    return asdict(RECIPES[base]) | {key: one for key, one in value.items() if key != "base"}


Count = Annotated[int, Field(ge=1, le=10_000_000)]

Seeds = Annotated[tuple[Annotated[int, Field(ge=0, lt=2**32)], ...], Field(min_length=1), AfterValidator(unique)]


class LabelsConfig(Strict):
    """Frames of a dataset that are learned from, validated and tested with."""

    train: Count
    validation: Count
    test: Count

    @property
    def sizes(self) -> tuple[int, int, int]:
        """In this order."""
        return self.train, self.validation, self.test


class HitSystem(Strict):
    """One way to find hits."""

    network: str
    method: Method = "supervised"
    preprocessing: Identifier | None = Field(None, description="of `preprocessing`; candidates take none")
    vectors: Literal["rows", "columns", "both"] = "rows"
    labels: Annotated[tuple[Identifier, ...], Field(min_length=1), AfterValidator(unique)] = Field(
        description="of `labels`: how many frames are labelled, of the source; of transfer, of the target"
    )
    seeds: Seeds | None = Field(None, description="some of `learning.seeds`, where all of them would take too long")
    base: Identifier | None = Field(
        None, description="the supervised system whose network is begun with: of transfer, or of adversarial training"
    )
    recipe: Annotated[HitRecipe, BeforeValidator(_recipe)] = HitRecipe()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.network not in NETWORKS:
            meant = did_you_mean(self.network, NETWORKS)
            raise ValueError(f"network: no network is called {self.network!r}; known: {', '.join(NETWORKS)}{meant}")
        takes = NETWORKS[self.network][1]
        if (takes == "candidates") != (self.preprocessing is None):
            expected = "none" if takes == "candidates" else "one of learning.preprocessing"
            raise ValueError(
                f"preprocessing is {self.preprocessing}, but {self.network} takes {takes}: expected {expected}"
            )
        if self.method == "transfer" and self.base is None:
            raise ValueError("method: transfer needs a base: the system whose network is transferred")
        if self.base is not None and self.method not in ("transfer", "adversarial"):
            raise ValueError(f"base is {self.base!r}, but a {self.method} training begins with random weights")
        if self.method == "transfer" and not self.recipe.frozen_blocks:
            raise ValueError("recipe.frozen_blocks: a transfer needs at least one phase, as [4, 2]")
        return self

    @property
    def takes(self) -> str:
        """image, vectors or candidates."""
        return NETWORKS[self.network][1]


class LearningConfig(Strict):
    """How hits are learned to be found, and what is asked."""

    preprocessing: dict[Identifier, Contrast] = Field({"seed": Contrast()}, min_length=1)
    labels: dict[Identifier, LabelsConfig] = Field(
        {
            "many": LabelsConfig(train=1200, validation=400, test=400),
            "few": LabelsConfig(train=200, validation=200, test=1600),
        },
        min_length=1,
    )
    systems: dict[Identifier, HitSystem] = Field(min_length=1)
    orders: Annotated[tuple[Literal["shuffled", "sequential"], ...], Field(min_length=1), AfterValidator(unique)] = (
        "shuffled",
        "sequential",
    )
    seeds: Seeds = (*range(5),)
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @model_validator(mode="after")
    def _names_are_there(self) -> Self:
        problems = []
        for name, system in self.systems.items():
            key = f"systems.{name}"
            for label in system.labels:
                if label not in self.labels:
                    problems.append(
                        f"{key}.labels: {label!r} is none of {list(self.labels)}{did_you_mean(label, self.labels)}"
                    )
            if system.preprocessing is not None:
                if system.preprocessing not in self.preprocessing:
                    known = list(self.preprocessing)
                    problems.append(f"{key}.preprocessing: {system.preprocessing!r} is none of {known}")
                elif (pixels := self._pixels(system)) < (least := LEAST_PIXELS.get(system.network, 16)):
                    problems.append(f"{key}: {system.network} takes at least {least} pixels, but is given {pixels}")
            if others := sorted(set(system.seeds or ()) - set(self.seeds)):
                problems.append(f"{key}.seeds: {others} are none of learning.seeds {list(self.seeds)}")
            if system.base is not None:
                base = self.systems.get(system.base)
                if base is None or base.method != "supervised":
                    problems.append(f"{key}.base: {system.base!r} is no supervised one of systems {list(self.systems)}")
                elif (base.network, base.preprocessing) != (system.network, system.preprocessing):
                    problems.append(f"{key}.base: {system.base!r} has another network or pre-processing")
                elif not set(self.seeds_of(name)) <= set(self.seeds_of(system.base)):
                    problems.append(f"{key}.base: {system.base!r} is not trained from all of its seeds")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def seeds_of(self, name: str) -> tuple[int, ...]:
        """That a system is trained from."""
        return self.systems[name].seeds or self.seeds

    def _pixels(self, system: HitSystem) -> int:
        assert system.preprocessing is not None
        about = self.preprocessing[system.preprocessing]
        pixels = about.edge if system.takes == "image" else about.pixels
        return pixels if system.recipe.crop is None else min(pixels, system.recipe.crop)
