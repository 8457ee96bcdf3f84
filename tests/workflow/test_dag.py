"""What snakemake would do: the shipped configs' whole DAGs, and configs that are refused before any job."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from evaluate.cost.jobs import jobs as planned_jobs
from evaluate.run.config import load_config

ROOT = Path(__file__).resolve().parents[2]


def test_the_papers_dag_is_whole(workflow) -> None:
    """11 structures, 220,000 patterns in 215 shards of 1,024, 64 shards a job; three seeds."""
    jobs = workflow.planned(configfile=ROOT / "config.yaml")
    assert jobs["structure"] == 11
    assert jobs["volume"] == 4 * 11  # the shifted beam, the near detector and the higher energy each reach farther
    assert jobs["plan"] == 2  # ballistic, surface_contact
    assert jobs["geometry"] == jobs["dataset"] == jobs["dataset_layout"] == 23
    assert jobs["dataset_shards"] == 21 * 4 + 2 * 2  # two datasets of 96,250 patterns, mostly single hits
    assert jobs["train"] == 3 * (6 * 8 + 3 * 15)  # six networks on eight datasets, three on seven more
    in_distribution = jobs["train"] + 15 * 3  # and folded together, and two baselines
    of_noisy, of_others = 3 * 9 + 3, 3 * 3 + 3
    assert jobs["predict"] == in_distribution + 8 * of_noisy + (1 + 5) * of_others
    assert jobs["limit_of_dataset"] == 8
    assert jobs["limit"] == jobs["tables"] == jobs["figures"] == jobs["report"] == jobs["all"] == 1
    assert jobs == as_estimated(ROOT / "config.yaml")


def as_estimated(configfile: Path) -> dict[str, int]:
    """Jobs whose cost is estimated, and the two that do nothing of their own."""
    found = Counter(job.rule for job in planned_jobs(yaml.safe_load(configfile.read_text())))
    return {**found, "cost": 1, "all": 1}


@pytest.mark.parametrize(("name", "structures"), [("demo", 6), ("standins", 11), ("simulate", 3)])
def test_shipped_configs_have_a_dag(workflow, name: str, structures: int) -> None:
    jobs = workflow.planned(configfile=ROOT / "config" / f"{name}.yaml")
    assert jobs["structure"] == structures
    assert jobs["report"] == 1
    assert jobs == as_estimated(ROOT / "config" / f"{name}.yaml")


def test_models_are_trained_and_asked_as_the_config_says(workflow) -> None:
    """A model of its own recipe, on one dataset, from two seeds; a training's transfers are a prediction each."""
    workflow.configure(
        training__models={
            "late10": {},
            "he": {"network": "late10", "recipe": {"base": "ours"}, "datasets": ["noisy"], "seeds": [1, 2]},
        },
        evaluation={
            "cross_dataset": {"noisy": ["noise_free"]},
            "baselines": ["total_intensity", "spectral_clustering"],
        },
    )
    jobs = workflow.planned()
    assert jobs["train"] == 1 + 2
    noise_free, noisy = 1 + 2, 2 + 2  # networks and baselines
    assert jobs["predict"] == noise_free + 2 * noisy
    assert jobs["tables"] == jobs["figures"] == jobs["report"] == 1


def test_twins_are_trained_in_every_fold_and_asked_once(workflow) -> None:
    """Random phantoms are one job, and their volumes another; a control learns from every dataset trained on."""
    twins = {
        "datasets": ["noise_free"],
        "families": {"rods": ["wishbone"]},
        "encoders": {"late10": {}, "grid": {"network": "late3", "margins": [0, 1], "folds": ["none"], "seeds": [0, 1]}},
    }
    workflow.configure(simulation__random_phantoms=3, twins=twins, evaluation={"twins": {"labels": [2]}})
    jobs = workflow.planned()
    assert jobs["train_twin"] == 2 + 2 * 2
    assert jobs["twin_control"] == 3
    assert jobs["embed"] == jobs["train_twin"] + jobs["twin_control"]
    assert jobs["random_structures"] == jobs["random_volumes"] == 1
    assert jobs["structure"] == jobs["volume"] == 2
    assert jobs["twin_tables"] == jobs["twin_figures"] == jobs["twin_report"] == jobs["report"] == 1
    assert jobs == as_estimated(workflow.folder / "config.yaml")


def test_only_a_model_that_asks_for_fresh_patterns_needs_what_they_are_rendered_from(workflow) -> None:
    fresh = {"network": "late10", "recipe": {"base": "plain", "on_the_fly": True}}
    workflow.configure(training__models={"late10": {}, "fresh": fresh}, evaluation={})
    dag = workflow.snakemake("--dag", "dot").stdout
    rules = dict(re.findall(r'(\d+)\[label = "(\w+)', dag))
    models = dict(re.findall(r'(\d+)\[label = "train\\n[^"]*model: (\w+)', dag))
    needs = {
        model: {rules[a] for a, b in re.findall(r"(\d+) -> (\d+)", dag) if b == job} for job, model in models.items()
    }
    assert needs == {"late10": {"dataset"}, "fresh": {"dataset", "plan", "geometry", "volume", "structure"}}


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown key": ({"simulation__plan__patterns": 5}, "simulation.plan.patterns is not a known key"),
    "a negative fluence": (
        {"simulation__datasets__noise_free__photons_per_pulse": -1e12},
        "simulation.datasets.noise_free.photons_per_pulse = -1000000000000.0",
    ),
    "a detector behind the sample": ({"simulation__detector__distance_mm": -323}, "simulation.detector.distance_mm"),
    "a base that nobody named": (
        {"simulation__datasets__noisy__base": "foggy"},
        "simulation.datasets.noisy.base: 'foggy' is neither a dataset of the run",
    ),
    "a name that leaves the folder": ({"run": "../../etc"}, "run = '../../etc'"),
    "a phantom that nobody built": (
        {"simulation__structures": [{"id": "a", "source": "phantom", "phantom": "unicorn"}]},
        "no phantom 'unicorn'; known: double_ring, globule",
    ),
    "a network for other images": (
        {"simulation__datasets__noise_free__detector": {"n_pixels": 64}},
        "takes images of 128 x 128 pixels, but simulation.datasets.noise_free.detector.n_pixels is 64",
    ),
    "a limit that is not shown": (
        {"training": None, "evaluation": {"bayes_limit": {"datasets": ["noisy"]}}},
        "evaluation.bayes_limit: shown beside networks; give the run a section `training`",
    ),
    "a photon curve of nothing": (
        {"training": None, "evaluation": {"photon_curve": ["noisy"]}},
        "evaluation.photon_curve: of networks; give the run a section `training`",
    ),
    "a family of strangers": (
        {"twins": {"encoders": {"late10": {}}, "datasets": ["noisy"], "families": {"rods": ["stick"]}}},
        "twins.families.rods: ['stick'] are not among simulation.structures ['globule', 'wishbone']",
    ),
    "an encoder without features": (
        {"twins": {"encoders": {"early": {}}, "datasets": ["noisy"]}},
        "twins.encoders.early: 'early' has no features that both heads share",
    ),
    "more labels than patterns": (
        {
            "twins": {"encoders": {"late10": {}}, "datasets": ["noisy"]},
            "evaluation__twins__labels": [20],
        },
        "evaluation.twins.labels asks for 20 labelled patterns, but 'noisy' has 4",
    ),
    "phantoms that are not there": (
        {
            "simulation__structures": [{"id": "1abc"}],
            "simulation__datasets__noisy__select": {"structures": "phantoms"},
        },
        "simulation.datasets.noisy.select.structures: phantoms, but the run has none",
    ),
    "no such dataset": (
        {"training__datasets": ["dark"], "evaluation": {}},
        "'dark' is not one of simulation.datasets",
    ),
}


@pytest.mark.parametrize("problem", BAD)
def test_bad_configs_are_refused(workflow, problem: str) -> None:
    changes, message = BAD[problem]
    with pytest.raises(ValueError, match=re.escape(message)):
        load_config(workflow.configure(**changes))


NO_FILE = {"simulation__structures": [{"id": "a", "source": "file", "path": "nowhere.cif"}]}, "nowhere.cif"


@pytest.mark.parametrize(("changes", "message"), [BAD["a negative fluence"], NO_FILE], ids=["refused", "no such file"])
def test_nothing_runs_on_a_bad_config(workflow, changes: dict[str, Any], message: str) -> None:
    workflow.configure(**changes)
    done = workflow.snakemake()
    assert done.returncode != 0
    assert message in done.stdout + done.stderr
    assert not workflow.results.exists()


def test_a_teacher_is_trained_before_the_network_that_it_teaches(workflow) -> None:
    """Of the same run its file is made; of no run it has to be there, which is said before any job."""
    models = "results/tiny/models/noisy"
    taught = {"network": "late10", "recipe": {"base": "plain", "teacher": f"{models}/late10/seed0/model.pt"}}
    workflow.configure(training__models={"late10": {}, "taught": taught}, training__seeds=[0], evaluation={})
    asked = [f"{models}/taught/seed0/model.pt"]
    planned = workflow.snakemake("--dry-run", *asked).stdout
    assert planned.index("train late10 on noisy, seed 0") < planned.index("train taught on noisy, seed 0")
    taught["recipe"]["teacher"] = "nowhere/model.pt"
    workflow.configure(training__models={"taught": taught}, training__seeds=[0], evaluation={})
    done = workflow.snakemake("--dry-run", *asked)
    assert done.returncode != 0
    assert "nowhere/model.pt" in done.stdout + done.stderr


def test_a_key_that_is_there_twice_is_refused(workflow) -> None:
    """Snakemake's own reader takes the last, and would simulate something else."""
    file = workflow.folder / "config.yaml"
    file.write_text(file.read_text() + "title: Another\n")
    done = workflow.snakemake("--dry-run")
    assert done.returncode != 0
    assert "title is there already, in line" in done.stdout + done.stderr
    assert f"{workflow.folder / 'config.yaml'}, line" in done.stdout + done.stderr


def test_python_on_a_path_with_a_space_is_refused(workflow) -> None:
    """Snakemake starts jobs by that path, unquoted."""
    (workflow.folder / "a b").symlink_to(sys.prefix)
    python = workflow.folder / "a b" / Path(sys.executable).relative_to(sys.prefix)
    done = subprocess.run([python, *workflow.command("--dry-run")[1:]], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "Snakemake cannot start jobs by a path with a space" in done.stdout + done.stderr


def test_a_missing_entry_says_where_it_was_looked_for(workflow) -> None:
    (workflow.folder / "mirror").mkdir()
    workflow.configure(
        simulation__structures=[{"id": "1abc"}],
        simulation__archive={"mirrors": ["mirror"], "servers": ["http://127.0.0.1:9/{id}.cif.gz"], "retries": 0},
    )
    done = workflow.snakemake("--until", "structure")
    assert done.returncode != 0
    assert "1abc will be downloaded: no folder has them" in done.stderr
    assert "[1/1, about" in done.stderr
    assert done.stderr.count("PDB entry 1abc was not found") == 1
    assert "mirror" in done.stderr
    assert "127.0.0.1:9" in done.stderr
    assert "failed: structure 1abc: find, read, check; log: results/tiny/logs/structure/1abc.log" in done.stderr
    assert "What is done stands: the same command goes on from there." in done.stderr
    for clutter in ("Traceback", "CalledProcessError", "Select jobs", "jobid"):
        assert clutter not in done.stderr
    assert not list(workflow.results.glob("structures/*"))


def test_a_detector_that_cannot_sample_a_phantom_is_refused_before_any_job(workflow) -> None:
    workflow.configure(simulation__datasets__noisy__detector={"distance_mm": 20})
    done = workflow.snakemake("--until", "dataset_layout")
    assert done.returncode != 0
    assert "simulation.datasets.noisy.detector: dataset noisy, structure globule: the particle is" in done.stderr
    assert "move the detector back" in done.stderr
    assert not workflow.results.exists()


def test_a_detector_that_cannot_sample_the_particle_stops_at_the_layout(workflow) -> None:
    """Where it is not known before its file is read."""
    atom = "HETATM{:5d}  C   UNK A   1    {:8.3f}   0.000   0.000  1.00 20.00           C\n"
    (workflow.folder / "long.pdb").write_text(atom.format(1, 0) + atom.format(2, 100) + "END\n")
    workflow.configure(
        simulation__structures=[{"id": "long", "source": "file", "path": "long.pdb"}],
        simulation__datasets__noisy__detector={"distance_mm": 20},
    )
    layout = "results/tiny/datasets/noisy/layout.json"
    done = workflow.snakemake(layout)
    assert done.returncode != 0
    assert "dataset noisy, structure long: the particle is" in done.stderr
    assert "move the detector back" in done.stderr
    assert not (workflow.folder / layout).exists()


def test_every_mistake_of_a_config_names_its_line_and_nothing_else_is_said(workflow) -> None:
    config = workflow.configure(training__recipe={"epochs": 0}, simulation__datasets__noisy={"base": "postr"})
    done = workflow.snakemake("--dry-run")
    assert done.returncode != 0
    file = workflow.folder / "config.yaml"
    lines = file.read_text().splitlines()
    assert config["simulation"]["datasets"]["noisy"] == {"base": "postr"}
    told = done.stderr[done.stderr.index("2 problems in the config:") :].splitlines()
    assert len(told) == 3
    assert f"{file}, line {lines.index('      base: postr') + 1}: simulation.datasets.noisy.base: 'postr'" in told[1]
    assert f"{file}, line {lines.index('    epochs: 0') + 1}: training.recipe.epochs is 0, expected at le" in told[2]


def test_the_default_profile_is_found(workflow) -> None:
    """It gives the number of cores, so `snakemake` alone is a command."""
    command = [argument for argument in workflow.command("--dry-run") if argument not in ("--cores", "2")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "profiles/default" in done.stderr
