"""What is asked of every frame of a dataset: its questions, and the classes of each.

A dataset declares them (`Layout.targets`); store, networks, predictions, tables and pages loop over them. The names of
all columns follow from a target's name: `<target>` is what a frame was, `predicted_<target>` what it was taken for,
`p_<target>_<class>` the probability of a class.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

NO_ANSWER = -1
"""Code of a frame that has no answer to a question: which structure, of a shot without a particle."""

STRUCTURE, MULTIPLICITY = "structure", "hit_multiplicity"
"""What is asked of single particles: which, and how many."""

RESERVED = ("split", "pattern", "row", "seed", "live", "mask", "x", "y", "none")


@dataclass(frozen=True)
class Target:
    """A question that is asked of every frame, and all the answers that there are.

    The code of a frame is the index of its class, or `NO_ANSWER`. ValueError for a name that cannot be a column's, for
    classes that are not all different, or not all words or all whole numbers from 0 up, and for a `kept` that is none.
    """

    name: str
    classes: tuple[str | int, ...]
    kept: str | int | None = None
    """the class that one selects frames for (single hits); purity and yield are told of it. None where one does not"""

    def __post_init__(self) -> None:
        if not re.fullmatch("[a-z][a-z0-9_]*", self.name) or self.name in RESERVED:
            raise ValueError(
                f"target {self.name!r}: expected lower-case letters, digits and underscores, and none of "
                f"{', '.join(RESERVED)}"
            )
        if not self.classes or len(set(self.classes)) < len(self.classes):
            raise ValueError(f"target {self.name}: classes {list(self.classes)} must be non-empty and unique")
        numbers = [type(value) is int and value >= 0 for value in self.classes]
        if not all(numbers) and not all(isinstance(value, str) and value != "none" for value in self.classes):
            raise ValueError(
                f"target {self.name}: classes {list(self.classes)} must be whole numbers from 0 up, or all words other "
                "than 'none', which stands for no answer"
            )
        if self.kept is not None and self.kept not in self.classes:
            raise ValueError(f"target {self.name}: kept {self.kept!r} is none of its classes {list(self.classes)}")

    @property
    def is_number(self) -> bool:
        """Whether the classes are numbers: they have an order, and a store holds them as they are."""
        return isinstance(self.classes[0], int)

    def index(self, value: str | int) -> int:
        """The code of a class; ValueError naming what there is."""
        if value not in self.classes:
            raise ValueError(f"{self.name} has no class {value!r}; there are {list(self.classes)}")
        return self.classes.index(value)

    def codes(self, values: NDArray | Sequence[str | int]) -> NDArray[np.int64]:
        """Classes (n,) -> their codes; `NO_ANSWER` for any other value."""
        code = {value: index for index, value in enumerate(self.classes)}
        return np.fromiter((code.get(value, NO_ANSWER) for value in values), np.int64, len(values))

    def values(self, codes: NDArray[np.integer]) -> NDArray:
        """Codes (n,) -> their classes; where there is no answer, `none` among words and -1 among numbers."""
        return np.array([*self.classes, -1 if self.is_number else "none"])[codes]

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Self:
        """From JSON, as `as_json` gives it."""
        return cls(value["name"], tuple(value["classes"]), value["kept"])

    def as_json(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "classes": list(self.classes)}


def shot_targets(structures: Sequence[str], hit_multiplicities: Sequence[int]) -> tuple[Target, Target]:
    """What is asked of shots at single particles: how many were hit, and which structure; single hits are kept."""
    kept = 1 if 1 in hit_multiplicities else None
    return Target(MULTIPLICITY, tuple(hit_multiplicities), kept), Target(STRUCTURE, tuple(structures))


WITHOUT = {STRUCTURE: (MULTIPLICITY, 0)}
"""Question -> another one, and the answer to that with which it has none: of a shot without a particle, which."""


def told(targets: Sequence[Target], codes: Sequence[int]) -> list[str | int]:
    """What is said of one frame: the class of each target, or `none` (-1 of numbers) where there can be no answer.

    Parameters
    ----------
    codes : of each target, of its most probable class.
    """
    best = {target.name: target.classes[code] for target, code in zip(targets, codes, strict=True)}
    found = []
    for target in targets:
        other, nothing = WITHOUT.get(target.name, ("", None))
        has_none = nothing is not None and best.get(other) == nothing
        found.append(target.values(np.array([NO_ANSWER]))[0].item() if has_none else best[target.name])
    return found


def named(targets: Sequence[Target], name: str) -> Target:
    """The target of this name; ValueError naming those that there are."""
    for target in targets:
        if target.name == name:
            return target
    raise ValueError(f"no question {name!r} is asked; there are {[target.name for target in targets]}")


def names(targets: Sequence[Target]) -> tuple[str, ...]:
    """Their names, in order."""
    return tuple(target.name for target in targets)
