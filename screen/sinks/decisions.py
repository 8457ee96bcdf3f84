"""All decisions of a run's folder so far, whether its screening has ended, was killed, or is under way."""

from pathlib import Path

import pyarrow as pa

from frames.files import read_table
from screen.stream.ledger import SCHEMA
from screen.stream.pieces import whole_batches


def decisions_of(folder: Path) -> pa.Table:
    """Rows of the ledger, in order; columns: `screen.stream.ledger`.

    FileNotFoundError where a folder has neither ledger nor decisions; ValueError for damaged ones.
    """
    if (finished := folder / "decisions.parquet").exists():
        return read_table(finished)
    pieces = sorted((folder / "ledger").glob("[0-9]*.arrow*"))
    if not pieces:
        raise FileNotFoundError(f"{folder} holds no decisions; expected the --out folder of `singlehit screen`")
    # A piece is sealed before the open one of the same number is removed.
    sealed = {path.stem for path in pieces if path.suffix == ".arrow"}
    return pa.concat_tables(
        [_piece(path) for path in pieces if path.suffix == ".arrow" or path.stem not in sealed]
    ).cast(SCHEMA)


def _piece(path: Path) -> pa.Table:
    if path.suffix == ".arrows":
        return whole_batches(path, SCHEMA)[0]
    try:
        with pa.OSFile(str(path)) as file:
            return pa.ipc.open_file(file).read_all()
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path} is damaged ({error}); screen again into another folder") from error
