"""docs/extending.md: every example, applied to a copy of the code, passes the tests that come with it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from frames.provenance import PACKAGES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def blocks(section: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", SECTIONS[section], re.MULTILINE | re.DOTALL)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "copy"
    for name in (*PACKAGES, "config", "docs/guide/experiments.md", "pyproject.toml"):
        there = folder / name
        there.parent.mkdir(parents=True, exist_ok=True)
        # With what is compiled of it, which is known by the times of the files, but for what others compile right now.
        ignored = shutil.ignore_patterns("results", "*.pyc.*", "*.tmp.*")
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, there, ignore=ignored, copy_function=copied_if_there)
        else:
            shutil.copy(ROOT / name, there)
    return folder


def copied_if_there(source: str, target: str) -> None:
    """Of compiled files some go while they are listed."""
    try:
        shutil.copy2(source, target)
    except FileNotFoundError:
        if "__pycache__" not in source:
            raise


def extended(folder: Path, section: str) -> list[Path]:
    """The copy with what a section adds; its tests."""
    for diff in blocks(section, "diff"):
        # The page has the lines; where they lie by now git finds by their neighbours.
        apply = ["git", "apply", "-C1", "-"]
        done = subprocess.run(apply, cwd=folder, input=diff, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    tests = []
    for code in blocks(section, "python"):
        path = folder / code.splitlines()[0].removeprefix("# ")
        assert not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code.split("\n", 1)[1], encoding="utf-8")
        tests += [path] * (path.parts[len(folder.parts)] == "tests")
    return tests


@pytest.mark.parametrize("section", SECTIONS)
def test_examples_work(section: str, copy: Path) -> None:
    tests = extended(copy, section)
    assert tests
    environment = os.environ | {"PYTHONPATH": str(copy)}
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "pythonpath=.", *map(str, tests)]
    done = subprocess.run(run, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout


def test_without_what_an_example_adds_its_tests_fail(copy: Path) -> None:
    """So they run against the copy, and not against what is installed."""
    (code,) = blocks("An experiment", "python")
    path = copy / "test_hard_xray.py"
    path.write_text(code, encoding="utf-8")
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "pythonpath=.", str(path)]
    environment = os.environ | {"PYTHONPATH": str(copy)}
    done = subprocess.run(run, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert "KeyError: 'hard-xray'" in done.stdout


def test_what_examples_add_is_well_formed(copy: Path) -> None:
    for section in SECTIONS:
        extended(copy, section)
    ruff = Path(sys.executable).with_name("ruff")
    for check in (["check"], ["format", "--check"]):
        done = subprocess.run([ruff, *check, *PACKAGES, "tests"], cwd=copy, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
