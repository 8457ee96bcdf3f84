"""Result files that are complete or absent; damaged ones are named when they are read."""

import hashlib
import json
import os
import pickle
import re
import struct
import uuid
import zipfile
import zlib
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

READ_TOGETHER = 65_536
"""Rows of a table: a part that can be read without the others."""

DAMAGED = (
    *(EOFError, LookupError, OSError, RuntimeError, ValueError),
    *(pickle.UnpicklingError, struct.error, zipfile.BadZipFile, zlib.error),
)
"""What readers raise at bytes that are not what was written."""

DESCRIBED = b"described"
"""Key of a table's metadata."""


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
    except OSError as error:
        error.add_note(f"{path} was not written; if it was there before, it is what it was")
        raise
    finally:
        temporary.unlink(missing_ok=True)


def must_be_free(outputs: Sequence[Path], *, overwrite: bool) -> None:
    """That files can be written, before the work for them begins.

    FileExistsError for one that is there, unless it may be replaced; ValueError for a folder, and where no folder can
    be made or written to.
    """
    for path in outputs:
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
            what = "a folder" if path.is_dir() else f"in {folder}, which is no folder that can be written to"
            raise ValueError(f"{path} is to be written, but it is {what}; choose another name")
    if (there := [str(path) for path in outputs if path.exists()]) and not overwrite:
        raise FileExistsError(f"{', '.join(there)} is there already; --overwrite replaces it")


def remove_leftovers(folder: Path) -> None:
    """Remove what `atomic_path` began anywhere under a folder in processes that were killed before they ended it."""
    for file in folder.rglob(".*.*"):
        if re.fullmatch(r"\..+\.[0-9a-f]{8}(\..+)?", file.name):
            file.unlink(missing_ok=True)


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


def read_arrays(path: Path | str, only: Container[str] | None = None) -> dict[str, Any]:
    """What `write_arrays` wrote, `only` these of it; numbers come back as numbers. Nothing is unpickled.

    FileNotFoundError; ValueError for a damaged file.
    """
    with open(path, "rb") as stream:
        try:
            with np.load(stream, allow_pickle=False) as arrays:
                wanted = [name for name in arrays.files if only is None or name in only]
                return {name: array if array.ndim else array.item() for name in wanted for array in [arrays[name]]}
        except (AttributeError, *DAMAGED) as error:  # a single array has no items
            raise _damaged(path, error) from error


def write_table(path: Path | str, table: "pa.Table") -> None:
    """Write a table as Parquet with checksums, atomically."""
    write_tables(path, table.schema, len(table), [table])


def write_tables(path: Path | str, schema: "pa.Schema", n_rows: int, parts: Iterable["pa.Table"]) -> None:
    """The same of the rows of several tables, one after the other, of which only one is in memory at a time.

    ValueError where they have not as many rows.
    """
    import pyarrow.parquet as pq

    # Pages have checksums, the description of the columns has none: it is there twice.
    schema, found = schema.with_metadata({DESCRIBED: _described(schema, n_rows)}), 0
    with atomic_path(path) as temporary:
        with pq.ParquetWriter(
            temporary,
            schema,
            compression="zstd",
            write_page_checksum=True,
            use_compliant_nested_type=False,  # or the description of lists would not be what it was
        ) as writer:
            for part in parts:
                writer.write_table(part.replace_schema_metadata(schema.metadata), row_group_size=READ_TOGETHER)
                found += len(part)
        if found != n_rows:
            raise ValueError(f"{path} is to have {n_rows} rows, but there are {found}; nothing was written")


def read_table(path: Path | str) -> "pa.Table":
    """What `write_table` wrote. FileNotFoundError; ValueError for a damaged file."""
    with open(path, "rb") as stream:
        try:
            file = _opened(stream)
            table = file.read()
            if len(table) != file.metadata.num_rows:
                raise ValueError(f"{len(table)} rows, expected {file.metadata.num_rows}")
        except DAMAGED as error:
            raise _damaged(path, error) from error
    return table


def read_rows(path: Path | str, rows: slice) -> "pa.Table":
    """Rows start:stop of what `write_table` wrote; of the others only some near them are read.

    FileNotFoundError; ValueError for a damaged file.
    """
    with open(path, "rb") as stream:
        try:
            file = _opened(stream)
            groups = range(rows.start // READ_TOGETHER, -(-rows.stop // READ_TOGETHER))
            table = file.read_row_groups(groups).slice(rows.start % READ_TOGETHER, rows.stop - rows.start)
            if len(table) != rows.stop - rows.start:
                raise ValueError(f"{len(table)} rows from row {rows.start} on, expected {rows.stop - rows.start}")
        except DAMAGED as error:
            raise _damaged(path, error) from error
    return table


def _opened(stream: IO[bytes]) -> "pq.ParquetFile":
    import pyarrow.parquet as pq

    file = pq.ParquetFile(stream, page_checksum_verification=True)
    schema = file.schema_arrow
    if (schema.metadata or {}).get(DESCRIBED) != _described(schema, file.metadata.num_rows):
        raise ValueError("its columns are not described as they were written")
    return file


def _described(schema: "pa.Schema", n_rows: int) -> bytes:
    columns = schema.to_string(show_field_metadata=False, show_schema_metadata=False)
    return f"{n_rows} rows of\n{columns}".encode()


def _damaged(path: Path | str, error: Exception) -> ValueError:
    return ValueError(f"{path} is damaged ({error}); delete it and run snakemake, which makes it again")


def sha256(path: Path | str) -> str:
    """Hexadecimal sha256 of a file's bytes."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
