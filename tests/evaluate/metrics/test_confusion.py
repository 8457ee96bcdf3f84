"""What is taken for what: tables counted by hand, shots without a particle among them."""

import numpy as np
import pandas as pd
import pytest

from evaluate.classification import confusions
from evaluate.metrics import by_target
from evaluate.metrics.confusion import all_right, answered, joint_classes, joint_counts, joint_label, per_class
from frames.targets import Target, shot_targets
from report.classification.mistakes import Mistake, Mistakes, Tables, _mistakes, classes_of

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


SHOTS = shot_targets(["a", "b", "c"], [0, 1, 2])
"""Of three structures, the last of which is in no test pattern."""


def test_a_head_is_judged_on_the_patterns_that_it_is_asked_about() -> None:
    number, structure = (by_target.confusion(predictions(*TAKEN), target) for target in SHOTS)
    np.testing.assert_array_equal(structure, [[10, 2, 0], [1, 11, 0], [0, 0, 0]])  # what shows none is not
    np.testing.assert_array_equal(number, [[3, 1, 0], [4, 13, 1], [0, 3, 3]])


def test_classes_are_ordered_by_the_last_question_and_no_answer_is_the_last() -> None:
    found = joint_classes(shot_targets(["b", "a"], [2, 0, 1]))
    assert [one for one in found if (one[0] > 0) == (one[1] != "none") and one[0] >= 0] == [
        *((2, "b"), (1, "b"), (2, "a"), (1, "a"), (0, "none")),
    ]
    assert len(found) == 3 * 4


def test_classes_are_called_by_what_they_hold() -> None:
    assert [joint_label(one) for one in ((2, "b"), (0, "none"), (1, "none"), (-1, "b"))] == ["2 × b", "none", "1", "b"]
    words = ("hit", "left"), ("miss", "none"), ("none", "none"), ("hit", 2, "left")
    assert [joint_label(one) for one in words] == ["hit, left", "miss", "none", "hit, 2, left"]


def test_every_pattern_is_in_the_row_of_its_class() -> None:
    """Those of no particle, or taken for such, too: without them shares of a row would be of fewer than its class."""
    classes = ["1 × a", "2 × a", "1 × b", "2 × b", "none"]

    def matrix(of: pd.DataFrame) -> np.ndarray:
        found = joint_counts(of, SHOTS).set_index(["label", "predicted"])["n"].unstack(fill_value=0)
        return found.reindex(index=classes, columns=classes, fill_value=0).to_numpy()

    expected = [[5, 0, 2, 0, 1], [3, 1, 0, 0, 0], [0, 1, 6, 0, 3], [0, 0, 0, 2, 0], [1, 0, 0, 0, 3]]
    np.testing.assert_array_equal(matrix(predictions(*TAKEN)), expected)
    hit = predictions(*(row for row in TAKEN if row[1] and row[3]))
    np.testing.assert_array_equal(matrix(hit)[:4, :4], np.array(expected)[:4, :4])
    assert joint_counts(predictions(*TAKEN), SHOTS)["label"].drop_duplicates().tolist() == classes


def test_what_has_no_answer_is_taken_from_the_patterns() -> None:
    """Whoever says that nothing was hit names no kind; that a hit is on the left says nothing of the others."""
    targets = Target("hit", ("miss", "hit")), Target("kind", ("left", "right"))
    rows = [("hit", "left", "hit", "right"), ("miss", "none", "miss", "left"), ("hit", "none", "miss", "right")]
    table = pd.DataFrame(rows, columns=["hit", "kind", "predicted_hit", "predicted_kind"])
    assert answered(table, targets)["kind"].tolist() == ["right", "none", "none"]
    assert all_right(table, targets).tolist() == [False, True, False]
    assert answered(table[::2], targets)["kind"].tolist() == ["right", "right"]  # of no miss nothing is known
    found = per_class(table, targets).set_index(["kind", "hit"])
    assert found["n"].to_dict() == {("left", "hit"): 1, ("none", "hit"): 1, ("none", "miss"): 1}
    assert found["recall"].tolist() == [0, 0, 1]
    assert found.loc[("none", "miss"), "precision"] == 1 / 2
    assert np.isnan(found.loc[("none", "miss"), "kind_recall"])
    (only,) = per_class(table, targets[:1]).query("hit == 'hit'").itertuples()
    assert (only.n, only.recall, only.hit_recall, only.precision) == (2, 1 / 2, 1 / 2, 1)


def test_classes_by_hand() -> None:
    taken = predictions(*TAKEN)
    tables = Tables(*(rows(taken, SHOTS) for rows in (confusions.confusion_rows, confusions.label_rows, per_class)))
    found = classes_of("late10", 3, tables, SHOTS)
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
    assert found.recall == {"a": {"1": 5 / 8, "2": 1 / 4}, "b": {"1": 6 / 10, "2": 1}, "none": {"0": 3 / 4}}
    assert list(found.recall) == ["a", "b", "none"]
    structures = found.labels["structure"]
    assert structures.recall == pytest.approx({"a": 10 / 12, "b": 11 / 12, "c": np.nan}, nan_ok=True)
    assert structures.precision == pytest.approx({"a": 10 / 11, "b": 11 / 13, "c": np.nan}, nan_ok=True)


def mistakes(matrix: np.ndarray, labels: str) -> Mistakes:
    return _mistakes(confusions._sparse("structure", matrix, list(labels)))


def test_a_dozen_mistakes_is_listed_and_all_are_counted() -> None:
    """Of label i, j is answered 10 i + j times; the share falls along every row's end, and from row to row."""
    matrix = 10 * np.arange(1, 6)[:, None] + np.arange(5)
    found = mistakes(matrix, "vwxyz")
    shares = {("vwxyz"[i], "vwxyz"[j]): matrix[i, j] / matrix[i].sum() for i in range(5) for j in range(5) if i != j}
    assert [(m.label, m.predicted) for m in found.listed] == sorted(shares, key=lambda pair: -shares[pair])[:12]
    assert (found.pairs, found.n) == (20, matrix.sum() - np.trace(matrix))


def test_mistakes_worth_a_sentence_are_a_twentieth_or_more_and_four_at_most() -> None:
    assert [m.predicted for m in mistakes(np.array([[938, 50, 12], [0, 1, 0], [0, 0, 1]]), "abc").frequent] == ["b"]
    assert not mistakes(np.array([[951, 49], [0, 1]]), "ab").frequent
    assert [m.share for m in mistakes(np.array([[0, 1], [0, 3]]), "ab").frequent] == [1]
    assert len(mistakes(np.ones((3, 3), int), "abc").frequent) == 4


def test_a_head_that_says_the_same_of_all_has_collapsed() -> None:
    assert by_target.collapsed(predictions(*TAKEN), SHOTS) == ()
    count = predictions(("a", 1, "a", 1, 1), ("b", 2, "b", 1, 1))
    assert by_target.collapsed(count, SHOTS) == ("hit_multiplicity",)
    none_told = predictions(("a", 1, "a", 1, 1), ("a", 2, "a", 1, 1), ("none", 0, "a", 0, 1))
    assert by_target.collapsed(none_told, SHOTS) == ()
    # What it says of shots without a particle is not asked.
    particle = predictions(("a", 1, "a", 1, 1), ("b", 2, "a", 2, 1), ("none", 0, "b", 0, 1))
    assert by_target.collapsed(particle, SHOTS) == ("structure",)
    assert by_target.collapsed(predictions(("a", 1, "a", 1, 2)), SHOTS) == ()  # nothing differs
    assert by_target.collapsed(predictions(("a", 1, "b", 2, 1), ("b", 2, "b", 2, 1)), SHOTS) == (
        "hit_multiplicity",
        "structure",
    )
