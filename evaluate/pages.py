"""Pages from their templates, which lie beside the code that fills them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from simulate.files import atomic_path

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
