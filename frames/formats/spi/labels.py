"""What a person says of some frames of a file."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from frames.labels import SPLITS

ANSWERS = {"1": True, "yes": True, "single": True, "0": False, "no": False, "multiple": False}
ALSO_READ = {"true": True, "1.0": True, "false": False, "0.0": False, "other": False}
"""What labels may say in the column `single`, in large or small letters; pandas and our own tables write the others"""


class Labels(NamedTuple):
    """What a person says of some of the frames."""

    frames: NDArray[np.int64]
    """(k,) indices, from 0"""
    is_single: NDArray[np.bool_]
    """(k,)"""
    split: tuple[str, ...] = ()
    """(k,) `train`, `validation`, `test` or, where nothing is said, empty; none where there is no such column"""


def read_labels(path: Path, n_frames: int, files: Mapping[str, range] | None = None) -> Labels:
    """The labels of a CSV file with columns `frame` and `single`, and perhaps `split`; others are left alone.

    Commas, semicolons or tabs between them, and names in capitals, are read alike.

    Parameters
    ----------
    files : name of each file of a run -> numbers of its frames in the run. Where the CSV has a column `file`, `frame`
            counts in that file, from 0; without one it counts in the run.

    Raises
    ------
    FileNotFoundError; ValueError naming the line whose frame is none of those that there are or was labelled before,
    whose answer is not among `ANSWERS`, or whose split is none.
    """
    answers: dict[int, tuple[bool, str]] = {}
    text = _text_of(path)
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    try:
        rows.fieldnames = names = [name.strip().lower() for name in rows.fieldnames or ()]
        if missing := {"frame", "single"} - set(names):
            raise ValueError(
                f"{path} has no column {' and no column '.join(sorted(missing))}: its first line is "
                f"{text.partition(chr(10))[0].rstrip()[:80]!r}, expected frame,single"
            )
        if twice := [name for name in ("frame", "single", "split", "file") if names.count(name) > 1]:
            raise ValueError(f"{path} has several columns {' and '.join(twice)}; keep one of each")
        for row in rows:
            where = f"{path}, line {rows.line_num}"
            of = _file(row, where, files) if files is not None and "file" in names else range(n_frames)
            frame, answer = _label(row, where, len(of))
            if (frame := of.start + frame) in answers:
                raise ValueError(f"{where}: frame {frame} is labelled twice; keep one of them")
            answers[frame] = answer, _split(row, where)
    except csv.Error as error:
        raise ValueError(f"{path} is no CSV file ({error}); expected columns frame,single") from error
    split = tuple(name for _, name in answers.values()) if "split" in names else ()
    return Labels(np.array([*answers], np.int64), np.array([single for single, _ in answers.values()], bool), split)


def _text_of(path: Path) -> str:
    """Without a mark of its encoding; what spreadsheets write that is no UTF-8 is UTF-16 or, in each byte, a letter."""
    content = path.read_bytes()
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _delimiter(text: str) -> str:
    """Between the cells of the first line: a comma, or the semicolon or tab of some spreadsheets."""
    first = text.partition("\n")[0]
    return next((one for one in ",;\t" if one in first), ",")


def _cell(row: Mapping[str, str | None], name: str) -> str:
    return (row.get(name) or "").strip()


def _file(row: Mapping[str, str | None], where: str, files: Mapping[str, range]) -> range:
    """Numbers of the frames of the file that a row names."""
    if (name := _cell(row, "file")) not in files:
        raise ValueError(f"{where}: there is no file {name!r}, expected one of {', '.join(files)}")
    return files[name]


def _split(row: Mapping[str, str | None], where: str) -> str:
    if (split := _cell(row, "split")) not in ("", *SPLITS):
        raise ValueError(f"{where}: the split is {split!r}, expected one of {', '.join(SPLITS)}, or nothing")
    return split


def _label(row: Mapping[str, str | None], where: str, n_frames: int) -> tuple[int, bool]:
    frame, answer = _cell(row, "frame"), _cell(row, "single")
    whole, _, fraction = frame.partition(".")  # pandas writes 3.0 where a frame is missing in the column
    if not (whole.isascii() and whole.isdigit() and not fraction.strip("0") and int(whole) < n_frames):
        raise ValueError(f"{where}: there is no frame {frame!r}, expected a whole number from 0 to {n_frames - 1}")
    if answer.lower() not in (known := ANSWERS | ALSO_READ):
        raise ValueError(f"{where}: the answer of frame {frame} is {answer!r}, expected one of {', '.join(ANSWERS)}")
    return int(whole), known[answer.lower()]
