"""Protocols on hand-placed embeddings, against loops over their definitions."""

import itertools

import numpy as np
import pytest

from evaluate.baselines.feature_controls import CONTROLS, by_clusters, classifiers_of, pixels, total_intensity
from evaluate.predictions.embeddings import Embedded, read_embedded, read_support, write_embedded, write_support
from evaluate.twin import protocols
from train.few_shot.classifiers import CLASSIFIERS, by_centroid, by_nearest
from train.few_shot.logistic import fit


def patterns(n: int, seed: int = 0, apart: float = 3.0, structures: tuple[str, ...] = ("a", "b")) -> Embedded:
    """Single hits about (0, 0), multiple ones about (apart, 0); each structure somewhat above the one before."""
    generator = np.random.default_rng(seed)
    multiplicity, number = np.arange(n) % 4 + 1, np.arange(n) // 4 % len(structures)
    embeddings = generator.standard_normal((n, 2))
    embeddings[:, 0] += apart * (multiplicity > 1)
    embeddings[:, 1] += 0.5 * number
    return Embedded(
        embeddings.astype(np.float32), np.array(structures)[number], multiplicity, np.full(n, "test"), np.ones(n)
    )


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


def along_a_line(structure: str, places: list[float], numbers: list[int]) -> Embedded:
    n = len(places)
    line = np.array(places, np.float32)[:, None]
    return Embedded(line, np.full(n, structure), np.array(numbers), np.full(n, "any"), np.ones(n))


def both(*some: Embedded) -> Embedded:
    return Embedded(*(np.concatenate(columns) for columns in zip(*some, strict=True)))


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


def test_verification_by_a_loop():
    about = patterns(60, apart=4.0)
    answer = protocols.verification(about, seed=3)
    pairs = [(i, j) for i, j in itertools.permutations(range(60), 2)]
    near = np.array([-((about.embeddings[i] - about.embeddings[j]) ** 2).sum() for i, j in pairs])
    alike = np.array([about.is_single[i] == about.is_single[j] for i, j in pairs])
    # Of all pairs, against 20,000 drawn ones: a standard error of less than 0.004.
    assert answer.roc_auc == pytest.approx(protocols.roc_auc(near, alike), abs=0.016)
    best = max(np.mean((near >= threshold) == alike) for threshold in np.quantile(near, np.linspace(0, 1, 400)))
    assert answer.accuracy == pytest.approx(best, abs=0.016)


def test_verification_is_of_the_pairs_of_its_seed(monkeypatch):
    """By a loop over thresholds: the nearest k pairs are called alike."""
    monkeypatch.setattr(protocols, "N_PAIRS", 60)
    about = patterns(9, apart=1.0)
    answer = protocols.verification(about, seed=5)
    drawn = np.random.default_rng(5).integers(9, size=(2, 60)).T.tolist()
    pairs = [(i, j) for i, j in drawn if i != j]
    assert len(pairs) < 60
    far = [float(((about.embeddings[i] - about.embeddings[j]) ** 2).sum()) for i, j in pairs]
    alike = [bool(about.is_single[i] == about.is_single[j]) for i, j in pairs]
    order = sorted(range(len(pairs)), key=lambda at: far[at])
    best = max(
        sum(alike[at] for at in order[:k]) + sum(not alike[at] for at in order[k:]) for k in range(1, len(pairs) + 1)
    )
    share = np.mean(alike)
    assert answer == protocols.ProtocolScore(
        *("verification", "distance", len(pairs), best / len(pairs), max(share, 1 - share)),
        roc_auc=protocols.roc_auc(-np.array(far, np.float32), np.array(alike)),
    )


def test_retrieval_by_hand(monkeypatch):
    """Single hits of `a` at 0 and 2, of `b` at 10 twice; asked about are three of `a` at 4, 7, 8, and one of `b` at 9.

    The nearest centroid is right about the first and the last, the one nearest neighbour too; four vote for either
    alike, of which `a` is the first.
    """
    known = both(along_a_line("a", [0, 2], [1, 1]), along_a_line("b", [10, 10], [1, 1]))
    about = both(along_a_line("a", [4, 7, 8], [1, 1, 1]), along_a_line("b", [9], [1]))
    for neighbours, right in ((15, 0.75), (1, 0.5)):
        monkeypatch.setattr(protocols, "NEIGHBOURS_OF_A_CLASS", neighbours)
        assert list(protocols.retrieval(known, about)) == [
            protocols.ProtocolScore("retrieval", name, 4, accuracy, 0.75)
            for name, accuracy in (("centroid", 0.5), ("neighbours", right))
        ]


def test_retrieval_names_structure_and_number():
    """Classes on a grid, 10 apart, with noise of 1: every one is told; and by chance where nothing is in it."""
    generator = np.random.default_rng(0)
    multiplicity, number = np.arange(240) % 4 + 1, np.arange(240) // 4 % 3
    places = 10 * np.stack([multiplicity, number], 1) + generator.standard_normal((240, 2))
    some = Embedded(
        places.astype(np.float32), np.array(["a", "b", "c"])[number], multiplicity, np.full(240, "test"), np.ones(240)
    )
    known, about = some.take(np.arange(240) < 120), some.take(np.arange(240) >= 120)
    for answer in protocols.retrieval(known, about):
        assert answer.accuracy == 1.0
        assert answer.majority_accuracy == pytest.approx(1 / 12)
    noise = some._replace(embeddings=generator.standard_normal((240, 2)).astype(np.float32))
    for answer in protocols.retrieval(noise.take(np.arange(240) < 120), noise.take(np.arange(240) >= 120)):
        assert answer.accuracy < 0.25


def test_triplets_are_right_where_the_positive_is_nearer():
    far_apart, nothing = patterns(200, apart=50.0), patterns(200, apart=0.0)
    assert protocols.triplets("test_triplets", far_apart, 0).accuracy == 1
    assert protocols.triplets("training_triplets", patterns(8, apart=0.0)._replace(embeddings=np.zeros((8, 2))), 0) == (
        protocols.ProtocolScore("training_triplets", "triplets", 20_000, 0.5, 0.5)  # ties are half right
    )
    # 20,000 triplets of 200 patterns that differ in nothing
    assert protocols.triplets("test_triplets", nothing, 0).accuracy == pytest.approx(0.5, abs=0.04)


def test_triplets_by_hand():
    """A single hit at 0, which is its own positive; double ones at 1 and 3, each the other's: from 1, 0 is nearer."""
    answer = protocols.triplets("test_triplets", along_a_line("a", [0, 1, 3], [1, 2, 2]), 0)
    assert answer.accuracy == pytest.approx(0.75, abs=4 * 0.0025)  # 10,000 triplets of which half are right


@pytest.mark.parametrize("seed", range(4))
def test_triplets_are_those_of_the_seed(monkeypatch, seed):
    monkeypatch.setattr(protocols, "N_PAIRS", 40)
    about, right = patterns(28, apart=1.0), 0.0
    generator = np.random.default_rng(seed)
    places = [[row for row in range(28) if about.is_single[row] == which] for which in (True, False)]
    for mine, theirs in (places, places[::-1]):
        first = generator.integers(len(mine), size=20)
        steps = generator.integers(1, len(mine), 20)
        negatives = generator.choice(theirs, 20)
        for at, step, negative in zip(first, steps, negatives, strict=True):
            anchor, positive = mine[at], mine[(at + step) % len(mine)]
            near, far = (((about.embeddings[anchor] - about.embeddings[x]) ** 2).sum() for x in (positive, negative))
            right += near < far
    assert protocols.triplets("test_triplets", about, seed).accuracy == right / 40


@pytest.mark.parametrize("n", [1, 15])
def test_the_nearest_vote(monkeypatch, n):
    monkeypatch.setattr(protocols, "NEIGHBOURS_OF_A_CLASS", n)
    generator = np.random.default_rng(1)
    known, about = generator.standard_normal((400, 2)), generator.standard_normal((50, 2))
    number = generator.integers(0, 3, 400)
    expected = []
    for point in about:
        nearest = sorted(range(400), key=lambda row, p=point: ((known[row] - p) ** 2).sum())
        votes = [sum(number[row] == which for row in nearest[:n]) for which in range(3)]
        expected.append(votes.index(max(votes)))
    assert protocols._voted(known, number, about).tolist() == expected


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


def test_controls_are_what_they_say():
    images = np.random.default_rng(0).poisson(2.0, (5, 128, 128)).astype(np.float32)
    np.testing.assert_allclose(np.sinh(total_intensity(images))[:, 0], images.sum(axis=(1, 2)), rtol=1e-5)
    block = images[3, 8:16, 120:128].mean()
    assert np.sinh(pixels(images)[3, 1 * 16 + 15]) / 20 == pytest.approx(block, rel=1e-5)
    for features in CONTROLS.values():
        assert len(features(images)) == 5
    with pytest.raises(ValueError, match="multiple of 16"):
        pixels(images[:, :100])


def test_clusters_are_named_by_what_is_in_them():
    known, about = patterns(200, apart=8.0), patterns(80, seed=5, apart=8.0)
    scores = by_clusters(known.support)(about.embeddings)
    assert ((scores > 0) == about.is_single).mean() > 0.95
    assert list(classifiers_of("spectral_clustering")) == ["clusters"]
    assert list(classifiers_of("late10")) == list(CLASSIFIERS)
