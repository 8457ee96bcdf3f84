"""Names from a config stay in the run's folder, and what is written replaces links and not what they lead to."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from evaluate.run.config import load_config
from evaluate.run.files import RunFiles
from frames.files import atomic_path
from frames.schema import Identifier

NAMES = {
    "another folder": "../x",
    "the folder above": "..",
    "here": ".",
    "hidden": ".ssh",
    "absolute": "/tmp/x",
    "empty": "",
    "a blank": " ",
    "a line more": "x\n",
    "a line between": "x\ny",
    "a null": "x\0",
    "a backslash": "a\\b",
    "a drive": "C:x",
    "a home": "~root",
    "a variable": "$HOME",
    "a command": "$(id)",
    "an option": "-rf",
    "a wildcard": "{dataset}",
    "a star": "*",
    "full-width dots": "\uff0e\uff0e/x",
    "a full-width letter": "\uff41",
    "a division slash": "a\u2215b",
    "a letter with an accent": "caf\u00e9",
    "an accent of its own": "cafe\u0301",
    "right to left": "a\u202eb",
    "no width": "a\u200bb",
    "too long": "x" * 65,
}


def config_with(place: str, name: str) -> dict[str, Any]:
    """A small valid config, where `name` is called what is named."""
    named = {key: name if key == place else default for key, default in VALID.items()}
    return {
        "run": named["run"],
        "title": "t",
        "simulation": {
            "structures": [{"id": named["structure"], "source": "phantom", "phantom": "globule"}],
            "plan": {"patterns_per_class": 100, "hit_multiplicities": [1, 2]},
            "datasets": {named["dataset"]: {"base": "clean"}},
        },
        "training": {"models": {named["model"]: {"network": "late5"}}, "datasets": [named["dataset"]]},
        "twins": {
            "encoders": {named["encoder"]: {"network": "late5"}},
            "datasets": [named["dataset"]],
            "families": {named["family"]: [named["structure"]]},
            "folds": ["none"],
        },
        "evaluation": {"twins": {"labels": [1]}},
    }


VALID = {"run": "r", "structure": "s", "dataset": "d", "model": "m", "encoder": "e", "family": "f"}


def test_the_names_of_the_tests_are_fine() -> None:
    assert load_config(config_with("", "")).run == "r"


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_could_leave_the_folder_of_the_run_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        TypeAdapter(Identifier).validate_python(NAMES[name])


@pytest.mark.parametrize("place", VALID)
def test_everything_that_names_files_is_such_a_name(place: str) -> None:
    for name in ("../x", "x\n"):
        with pytest.raises(ValueError, match="problem"):
            load_config(config_with(place, name))


@pytest.mark.parametrize("name", ["../../etc/passwd", "1abc/..", "1ab\n", "1\u0430bc", "", "1abcd"])
def test_a_pdb_id_is_an_id(name: str) -> None:
    config = config_with("", "")
    config["simulation"]["structures"] = [{"id": "s", "pdb_id": name}]
    with pytest.raises(ValueError, match="pdb_id"):
        load_config(config)


def test_all_files_of_a_run_lie_under_its_folder(tmp_path: Path) -> None:
    """With the longest names that a config may have; no part of a path is longer than file systems allow."""
    long = "x" * 64
    files = RunFiles(tmp_path)
    paths = [
        *(files.atoms(long), files.structure(long), files.field(long, "q0.36"), files.volume(long, "q0.36")),
        *(files.plan("dispersed"), files.dataset(long), files.geometry(long), files.layout(long), files.card(long)),
        *(files.training(long, long, 2**32 - 1), files.embeddings(long, long, long, "d8-m0.2", 2**32 - 1)),
        *(files.predictions(long, long, 2**32 - 1, long), files.table(long), files.figure(f"{long}.svg")),
    ]
    for path in paths:
        assert path.resolve().is_relative_to(tmp_path.resolve())
        assert max(len(part.encode()) for part in path.parts) < 200, path


def test_what_is_written_replaces_a_link_and_not_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "result.json").symlink_to(tmp_path / "precious")
    with atomic_path(tmp_path / "result.json") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "precious").read_text() == "mine"
    assert (tmp_path / "result.json").read_text() == "new"
    assert not (tmp_path / "result.json").is_symlink()
