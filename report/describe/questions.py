"""What a page calls the questions that a dataset asks.

A question is called by its target's name, and its answers by those of the classes, unless it has better words here. So
a dataset that asks something new has its page without any.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from evaluate.metrics.by_target import lone_target
from evaluate.run.outputs import asked, selecting
from frames.targets import MULTIPLICITY, STRUCTURE, Target


@dataclass(frozen=True)
class Words:
    """One target, as a reader knows it."""

    name: str
    """structure"""
    plural: str
    """structures"""
    question: str
    """which structure"""
    short: str
    """heading of a narrow column"""
    head: str
    """of the network, that answers it"""
    unit: tuple[str, str] | None = None
    """what is counted, one and many; None where nothing is"""
    kept: str = ""
    """patterns of the class that is kept"""
    one: str = ""
    """one of them"""
    kept_class: str = ""
    """that class"""
    told: tuple[str, str, str] = ("", "", "")
    """whether a pattern is of it: as a name, as the heading of a column, and as that of a narrow one"""
    lone: str = ""
    """what else is asked of such a pattern, of the other question's name"""

    def class_name(self, value: str | int) -> str:
        """A class as a heading has it: 2 particles."""
        return str(value) if self.unit is None else f"{value} {self.unit[str(value) != '1']}"


FEW = 6
"""Classes that are named in a sentence."""

KNOWN = {
    MULTIPLICITY: Words(
        name="number of particles",
        plural="numbers of particles",
        question="how many particles",
        short="number",
        head="count",
        unit=("particle", "particles"),
        kept="single hits",
        one="a single hit",
        kept_class="one particle",
        told=("single or multiple hit", "single or multiple", "one particle or not"),
        lone="{} of a single hit",
    ),
    STRUCTURE: Words(
        name="structure", plural="structures", question="which structure", short="structure", head="particle"
    ),
}
"""Target -> its words, of shots at single particles."""


def words(target: Target) -> Words:
    """Of any target; of one without words of its own, its name."""
    if target.name in KNOWN and target.kept in (None, 1):
        return KNOWN[target.name]
    name = target.name.replace("_", " ")
    one = f"{name} {target.kept}" if target.is_number else str(target.kept)
    choices = ", ".join(map(str, target.classes[:-1])) + f" or {target.classes[-1]}"
    return Words(
        name=name,
        plural=f"classes of {name}",
        question=f"{name} ({choices})" if 1 < len(target.classes) <= FEW else name,
        short=name,
        head=name,
        kept=f"patterns of {one}" if target.is_number else f"{one} patterns",
        one=f"a pattern of {one}" if target.is_number else f"a {one} pattern",
        kept_class=one,
        told=(f"{one} or not",) * 3,
        lone=f"{{}} of patterns of {one}" if target.is_number else f"{{}} of {one} patterns",
    )


@dataclass(frozen=True)
class Question:
    """Something of which a page has the accuracy."""

    accuracy: str
    """column of cnn.csv"""
    name: str
    heading: str
    """of a column"""
    short: str
    """of a narrow column"""
    target: str
    """in the column `target` of calibration.csv; empty where that has no row of it"""


JOINT = Question("test_accuracy", "joint accuracy", "joint accuracy", "joint", "")
"""All answers right that there are."""


def asked_questions(targets: Sequence[Target]) -> list[Question]:
    """Each target with more than one answer; each class that is kept, or not; then what is asked of kept patterns."""
    whole = [
        Question(f"{target.name}_accuracy", said.name, said.name, said.short, target.name)
        for target in asked(targets)
        for said in [words(target)]
    ]
    kept = [
        Question(f"{name}_accuracy", *words(target).told, name)
        for target in selecting(targets)
        for name in [f"{target.name}_{target.kept}"]
    ]
    return [*whole, *kept, *lone_question(targets)]


def lone_question(targets: Sequence[Target]) -> list[Question]:
    """What else is asked of patterns of the class that is kept, the structure of a single hit; none where nothing."""
    lone = lone_target(targets)
    others = [words(target).name for target in asked(targets) if target != lone]
    if lone is None or not others:
        return []
    name = words(lone).lone.format(" and ".join(others))
    return [Question("lone_accuracy", name, name, name, "")]


def last_first(targets: Sequence[Target]) -> list[Question]:
    """Each target, the last first, and each class that is kept: what comes after the joint accuracy in a summary."""
    whole, kept = asked(targets), [question for question in asked_questions(targets) if question.target]
    return [*reversed(kept[: len(whole)]), *kept[len(whole) :]]
