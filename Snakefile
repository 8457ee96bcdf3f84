# singlehit: structures -> volumes -> plan -> datasets -> networks -> tables -> report. See README.md.
#
#   snakemake --cores 2 --configfile config/demo.yaml     phantoms, minutes
#   snakemake --cores all                                 the paper (config.yaml)

import math
import sys
from pathlib import Path

from snakemake.logging import logger

from evaluate.run.sections import BASELINES
from evaluate.run.config import load_config
from evaluate.run.config_files import listed, read_config
from evaluate.run.outputs import (
    figure_names,
    has_report,
    predictors,
    table_names,
    transfers,
)
from evaluate.run.preflight import downloads, problems_of
from evaluate.run.files import RunFiles
from evaluate.twin.outputs import (
    TABLES as TWIN_TABLES,
    evaluate_on,
    controls,
    embeddings_file,
    figure_names as twin_figure_names,
    twin_folder,
)
from validate.contents import FIGURES as VALIDATION_FIGURES
from frames.files import sha256
from simulate.render.layout import layout_of, shards_by_job
from simulate.plan.placement import MODELS
from frames.provenance import source_digest
from simulate.molecules.phantoms import RANDOM as RANDOM_NAME
from simulate.experiment.reach import reach_of
from train.loop.gpu import has_gpu
from train.models import registry

# A config given on the command line stands alone: Snakemake would merge it into config.yaml, key by key.
if not workflow.overwrite_configfiles:
    try:
        read_config(f"{workflow.basedir}/config.yaml")  # says where it is no YAML
    except ValueError as error:
        sys.exit(str(error))

    configfile: f"{workflow.basedir}/config.yaml"


try:
    if workflow.is_main_process:
        if len(sys.executable.split()) > 1:
            raise ValueError(
                f"Python is {sys.executable}, and Snakemake cannot start jobs by a path with a space; "
                "clone to a path without one, and make install there"
            )
        # Of two keys of one name Snakemake takes the last.
        for file in workflow.configfiles:
            read_config(file)
    RUN = load_config(config, workflow.configfiles)
    if workflow.is_main_process and (problems := problems_of(RUN)):
        raise ValueError(listed(problems, workflow.configfiles))
except ValueError as error:
    sys.exit(str(error))  # a WorkflowError would tell where in this file it was raised
FILES = RunFiles(RUN.folder)


include: "workflow/rules/common.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/threads.smk"
include: "workflow/rules/simulate.smk"


if RUN.training:

    include: "workflow/rules/train.smk"
    include: "workflow/rules/limit.smk"
    include: "workflow/rules/evaluate.smk"


if has_report(RUN):

    include: "workflow/rules/report.smk"


if RUN.twins:

    include: "workflow/rules/twin_common.smk"
    include: "workflow/rules/twin.smk"


include: "workflow/rules/cost.smk"
include: "workflow/rules/validation.smk"


localrules:
    all,


# Jobs side by side on one machine, or in one container, share its memory; one that asks for more than there is runs
# alone. What the jobs of a cluster have does not depend on where Snakemake runs: its profile says what a node has. That
# jobs go to a cluster can be told here by their number (--jobs), which must be given for one; the executor is not known
# yet. Imported here, as a job's own process has no use for it.
if (
    workflow.is_main_process
    and workflow.nodes is None
    and "mem_mb" not in workflow.global_resources
):
    from distributed.system import MEMORY_LIMIT

    workflow.register_resource("mem_mb", int(MEMORY_LIMIT / 1e6))


# Every look for ready jobs sets a timer to look again in a second, and every job that ends is one more look: after 500
# jobs Snakemake looks 500 times a second (its #3744). What it waits for is the default limit of 100 new jobs a second.
onstart:
    limiter = workflow.scheduler.job_rate_limiter
    if limiter and (limiter.max_jobs, limiter.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None
    output = workflow.output_settings
    if not (output.verbose or output.quiet):
        from evaluate.cost import progress  # what it imports takes seconds

        jobs = [job for job in workflow.dag.needrun_jobs() if job.benchmark]
        names = [
            str(Path(job.benchmark).relative_to(FILES.benchmarks).with_suffix(""))
            for job in jobs
        ]
        cores = 0 if workflow.nodes is not None else workflow.cores
        costs = progress.expected_costs(RUN)
        progress.tell(
            logger,
            progress.Progress(names, FILES.benchmarks, costs, cores, sys.stderr),
        )
    if said := downloads(RUN):
        logger.info(said)


onerror:
    logger.info("What is done stands: the same command goes on from there.")


rule all:
    default_target: True
    input:
        [FILES.report, *map(FILES.table, TABLES)] if has_report(RUN) else [],
        [FILES.twin_report, *map(FILES.table, TWIN_TABLES)] if RUN.twins else [],
        FILES.cost_page,
        # Finished files do not ask for what they were made from: named here, a damaged dataset is made again.
        expand(FILES.card("{dataset}"), dataset=SIMULATION.datasets),
