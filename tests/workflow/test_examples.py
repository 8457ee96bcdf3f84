"""Examples in the help of commands: their files are those that the demo makes."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from evaluate.run.config import load_config
from evaluate.run.files import RunFiles
from evaluate.run.systems import load_run
from evaluate.sfx.experiments import cases, final_model, model_folder
from evaluate.sfx.outputs import models_folder
from evaluate.twin.outputs import twin_folder
from singlehit.command import COMMANDS, main

ROOT = Path(__file__).resolve().parents[2]


def made_by_the_demo() -> set[str]:
    """The run's folder, datasets and networks."""
    config = load_config(yaml.safe_load((ROOT / "config" / "demo.yaml").read_text(encoding="utf-8")))
    files = RunFiles(Path("results") / config.run)
    trainings, twins = config.trained.trainings, config.twinned.trainings
    made = [files.folder, *(files.dataset(name) for name in config.simulation.datasets)]
    made += [files.model(*training) for training in trainings]
    made += [twin_folder(files, twin) / "model.pt" for twin in twins]
    return {str(path) for path in made}


OF_A_FILE = ("peaks", "virus")
"""Commands that take a user's file and nothing that a run makes."""


def made_by_the_small_run_on_crystals() -> set[str]:
    """Its datasets and networks."""
    run = load_run(yaml.safe_load((ROOT / "config" / "sfx-small.yaml").read_text(encoding="utf-8")))
    learning, datasets = run.sfx.learned, list(run.sfx.datasets)
    files = RunFiles(run.folder)
    made, models = {str(files.dataset(name)) for name in datasets}, models_folder(files)
    for source in datasets:
        for name, system in learning.systems.items():
            for case in cases(learning, name, source, datasets):
                made.add(str(final_model(model_folder(models, source, name, case), system)))
    return made


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in OF_A_FILE])
def test_examples_of_the_help_are_of_the_demo(command: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    # The usage, which comes first, is no example: it has brackets.
    examples = re.findall(rf"singlehit {command} ((?:(?!usage|\[)[\w./-]+ ?)+)", shown)
    examples = [example for example in examples if "results/" in example]
    assert examples
    made = made_by_the_demo() | made_by_the_small_run_on_crystals()
    for example in examples:
        words = shlex.split(example)
        paths = [word for word in words if word.startswith(("results/", "config"))]
        there = {path for path in paths if path in made or (ROOT / path).is_file()}
        assert paths
        assert set(paths) == there


def test_a_path_that_the_demo_does_not_make_is_none_of_its() -> None:
    assert "results/demo/datasets/dim" not in made_by_the_demo()
    assert "results/demo/datasets/noise_free" in made_by_the_demo()
