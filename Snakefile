# singlehit: a run's config names its system by a section; the rules of each lie in a folder of workflow/rules.
# See README.md.
#
#   snakemake --cores 2 --configfile config/demo.yaml     phantoms, minutes
#   snakemake --cores all                                 the paper (config.yaml)

import math
import sys
from pathlib import Path

from snakemake.logging import logger

from evaluate.run.config_files import listed, read_config
from evaluate.run.files import RunFiles
from evaluate.run.systems import load_run, problems_of, system_of
from frames.files import sha256
from frames.provenance import source_digest
from train.loop.gpu import has_gpu

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
    RUN = load_run(config, workflow.configfiles)
    if workflow.is_main_process and (problems := problems_of(RUN)):
        raise ValueError(listed(problems, workflow.configfiles))
except ValueError as error:
    sys.exit(str(error))  # a WorkflowError would tell where in this file it was raised
FILES = RunFiles(RUN.folder)


include: "workflow/rules/job_files.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/threads.smk"
include: "workflow/rules/scheduler.smk"
include: "workflow/rules/work.smk"
# Defines RUN_OUTPUTS, what is made in the end, and PAGES, those of them that people read.
include: f"workflow/rules/{system_of(config)}/run.smk"
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


onstart:
    look_for_jobs_once()
    output = workflow.output_settings
    if not (output.verbose or output.quiet):
        from evaluate.cost import progress  # what it imports takes seconds

        jobs = [job for job in workflow.dag.needrun_jobs() if job.benchmark]
        names = [
            str(Path(job.benchmark).relative_to(FILES.benchmarks).with_suffix(""))
            for job in jobs
        ]
        cores = 0 if workflow.nodes is not None else workflow.cores
        costs = progress.expected_costs(jobs_with_work(jobs))
        progress.tell(
            logger,
            progress.Progress(names, FILES.benchmarks, costs, cores, sys.stderr),
        )
    for line in said_at_start():
        logger.info(line)


onerror:
    logger.info("What is done stands: the same command goes on from there.")


rule all:
    default_target: True
    input:
        RUN_OUTPUTS,
        FILES.cost_page,
