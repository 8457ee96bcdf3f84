"""What a person says of some frames of a file."""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ANSWERS = {"1": True, "yes": True, "single": True, "0": False, "no": False, "multiple": False}
AS_PANDAS_WRITES = {"true": True, "1.0": True, "false": False, "0.0": False}
"""What labels may say in the column `single`, in large or small letters"""


class Labels(NamedTuple):
    """What a person says of some of the frames."""

    frames: NDArray[np.int64]
    """(k,) indices, from 0"""
    is_single: NDArray[np.bool_]
    """(k,)"""


def read_labels(path: Path, n_frames: int) -> Labels:
    """The labels of a CSV file with columns `frame` and `single`; others are left alone.

    ValueError names the line whose frame is none of 0 to n_frames - 1 or was labelled before, or whose answer is not
    among `ANSWERS`.
    """
    answers: dict[int, bool] = {}
    with open(path, newline="", encoding="utf-8-sig") as stream:  # spreadsheets begin a file with a mark
        rows = csv.DictReader(stream)
        try:
            rows.fieldnames = [name.strip() for name in rows.fieldnames or ()]
            if missing := {"frame", "single"} - set(rows.fieldnames):
                raise ValueError(
                    f"{path} has no column {' and no column '.join(sorted(missing))}: its first line is "
                    f"{','.join(rows.fieldnames)!r}, expected frame,single"
                )
            for row in rows:
                frame, answer = _label(row, f"{path}, line {rows.line_num}", n_frames)
                if frame in answers:
                    raise ValueError(f"{path}, line {rows.line_num}: frame {frame} is labelled twice; keep one of them")
                answers[frame] = answer
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is no CSV file ({error}); expected columns frame,single") from error
    return Labels(np.array([*answers], np.int64), np.array([*answers.values()], bool))


def _label(row: dict[str, str | None], where: str, n_frames: int) -> tuple[int, bool]:
    frame, answer = ((row[name] or "").strip() for name in ("frame", "single"))
    whole, _, fraction = frame.partition(".")  # pandas writes 3.0 where a frame is missing in the column
    if not (whole.isascii() and whole.isdigit() and not fraction.strip("0") and int(whole) < n_frames):
        raise ValueError(f"{where}: there is no frame {frame!r}, expected a whole number from 0 to {n_frames - 1}")
    if answer.lower() not in (known := ANSWERS | AS_PANDAS_WRITES):
        raise ValueError(f"{where}: the answer of frame {frame} is {answer!r}, expected one of {', '.join(ANSWERS)}")
    return int(whole), known[answer.lower()]
