"""Labels of a person, as spreadsheets and pandas write them; a line that cannot be is named."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from frames.formats.spi.labels import read_labels


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize("answers", [[True, False, True], [1, 0, 1], [1.0, 0.0, 1.0], ["single", "other", "yes"]])
@pytest.mark.parametrize("frames", [[4, 2, 0], [4.0, 2.0, 0.0]])
def test_labels_are_read_as_pandas_writes_them(tmp_path: Path, frames: list, answers: list) -> None:
    pd.DataFrame({"frame": frames, "note": "?", "single": answers}).to_csv(tmp_path / "labels.csv")  # with its index
    found = read_labels(tmp_path / "labels.csv", 5)
    assert found.frames.tolist() == [4, 2, 0]
    assert found.is_single.tolist() == [True, False, True]
    assert found.split == ()


def test_a_split_may_be_said_and_frames_may_count_in_their_files(tmp_path: Path) -> None:
    path = write(tmp_path / "labels.csv", "file,frame,single,split\nb.cxi,0,1,test\na.cxi,1,0,\nb.cxi,1,0,train\n")
    found = read_labels(path, 5, {"a.cxi": range(2), "b.cxi": range(2, 5)})
    assert found.frames.tolist() == [2, 1, 3]
    assert found.split == ("test", "", "train")
    with pytest.raises(ValueError, match=r"line 2: there is no file 'b.cxi', expected one of a.cxi"):
        read_labels(path, 2, {"a.cxi": range(2)})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("frame,single\n0,1\n5,0\n", r"line 3: there is no frame '5', expected a whole number from 0 to 4"),
        ("frame,single\n0,1\n-1,0\n", "line 3: there is no frame '-1'"),
        ("frame,single\n0,1\n,0\n", "line 3: there is no frame ''"),
        ("frame,single\n0,1\n1.5,0\n", "line 3: there is no frame '1.5'"),
        ("frame,single\n0,1\n1,\n", "line 3: the answer of frame 1 is ''"),
        ("frame,single\n0,1\n1,nan\n", "line 3: the answer of frame 1 is 'nan'"),
        ("frame,single\n0,1\n1\n", "line 3: the answer of frame 1 is ''"),
        ("frame,single\n0,1\n1,0\n0.0,1\n", "line 4: frame 0 is labelled twice"),
        ("frame,single,split\n0,1,train\n1,0,exam\n", "line 3: the split is 'exam'"),
        ("id,single\n0,1\n", "has no column frame: its first line is 'id,single'"),
        ("", "has no column frame and no column single"),
    ],
)
def test_a_line_that_cannot_be_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_labels(write(tmp_path / "labels.csv", text), 5)


LABELS = "frame,single,note\n4,1,café\n2,0,x\n"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("heading", [str.lower, str.title, str.upper])
def test_labels_are_read_as_spreadsheets_write_them(
    tmp_path: Path, delimiter: str, encoding: str, heading: Callable[[str], str]
) -> None:
    first, rest = LABELS.split("\n", 1)
    text = f"{heading(first)}\n{rest}".replace(",", delimiter).replace("\n", "\r\n")
    (tmp_path / "labels.csv").write_bytes(text.encode(encoding))
    found = read_labels(tmp_path / "labels.csv", 5)
    assert (found.frames.tolist(), found.is_single.tolist()) == ([4, 2], [True, False])


@pytest.mark.parametrize("first", ["frame,single,single", "frame,single,Single", "frame,FRAME,single"])
def test_two_columns_of_one_name_are_not_chosen_from(tmp_path: Path, first: str) -> None:
    with pytest.raises(ValueError, match=r"labels\.csv has several columns (single|frame); keep one of each"):
        read_labels(write(tmp_path / "labels.csv", f"{first}\n0,1,0\n"), 5)


def test_no_file_of_text_is_no_labels(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(b"frame,single\n\xff\xfe,1\n")
    with pytest.raises(ValueError, match=r"labels.csv, line 2: there is no frame 'ÿþ'"):
        read_labels(tmp_path / "labels.csv", 5)
    (tmp_path / "labels.csv").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")
    with pytest.raises(ValueError, match=r"labels.csv has no column frame and no column single"):
        read_labels(tmp_path / "labels.csv", 5)
