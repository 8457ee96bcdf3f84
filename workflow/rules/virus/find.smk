# From the frames that networks see to what each method selects, tables and the page.

VIRUS_SELECTIONS = virus_files.wanted(RUN.detection, RUN.selection)


rule virus_seen:
    input:
        virus_files.splits_file(RUN.folder),
        card=FILES.card("shots"),
    output:
        virus_files.seen_file(RUN.folder),
    log:
        log_of("virus_seen"),
    benchmark:
        benchmark_of("virus_seen")
    conda:
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        settings=virus_seen_by("all"),
        source=source_digest("evaluate.virus.found", "evaluate.virus.source.place"),
    message:
        "rings, angles and pictures of the frames that networks see"
    script:
        "../../scripts/virus/seen.py"


grows_with("virus_seen", virus_frames())


if RUN.selection.rehearsal:

    rule virus_rehearsal:
        input:
            virus_files.geometry_file(RUN.folder) if VIRUS.recorded else [],
            virus_files.beam_file(RUN.folder) if VIRUS.recorded else [],
        output:
            virus_files.rehearsal_file(RUN.folder),
        log:
            log_of("virus_rehearsal"),
        benchmark:
            benchmark_of("virus_rehearsal")
        conda:
            "../../envs/singlehit.yaml"
        resources:
            mem_mb=growing(4000),
            runtime=growing(60),
        params:
            settings=virus_rehearsed_by(),
            source=source_digest("evaluate.virus.found"),
        message:
            "simulated frames that ours learns from as well"
        script:
            "../../scripts/virus/rehearsal.py"

    grows_with("virus_rehearsal", RUN.selection.rehearsal.shots)


rule virus_select:
    input:
        virus_files.splits_file(RUN.folder),
        virus_files.seen_file(RUN.folder),
        lambda wildcards: (
            virus_files.rehearsal_file(RUN.folder)
            if wildcards.method == "ours" and RUN.selection.rehearsal
            else []
        ),
        card=FILES.card("shots"),
    output:
        virus_files.selection_file(RUN.folder, "{method}", "{seed}"),
    log:
        log_of("virus_select/{method}-seed{seed}"),
    benchmark:
        benchmark_of("virus_select/{method}-seed{seed}")
    wildcard_constraints:
        method="|".join(sorted({method for method, _ in VIRUS_SELECTIONS})),
        seed=r"\d+",
    conda:
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(8000),
        runtime=growing(240),
    params:
        settings=lambda wildcards: virus_seen_by(wildcards.method),
        source=source_digest("evaluate.virus.found", "evaluate.virus.source.place"),
    message:
        "{wildcards.method}, seed {wildcards.seed}: train and select"
    script:
        "../../scripts/virus/select.py"


grows_with("virus_select", 1)


rule virus_tables:
    input:
        virus_files.splits_file(RUN.folder),
        virus_files.seen_file(RUN.folder),
        [
            virus_files.selection_file(RUN.folder, method, seed)
            for method, seed in VIRUS_SELECTIONS
        ],
        card=FILES.card("shots"),
    output:
        [
            RUN.folder / "tables" / f"{name}.csv"
            for name in (
                "selection",
                "summary",
                "noise",
                "science",
                "agreement",
                "differences",
                "frames",
            )
        ],
        RUN.folder / "tables" / "flow.csv",
        RUN.folder / "tables" / "page.npz",
    log:
        log_of("virus_tables"),
    benchmark:
        benchmark_of("virus_tables")
    conda:
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(8000),
        runtime=growing(30),
    params:
        settings=virus_seen_by("tables"),
        source=source_digest("evaluate.virus.found", "evaluate.virus.source.place"),
    message:
        "what all selections are worth"
    script:
        "../../scripts/virus/tables.py"


grows_with("virus_tables", 1)


rule virus_page:
    input:
        rules.virus_tables.output,
        template=workflow.source_path("../../../report/virus/page.html.j2"),
        style=workflow.source_path("../../../report/style.css.j2"),
    output:
        RUN.folder / "pr772.html",
    log:
        log_of("virus_page"),
    benchmark:
        benchmark_of("virus_page")
    conda:
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(10),
    params:
        title=RUN.title,
        source=source_digest("report.virus.page"),
    message:
        "the page about single hits of a virus"
    script:
        "../../scripts/virus/page.py"


grows_with("virus_page", 1)
