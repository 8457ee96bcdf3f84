"""What pydantic finds wrong with a config, in words of who wrote it."""

import dataclasses
import re
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from evaluate.run.config_files import KEY, shortened
from frames.schema import did_you_mean
from simulate.experiment.config import DatasetConfig
from train.config.old_keys import OLD_KEYS, renamed_value

Model = TypeVar("Model", bound=BaseModel)

STAND_INS = {"run": "any", "title": "any", "phantom": "globule", "network": "late10"} | {
    "photons_per_pulse": 1.0,
    "record": "photons",
}
"""Of keys that a section cannot do without."""

ASIDE = re.compile(r"\[.*?\]|; did you mean .*")
"""Of a message: names that it lists."""


def validated(mapping: Mapping[str, Any], model: type[Model]) -> tuple[Model | None, list[str]]:
    """The config in a mapping, or a line for every problem: its dotted key, the value found and what was expected."""
    gathered: list[str] = []
    config, wrong = _validated(mapping, model, gathered)
    if config is not None and not gathered:
        return config, []
    problems, taken_out = list[str](), list[tuple[str | int, ...]]()
    while wrong:
        own = [details for details in wrong if not _inherited(details, mapping)]
        problems += [line for details in own for line in _told(details, model)]
        # A wrong value keeps the sections from being held against each other: without it, they are.
        before = len(taken_out)
        taken_out += filter(None, map(_faulty, wrong))
        again = _validated(reduce(_without, taken_out, mapping), model, gathered)[1] if len(taken_out) > before else []
        wrong = [details for details in again if _faulty(details) not in ((), *taken_out)]
    vague = {place[2] for place in taken_out if place[:2] == ("simulation", "datasets") and len(place) > 2}
    vague |= {line.split(".")[2] for line in gathered if ".base: " in line}

    def is_sure(line: str) -> bool:
        """Whether it says nothing of a dataset that is half known."""
        return ".base: " in line or not any(f"'{name}'" in ASIDE.sub("", line) for name in vague)

    return None, list(dict.fromkeys([*problems, *filter(is_sure, gathered)]))


def _validated(
    mapping: Mapping[str, Any], model: type[Model], gathered: list[str]
) -> tuple[Model | None, list[ErrorDetails]]:
    """The config in a mapping, where it is one, and what pydantic says is wrong; what does not fit together is added
    to what was gathered."""
    try:
        return model.model_validate(dict(mapping), context=gathered), []
    except ValidationError as error:
        return None, error.errors(include_url=False)


def _told(details: ErrorDetails, model: type[BaseModel]) -> list[str]:
    """Lines that each begin with a dotted key and say the value found and what was expected.

    Parameters
    ----------
    model : that was validated; its keys are what an unknown one may have been meant for.
    """
    loc = _named(details)
    key = ".".join(str(part) for part in loc)
    message, value = details["msg"].removeprefix("Value error, "), details["input"]
    match details["type"]:
        case "missing":
            return [f"{key} is missing"]
        case "extra_forbidden" | "unexpected_keyword_argument":
            old, known = str(loc[-1]), _known_keys(model, loc[:-1])
            if (new := OLD_KEYS.get(old)) in known:
                also = "" if (now := renamed_value(old, value)) == value else f", and {value} {now}"
                return [f"{key} is called {new} now (found {shortened(value)}){also}; rename it"]
            meant = did_you_mean(loc[-1], known)
            return [f"{key} is not a known key (found {shortened(value)}){meant or '; correct or remove it'}"]
        case "too_short" if len(value) >= details["ctx"]["min_length"]:
            return []  # its items were refused one by one, and are listed
        case "value_error" if not isinstance(value, str | int | float):
            # Of a whole section: the message names key and value. Of several: one line per problem.
            return [_below(key, line, _known_keys(model, loc)) for line in message.splitlines()]
        case "tuple_type":
            return [f"{key} = {shortened(value)}: should be a list, such as [{shortened(value)}]"]
        case "dict_type" | "model_type" | "dataclass_type":
            return [f"{key} = {shortened(value)}: should be keys with values, such as {{key: value}}"]
        case "string_type" if value is None:
            return [f"{key} is empty: should be text"]
        case "string_type":
            return [f'{key} = {shortened(value)}: should be text; write "{value}" if that is its name']
        case _:
            expectation = message.replace("Input should", "should")
            return [f"{key} = {shortened(value)}: {expectation[:1].lower()}{expectation[1:]}"]


def _without(mapping: Any, loc: Sequence[str | int]) -> Any:
    """A config without the value at this place, or with another that is valid there, that the rest can be looked at."""
    if len(loc) == 1 and isinstance(mapping, Mapping):
        rest = {key: value for key, value in mapping.items() if key != loc[0]}
        return {**rest, loc[0]: STAND_INS[loc[0]]} if loc[0] in STAND_INS else rest
    if isinstance(mapping, Mapping) and loc[0] in mapping:
        return {**mapping, loc[0]: _without(mapping[loc[0]], loc[1:])}
    if isinstance(mapping, list) and isinstance(loc[0], int):
        return [_without(value, loc[1:]) if n == loc[0] else value for n, value in enumerate(mapping)]
    return mapping


def _inherited(details: ErrorDetails, mapping: Mapping[str, Any]) -> bool:
    """Whether the wrong value of a dataset is that of another one, its base, of which it is told already."""
    loc = _named(details)
    if loc[:2] != ("simulation", "datasets") or len(loc) < 4:
        return False
    datasets = mapping["simulation"]["datasets"]
    own = datasets[loc[2]]
    if own.get("base") not in [name for name in datasets if name != loc[2]]:
        return False
    for part in loc[3:]:
        if not isinstance(own, Mapping) or part not in own:
            return True
        own = own[part]
    return False


def _faulty(details: ErrorDetails) -> tuple[str | int, ...]:
    """The key whose value is wrong and may be taken out; nothing where that would leave less than a config.

    Of a recipe, which is refused as a whole, it is the one that the message begins with.
    """
    loc, message = _named(details), details["msg"].removeprefix("Value error, ")
    if "[key]" in details["loc"]:
        return ()
    if details["type"] == "value_error" and isinstance(details["input"], Mapping):
        first = KEY.match(message)
        return (*loc, first[0].split(".")[0]) if first and first[0] in details["input"] else ()
    return loc


def _named(details: ErrorDetails) -> tuple[str | int, ...]:
    return tuple(part for part in details["loc"] if part != "[key]")


def _below(key: str, line: str, keys: Iterable[str]) -> str:
    """A message of a section: it may begin with the whole key, or with one in the section."""
    first = KEY.match(line)
    if not key or line.startswith(f"{key}."):
        return line
    return f"{key}.{line}" if first and first[0].split(".")[0] in keys else f"{key}: {line}"


def _known_keys(model: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    """Keys of the section at this place of a config."""
    sections: list[Any] = [model]
    for part in loc:
        sections = [below for section in sections for below in _below_type(section, part)] or sections
    based = any(section is DatasetConfig or dataclasses.is_dataclass(section) for section in sections)
    return [name for section in sections for name in _fields(section)] + (["base"] if based else [])


def _below_type(section: Any, part: str | int) -> list[Any]:
    if part in (fields := _fields(section)):
        return list(_sections(fields[str(part)]))
    return []


def _sections(annotation: Any) -> Iterator[Any]:
    """Models and recipes in an annotation; of a mapping or a list, a stand-in that any name or number leads on from."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _sections(arguments[0])
    elif origin in (Union, types.UnionType):
        for argument in arguments:
            yield from _sections(argument)
    elif origin in (dict, tuple):
        yield from _sections(arguments[1 if origin is dict else 0])
    elif _fields(annotation):
        yield annotation


def _fields(section: Any) -> dict[str, Any]:
    if isinstance(section, type) and issubclass(section, BaseModel):
        return {name: field.annotation for name, field in section.model_fields.items()}
    if dataclasses.is_dataclass(section):
        return {field.name: field.type for field in dataclasses.fields(section)}
    return {}
