"""Which survivors of `make mutants` count: all but those that somebody has looked at, and said why nothing comes of."""

import os
from pathlib import Path

import pytest

from support.programs import equivalent_mutants
from support.programs.equivalent_mutants import EVERYWHERE, OF_MODULE, Equivalent, reason
from support.programs.mutants import MODULES, Tally, noticed_by_all


def test_excuses_are_of_modules_that_are_mutated_and_say_why() -> None:
    assert set(OF_MODULE) <= set(MODULES)
    for entry in (*EVERYWHERE, *(entry for entries in OF_MODULE.values() for entry in entries)):
        assert entry.was != entry.now
        assert len(entry.why.split()) > 2
    for entries in OF_MODULE.values():
        assert len({(entry.was, entry.now) for entry in entries}) == len(entries)


@pytest.mark.parametrize(
    ("before", "after", "excused"),
    [
        ("known = known.astype(np.float64)", "known = known.astype(None)", True),
        ("known = known.astype(np.float64)", "known = None", False),
        ("known = known.astype(np.int64)", "known = known.astype(None)", False),
        ("for a, b in zip(x, y, strict=True):", "for a, b in zip(x, y, ):", True),
        ("for a, b in zip(x, y, strict=True):", "for a, b in zip(x, None, strict=True):", False),
        ("x = y.reshape(n, -1)", "x = y.reshape(n, -2)", True),
        ("x = y.reshape(n, -1)", "x = y.reshape(n, +1)", False),
    ],
)
def test_an_excuse_holds_for_its_own_change_alone(before: str, after: str, excused: bool) -> None:
    assert (reason("frames/pixels/table.py", before, after) is not None) == excused


def test_an_excuse_of_one_module_is_none_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its words are words, not patterns, and stand in one place of several."""
    entry = Equivalent("f(x) + 1", r"f(x) \ 1", "only an example")
    monkeypatch.setattr(equivalent_mutants, "OF_MODULE", {"here.py": (entry,)})
    monkeypatch.setattr("support.programs.mutants.OF_MODULE", {"here.py": (entry,)})
    assert reason("here.py", "f(x) + 1, f(x) + 1", r"f(x) + 1, f(x) \ 1") is entry
    assert reason("here.py", "f(x) + 1, f(x) + 1", r"f(x) \ 1, f(x) \ 1") is None
    assert reason("there.py", "f(x) + 1", r"f(x) \ 1") is None
    assert Tally(3, (), (("a", entry),)).out_of_date("here.py") == []
    assert Tally(3, ("a",)).out_of_date("here.py") == [entry]
    assert Tally(3, ("a",)).out_of_date("there.py") == []


def test_what_changes_nothing_does_not_count() -> None:
    entry = Equivalent("1", "2", "only an example")
    found = Tally(100, ("a",) * 4, (("b", entry),) * 20)
    assert (found.killed, found.share) == (76, 0.95)
    assert Tally(0, ()).share == Tally(1, (), (("b", entry),)).share == 1


ENDLESS = """
import os, time

def test_it():
    mutant = os.environ["MUTANT_UNDER_TEST"]
    while mutant == "loops": pass
    time.sleep(2.5 * (mutant == "waits"))
    assert mutant != "wrong"
"""


def test_a_mutant_runs_for_ever_by_the_processors_time_not_by_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where other work has the core the clock goes on: `waits` takes longer than its limit, and nothing of the core."""
    monkeypatch.setitem(MODULES, "here.py", ("test_here.py",))  # type: ignore[arg-type]
    (tmp_path / "mutants" / "tests").mkdir(parents=True)
    (tmp_path / "mutants" / "tests" / "test_here.py").write_text(ENDLESS)
    for mutant, noticed in {"loops": True, "waits": False, "wrong": True, "same": False}.items():
        assert noticed_by_all("here.py", mutant, tmp_path, dict(os.environ), limit_s=2) == noticed, mutant
