"""Questions that a dataset names itself: codes and classes, and what cannot be a question."""

import re
from typing import Any

import numpy as np
import pytest

from frames.targets import Target, named, shot_targets, told

HOW_MANY, WHICH = shot_targets(["b", "a"], [2, 1, 0])


def test_codes_index_the_classes_in_the_datasets_own_order() -> None:
    assert HOW_MANY.codes(np.array([0, 1, 2, 7], np.int16)).tolist() == [2, 1, 0, -1]
    assert WHICH.codes(np.array(["a", "", "b", "ab"])).tolist() == [1, -1, 0, -1]
    assert WHICH.codes([]).tolist() == []


def test_values_undo_codes_and_have_a_word_for_no_answer() -> None:
    assert WHICH.values(np.array([1, 0, -1])).tolist() == ["a", "b", "none"]
    assert HOW_MANY.values(np.array([2, 0])).tolist() == [0, 2]
    assert HOW_MANY.values(np.array([-1])).tolist() == [-1]


def test_single_hits_are_kept_where_there_are_any() -> None:
    assert (HOW_MANY.kept, WHICH.kept) == (1, None)
    assert shot_targets(["a"], [0, 2])[0].kept is None


def test_json_gives_the_target_again() -> None:
    for target in (HOW_MANY, WHICH, Target("hit", ("miss", "hit"), kept="hit")):
        assert Target.of(target.as_json()) == target


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("Hit", ("a",)), "target 'Hit': expected lower-case letters"),
        (("split", ("a",)), "target 'split'"),
        (("hit", ()), "classes [] must be non-empty and unique"),
        (("hit", ("a", "a")), "classes ['a', 'a'] must be non-empty and unique"),
        (("hit", ("a", 1)), "must be whole numbers from 0 up, or all words"),
        (("hit", (-1, 1)), "must be whole numbers from 0 up"),
        (("hit", (True, False)), "must be whole numbers from 0 up"),
        (("hit", ("none", "a")), "other than 'none', which stands for no answer"),
        (("hit", ("a", "b"), "c"), "kept 'c' is none of its classes ['a', 'b']"),
    ],
)
def test_what_can_be_no_question_is_told(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Target(*arguments)


def test_a_question_that_is_not_asked_is_told_with_those_that_are() -> None:
    assert named((HOW_MANY, WHICH), "structure") is WHICH
    with pytest.raises(ValueError, match=r"no question 'hit' is asked; there are \['hit_multiplicity', 'structure'\]"):
        named((HOW_MANY, WHICH), "hit")
    with pytest.raises(ValueError, match=r"hit has no class 'lost'; there are \['miss', 'hit'\]"):
        Target("hit", ("miss", "hit")).index("lost")


def test_a_shot_without_a_particle_has_no_structure() -> None:
    shots = shot_targets(["a", "b"], [0, 1])
    assert [told(shots, codes) for codes in ((1, 0), (0, 1))] == [[1, "a"], [0, "none"]]
    assert told(shots[::-1], (1, 0)) == ["none", 0]
    assert told([Target("hit", ("miss", "hit")), Target("structure", ("a", "b"))], (0, 1)) == ["miss", "b"]
