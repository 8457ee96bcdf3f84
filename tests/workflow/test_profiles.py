"""The SLURM profile and the kinds of clusters, as far as they go without a cluster; tests/cluster/ has the rest."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from evaluate.cost.jobs import jobs
from evaluate.run.config import load_config
from simulate.config import SimulationConfig
from support.programs.running import ROOT

PROFILE = ROOT / "workflow" / "profiles" / "slurm"


def test_the_slurm_profile_knows_every_job_of_the_paper(workflow) -> None:
    done = workflow.snakemake(
        "--workflow-profile", str(PROFILE), "--dry-run", "--quiet", "rules", configfile=ROOT / "config.yaml"
    )
    assert done.returncode == 0, done.stderr
    assert "profiles/slurm" in done.stderr


def test_the_profile_names_rules_that_are_there() -> None:
    profile = yaml.safe_load((PROFILE / "config.yaml").read_text())
    rules = "".join(file.read_text() for file in Path(ROOT / "workflow" / "rules").rglob("*.smk"))
    for name in [*profile["groups"], *profile["set-resources"]]:
        assert f"rule {name}:" in rules
    assert set(profile["group-components"]) < set(profile["groups"].values())


def test_a_dask_cluster_on_slurm_makes_a_dataset_in_one_job(workflow) -> None:
    config = workflow.configure(simulation__cluster={"kind": "slurm"})
    assert workflow.planned()["dataset_shards"] == 2
    assert [job.name for job in jobs(config) if job.rule == "dataset_shards"] == [
        *("dataset_shards/noise_free-0", "dataset_shards/noisy-0")
    ]


@pytest.mark.parametrize(
    ("engine", "cluster", "gpus"), [("torch", "local", 1), ("fast", "local", 0), ("torch", "slurm", 0)]
)
def test_jobs_that_render_on_a_gpu_ask_for_one(workflow, engine: str, cluster: str, gpus: int) -> None:
    """By the rules' function alone: a dry run does not say what a job of a rule with a message asks for."""
    config = load_config(
        workflow.configure(
            simulation__datasets={"noisy": {"base": "poster", "engine": engine}},
            simulation__cluster={"kind": cluster},
            training__datasets=["noisy"],
            evaluation={},
        )
    )
    shared = {"SIMULATION": config.simulation}
    exec((ROOT / "workflow" / "rules" / "proteins" / "resources.smk").read_text(), shared)
    assert shared["shards_gpus"](SimpleNamespace(dataset="noisy")) == gpus


@pytest.mark.parametrize(
    ("cluster", "message"),
    [
        ({"kind": "local", "partition": "cpu"}, "partition"),
        ({"kind": "pbs"}, "kind"),
        ({"kind": "slurm", "partition": "cpu\n#SBATCH --uid=0"}, "partition"),
        ({"kind": "slurm", "workers_min": 5, "workers_max": 4}, "workers_min 5 is more than workers_max 4"),
        ({"kind": "slurm", "walltime_minutes": 1}, "walltime_minutes"),
    ],
)
def test_clusters_that_cannot_be_are_refused(cluster: dict[str, Any], message: str) -> None:
    kind = TypeAdapter(SimulationConfig.__annotations__["cluster"])
    with pytest.raises(ValidationError, match=message):
        kind.validate_python(cluster)
