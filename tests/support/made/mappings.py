"""Configs as mappings, with values put into them by their dotted keys."""

from typing import Any


def set_at(mapping: dict[str, Any], dotted: str, value: Any) -> None:
    *path, last = dotted.split(".")
    for key in path:
        mapping = mapping.setdefault(key, {})
    mapping[last] = value
