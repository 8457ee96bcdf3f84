"""Config files that are wrong: what is said of them, and of which line."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from evaluate.cost.estimate import main
from evaluate.run import preflight
from evaluate.run.config import load_config, read_config
from simulate.experiment.geometry import square_detector

GOOD = """\
run: toy
title: Toy
simulation:
  structures:
    - {id: ball, source: phantom, phantom: globule}
    - {id: ring, source: phantom, phantom: double_ring}
  plan:
    patterns_per_class: 100
  datasets:
    clean: {base: clean}
    noisy:
      base: poster
      beam: {energy_jitter: 0.01}
    dim: {base: noisy, photons_per_pulse: 1.0e+11}
training:
  datasets: [clean, noisy]
  recipe: &recipe {base: plain}
  models:
    late10: {recipe: {<<: *recipe, epochs: 3}}
    late5:
      datasets: [noisy]
evaluation:
  cross_dataset: {noisy: [dim]}
"""


@pytest.mark.parametrize(
    ("contents", "where", "byte"),
    [
        (b"run: toy\ntitle: Gr\xf6ssen\n", "line 2, column 10", "0xf6"),
        (b"\xff\xfer\x00u\x00n\x00", "line 1, column 1", "0xff"),  # UTF-16, as some editors save it
        ("title: Größen,\n  ".encode() + b"\xb5m", "line 2, column 3", "0xb5"),
    ],
)
def test_a_file_that_is_no_utf8_is_named_with_line_and_column(
    tmp_path: Path, contents: bytes, where: str, byte: str
) -> None:
    (file := tmp_path / "toy.yaml").write_bytes(contents)
    with pytest.raises(ValueError, match=f"^{re.escape(str(file))}, {where}: byte {byte} is no UTF-8; save the file"):
        read_config(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a: 1\nb:\n  c: {d: 1}\n  e: 2\n  c: 3\n",
            "toy.yaml, line 5, column 3: c is there already, in line 3; keep one of them",
        ),
        ("a: 1\na: 1\n", "line 2, column 1: a is there already, in line 1"),
        ("a: [1\nb: 2\n", "toy.yaml, line 2, column 2: expected ',' or ']', but got ':'"),
        ("a:\n\t- 1\n", "toy.yaml, line 2, column 1: a tab; indent with spaces"),
        ("a: 1\nb\n  c: 2\n", "toy.yaml, line 3, column 4: a colon is missing after the key of line 2"),
        ("a: 1\nb: 3\n  c: 2\n", "toy.yaml, line 3, column 4: no key can stand here; is a colon missing in the line"),
        ("a: 1\nb\nc: 2\n", "toy.yaml, line 3, column 1: a colon is missing after the key of line 2"),
        ("", "expected keys (run, title, simulation, ...), found None"),
        ("- a\n- b\n", "found ['a', 'b']"),
    ],
)
def test_a_file_that_is_no_config_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "toy.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=re.escape(message)):
        read_config(file)


def test_anchors_and_merged_keys_are_no_keys_twice(tmp_path: Path) -> None:
    file = tmp_path / "toy.yaml"
    file.write_text("a: &one {c: 1, d: 2}\nb: {<<: *one, c: 3}\n")
    assert read_config(file) == yaml.safe_load(file.read_text()) == {"a": {"c": 1, "d": 2}, "b": {"c": 3, "d": 2}}


@pytest.fixture
def refused(tmp_path: Path):
    """What is said of files of the good config, each with some of its text replaced by other text."""

    def said(*changes: dict[str, str]) -> list[str]:
        files = []
        for number, texts in enumerate(changes):
            text = GOOD
            for old, new in texts.items():
                assert old in text
                text = text.replace(old, new)
            files.append(tmp_path / f"{number}.yaml")
            files[-1].write_text(text)
        with pytest.raises(ValueError, match="problem") as error:
            load_config(read_config(files[-1]), files)
        heading, *lines = str(error.value).replace(f"{tmp_path}/", "").splitlines()
        assert heading.split()[0] == str(len(lines))
        return [line.strip() for line in lines]

    return said


def test_the_good_one_is(tmp_path: Path) -> None:
    load_config(yaml.safe_load(GOOD))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs: 3", "epochs: 0", "0.yaml, line 19: training.models.late10.recipe.epochs is 0, expected at least 1"),
        (
            "epochs: 3",
            "epoch: 3",
            "line 19: training.models.late10.recipe.epoch is not a known key (found 3); did you mean 'epochs'?",
        ),
        (
            "epochs: 3",
            "fresh: true",
            "0.yaml, line 19: training.models.late10.recipe.fresh is called on_the_fly now (found True); rename it",
        ),
        (
            "epochs: 3",
            "keep: best_validation",
            "line 19: training.models.late10.recipe.keep is called checkpoint now (found 'best_validation'), and "
            "best_validation best",
        ),
        (
            "{base: plain}",
            "{base: plain, count_weight: 2.0}",
            "line 17: training.recipe.count_weight is called target_weights now (found 2.0), and "
            "2.0 {'hit_multiplicity': 2.0}",
        ),
        (
            "{base: plain}",
            "{base: plain, input: photons}",
            "line 17: training.recipe.input is called input_transform now (found 'photons'); rename it",
        ),
        (
            "  datasets: [clean, noisy]",
            "  devices: 2\n  datasets: [clean, noisy]",
            "line 16: training.devices is called gpus_per_training now (found 2); rename it",
        ),
        (
            "patterns_per_class: 100",
            "patterns_per_class: 1e2x",
            "line 8: simulation.plan.patterns_per_class = '1e2x': ",
        ),
        ("patterns_per_class: 100", "patterns: 100", "line 8: simulation.plan.patterns is not a known key"),
        (
            "  plan:\n    patterns_per_class: 100",
            "  plan: 3",
            "line 7: simulation.plan = 3: should be keys with values",
        ),
        (
            "base: poster",
            "base: postr",
            "line 12: simulation.datasets.noisy.base: 'postr' is neither a dataset of the run "
            "['clean', 'noisy', 'dim'] nor a preset ['clean', 'poster', 'lcls-amo', 'euxfel-spb']; did you mean 'poste",
        ),
        (
            "base: noisy",
            "base: noise",
            "line 14: simulation.datasets.dim.base: 'noise' is neither a dataset of the run "
            "['clean', 'noisy', 'dim'] nor a preset ['clean', 'poster', 'lcls-amo', 'euxfel-spb']; did you mean 'noisy",
        ),
        (
            "base: poster",
            "base: dim",
            "simulation.datasets.dim.base: datasets noisy -> dim -> noisy are based on each other",
        ),
        (
            "energy_jitter",
            "energy_jiter",
            "line 13: simulation.datasets.noisy.beam.energy_jiter is not a known key (found "
            "0.01); did you mean 'energy_jitter'?",
        ),
        (
            "datasets: [clean, noisy]",
            "datasets: [clen, noisy]",
            "line 16: training.datasets: 'clen' is not one of "
            "simulation.datasets ['clean', 'noisy', 'dim']; did you mean 'clean'?",
        ),
        (
            "datasets: [noisy]",
            "datasets: [nosy]",
            "line 21: training.models.late5.datasets: 'nosy' is not one of "
            "simulation.datasets ['clean', 'noisy', 'dim']; did you mean 'noisy'?",
        ),
        (
            "{base: plain}",
            "{base: plian}",
            "line 17: training.recipe.base 'plian' is none of the named recipes ['poster', "
            "'plain', 'ours', 'muon']; did you mean 'plain'?",
        ),
        ("late5:", "lat5:", "line 20: training.models.lat5.network = 'lat5': no network is called 'lat5'; known: "),
        (
            "phantom: globule",
            "phantom: globul",
            "line 5: simulation.structures.0.phantom = 'globul': no phantom 'globul'",
        ),
        ("phantom: double_ring", "phantom: duble_ring", "did you mean 'double_ring'?"),
        (
            "{noisy: [dim]}",
            "{noisy: [dim]}\n  ensembles: {both: [late5, late1]}",
            "line 24: evaluation.ensembles.both: ['late1'] are none of "
            "training.models ['late10', 'late5']; did you mean 'late10'?",
        ),
        (
            "{noisy: [dim]}",
            "{nois: [dim]}",
            "line 23: evaluation.cross_dataset.nois: nothing is trained on 'nois', only on "
            "['clean', 'noisy']; did you mean 'noisy'?",
        ),
        ("title: Toy\n", "", "0.yaml: title is missing"),
        ("title: Toy\n", "title:\n", "line 2: title is empty: should be text"),
        (
            "patterns_per_class: 100",
            "patterns_per_class: yes",
            "line 8: simulation.plan.patterns_per_class is True, yes or no: expected a number",
        ),
        (
            "patterns_per_class: 100",
            "patterns_per_class: 100\n    hit_multiplicities: [on, 2]",
            "line 9: simulation.plan.hit_multiplicities is [True, 2], yes or no: expected a number",
        ),
    ],
)
def test_a_problem_names_file_line_key_and_what_was_meant(refused, old: str, new: str, message: str) -> None:
    assert any(message in line for line in refused({old: new})), refused({old: new})


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(refused) -> None:
    """Wrong values, an unknown base, and what would only be held against each other if all values were right."""
    lines = refused(
        {
            "phantom: globule": "phantom: globul",
            "patterns_per_class: 100": "patterns_per_class: -1",
            "base: poster": "base: postr",
            "energy_jitter: 0.01": "energy_jitter: 3",
            "datasets: [clean, noisy]": "datasets: [clen, noisy]",
            "epochs: 3": "epochs: 0, batch_size: 0",
            "late5:": "lat5:",
            "[dim]": "[dimm]",
        }
    )
    keys = [line.split(": ")[1].split(" ")[0] for line in lines]
    assert keys == [
        "simulation.structures.0.phantom",
        "simulation.plan.patterns_per_class",
        "simulation.datasets.noisy.base",
        "simulation.datasets.noisy.beam.energy_jitter",
        "training.datasets",
        "training.models.late10.recipe.epochs",
        "training.models.late10.recipe.batch_size",
        "training.models.lat5.network",
        "evaluation.cross_dataset.noisy",
    ]


def test_a_value_that_others_are_based_on_is_told_once(refused) -> None:
    (line,) = refused({"beam: {energy_jitter: 0.01}": "background: {flat_photons: -1}"})
    assert line.startswith("0.yaml, line 13: simulation.datasets.noisy.background.flat_photons = -1")


def test_of_several_files_the_one_that_has_the_last_word_is_named(refused) -> None:
    (line,) = refused({}, {"training:": "training:  # ours", "epochs: 3": "epochs: 0"})
    assert line.startswith("1.yaml, line 19: training.models.late10.recipe.epochs is 0")


def test_merged_keys_are_found_where_they_were_written(refused) -> None:
    lines = refused({"{base: plain}": "{base: plain, epochs: 0}", "epochs: 3": "batch_size: 8"})
    keys = ("training.models.late10.recipe", "training.recipe")
    assert sorted(lines) == [f"0.yaml, line 17: {key}.epochs is 0, expected at least 1" for key in keys]


def test_an_estimate_names_the_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file := tmp_path / "mine.yaml").write_text(GOOD.replace("epochs: 3", "epochs: 0"))
    assert main([str(file), "--from", str(tmp_path)]) == 2
    assert f"{file}, line 19: training.models.late10.recipe.epochs is 0" in capsys.readouterr().err


def preflown(**changes: Any) -> list[str]:
    mapping = yaml.safe_load(GOOD)
    mapping["simulation"] |= changes
    return preflight.problems_of(load_config(mapping))


def test_files_that_are_not_there_are_said_before_any_job(tmp_path: Path) -> None:
    assert not preflown()
    (tmp_path / "mine.pdb").write_text("")
    mine = {"id": "mine", "source": "file", "path": str(tmp_path / "mine.pdb")}
    masked = {"base": "clean", "detector": {"mask_file": "no.npy"}}
    structures = [{"id": "ball", "source": "phantom", "phantom": "globule"}, mine, mine | {"id": "b", "path": "no.pdb"}]
    datasets = {"clean": {"base": "clean"}, "noisy": {"base": "poster"}, "dim": {"base": "noisy"}, "masked": masked}
    lines = preflown(structures=structures, datasets=datasets)
    assert [line.split(",")[0] for line in lines] == [
        "simulation.structures.2.path: no.pdb is no file",
        "simulation.datasets.masked.detector.mask_file: no.npy is no file",
    ]


def test_entries_that_no_folder_has_are_said_before_any_job(tmp_path: Path) -> None:
    structures = [{"id": name} for name in ("1abc", "2abc", "3abc")]
    archive = {"mirrors": [str(tmp_path), str(tmp_path / "gone")], "cache_dir": str(tmp_path / "cache"), "servers": []}
    (tmp_path / "2ABC.cif.gz").write_text("")
    (line,) = preflown(structures=structures, archive=archive)
    assert "has 1abc, 3abc, and archive.servers is empty" in line
    mapping = yaml.safe_load(GOOD)
    del archive["servers"]
    mapping["simulation"] |= {"structures": structures, "archive": archive}
    config = load_config(mapping)
    assert not preflight.problems_of(config)
    said = preflight.downloads(config)
    assert said.startswith("1abc, 3abc will be downloaded: no folder has them")
    assert said.endswith(f"archive.mirrors {tmp_path / 'gone'} are not there")
    for name in ("1abc", "3abc"):
        (tmp_path / f"{name}.pdb").write_text("")
    assert not preflight.downloads(config)


@pytest.mark.parametrize("n_pixels", [128, 127])
def test_a_phantom_that_a_detector_cannot_resolve_is_said_before_any_job(n_pixels: int) -> None:
    """By the very change of q that the geometry has."""
    near = {"base": "clean", "detector": {"distance_mm": 100, "n_pixels": n_pixels}}
    datasets = {"clean": {"base": "clean"}, "noisy": {"base": "poster"}, "dim": {"base": "noisy"}, "near": near}
    mapping = yaml.safe_load(GOOD)
    mapping["simulation"]["datasets"] = datasets
    config = load_config(mapping)
    geometry = square_detector(photon_energy_eV=4600, n_pixels=n_pixels, pixel_size_um=600, distance_mm=100)
    assert preflight.largest_q_step(config.simulation.datasets["near"]) == pytest.approx(geometry.q_step, rel=1e-9)
    assert not preflight.problems_of(config)
    datasets["near"]["detector"]["distance_mm"] = 40
    (line,) = preflight.problems_of(load_config(mapping))
    assert line.startswith(
        "simulation.datasets.near.detector: dataset near, structure ring: the particle is 18.5 nm wide"
    )
