"""When, from which commit and on what machine: told as it is, and that it is not known where it is not."""

import re
import subprocess
from pathlib import Path

import pytest

from evaluate.run import circumstances


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository of one commit and one file."""

    def git(*words: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        subprocess.run(["git", "-C", str(tmp_path), *who, *words], check=True, capture_output=True)

    git("init")
    (tmp_path / "code.py").write_text("1")
    git("add", ".")
    git("commit", "-m", "one")
    git("tag", "-m", "a release", "v1")
    return tmp_path


def test_the_commit_is_told_and_whether_the_code_is_that(checkout: Path) -> None:
    head = subprocess.run(["git", "-C", checkout, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    assert circumstances.commit(checkout) == head.stdout.strip()
    (checkout / "results.csv").write_text("not of the code")
    assert circumstances.commit(checkout) == head.stdout.strip()
    (checkout / "code.py").write_text("2")
    assert circumstances.commit(checkout) == f"{head.stdout.strip()} and changes"


def test_code_outside_git_has_no_commit(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it lies in a folder of somebody else's repository, or where git is not installed."""
    inner = checkout / "vendored"
    inner.mkdir()
    assert circumstances.commit(inner) == "unknown: the code is no git checkout"
    monkeypatch.setenv("PATH", "")
    assert circumstances.commit(checkout) == "unknown: git does not tell (FileNotFoundError)"


def test_a_host_is_its_processor_and_cores_without_its_name() -> None:
    assert re.fullmatch(r"\S.*, \d+ cores?", circumstances.host_kind())


def test_a_date_has_its_time_zone() -> None:
    found = circumstances.circumstances()
    assert list(found) == ["date", "commit", "host"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", found["date"])
