"""setuptools' build backend, but for wheels: this is a workflow to clone, with an environment of its own.

Its packages are called `simulate`, `train` and `evaluate`. Copied into an environment of other projects they would
stand in the way of theirs (`evaluate` is a library of that name), and without the Snakefile beside them they do little.
The editable install of `make install`, into the clone's own .venv, is what there is.
"""

from typing import Any, NoReturn

from setuptools.build_meta import build_editable as build_editable
from setuptools.build_meta import get_requires_for_build_editable as get_requires_for_build_editable
from setuptools.build_meta import prepare_metadata_for_build_editable as prepare_metadata_for_build_editable


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise SystemExit(
        "singlehit is a workflow to clone, not a library to install: its packages `simulate`, `train` and `evaluate` "
        "would get in the way of others of these names. Clone it and `make install`, which sets up an environment of "
        "its own; see README.md."
    )


build_wheel = build_sdist = prepare_metadata_for_build_wheel = get_requires_for_build_wheel = _refuse
