"""Numbers of any questions: against counting pattern by pattern, and by hand."""

import numpy as np
import pandas as pd
import pytest

from evaluate.metrics import by_target
from evaluate.predictions.predictions import predictions_table
from frames.store.dataset import Dataset, open_dataset
from frames.targets import Target, shot_targets
from support.datasets import make_dataset

KIND = Target("kind", ("left", "middle", "right"))
HIT = Target("hit", ("miss", "hit"), kept="hit")


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, pd.DataFrame]:
    """1,000 shots, some empty, and made-up answers that are right more often than not."""
    n, rng = 1000, np.random.default_rng(0)
    count, structure = rng.integers(0, 3, n), rng.choice(["a", "b"], n)
    images = np.zeros((n, 2, 2), np.uint16)
    names = np.where(count == 0, "", structure)
    folder = make_dataset(tmp_path_factory.mktemp("shots") / "d", images, names, count, patterns_per_shard=1000)
    dataset = open_dataset(folder)
    logits = [rng.normal(size=(n, len(target.classes))) for target in dataset.targets]
    for target, values in zip(dataset.targets, logits, strict=True):
        codes = dataset.labels(target.name)
        values[np.flatnonzero(codes >= 0), codes[codes >= 0]] += 2
    made = [np.exp(v) / np.exp(v).sum(axis=1, keepdims=True) for v in logits]
    return dataset, predictions_table(dataset, slice(0, n), *made)


def test_they_are_what_counting_pattern_by_pattern_gives(shots: tuple[Dataset, pd.DataFrame]) -> None:
    """Of each shot by itself; where none was hit, structures are not asked."""
    dataset, predictions = shots
    number, structure = targets = dataset.targets
    test = predictions[predictions["split"] == "test"]
    right: dict[str, list[bool]] = {"test": [], "hit_multiplicity": [], "structure": [], "hit_multiplicity_1": []}
    matrix = {target: np.zeros((len(target.classes),) * 2, int) for target in targets}
    lone = []
    for row in test.to_dict("records"):
        counted = row["predicted_hit_multiplicity"] == row["hit_multiplicity"]
        named = row["predicted_structure"] == row["structure"]
        right["hit_multiplicity"].append(counted)
        right["hit_multiplicity_1"].append((row["p_hit_multiplicity_1"] > 0.5) == (row["hit_multiplicity"] == 1))
        right["test"].append(counted and (named or row["structure"] == "none"))
        matrix[number][number.index(row["hit_multiplicity"]), number.index(row["predicted_hit_multiplicity"])] += 1
        if row["structure"] != "none":
            right["structure"].append(named)
            matrix[structure][structure.index(row["structure"]), structure.index(row["predicted_structure"])] += 1
        if row["hit_multiplicity"] == 1:
            lone.append(named)
    found = by_target.accuracies(test, targets)
    assert found == {f"{name}_accuracy": pytest.approx(np.mean(answers)) for name, answers in right.items()}
    assert 0.5 < found["test_accuracy"] < min(found["structure_accuracy"], found["hit_multiplicity_accuracy"])
    assert by_target.lone_accuracy(test, targets) == pytest.approx(np.mean(lone))
    for target in targets:
        assert np.array_equal(by_target.confusion(test, target), matrix[target])
    assert by_target.collapsed(test, targets) == ()


def labels(text: str) -> pd.DataFrame:
    """`a1 b2` as the structure and number of two patterns, `n0` where none was hit."""
    words = text.split()
    structure = ["none" if word[0] == "n" else word[0] for word in words]
    return pd.DataFrame({"structure": structure, "hit_multiplicity": [int(word[1]) for word in words]})


def taken(truth: str, for_what: str) -> pd.DataFrame:
    """Predictions that are sure; of `a1?` one is the likeliest number, but several more probable together."""
    given = labels(for_what.replace("?", "")).rename(columns=lambda name: f"predicted_{name}")
    sure = [0.4 if word.endswith("?") else float(word[1] == "1") for word in for_what.split()]
    return labels(truth).join(given).assign(p_hit_multiplicity_1=sure)


SHOTS = shot_targets(["a", "b"], [0, 1, 2, 3, 4])


def all_of(together: float, number: float, structure: float, single: float) -> dict[str, object]:
    found = {"test": together, "hit_multiplicity": number, "structure": structure, "hit_multiplicity_1": single}
    return {f"{name}_accuracy": pytest.approx(value, nan_ok=True) for name, value in found.items()}


@pytest.mark.parametrize(
    ("truth", "given", "expected"),
    [
        # right together: x; number: x x; structure: x x x; single or not: x x x
        ("a1 a1 a2 b1 b3", "a1 b1 a3 a2 b1", (1 / 5, 2 / 5, 3 / 5, 3 / 5)),
        ("a1 a2 b4", "a1? a1? b1", (1 / 3, 1 / 3, 1, 1 / 3)),
        # What structure is named where none was hit does not matter; the third is called single, the fourth is not.
        ("n0 n0 n0 a1 b2", "a0 b0 a1 a0 b2", (3 / 5, 3 / 5, 1, 3 / 5)),
        ("n0 n0", "a0 a1", (1 / 2, 1 / 2, np.nan, 1 / 2)),
    ],
)
@pytest.mark.filterwarnings("error")
def test_accuracies_by_hand(truth: str, given: str, expected: tuple[float, ...]) -> None:
    assert by_target.accuracies(taken(truth, given), SHOTS) == all_of(*expected)


@pytest.mark.parametrize(
    ("train", "test", "expected"),
    [
        ("b2 b2 b2 a1 a1 a3 a4 a2", "b2 a1 a2 b1", (1 / 4, 2 / 4, 2 / 4, 2 / 4)),  # b2; 2; a; not single
        ("a1 a2 a3 a4 b1 b2 b3 b4", "a1 a2 a3 a4 b1 b2 b3 b4", (1 / 8, 1 / 4, 1 / 2, 3 / 4)),
        ("n0 n0 n0 a1 b1 b2", "n0 a1 b1 b2", (1 / 4, 1 / 4, 2 / 3, 2 / 4)),  # nothing; 0; b of three; not single
    ],
)
def test_majority_of_the_training_split_is_applied_to_the_test_split(
    train: str, test: str, expected: tuple[float, ...]
) -> None:
    assert by_target.majority(labels(train), labels(test), SHOTS) == all_of(*expected)


def test_a_prediction_of_no_class_is_told() -> None:
    with pytest.raises(ValueError, match=r"predicted hit_multiplicity 7 is none of \[0, 1, 2, 3, 4\]"):
        by_target.confusion(taken("a1 b2", "a1 b7"), SHOTS[0])
    assert by_target.confusion(taken("a1 b2 n0", "a1 b1 b1"), SHOTS[1]).tolist() == [[1, 0], [0, 1]]


def test_of_the_class_that_is_kept_other_answers_are_asked() -> None:
    assert by_target.lone_accuracy(taken("a1 b1 a1 b2", "a1 a1 a2 a2"), SHOTS) == pytest.approx(2 / 3)
    assert np.isnan(by_target.lone_accuracy(taken("b2", "b2"), SHOTS))
    assert by_target.lone_target(SHOTS[1:]) is None  # nothing is kept
    assert by_target.lone_target(SHOTS[:1]) is None  # and nothing else asked


def test_three_patterns_by_hand() -> None:
    """The second has no kind; told of the third is a hit, by 0.6, which it is not."""
    predictions = pd.DataFrame(
        {
            "hit": ["hit", "miss", "miss"],
            "kind": ["left", "none", "right"],
            "predicted_hit": ["hit", "miss", "hit"],
            "predicted_kind": ["middle", "left", "right"],
            "p_hit_miss": [0.2, 0.9, 0.4],
            "p_hit_hit": [0.8, 0.1, 0.6],
        }
    )
    assert by_target.accuracies(predictions, [HIT, KIND]) == {
        "test_accuracy": pytest.approx(1 / 3),
        "hit_accuracy": pytest.approx(2 / 3),
        "hit_hit_accuracy": pytest.approx(2 / 3),
        "kind_accuracy": 1 / 2,
    }
    assert by_target.confusion(predictions, KIND).tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert by_target.confusion(predictions, HIT).tolist() == [[1, 1], [0, 1]]
    assert by_target.collapsed(predictions.assign(predicted_hit="hit"), [HIT, KIND]) == ("hit",)
