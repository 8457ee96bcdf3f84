"""Protocols on hand-placed embeddings, against loops over their definitions."""

import itertools

import numpy as np
import pytest

from evaluate.predictions.embeddings import Embedded, read_embedded, read_support, write_embedded, write_support
from evaluate.twin import protocols
from support.made.embedded import along_a_line, both, patterns
from train.few_shot.classifiers import by_centroid, by_nearest
from train.few_shot.logistic import fit


@pytest.mark.filterwarnings("error")
def test_roc_auc_is_the_share_of_pairs_in_the_right_order():
    generator = np.random.default_rng(0)
    scores, positive = generator.integers(0, 8, 40).astype(float), generator.random(40) < 0.4
    pairs = list(itertools.product(scores[positive], scores[~positive]))
    expected = np.mean([1.0 if high > low else 0.5 if high == low else 0.0 for high, low in pairs])
    assert protocols.roc_auc(scores, positive) == pytest.approx(expected)
    assert np.isnan(protocols.roc_auc(scores, np.ones(40, bool)))
    assert np.isnan(protocols.roc_auc(scores, np.zeros(40, bool)))
    assert protocols.roc_auc(np.array([1.0, 2.0, 3.0]), np.array([False, True, False])) == 0.5


def test_answers_are_of_all_and_then_of_each_structure():
    about = patterns(80)
    scores = 1.5 - about.embeddings[:, 0]
    whole, *each = protocols.single_or_multiple("same", "mine", scores, about.is_single, about.structure)
    right = [(score > 0) == (m == 1) for score, m in zip(scores, about.hit_multiplicity, strict=True)]
    assert whole.accuracy == pytest.approx(np.mean(right))
    assert whole.majority_accuracy == 0.75
    recalls = [np.mean(np.array(right)[about.is_single == which]) for which in (True, False)]
    assert whole.balanced_accuracy == pytest.approx(np.mean(recalls))
    assert [answer.structure for answer in each] == ["a", "b"]
    assert whole.n_test == sum(answer.n_test for answer in each) == 80
    assert whole.deviation == pytest.approx(np.std([answer.accuracy for answer in each]))
    for answer in each:
        assert answer.accuracy == pytest.approx(np.mean(np.array(right)[about.structure == answer.structure]))


def test_answers_by_hand():
    """Of `a` two single hits and a double one, one of each right; of `b` two single hits, both right. 0 is multiple."""
    scores, is_single = np.array([3.0, -1.0, 0.0, 1.0, 5.0]), np.array([True, True, False, True, True])
    answers = list(
        protocols.single_or_multiple("unseen", "mine", scores, is_single, np.array(["a", "a", "a", "b", "b"]))
    )
    of_all = {"n_test": 5, "accuracy": 0.8, "majority_accuracy": 0.8, "roc_auc": 0.75, "balanced_accuracy": 0.875}
    of_a = {"n_test": 3, "accuracy": 2 / 3, "majority_accuracy": 2 / 3, "roc_auc": 0.5, "balanced_accuracy": 0.75}
    of_b = {"n_test": 2, "accuracy": 1.0, "majority_accuracy": 1.0, "roc_auc": np.nan, "balanced_accuracy": 1.0}
    rows = [
        {**of_all, "n_structures": 2, "deviation": 1 / 6, "structure": ""},
        *({**of, "n_structures": 1, "deviation": np.nan, "structure": name} for of, name in ((of_a, "a"), (of_b, "b"))),
    ]
    for answer, row in zip(answers, rows, strict=True):
        found = vars(answer)
        assert (found.pop("protocol"), found.pop("classifier"), found.pop("structure")) == (
            *("unseen", "mine", row.pop("structure")),
        )
        assert found == pytest.approx({**row, "labels": 0, "draw_deviation": np.nan}, nan_ok=True)


def test_every_classifier_is_asked():
    about = patterns(40)
    classifiers = {"right": lambda x: 1.5 - x[:, 0], "wrong": lambda x: x[:, 0] - 1.5}
    answers = [answer for answer in protocols.evaluated("same", classifiers, about) if not answer.structure]
    assert [(answer.protocol, answer.classifier) for answer in answers] == [("same", "right"), ("same", "wrong")]
    assert answers[0].accuracy == pytest.approx(1 - answers[1].accuracy)
    assert answers[0].accuracy > 0.8


def test_few_labels_of_a_structure_correct_what_was_learned_elsewhere():
    """A new structure lies elsewhere: what was learned is wrong about it, and its own labels put that right."""
    known, new = patterns(400), patterns(400, seed=1, structures=("c",))
    moved = new._replace(embeddings=new.embeddings + np.float32([6, 0]))
    pool, test = moved.take(np.arange(400) < 200), moved.take(np.arange(400) >= 200)
    fitted = fit(known.support)
    without = next(protocols.evaluated("unseen", {"regression": fitted.scores}, test))
    assert without.accuracy < 0.8  # nearly everything is called multiple: 75 % are
    answers = list(protocols.few_shot(fitted, pool, test, (5, 20), draws=6, seed=0))
    of = {(a.labels, a.classifier): a for a in answers if not a.structure}
    assert of[20, "adapted"].accuracy > 0.88  # two normal distributions 3 apart: 93.3 % at best
    assert of[20, "centroid"].accuracy > 0.85
    assert of[5, "nearest"].draw_deviation > 0
    assert {a.structure for a in answers} == {"", "c"}
    assert all(a.n_test == 200 and a.majority_accuracy == 0.75 for a in answers)


def test_labels_are_those_of_the_pool_by_hand():
    """In the pool a single hit lies at 0 and a double one at 10; of those asked about three single hits at 9, 8 and 1,
    and a double one at 2. By the pool's labels the one at 1 is right; by their own, others would be.

    Scores by distance are (10 - x)² - x² = 100 - 20 x: -80, -60 and 80 of the single hits and 60 of the double one, so
    one of three pairs is in the right order. By the vote of the one nearest neighbour that pair is a tie.
    """

    def placed(places: list[float], numbers: list[int]) -> Embedded:
        n = len(places)
        along = np.array(places, np.float32)[:, None]
        return Embedded(along, np.full(n, "c"), np.array(numbers), np.full(n, "any"), np.ones(n))

    elsewhere = fit(placed([-1, 1, 2, 3], [1, 1, 2, 2]).support)
    pool, about = placed([0, 10], [1, 2]), placed([9, 8, 1, 2], [1, 1, 1, 2])
    answers = list(protocols.few_shot(elsewhere, pool, about, (1,), draws=3, seed=0))
    areas = {"nearest": 1 / 3, "centroid": 1 / 3, "neighbours": 1 / 6}
    assert {answer.classifier for answer in answers} == {*areas, "adapted"}
    for answer in answers:
        assert (answer.n_test, answer.majority_accuracy, answer.labels) == (4, 0.75, 1)
        if answer.classifier in areas:
            assert (answer.accuracy, answer.draw_deviation) == (0.25, 0)
            assert answer.roc_auc == pytest.approx(areas[answer.classifier])


def test_few_labels_of_two_structures_by_hand():
    """A single hit of each pool at 0 and a double one at 10: below 5 single, at 5 not. Of `c` three of four are right,
    with two of three pairs in the right order; of `d` all.
    """
    pool = both(along_a_line("c", [0, 10], [1, 2]), along_a_line("d", [0, 10], [1, 2]))
    about = both(along_a_line("c", [1, 2, 9, 8], [1, 1, 1, 2]), along_a_line("d", [1, 9, 5], [1, 2, 2]))
    elsewhere = fit(along_a_line("e", [-1, 1, 2, 3], [1, 1, 2, 2]).support)
    answers = [
        vars(answer)
        for answer in protocols.few_shot(elsewhere, pool, about, (1,), draws=2, seed=0)
        if answer.classifier == "centroid"
    ]
    alike = {"protocol": "few_shot", "classifier": "centroid", "majority_accuracy": 4 / 7, "labels": 1}
    alike |= {"balanced_accuracy": np.nan, "draw_deviation": 0.0}
    expected = [
        {"n_test": 7, "accuracy": 0.875, "roc_auc": 5 / 6, "n_structures": 2, "deviation": 0.125, "structure": ""},
        {"n_test": 4, "accuracy": 0.75, "roc_auc": 2 / 3, "n_structures": 1, "deviation": np.nan, "structure": "c"},
        {"n_test": 3, "accuracy": 1.0, "roc_auc": 1.0, "n_structures": 1, "deviation": np.nan, "structure": "d"},
    ]
    assert len(answers) == 3
    for answer, numbers in zip(answers, expected, strict=True):
        assert {name: answer[name] for name in answer if isinstance(answer[name], str)} == {
            **{name: alike[name] for name in ("protocol", "classifier")},
            "structure": numbers["structure"],
        }
        for name, number in {**alike, **numbers}.items():
            if not isinstance(number, str):
                assert answer[name] == pytest.approx(number, nan_ok=True), name


def test_draws_of_labels_are_those_of_seed_number_and_structure():
    pool, about = patterns(200, apart=1.0), patterns(80, seed=1, apart=1.0)
    elsewhere = fit(patterns(100, seed=2).support)
    answers = {
        (a.labels, a.classifier, a.structure): a
        for a in protocols.few_shot(elsewhere, pool, about, (2, 4), draws=3, seed=7)
    }
    assert len(answers) == 2 * 4 * 3
    for n in (2, 4):
        right = []
        for structure in ("a", "b"):
            generator, mine = np.random.default_rng([7, n, ord(structure)]), about.of([structure])
            right.append([])
            for _ in range(3):
                theirs, chosen = pool.of([structure]), []
                for which in (theirs.is_single, ~theirs.is_single):
                    chosen += generator.choice(np.flatnonzero(which), n, replace=False).tolist()
                scores = by_centroid(theirs.take(np.array(chosen)).support)(mine.embeddings)
                right[-1].append(np.mean((scores > 0) == mine.is_single))
            one = answers[n, "centroid", structure]
            assert (one.accuracy, one.draw_deviation) == pytest.approx((np.mean(right[-1]), np.std(right[-1])))
            assert one.draw_deviation > 0
        whole = answers[n, "centroid", ""]
        assert whole.accuracy == pytest.approx(np.mean(right))
        assert whole.deviation == pytest.approx(np.std(np.mean(right, axis=1)))
        assert whole.draw_deviation == pytest.approx(np.std(np.mean(right, axis=0)))


def test_unlabelled_patterns_are_judged_structure_by_structure_on_the_test_split_alone():
    """Each number of particles 8 from the next; both new structures lie astray, in opposite ways."""

    def spread_out(some: Embedded) -> Embedded:
        along = np.stack(
            [8.0 * (some.hit_multiplicity - 1 - (some.hit_multiplicity > 1)), 0 * some.hit_multiplicity], 1
        )
        return some._replace(embeddings=(some.embeddings + along).astype(np.float32))

    known = spread_out(patterns(400, apart=8.0))
    new = spread_out(patterns(400, seed=1, structures=("c", "d"), apart=8.0))
    shift = np.where(new.structure == "c", 3.5, -3.5)[:, None] * np.array([1, 0])
    moved = new._replace(
        embeddings=(new.embeddings + shift).astype(np.float32),
        split=np.where(np.arange(400) < 100, "validation", "test"),
    )
    answers = list(protocols.unlabelled(known, fit(known.support), moved))
    assert [(a.classifier, a.structure) for a in answers] == [
        (name, structure) for name in ("settled", "mixture") for structure in ("", "c", "d")
    ]
    assert [whole.n_test for whole in answers[::3]] == [300, 300]
    assert answers[0].accuracy > 0.99
    nearest = next(protocols.evaluated("unseen", {"nearest": by_nearest(known.support)}, moved))
    assert nearest.accuracy < 0.95
    alone = list(protocols.unlabelled(known, fit(known.support), moved.of(["c"])))
    assert [a.accuracy for a in alone if a.structure] == [a.accuracy for a in answers if a.structure == "c"]


def test_too_few_patterns_to_label_are_an_error():
    known, few = patterns(80), patterns(16, structures=("c",))
    what_to_do = r"; lower evaluation\.twins\.labels or simulate more$"
    message = "^5 labelled single hits of c are asked for, but the validation split has 4" + what_to_do
    with pytest.raises(ValueError, match=message):
        list(protocols.few_shot(fit(known.support), few, few, (5,), draws=1, seed=0))
    few = few.take(few.hit_multiplicity < 3)
    message = "^5 labelled multiple hits of c are asked for, but the validation split has 4" + what_to_do
    with pytest.raises(ValueError, match=message):
        list(protocols.few_shot(fit(known.support), both(few, few.take(few.is_single)), few, (5,), draws=1, seed=0))
    assert list(protocols.few_shot(fit(known.support), few, few, (4,), draws=1, seed=0))


def test_files_give_back_what_was_written(tmp_path):
    some = patterns(12)
    write_embedded({"bright": some, "dim": some.take(np.arange(3))}, tmp_path / "e.npz")
    for name, expected in (("bright", some), ("dim", some.take(np.arange(3)))):
        for column, ours in zip(read_embedded(tmp_path / "e.npz", name), expected, strict=True):
            assert (column == ours).all()
    with pytest.raises(KeyError):
        read_embedded(tmp_path / "e.npz", "dark")
    write_support(some, tmp_path / "support.npz")
    assert (read_support(tmp_path / "support.npz").embeddings == some.embeddings).all()
