"""What every part of a config is made of: types of keys, files read with every key once, errors in plain words."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)]
"""Part of file names and Snakemake wildcards, so nothing that could leave the run's folder."""


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


OnDetector = Annotated[float, Field(ge=-1e8, le=1e8)]
"""A place on a plane of detectors [µm], up to a hundred metres from its middle."""


Photons = Annotated[float, Field(ge=0, le=1e12)]
"""In one pixel: what any detector could stand, many times over."""


Fraction = Annotated[float, Field(ge=0, le=1)]


Share = Annotated[float, Field(gt=0, le=1)]


class Strict(BaseModel):
    """A config section: unknown keys are errors, yes and no are no numbers, values do not change after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _yes_is_no_number(cls, values: Any) -> Any:
        """YAML reads `yes`, `on` and `true` alike, and pydantic takes them for 1."""
        wrong = []
        for name, value in values.items() if isinstance(values, Mapping) else ():
            held = value if isinstance(value, list | tuple) else [value]
            if name in cls.model_fields and any(isinstance(one, bool) for one in held):
                takes = _types_of(cls.model_fields[name].annotation)
                if {int, float} & takes and not {bool, Any} & takes:
                    wrong.append(f"{name} is {value}, yes or no: expected a number")
        if wrong:
            raise ValueError("\n".join(wrong))
        return values


def _types_of(annotation: Any) -> set[Any]:
    """What a type is made of, at any depth."""
    return {annotation}.union(*(_types_of(part) for part in get_args(annotation)))


def overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`below` with the values of `above`, section by section; null in place of a section forgets it."""
    result = dict(below)
    for key, value in above.items():
        section = result.get(key)
        if isinstance(section, Mapping) and value is None:
            del result[key]
        elif isinstance(section, Mapping) and isinstance(value, Mapping):
            result[key] = overlaid(section, value)
        else:
            result[key] = value
    return result


def unique(values: tuple) -> tuple:
    """The values; ValueError where one is there twice."""
    if len(set(values)) != len(values):
        raise ValueError(f"{list(values)} has duplicates")
    return values


Datasets = Annotated[tuple[Identifier, ...], AfterValidator(unique)]


def did_you_mean(name: object, known: Iterable[object]) -> str:
    """`; did you mean 'noisy'?` for a name that is nearly one of those known, else nothing."""
    close = difflib.get_close_matches(str(name), [str(one) for one in known], n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
