"""The typed config of a whole run; everything that is wrong with it is said at once, before work starts."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from simulate.config import Identifier, SimulationConfig, Strict
from train.config import TrainingConfig

IMAGE_PIXELS = {"late10": 128}
"""Networks that take images of one size only, and that size [pixels along an edge]."""


class RunConfig(Strict):
    """One run: what is simulated, what is trained on it, and where its files go."""

    run: Identifier = Field(description="name of the run's folder under `results_dir`")
    title: Annotated[str, Field(min_length=1, max_length=200)] = Field(description="heading of the report")
    results_dir: Path = Path("results")
    simulation: SimulationConfig
    training: TrainingConfig

    @model_validator(mode="after")
    def _halves_fit_together(self) -> Self:
        if problems := list(self._mismatches()):
            raise ValueError("\n".join(problems))
        return self

    def _mismatches(self) -> Iterator[str]:
        known = list(self.simulation.datasets)
        for name in self.training.datasets:
            if name not in known:
                yield f"training.datasets: {name!r} is not one of simulation.datasets {known}"
        for name in (name for name in self.training.datasets if name in known):
            n_pixels = self.simulation.datasets[name].detector.n_pixels
            for model in self.training.models:
                if (needed := IMAGE_PIXELS.get(model, n_pixels)) != n_pixels:
                    yield (
                        f"training.models: {model!r} takes images of {needed} x {needed} pixels, "
                        f"but simulation.datasets.{name}.detector.n_pixels is {n_pixels}"
                    )

    @property
    def folder(self) -> Path:
        """Where the files of this run lie."""
        return self.results_dir / self.run


def load_config(mapping: Mapping[str, Any]) -> RunConfig:
    """The config in a mapping, as read from YAML.

    Raises
    ------
    ValueError with a line for every problem: its dotted key, the value found and what was expected.
    """
    try:
        return RunConfig.model_validate(dict(mapping))
    except ValidationError as error:
        problems = [problem for details in error.errors(include_url=False) for problem in _problems(details)]
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise ValueError("\n  ".join([f"{count} in the config:", *problems])) from error


def _problems(details: ErrorDetails) -> list[str]:
    key = ".".join(str(part) for part in details["loc"] if part != "[key]")
    message, value = details["msg"].removeprefix("Value error, "), details["input"]
    match details["type"]:
        case "missing":
            return [f"{key} is missing"]
        case "extra_forbidden" | "unexpected_keyword_argument":
            return [f"{key} is not a known key (found {_shortened(value)}); correct or remove it"]
        case "too_short" if len(value) >= details["ctx"]["min_length"]:
            return []  # its items were refused one by one, and are listed
        case "value_error" if not isinstance(value, str | int | float):
            # Of a whole section: the message names key and value. Of the run: one line per problem.
            return [f"{key}: {line}" if key else line for line in message.splitlines()]
        case _:
            expectation = message.replace("Input should", "should")
            return [f"{key} = {_shortened(value)}: {expectation[:1].lower()}{expectation[1:]}"]


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
