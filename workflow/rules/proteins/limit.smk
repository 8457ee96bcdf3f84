# The Bayes-optimal accuracy: how well any rule could name the particle of a single hit.

LIMITS = RUN.evaluation.bayes_limit


rule limit_of_dataset:
    input:
        card=FILES.card("{dataset}"),
        plan=plan_of,
        geometry=FILES.geometry("{dataset}"),
        volumes=fields_of,
        atoms=atoms_of,
    output:
        FILES.folder / "limits" / "{dataset}.csv",
    log:
        log_of("limit_of_dataset/{dataset}"),
    benchmark:
        benchmark_of("limit_of_dataset/{dataset}")
    conda:
        "../../envs/singlehit.yaml"
    threads: shared_cores(len(LIMITS.datasets) if LIMITS else 1, most=16)
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        settings=LIMITS and LIMITS.model_dump(mode="json", exclude={"datasets"}),
        source=source_digest("evaluate.limit.limit"),
    message:
        "Bayes-optimal accuracy on {wildcards.dataset}"
    script:
        "../../scripts/evaluate/limit_of_dataset.py"


grows_with(
    "limit_of_dataset",
    lambda job: work.comparing(RUN, job.dataset),
    kind=lambda job: SIMULATION.datasets[job.dataset].record,
)


rule limit:
    input:
        [
            FILES.folder / "limits" / f"{name}.csv"
            for name in (LIMITS.datasets if LIMITS else [])
        ],
    output:
        table=report(
            FILES.table("limit"),
            category="Results",
            caption="../../report/limit.rst",
            labels={"table": "limit"},
        ),
        provenance=FILES.table("limit").with_suffix(".json"),
    log:
        log_of("limit"),
    benchmark:
        benchmark_of("limit")
    conda:
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    message:
        "table of the Bayes-optimal accuracies"
    script:
        "../../scripts/evaluate/limit.py"


grows_with("limit", len(LIMITS.datasets) if LIMITS else 0)
