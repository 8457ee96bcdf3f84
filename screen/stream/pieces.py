"""A table on disk that grows by rows and is never lost: pieces of an Arrow IPC stream, the last of which is open.

    000000.arrow      sealed: compressed, written at once, on the disk for good
    000001.arrow
    000002.arrows     open: each batch of rows is one write, so a killed process leaves at most the last one torn

An open piece can be read while it is written (`pyarrow.ipc.open_stream`); its rows are on the disk within a second, so
a power cut costs no more. Rows that were handed to the system outlive the process.
"""

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from frames.files import atomic_path

ROWS = 65_536
"""Of a sealed piece"""
FLUSHED_EVERY = 1.0
"""[s] that rows wait before they are forced to the disk, at most"""


class Pieces:
    """Rows on disk, in order. One process at a time may write."""

    def __init__(self, folder: Path, schema: pa.Schema, rows: int = ROWS):
        """OSError; ValueError where a sealed piece is damaged, or of other columns."""
        self.folder, self.schema, self._rows = folder, schema, rows
        self.torn = 0
        """Bytes of a torn batch that were cut off when the table was opened again"""
        folder.mkdir(parents=True, exist_ok=True)
        self._row = pa.struct(list(schema))
        self._batches: list[pa.RecordBatch] = []
        self._n = 0
        """rows of the open piece"""
        self._file: int | None = None
        self._lock = threading.Lock()
        self._must_flush, self._closed = False, threading.Event()
        self._recover()
        self._flusher = threading.Thread(target=self._flush_often, name="ledger-flush", daemon=True)
        self._flusher.start()

    def append(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows, values in the order of the columns, which are then the system's.

        OSError, and then none of them is in the table.
        """
        # One array of all columns costs half of what an array for each does, of as few rows as a train has.
        batch = pa.RecordBatch.from_struct_array(pa.array(rows, self._row))
        message = memoryview(batch.serialize())
        with self._lock:
            if self._file is None:
                self._open()
            assert self._file is not None
            _write_whole(self._file, message)
            self._must_flush = True
            self._batches.append(batch)
            self._n += len(batch)
        if self._n >= self._rows:
            with contextlib.suppress(OSError):  # of a full disk: it stays open, and is tried again after the next rows
                self.seal()

    def seal(self) -> None:
        """Make a compressed piece of the open one, on the disk for good."""
        if not self._n:
            return
        number = self._number
        _write_sealed(self.folder / f"{number:06d}.arrow", self._open_rows())
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None
            (self.folder / f"{number:06d}.arrows").unlink(missing_ok=True)
            self._batches, self._n = [], 0
            self._number += 1

    def tables(self) -> Iterator[pa.Table]:
        """All rows so far, piece after piece."""
        for path in self._sealed():
            yield _read_sealed(path, self.schema)
        if self._n:
            yield self._open_rows()

    def _open_rows(self) -> pa.Table:
        """Of the open piece, as one batch: a batch as small as a train has would be written as such."""
        return pa.Table.from_batches(self._batches, self.schema).combine_chunks()

    def close(self) -> None:
        """Seal what is open."""
        self._closed.set()
        self._flusher.join()
        self.seal()

    def _sealed(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9]*.arrow"))

    def _open(self) -> None:
        path = self.folder / f"{self._number:06d}.arrows"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        _write_whole(self._file, memoryview(self.schema.serialize()))

    def _recover(self) -> None:
        """Seal whole batches of an open piece that a killed process left."""
        for path in self._sealed():
            path.with_suffix(".arrows").unlink(missing_ok=True)  # sealed just before the end
        for temporary in self.folder.glob(".*.arrow"):
            temporary.unlink()
        sealed = self._sealed()
        self._number = int(sealed[-1].stem) + 1 if sealed else 0
        for path in sorted(self.folder.glob("[0-9]*.arrows")):
            self._number = int(path.stem)
            table, self.torn = whole_batches(path, self.schema)
            if len(table):
                _write_sealed(path.with_suffix(".arrow"), table)
                self._number += 1
            path.unlink()

    def _flush_often(self) -> None:
        while not self._closed.wait(FLUSHED_EVERY):
            with self._lock:
                file = os.dup(self._file) if self._must_flush and self._file is not None else None
                self._must_flush = False
            if file is not None:
                try:
                    os.fsync(file)
                finally:
                    os.close(file)


def whole_batches(path: Path, schema: pa.Schema) -> tuple[pa.Table, int]:
    """The rows of an open piece up to a torn batch, and how many bytes were torn. ValueError for other columns."""
    data, batches, end = path.read_bytes(), [], 0
    stream = pa.BufferReader(data)
    try:
        found = pa.ipc.read_schema(stream)
    except (pa.ArrowException, OSError, EOFError):
        return pa.table({f.name: pa.array([], f.type) for f in schema}), len(data)
    if not found.equals(schema):
        raise ValueError(f"{path} has columns {found.names}, expected {schema.names}; screen into another folder")
    end = stream.tell()
    while True:
        try:
            message = pa.ipc.read_message(stream)
            batch = pa.ipc.read_record_batch(message, schema)
            batch.validate(full=True)
        except (pa.ArrowException, OSError, EOFError, StopIteration):
            break
        batches.append(batch)
        end = stream.tell()
    return pa.Table.from_batches(batches, schema), len(data) - end


def _write_whole(file: int, message: memoryview) -> None:
    """All or nothing: what of a message did not fit on a full disk is cut off again."""
    start = os.fstat(file).st_size
    written = 0
    try:
        while written < len(message):
            written += os.write(file, message[written:])
    except OSError:
        os.ftruncate(file, start)
        raise


def _write_sealed(path: Path, table: pa.Table) -> None:
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with (
        atomic_path(path) as temporary,
        pa.OSFile(str(temporary), "wb") as sink,
        pa.ipc.new_file(sink, table.schema, options=options) as writer,
    ):
        writer.write_table(table)


def _read_sealed(path: Path, schema: pa.Schema) -> pa.Table:
    try:
        with pa.OSFile(str(path)) as file:
            table = pa.ipc.open_file(file).read_all()
            table.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path} is damaged ({error}); screen again into another folder") from error
    if not table.schema.equals(schema):
        raise ValueError(
            f"{path} has columns {table.schema.names}, expected {schema.names}; screen into another folder"
        )
    return table
