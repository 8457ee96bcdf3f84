"""Protocols of the selector on made-up embeddings: what is known beforehand, and that it is found."""

import numpy as np
import pytest

from evaluate.predictions.embeddings import Embedded
from evaluate.single_hit import asked

SPLITS = np.array(["validation", "test"])


def made(seed, n, shift, structures, photons):
    """Patterns of structures: 1-4 particles on a line of embeddings, moved by `shift`; n photons times `photons`."""
    generator = np.random.default_rng(seed)
    number = generator.choice([1, 2, 3, 4], n, p=[0.5, 1 / 6, 1 / 6, 1 / 6])
    line = np.where(number == 1, -1.5, number - 1.5) + shift + generator.normal(size=n)
    embeddings = np.column_stack([line, generator.normal(size=n)]).astype(np.float32)
    structure = np.array(structures)[np.arange(n) % len(structures)]
    counted = generator.poisson(photons * number).astype(float)
    return Embedded(embeddings, structure, number, SPLITS[(np.arange(n) // len(structures)) % 2], counted)


@pytest.fixture(scope="module")
def learned():
    known = made(0, 3000, 0.0, ["known"], 300)
    return asked.Learned.of(known)


def whole(answers):
    return {(one.classifier, one.structure): one for one in answers}


def test_a_pattern_alone_is_as_right_as_two_clouds_allow(learned):
    """Single hits at -1.5, a third of the others at 0.5: between them the normal distribution errs by 16 %, and of
    those farther away by less."""
    found = whole(asked.alone(learned, made(1, 2000, 0.0, ["a", "b"], 300)))
    assert 0.84 < found["selector", ""].accuracy < 0.97
    assert found["selector", ""].n_structures == 2
    assert {structure for _, structure in found} == {"", "a", "b"}


def test_other_patterns_of_a_shifted_sample_set_it_right(learned):
    """Moved by three quarters of what is between single and double hits: the network errs, brightness does not."""
    about = made(2, 400, 1.5, ["a", "b"], 300)
    alone = whole(asked.alone(learned, about.in_split("test")))["selector", ""].accuracy
    found = whole(asked.unlabelled(learned, about, 0.0))["selector", ""]
    assert alone < 0.85
    assert found.accuracy > 0.98
    assert found.n_test == 200


def test_labels_set_it_right_where_a_few_are_all_there_is(learned):
    about = made(3, 400, 1.0, ["a", "b"], 300)
    found = whole(asked.few_shot(learned, about, 0.0, 10, 2, 0))
    assert found["selector", ""].accuracy > 0.98
    assert found["selector_labels", ""].accuracy > 0.98
    assert found["selector", "a"].labels == 10
    again = whole(asked.few_shot(learned, about, 0.0, 10, 2, 0))
    assert again["selector", ""].accuracy == found["selector", ""].accuracy


def test_too_few_to_label_are_named(learned):
    with pytest.raises(ValueError, match=r"60 \+ 60 labels of a are asked for"):
        list(asked.few_shot(learned, made(4, 200, 0.0, ["a"], 300), 0.0, 60, 1, 0))
