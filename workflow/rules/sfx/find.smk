# Networks that find hits: prepared frames -> trainings and their predictions -> tables -> figures and the page.

from evaluate.sfx.outputs import (
    FIGURES,
    TABLES as FIND_TABLES,
    features_file,
    page_file,
    predictions_file,
    prepared_file,
)
from train.models.hit_finding.registry import hit_digest

LEARNING = SFX.learning
FOUND = [
    predictions_file(FILES, dataset, system)
    for system in LEARNING.systems
    for dataset in SFX.datasets
]


wildcard_constraints:
    system="|".join(LEARNING.systems),


def base_of(wildcards):
    """The predictions that come with what a transfer begins with: its networks are trained then."""
    base = LEARNING.systems[wildcards.system].base
    return [] if base is None else predictions_file(FILES, wildcards.dataset, base)


def find_settings(wildcards):
    """What decides a system's networks, beside datasets."""
    whole = LEARNING.model_dump(mode="json")
    return whole["systems"][wildcards.system], *(
        whole[key] for key in ("preprocessing", "labels", "orders", "seeds")
    )


def prepared_mb(dataset):
    """Of a dataset's prepared frames: images are half floats."""
    frames = SFX.datasets[dataset].frames.total
    pixels = sum(one.pixels**2 for one in LEARNING.preprocessing.values())
    return frames * (2 * pixels + 10_000) / 1e6


def find_mb(wildcards, input, threads):
    """All datasets' frames, and those that batches copy."""
    return SNAKEMAKE_MB + PROCESS_MB + 3 * sum(map(prepared_mb, SFX.datasets))


def find_minutes(wildcards, input, threads):
    """Of frames that are learned: five images of 720 x 720 pixels a second and thread, at least."""
    system = LEARNING.systems[wildcards.system]
    labels = sum(LEARNING.labels[name].train for name in system.labels)
    trainings = len(LEARNING.seeds) * len(LEARNING.orders) * len(SFX.datasets) * 3
    return 20 + trainings * labels * system.recipe.epochs / 5 / 60


rule sfx_prepare:
    input:
        FILES.card("{dataset}"),
    output:
        prepared_file(FILES, "{dataset}"),
    log:
        log_of("sfx_prepare/{dataset}"),
    benchmark:
        benchmark_of("sfx_prepare/{dataset}")
    conda:
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(
            lambda wildcards, input, threads: SNAKEMAKE_MB
            + PROCESS_MB
            + 2 * prepared_mb(wildcards.dataset)
        ),
        runtime=growing(120),
    params:
        settings=[
            LEARNING.model_dump(mode="json")["preprocessing"],
            sorted(
                (system.preprocessing or "", system.takes)
                for system in LEARNING.systems.values()
            ),
        ],
        source=source_digest("evaluate.sfx.prepared"),
    message:
        "dataset {wildcards.dataset}: frames as networks take them"
    script:
        "../../scripts/sfx/prepare.py"


rule sfx_find:
    input:
        expand(prepared_file(FILES, "{dataset}"), dataset=SFX.datasets),
        base_of,
    output:
        predictions_file(FILES, "{dataset}", "{system}"),
    log:
        log_of("sfx_find/{dataset}/{system}"),
    benchmark:
        benchmark_of("sfx_find/{dataset}/{system}")
    conda:
        "../../envs/singlehit.yaml"
    threads: network_threads(LEARNING, len(FOUND), most=8)
    resources:
        mem_mb=growing(find_mb),
        runtime=growing(find_minutes),
        gpu=gpus(LEARNING),
    params:
        settings=find_settings,
        source=lambda wildcards: hit_digest(
            LEARNING.systems[wildcards.system].network, "evaluate.sfx.experiments"
        ),
    message:
        "{wildcards.system}: learned on {wildcards.dataset}, asked about all datasets"
    script:
        "../../scripts/sfx/find.py"


rule sfx_tables:
    input:
        predictions=FOUND,
        prepared=expand(prepared_file(FILES, "{dataset}"), dataset=SFX.datasets),
        peaks=expand(PEAKS, dataset=SFX.datasets),
    output:
        tables=[FILES.table(name) for name in FIND_TABLES],
        features=features_file(FILES),
    log:
        log_of("sfx_tables"),
    benchmark:
        benchmark_of("sfx_tables")
    conda:
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(
            lambda wildcards, input, threads: SNAKEMAKE_MB
            + PROCESS_MB
            + 2 * sum(map(prepared_mb, SFX.datasets))
        ),
        runtime=growing(60),
    params:
        source=source_digest("evaluate.sfx.gathered"),
    message:
        "tables of all systems that find hits"
    script:
        "../../scripts/sfx/tables.py"


rule sfx_page:
    input:
        tables=[FILES.table(name) for name in FIND_TABLES],
        features=features_file(FILES),
    output:
        figures=[FILES.figure(name) for name in FIGURES],
        page=report(page_file(FILES), category="Report"),
    log:
        log_of("sfx_page"),
    benchmark:
        benchmark_of("sfx_page")
    conda:
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        title=RUN.title,
        source=source_digest("report.sfx.page"),
    message:
        "the page about hit finding"
    script:
        "../../scripts/sfx/page.py"


grows_with(
    "sfx_find",
    lambda job: sum(
        LEARNING.labels[name].train for name in LEARNING.systems[job.system].labels
    ),
    kind=lambda job: LEARNING.systems[job.system].network,
    epochs=lambda job: LEARNING.systems[job.system].recipe.epochs,
)
