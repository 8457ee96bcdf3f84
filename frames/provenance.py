"""What a result was made from: digests of source and settings, versions of libraries."""

import ast
import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("frames", "simulate", "train", "evaluate", "report", "validate", "screen", "singlehit")
LIBRARIES = (
    "numpy",
    "scipy",
    "numba",
    "finufft",
    "skopi",
    "gemmi",
    "zarr",
    "dask",
    "torch",
    "scikit-learn",
    "snakemake",
)


def source_digest(*modules: str, without: Collection[str] = ()) -> str:
    """Digest of the code of these modules and of all modules of this project that they import, but for `without`.

    Snakemake does not rerun a finished job when an imported module changes; given as a parameter of the rule, this does
    it. Comments, docstrings and layout do not count.
    """
    digest = hashlib.sha256()
    for module in sorted(set().union(*(_closure(name) for name in modules)).difference(without)):
        digest.update(f"{module}\n{_parsed(_file(module)).code}\n".encode())
    return digest.hexdigest()[:16]


def json_digest(value: Any) -> str:
    """Digest of a JSON-able value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that numbers depend on."""
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in LIBRARIES}


@cache
def _closure(module: str) -> frozenset[str]:
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(_parsed(_file(name)).imports)
    return frozenset(found)


def _file(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not file.exists():
        raise FileNotFoundError(f"module {module} is not in {ROOT}")
    return file


class _Parsed(NamedTuple):
    imports: frozenset[str]
    """Modules of this project that are imported, at any depth of the code."""
    code: str
    """All but comments, docstrings and layout."""


@cache
def _parsed(file: Path) -> _Parsed:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    imports: set[str] = set()
    for node in ast.walk(tree):
        imports.update(name for name in _imported(node) if name.split(".")[0] in PACKAGES)
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            del body[0]
    return _Parsed(frozenset(imports), ast.dump(tree))


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        # `from simulate import volume` imports a module, `from simulate.diffraction.volume import Volume` a name in
        # one.
        submodules = [f"{node.module}.{alias.name}" for alias in node.names]
        return [name for name in submodules if _is_module(name)] or [node.module]
    return []


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()
