# What the cost of a rule's jobs grows with. Each rule declares it behind itself; `singlehit estimate` and the time that
# is left of a run are told from it.

from evaluate.cost.jobs import Job

WORK = {}
"""Function of wildcards by its name: the kind, work and epochs of a job, as evaluate/cost/jobs.py has them."""


def grows_with(name, work, kind="", epochs=None):
    """Declare the work of a rule's jobs; each a value, or a function of the wildcards."""

    def of(wildcards):
        asked = {"kind": kind, "work": work, "epochs": epochs}
        return {
            key: value(wildcards) if callable(value) else value
            for key, value in asked.items()
        }

    WORK[name] = of


def jobs_with_work(jobs):
    """Those of Snakemake's jobs whose rules declare their work."""
    return [
        Job(
            job.rule.name,
            str(Path(job.benchmark).relative_to(FILES.benchmarks).with_suffix("")),
            **WORK[job.rule.name](job.wildcards),
        )
        for job in jobs
        if job.rule.name in WORK
    ]
