"""What a run took: processors, GPUs, memory and bytes, rule by rule.

Beside what Snakemake measures of a job, <rule>/<job>.tsv, lies what the job says of itself at its end, in a .json of
the same name (evaluate/run/job.py): Snakemake looks every half second for a quarter of a minute and then every
30 s, and misses the CPU time since its last look and whatever came and went in between.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from frames.files import read_json

COLUMNS = {
    "run": "name of the run",
    "rule": "of the workflow; total: all of them",
    "jobs": "that have ended well, each as it ran last",
    "wall_hours": "sum over the jobs; some ran at the same time",
    "longest_hours": "of one job",
    "elapsed_hours": "while at least one of the jobs ran; empty where it is not known of each when it ended",
    "cpu_hours": "CPU time of the jobs and of their processes",
    "cpu_share": "of the run's",
    "gpu_hours": "GPUs of a job times its wall time",
    "gpu_share": "of the run's; empty where no job had a GPU",
    "peak_memory_gb": "most that one job had resident [1e9 bytes], pages that its processes share counted for each",
    "written_gb": "handed to the file system [1e9 bytes], what was removed again included",
    "sampled_jobs": "known by Snakemake's samples alone: their CPU time is a lower bound, their bytes are missing",
}

TOTAL, ITSELF = "total", "cost"


def read_jobs(benchmarks: Path) -> pd.DataFrame:
    """What each job took that has ended well, a row each; what was not measured is NaN.

    Columns: `rule`; `job`, the path of its benchmark without suffix; `wall_s`, `cpu_s`, `gpu_s`, `peak_bytes`,
    `written_bytes`; `ended` [s since 1970]; `host`, its kind; `sampled`, whether only Snakemake's samples are known.
    """
    rows = []
    for path in sorted(benchmarks.rglob("*.tsv")):
        sampled = pd.read_csv(path, sep="\t", na_values="-").iloc[0]
        own: dict[str, Any] = read_json(said) if (said := path.with_suffix(".json")).exists() else {}
        job = path.relative_to(benchmarks).with_suffix("")
        rows.append(
            {
                "rule": job.parts[0],
                "job": str(job),
                "wall_s": sampled["s"],
                # The job does not see its own end, which takes a while where much has to be taken down.
                "cpu_s": np.fmax(own.get("cpu_seconds", np.nan), sampled.get("cpu_time", np.nan)),
                "gpu_s": sampled["s"] * own.get("gpus", 0),
                "peak_bytes": np.fmax(sampled.get("max_rss", np.nan) * 2**20, own.get("peak_bytes", np.nan)),
                "written_bytes": own.get("written_bytes", np.nan),
                "ended": own.get("ended", np.nan),
                "host": own.get("host", ""),
                "sampled": not own,
            }
        )
    measured = ["wall_s", "cpu_s", "gpu_s", "peak_bytes", "written_bytes", "ended", "host", "sampled"]
    return pd.DataFrame(rows, columns=["rule", "job", *measured])


def elapsed(jobs: pd.DataFrame) -> float:
    """Seconds in which at least one of the jobs ran; NaN where it is not known of each when it ended."""
    if jobs.empty or jobs["ended"].isna().any():
        return np.nan
    jobs = jobs.assign(started=jobs["ended"] - jobs["wall_s"]).sort_values("started")
    ended = jobs["ended"].to_numpy(float)
    # Of each job, what comes after the latest end of those that started before it.
    before = np.append(-np.inf, np.maximum.accumulate(ended)[:-1])
    return float(np.maximum(0, ended - np.maximum(jobs["started"], before)).sum())


def by_rule(jobs: pd.DataFrame) -> pd.DataFrame:
    """The columns of cost.csv from `rule` on: a row for each rule, the most CPU time first, and then the total."""
    summed = jobs.groupby("rule").agg(
        jobs=("job", "size"),
        wall_s=("wall_s", "sum"),
        longest_s=("wall_s", "max"),
        cpu_s=("cpu_s", "sum"),
        gpu_s=("gpu_s", "sum"),
        peak_bytes=("peak_bytes", "max"),
        written_bytes=("written_bytes", "sum"),
        sampled_jobs=("sampled", "sum"),
    )
    summed = summed.assign(elapsed_s={str(rule): elapsed(some) for rule, some in jobs.groupby("rule")})
    summed = summed.sort_values("cpu_s", ascending=False, kind="stable")
    whole = summed.sum()
    whole["elapsed_s"] = elapsed(jobs)
    whole[["longest_s", "peak_bytes"]] = summed[["longest_s", "peak_bytes"]].max()
    summed.loc[TOTAL] = whole
    return pd.DataFrame(
        {
            "jobs": summed["jobs"].astype(int),
            **{f"{name}_hours": summed[f"{name}_s"] / 3600 for name in ("wall", "longest", "elapsed")},
            "cpu_hours": summed["cpu_s"] / 3600,
            "cpu_share": _share(summed["cpu_s"]),
            "gpu_hours": summed["gpu_s"] / 3600,
            "gpu_share": _share(summed["gpu_s"]),
            "peak_memory_gb": summed["peak_bytes"] / 1e9,
            "written_gb": summed["written_bytes"] / 1e9,
            "sampled_jobs": summed["sampled_jobs"].astype(int),
        }
    ).reset_index(names="rule")


def _share(column: pd.Series) -> pd.Series:
    return column / column[TOTAL] if column[TOTAL] else column * np.nan
