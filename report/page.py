"""Pages from their templates, which lie beside the code that fills them."""

import base64
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from frames.files import atomic_path

STYLE = Path(__file__).parent
"""Folder of what templates share."""


def write_page(template: Path, filters: Sequence[Callable[..., Any]], output: Path, **values: Any) -> None:
    """Fill an HTML template and write it, atomically; all text is escaped, and filters go by the functions' names.

    UndefinedError of jinja2 for a value that the template has and nobody gives.
    """
    environment = Environment(
        loader=FileSystemLoader([template.parent, STYLE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {function.__name__: function for function in filters}
    page = environment.get_template(template.name).render(**values)
    with atomic_path(output) as temporary:
        temporary.write_text(page, encoding="utf-8")


MEDIA_TYPES = {".png": "image/png", ".svg": "image/svg+xml"}


def data_uri(path: Path) -> str:
    """An image file as a URI that holds it."""
    return f"data:{MEDIA_TYPES[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"


def as_yaml(values: dict[str, Any]) -> str:
    """Values as a person would write them into a config: 1.0e+12, and no line for every number."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, default_flow_style=None, allow_unicode=True, width=100)


class _Dumper(yaml.SafeDumper):
    """Writes large and small numbers with their power of ten."""


def _represent(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    plain = value == 0 or 1e-4 <= abs(value) < 1e6
    text = repr(value) if plain else np.format_float_scientific(value, trim="0", exp_digits=2)
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)
