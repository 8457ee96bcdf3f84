"""What is taken for what: tables counted by hand, shots without a particle among them."""

import numpy as np
import pandas as pd
import pytest

from evaluate.classification import answers
from evaluate.metrics.confusion import class_matrix, classes_shot, collapsed_heads, confusions, per_class
from frames.store.dataset import Dataset, open_dataset
from report.classification.mistakes import Mistake, Mistakes, Tables, _mistakes, classes_of
from support.datasets import make_dataset

TAKEN = [
    *(("a", 1, "a", 1, 5), ("a", 1, "b", 1, 2), ("a", 1, "a", 0, 1)),
    *(("a", 2, "a", 1, 3), ("a", 2, "a", 2, 1)),
    *(("b", 1, "a", 2, 1), ("b", 1, "b", 1, 6), ("b", 1, "b", 0, 3)),
    ("b", 2, "b", 2, 2),
    *(("none", 0, "a", 1, 1), ("none", 0, "b", 0, 2), ("none", 0, "a", 0, 1)),
]
"""Structure and hit multiplicity shot, and answered, and how often; a head names a structure even where it saw none."""


def predictions(*taken: tuple[str, int, str, int, int]) -> pd.DataFrame:
    names = ["structure", "hit_multiplicity", "predicted_structure", "predicted_hit_multiplicity"]
    return pd.DataFrame([row for *row, times in taken for _ in range(times)], columns=names)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Of three structures, the last of which is in no test pattern."""
    folder = tmp_path_factory.mktemp("confusions") / "noisy"
    images = np.zeros((7, 2, 2), np.uint16)
    return open_dataset(make_dataset(folder, images, ["c", "c", "a", "b", "a", "b", ""], [1, 2, 1, 1, 2, 2, 0]))


def test_a_head_is_judged_on_the_patterns_that_it_is_asked_about(dataset: Dataset) -> None:
    found = confusions(predictions(*TAKEN), dataset)
    assert found.keys() == {"structure", "hit_multiplicity"}
    np.testing.assert_array_equal(found["structure"], [[10, 2, 0], [1, 11, 0], [0, 0, 0]])  # what shows none is not
    np.testing.assert_array_equal(found["hit_multiplicity"], [[3, 1, 0], [4, 13, 1], [0, 3, 3]])


def test_classes_are_ordered_by_structure_then_number_and_no_particle_is_the_last() -> None:
    assert classes_shot(["b", "a"], [2, 0, 1]) == [("b", 2), ("b", 1), ("a", 2), ("a", 1), ("none", 0)]
    assert classes_shot(["b", "a"], [1]) == [("b", 1), ("a", 1)]


def test_every_pattern_is_in_the_row_of_its_class() -> None:
    """Those of no particle, or taken for such, too: without them shares of a row would be of fewer than its class."""
    matrix = class_matrix(predictions(*TAKEN), classes_shot(["a", "b"], [0, 1, 2]))
    expected = [[5, 0, 2, 0, 1], [3, 1, 0, 0, 0], [0, 1, 6, 0, 3], [0, 0, 0, 2, 0], [1, 0, 0, 0, 3]]
    np.testing.assert_array_equal(matrix, expected)
    hit = predictions(*(row for row in TAKEN if row[1] and row[3]))
    np.testing.assert_array_equal(class_matrix(hit, classes_shot(["a", "b"], [1, 2])), np.array(expected)[:4, :4])


def test_classes_by_hand(dataset: Dataset) -> None:
    taken = predictions(*TAKEN)
    tables = Tables(
        *(rows(taken, dataset.targets) for rows in (answers.confusion_rows, answers.label_rows)), per_class(taken)
    )
    found = classes_of("late10", 3, tables)
    assert (found.model, found.seed) == ("late10", 3)
    assert found.mistakes == {
        "structure": Mistakes([Mistake("a", "b", 2 / 12, 2), Mistake("b", "a", 1 / 12, 1)], 2, 3),
        "hit_multiplicity": Mistakes(
            [
                *(Mistake("2", "1", 3 / 6, 3), Mistake("0", "1", 1 / 4, 1)),
                *(Mistake("1", "0", 4 / 18, 4), Mistake("1", "2", 1 / 18, 1)),
            ],
            4,
            9,
        ),
        "both": Mistakes(
            [
                *(Mistake("2 × a", "1 × a", 3 / 4, 3), Mistake("1 × b", "none", 3 / 10, 3)),
                *(Mistake("1 × a", "1 × b", 2 / 8, 2), Mistake("none", "1 × a", 1 / 4, 1)),
                *(Mistake("1 × a", "none", 1 / 8, 1), Mistake("1 × b", "2 × a", 1 / 10, 1)),
            ],
            6,
            11,
        ),
    }
    assert found.recall == {"a": {1: 5 / 8, 2: 1 / 4}, "b": {1: 6 / 10, 2: 1}, "none": {0: 3 / 4}}
    assert list(found.recall) == ["a", "b", "none"]
    assert found.particle_recall == pytest.approx({"a": 10 / 12, "b": 11 / 12, "c": np.nan}, nan_ok=True)
    assert found.particle_precision == pytest.approx({"a": 10 / 11, "b": 11 / 13, "c": np.nan}, nan_ok=True)


def mistakes(matrix: np.ndarray, labels: str) -> Mistakes:
    return _mistakes(answers._sparse("structure", matrix, list(labels)))


def test_a_dozen_mistakes_is_listed_and_all_are_counted() -> None:
    """Of label i, j is answered 10 i + j times; the share falls along every row's end, and from row to row."""
    matrix = 10 * np.arange(1, 6)[:, None] + np.arange(5)
    found = mistakes(matrix, "vwxyz")
    shares = {("vwxyz"[i], "vwxyz"[j]): matrix[i, j] / matrix[i].sum() for i in range(5) for j in range(5) if i != j}
    assert [(m.truth, m.answer) for m in found.listed] == sorted(shares, key=lambda pair: -shares[pair])[:12]
    assert (found.pairs, found.n) == (20, matrix.sum() - np.trace(matrix))


def test_mistakes_worth_a_sentence_are_a_twentieth_or_more_and_four_at_most() -> None:
    assert [m.answer for m in mistakes(np.array([[938, 50, 12], [0, 1, 0], [0, 0, 1]]), "abc").frequent] == ["b"]
    assert not mistakes(np.array([[951, 49], [0, 1]]), "ab").frequent
    assert [m.share for m in mistakes(np.array([[0, 1], [0, 3]]), "ab").frequent] == [1]
    assert len(mistakes(np.ones((3, 3), int), "abc").frequent) == 4


def test_a_head_that_says_the_same_of_all_has_collapsed() -> None:
    assert collapsed_heads(predictions(*TAKEN)) == ()
    count = predictions(("a", 1, "a", 1, 1), ("b", 2, "b", 1, 1))
    assert collapsed_heads(count) == ("count",)
    none_told = predictions(("a", 1, "a", 1, 1), ("a", 2, "a", 1, 1), ("none", 0, "a", 0, 1))
    assert collapsed_heads(none_told) == ()
    # What it says of shots without a particle is not asked.
    particle = predictions(("a", 1, "a", 1, 1), ("b", 2, "a", 2, 1), ("none", 0, "b", 0, 1))
    assert collapsed_heads(particle) == ("particle",)
    assert collapsed_heads(predictions(("a", 1, "a", 1, 2))) == ()  # nothing differs
    assert collapsed_heads(predictions(("a", 1, "b", 2, 1), ("b", 2, "b", 2, 1))) == ("count", "particle")
