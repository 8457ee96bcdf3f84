# Twin networks: single or multiple, also for structures that nobody trained on.


rule train_twin:
    input:
        unpack(twin_source_of),
        unpack(twin_start_of),
        card=FILES.card("{dataset}"),
    output:
        model=TWIN / "model.pt",
        history=TWIN / "history.csv",
        record=TWIN / "training.json",
        evolution=TWIN / "evolution.npz",
        support=TWIN / "support.npz",
    log:
        log_of("train_twin/{dataset}/{encoder}-{fold}-{shape}-seed{seed}"),
    benchmark:
        benchmark_of("train_twin/{dataset}/{encoder}-{fold}-{shape}-seed{seed}")
    priority: twin_priority
    conda:
        "../../envs/singlehit.yaml"
    threads: training_threads(TWINS, N_TRAININGS)
    resources:
        mem_mb=growing(twin_mb),
        runtime=growing(twin_minutes),
        gpu=gpus(TWINS),
    params:
        settings=twin_settings,
        source=lambda wildcards: registry.training_digest(
            TWINS.encoders[wildcards.encoder].network, "train.tasks.embed"
        ),
    message:
        "train {wildcards.encoder} on {wildcards.dataset}, {wildcards.fold} held out, {wildcards.shape}, seed {wildcards.seed}"
    script:
        "../../scripts/train/train_twin.py"


grows_with(
    "train_twin",
    twin_work,
    kind=twin_kind,
    epochs=lambda job: TWINS.encoders[job.encoder].recipe.epochs,
)


rule twin_control:
    input:
        card=FILES.card("{dataset}"),
    output:
        support=CONTROL / "support.npz",
    log:
        log_of("twin_control/{dataset}/{control}"),
    benchmark:
        benchmark_of("twin_control/{dataset}/{control}")
    conda:
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        source=source_digest("evaluate.baselines.feature_controls"),
    message:
        "{wildcards.control} of {wildcards.dataset}: features of training patterns"
    script:
        "../../scripts/evaluate/twin_control.py"


grows_with(
    "twin_control",
    lambda job: min(N_SUPPORT, work.n_patterns(RUN, job.dataset, "train")),
    kind=lambda job: job.control,
)


rule embed:
    input:
        embeds,
        cards=lambda wildcards: [
            FILES.card(name) for name in evaluate_on(RUN, learner_of(wildcards))
        ],
    output:
        FILES.embeddings("{dataset}", "{learner}", "{fold}", "{shape}", "{seed}"),
    log:
        log_of("embed/{dataset}/{learner}-{fold}-{shape}-seed{seed}"),
    benchmark:
        benchmark_of("embed/{dataset}/{learner}-{fold}-{shape}-seed{seed}")
    conda:
        "../../envs/singlehit.yaml"
    threads: network_threads(TWINS, len(EMBEDDINGS), most=8)
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
        gpu=gpus(TWINS),
    params:
        about=lambda wildcards: evaluate_on(RUN, learner_of(wildcards)),
        source=embedding_source,
    message:
        "{wildcards.learner} of {wildcards.dataset}, {wildcards.fold} held out, {wildcards.shape}, seed {wildcards.seed}: embeddings"
    script:
        "../../scripts/evaluate/embed.py"


grows_with(
    "embed",
    lambda job: embedded(learner_of(job)),
    kind=lambda job: (
        TWINS.encoders[job.learner].network
        if job.learner in TWINS.encoders
        else job.learner
    ),
)


rule twin_tables:
    input:
        embeddings=EMBEDDINGS,
        support=[twin_folder(FILES, learner) / "support.npz" for learner in LEARNERS],
        records=[folder / "training.json" for folder in TWIN_FOLDERS],
        structures=expand(FILES.structure("{structure}"), structure=NAMED_STRUCTURES),
    output:
        tables=[
            report(
                FILES.table(name),
                category="Results",
                caption="../../report/twin.rst",
                labels={"table": name},
            )
            for name in TWIN_TABLES
        ],
        provenance=[FILES.table(name).with_suffix(".json") for name in TWIN_TABLES],
    log:
        log_of("twin_tables"),
    benchmark:
        benchmark_of("twin_tables")
    conda:
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        settings=RUN.evaluation.twins.model_dump(mode="json"),
        families=TWINS.families,
        source=source_digest("evaluate.twin.tables"),
    message:
        "tables of all twin networks and controls"
    script:
        "../../scripts/evaluate/twin_tables.py"


grows_with("twin_tables", sum(map(embedded, LEARNERS)))


rule twin_shown:
    input:
        embeddings=EMBEDDINGS,
        support=[twin_folder(FILES, learner) / "support.npz" for learner in LEARNERS],
        evolutions=[folder / "evolution.npz" for folder in TWIN_FOLDERS],
        records=[folder / "training.json" for folder in TWIN_FOLDERS],
        structures=expand(FILES.structure("{structure}"), structure=NAMED_STRUCTURES),
        cards=expand(FILES.card("{dataset}"), dataset=SIMULATION.datasets),
    output:
        tables=[
            report(
                FILES.table(name),
                category="Results",
                caption="../../report/twin.rst",
                labels={"table": name},
            )
            for name in TWIN_SHOWN
        ],
        provenance=[FILES.table(name).with_suffix(".json") for name in TWIN_SHOWN],
        patterns=[FILES.examples("twin")] if has_unseen(RUN) else [],
    log:
        log_of("twin_shown"),
    benchmark:
        benchmark_of("twin_shown")
    conda:
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        settings=RUN.evaluation.twins.model_dump(mode="json"),
        source=source_digest("evaluate.twin.shown"),
    message:
        "what figures show of the twin networks"
    script:
        "../../scripts/evaluate/twin_shown.py"


grows_with("twin_shown", sum(map(embedded, LEARNERS)))


rule twin_figures:
    input:
        tables=[FILES.table(name) for name in [*TWIN_TABLES, *TWIN_SHOWN]],
        patterns=[FILES.examples("twin")] if has_unseen(RUN) else [],
    output:
        [
            report(
                FILES.figure(name),
                category="Figures",
                caption="../../report/figure.rst",
                labels={"figure": name},
            )
            for name in twin_figure_names(RUN)
        ],
    log:
        log_of("twin_figures"),
    benchmark:
        benchmark_of("twin_figures")
    conda:
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        source=source_digest("report.twin.draw"),
    message:
        "figures of the twin networks"
    script:
        "../../scripts/report/twin_figures.py"


grows_with("twin_figures", len(twin_figure_names(RUN)))


rule twin_report:
    input:
        tables=[FILES.table(name) for name in TWIN_TABLES],
        figures=[FILES.figure(name) for name in twin_figure_names(RUN)],
        structures=expand(FILES.structure("{structure}"), structure=NAMED_STRUCTURES),
        template=workflow.source_path("../../../report/twin/page.html.j2"),
        style=workflow.source_path("../../../report/style.css.j2"),
    output:
        report(
            FILES.twin_report,
            category="Report",
            caption="../../report/twin.rst",
            labels={"page": "twin networks"},
        ),
    log:
        log_of("twin_report"),
    benchmark:
        benchmark_of("twin_report")
    conda:
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        title=RUN.title,
        source=source_digest("report.twin.page"),
    message:
        "the page about twin networks"
    script:
        "../../scripts/report/twin_report.py"


grows_with("twin_report", len(SIMULATION.datasets))
