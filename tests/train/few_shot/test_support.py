"""Known patterns: read back as they were written, and refused by name where they are not what belongs to the model."""

import hashlib
import logging
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from train.few_shot import support
from train.few_shot.support import SupportSet, read_support, squared_distances, support_file

EMBEDDINGS = np.array([[0.5, -1.0, 2.0], [3.0, 0.25, -4.0], [1.0, 1.0, 1.0], [0.0, 2.0, 8.0]], np.float32)
IS_SINGLE = np.array([True, False, False, True])


def model_file(folder: Path, contents: bytes = b"weights") -> Path:
    path = folder / "model.pt"
    path.write_bytes(contents)
    return path


def kept(folder: Path, name: str = "support.npz", without: str = "", **other: Any) -> Path:
    """A model with its known patterns beside it, some of them exchanged or missing; the model."""
    path = model_file(folder)
    arrays = {"embeddings": EMBEDDINGS, "is_single": IS_SINGLE, "model": hashlib.sha256(b"weights").hexdigest()}
    np.savez(folder / name, **{key: value for key, value in (arrays | other).items() if key != without})
    return path


def test_known_patterns_are_read_as_they_were_written(tmp_path: Path) -> None:
    found = read_support(kept(tmp_path), 3)
    assert np.array_equal(found.embeddings, EMBEDDINGS)
    assert np.array_equal(found.is_single, IS_SINGLE)
    assert (found.embeddings.dtype, found.is_single.dtype) == (np.float32, bool)


def test_they_lie_beside_the_model_by_either_of_two_names(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The newer name has precedence, also where there is nothing yet: what is missing is asked for by it."""
    model = tmp_path / "model.pt"
    assert support_file(model) == tmp_path / "support.npz"
    (tmp_path / "known.npz").touch()
    assert support_file(model) == tmp_path / "known.npz"
    (tmp_path / "support.npz").touch()
    assert support_file(model) == tmp_path / "support.npz"
    (tmp_path / "known.npz").unlink()
    assert support_file(model) == tmp_path / "support.npz"

    with caplog.at_level(logging.WARNING):
        read_support(kept(tmp_path), 3)
        assert not caplog.messages
        (tmp_path / "support.npz").unlink()
        assert np.array_equal(read_support(kept(tmp_path, "known.npz"), 3).embeddings, EMBEDDINGS)
    assert caplog.messages == [f"{tmp_path}/known.npz is read as the support set: there is no support.npz beside it"]


def test_a_model_without_them_is_told_what_is_missing(tmp_path: Path) -> None:
    expected = (
        f"there is no {tmp_path}/support.npz, the training patterns that single and multiple hits are told apart by; "
        "it is written beside model.pt: copy it along with the model, or train again"
    )
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(expected)}$"):
        read_support(model_file(tmp_path), 3)


@pytest.mark.parametrize("without", ["embeddings", "is_single", "model"])
def test_an_array_that_is_missing_is_named(tmp_path: Path, without: str) -> None:
    model = kept(tmp_path, without=without)
    expected = (
        f"{tmp_path}/support.npz is damaged or does not hold embeddings, is_single and model ('{without}'); train again"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        read_support(model, 3)


@pytest.mark.parametrize(
    ("other", "shapes"),
    [
        ({"embeddings": EMBEDDINGS[:3]}, "(3, 3) and is_single bool (4,)"),
        ({"embeddings": EMBEDDINGS[:, :2]}, "(4, 2) and is_single bool (4,)"),
        ({"embeddings": EMBEDDINGS[:, 0]}, "(4,) and is_single bool (4,)"),
        ({"is_single": IS_SINGLE.astype(np.int64)}, "(4, 3) and is_single int64 (4,)"),
        ({"is_single": IS_SINGLE[:, None]}, "(4, 3) and is_single bool (4, 1)"),
        ({"is_single": IS_SINGLE.reshape(2, 2)}, "(4, 3) and is_single bool (2, 2)"),
    ],
)
def test_what_does_not_fit_the_network_or_each_other_is_refused(tmp_path: Path, other: dict, shapes: str) -> None:
    """Whole numbers in place of truth would be taken for rows: `embeddings[is_single]`."""
    expected = (
        f"{tmp_path}/support.npz holds embeddings {shapes}, expected (n, 3) and bool (n,); "
        "take the file that was written with the model"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        read_support(kept(tmp_path, **other), 3)


def test_answers_along_two_axes_are_refused_though_the_first_has_the_right_length(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=re.escape("is_single bool (4, 4), expected")):
        read_support(kept(tmp_path, is_single=np.eye(4, dtype=bool)), 3)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_embeddings_that_are_no_numbers_are_refused(tmp_path: Path, value: float) -> None:
    embeddings = EMBEDDINGS.copy()
    embeddings[2, 1] = value
    expected = f"{tmp_path}/support.npz holds embeddings that are no finite numbers; train again"
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        read_support(kept(tmp_path, embeddings=embeddings), 3)


def test_those_of_another_model_are_refused(tmp_path: Path) -> None:
    """Another one's embeddings are no neighbours of this one's: every answer would be a number, and wrong."""
    kept(tmp_path)
    model = model_file(tmp_path, b"weights, trained on")
    expected = f"{tmp_path}/support.npz is of another model than {model}; take the file that was written with this one"
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        read_support(model, 3)


@pytest.mark.parametrize(("is_single", "n"), [(np.ones(4, bool), 4), (np.zeros(4, bool), 0)])
def test_one_class_alone_tells_nothing(tmp_path: Path, is_single: np.ndarray, n: int) -> None:
    expected = f"{n} of 4 known patterns are single hits; label at least one single hit and one multiple hit"
    with pytest.raises(ValueError, match=f"^{expected}$"):
        read_support(kept(tmp_path, is_single=is_single), 3)


def test_one_of_each_is_enough() -> None:
    two = SupportSet(EMBEDDINGS[:2], IS_SINGLE[:2])
    assert two.must_have_both() is two


def test_squared_distances_are_the_loops_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 5 patterns, in blocks of 2, 2 and 1. Coordinates are multiples of 1/4 below 2^13: exact in float64, and not
    in float32, where the square of 8192.25 alone has 28 bits."""
    monkeypatch.setattr(support, "AT_ONCE", 2)
    known = (EMBEDDINGS + np.float32(8192)).astype(np.float32)
    asked = (np.arange(15).reshape(5, 3) / 4 + 8192).astype(np.float32)
    blocks = list(squared_distances(known, asked))
    assert [len(block) for block in blocks] == [2, 2, 1]
    assert {block.dtype for block in blocks} == {np.dtype(np.float64)}
    expected = [
        [math.fsum((float(a) - float(b)) ** 2 for a, b in zip(one, other, strict=True)) for other in known]
        for one in asked
    ]
    assert np.concatenate(blocks).tolist() == expected
