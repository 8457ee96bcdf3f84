"""Metrics against counting by hand and against loops."""

import numpy as np
import pytest
from scipy.stats import binomtest

from evaluate.metrics import accuracy as metrics
from evaluate.predictions.labels import Labels


def labels(text: str) -> Labels:
    """`a1 b2` as the labels of two patterns; `a1?`: taken for one particle, but more probably for several."""
    words = text.split()
    return Labels(
        np.array([word[0] for word in words]),
        np.array([int(word[1]) for word in words]),
        np.array([word[1:] == "1" for word in words], bool),
    )


def test_accuracies_by_hand() -> None:
    truth = labels("a1 a1 a2 b1 b3")
    predicted = labels("a1 b1 a3 a2 b1")
    #           both    x
    #           count   x  x
    #           struct. x     x     x
    #           single  x  x  x
    result = metrics.accuracies(truth, predicted)
    assert result == metrics.Accuracies(1 / 5, 2 / 5, 3 / 5, 3 / 5)


def test_the_likeliest_number_may_be_one_for_a_multiple_hit() -> None:
    result = metrics.accuracies(labels("a1 a2 b4"), labels("a1? a1? b1"))
    assert result == metrics.Accuracies(1 / 3, 1 / 3, 1, 1 / 3)


def test_accuracies_need_one_prediction_each() -> None:
    with pytest.raises(ValueError, match="1 predictions of 2 patterns"):
        metrics.accuracies(labels("a1 a2"), labels("a1"))
    with pytest.raises(ValueError, match="0 predictions of 0 patterns"):
        metrics.accuracies(labels(""), labels(""))
    assert metrics.accuracies(labels("a1"), labels("a1")) == metrics.Accuracies(1, 1, 1, 1)
    with pytest.raises(ValueError, match="shorter"):
        metrics.answers(labels("a1 a2")._replace(hit_multiplicity=np.array([1])))


def test_labels_of_structures_may_be_numbers() -> None:
    some = Labels(np.array([3, 4]), np.array([1, 0]), np.array([True, False]))
    assert metrics.named(some).tolist() == [3, "none"]


def test_majority_of_the_training_split_is_applied_to_the_test_split() -> None:
    test = labels("b2 a1 a2 b1")
    result = metrics.majority(labels("b2 b2 b2 a1 a1 a3 a4 a2"), test)
    assert result == metrics.Accuracies(
        test_accuracy=1 / 4,  # b2
        count_accuracy=2 / 4,  # 2
        particle_accuracy=2 / 4,  # a
        single_hit_accuracy=2 / 4,  # multiple
    )


def test_majority_of_four_equally_frequent_counts_calls_every_hit_multiple() -> None:
    balanced = labels("a1 a2 a3 a4 b1 b2 b3 b4")
    result = metrics.majority(balanced, balanced)
    assert result == metrics.Accuracies(1 / 8, 1 / 4, 1 / 2, 3 / 4)


def test_where_nothing_was_hit_the_count_alone_is_asked_for() -> None:
    """n0 is a shot without a particle; what structure is named for it does not matter, nor beside an answer of 0."""
    truth = labels("n0 n0 n0 a1 b2")
    predicted = labels("a0 b0 a1 a0 b2")
    #       both    x  x        x
    #       count   x  x        x
    #       struct.          x  x   of two
    #       single  x  x        x   the third is called single, and the single hit is not
    result = metrics.accuracies(truth, predicted)
    assert result == metrics.Accuracies(3 / 5, 3 / 5, 1.0, 3 / 5)


def test_majority_with_shots_that_hit_nothing() -> None:
    train, test = labels("n0 n0 n0 a1 b1 b2"), labels("n0 a1 b1 b2")
    result = metrics.majority(train, test)
    assert result == metrics.Accuracies(
        test_accuracy=1 / 4,  # nothing
        count_accuracy=1 / 4,  # 0
        particle_accuracy=2 / 3,  # b, of the three that show a particle
        single_hit_accuracy=2 / 4,  # not single
    )


@pytest.mark.filterwarnings("error")
def test_no_structure_is_no_particle_accuracy() -> None:
    assert np.isnan(metrics.accuracies(labels("n0 n0"), labels("a0 a1")).particle_accuracy)


def test_confusion_against_a_double_loop() -> None:
    rng = np.random.default_rng(0)
    known = ["spike", "ball", "ring"]  # not sorted
    truth, answer = rng.choice(known, 200), rng.choice(known, 200)
    matrix = metrics.confusion(truth, answer, known)
    for i, true in enumerate(known):
        for j, answered in enumerate(known):
            assert matrix[i, j] == sum(t == true and a == answered for t, a in zip(truth, answer, strict=True))
    assert matrix.sum() == 200
    assert matrix.dtype == np.int64


@pytest.mark.parametrize("stranger", ["aardvark", "mouse", "zebra"])
def test_confusion_names_a_label_that_it_does_not_know(stranger: str) -> None:
    with pytest.raises(ValueError, match=f"'{stranger}' is none of"):
        metrics.confusion(np.array(["ball", stranger]), np.array(["ball", "ball"]), ["spike", "ball"])


@pytest.mark.filterwarnings("error")
def test_recall_and_precision_by_hand() -> None:
    matrix = np.array([[3, 1, 0, 0], [2, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]])
    np.testing.assert_allclose(metrics.recall(matrix), [3 / 4, 2 / 4, np.nan, 1])
    np.testing.assert_allclose(metrics.precision(matrix), [3 / 5, 2 / 3, np.nan, 1])


@pytest.mark.parametrize(("right", "n"), [(0, 10), (10, 10), (7, 10), (8800 * 2 // 3, 8800), (1, 1)])
def test_wilson_interval_against_scipy(right: int, n: int) -> None:
    expected = binomtest(right, n).proportion_ci(confidence_level=0.95, method="wilson")
    # 1e-6: Z_95 is given to seven digits.
    np.testing.assert_allclose(metrics.wilson_interval(right / n, n), (expected.low, expected.high), atol=1e-6)


def test_wilson_interval_stays_within_zero_and_one() -> None:
    """Rounded, it would end beyond 1 for every third n."""
    ends = [metrics.wilson_interval(accuracy, n) for n in range(1, 100) for accuracy in (0.0, 1.0)]
    assert min(low for low, _ in ends) == 0
    assert max(high for _, high in ends) == 1


@pytest.mark.parametrize(("accuracy", "n"), [(0.5, 0), (1.1, 10), (-0.1, 10), (float("nan"), 10)])
def test_wilson_interval_refuses_what_is_no_fraction(accuracy: float, n: int) -> None:
    with pytest.raises(ValueError, match="expected a fraction"):
        metrics.wilson_interval(accuracy, n)
