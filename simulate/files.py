"""Result files that are complete or absent."""

import hashlib
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """A temporary path beside `path` that is renamed to it when the block succeeds and removed when it fails.

    The suffix is kept, because writers such as numpy and matplotlib choose the format by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        yield temporary
        _flush_to_disk(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _flush_to_disk(path: Path) -> None:
    # A rename may reach the disk before the data it names: after a power cut the file would be there and empty.
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path | str, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path | str) -> Any:
    """The value stored in a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_arrays(path: Path | str, arrays: Mapping[str, Any], *, compress: bool = False) -> None:
    """Write named arrays and numbers as .npz, atomically."""
    with atomic_path(path) as temporary:
        (np.savez_compressed if compress else np.savez)(temporary, **arrays)


def read_arrays(path: Path | str) -> dict[str, Any]:
    """What `write_arrays` wrote; numbers come back as numbers. Nothing is unpickled."""
    with np.load(path, allow_pickle=False) as arrays:
        return {name: array if array.ndim else array.item() for name, array in arrays.items()}


def sha256(path: Path | str) -> str:
    """Hexadecimal sha256 of a file's bytes."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
