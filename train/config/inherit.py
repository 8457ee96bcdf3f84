"""Sections of a config whose members say only what is different."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from frames.schema import did_you_mean, overlaid


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
