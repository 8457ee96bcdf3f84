# From the store of all frames to those that networks see: hits, sizes and splits.


rule virus_hits:
    input:
        FILES.card("shots"),
    output:
        virus_files.hits_file(RUN.folder),
        virus_files.sizes_file(RUN.folder),
    log:
        log_of("virus_hits"),
    benchmark:
        benchmark_of("virus_hits")
    conda:
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        settings=virus_settings("hits", "sizes"),
        source=source_digest("evaluate.virus.source.place", "evaluate.virus.stages"),
    message:
        "hits: photons and lit pixels of every shot, and sizes of the hits"
    script:
        "../../scripts/virus/hits.py"


grows_with("virus_hits", virus_frames())


rule virus_splits:
    input:
        virus_files.plan_file(RUN.folder),
        virus_files.hits_file(RUN.folder),
        virus_files.sizes_file(RUN.folder),
    output:
        virus_files.splits_file(RUN.folder),
        RUN.folder / "tables" / "annotator.csv",
    log:
        log_of("virus_splits"),
    benchmark:
        benchmark_of("virus_splits")
    conda:
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        settings=virus_settings("splits", "reject_dimers"),
        dealt_by=VIRUS.recorded and VIRUS.recorded.seed,
        source=source_digest("evaluate.virus.source.place", "evaluate.virus.stages"),
    message:
        "splits: exact numbers of frames that pass, and the annotator's errors"
    script:
        "../../scripts/virus/splits.py"


grows_with("virus_splits", 1)
