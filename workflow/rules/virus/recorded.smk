# Recorded frames in place of simulated ones: their store, its card, and where each frame is from.


rule virus_recorded:
    input:
        VIRUS.files.read,
    output:
        FILES.card("shots"),
        plan=virus_files.plan_file(RUN.folder),
        geometry=virus_files.geometry_file(RUN.folder),
        beam=virus_files.beam_file(RUN.folder),
    log:
        log_of("virus_recorded"),
    benchmark:
        benchmark_of("virus_recorded")
    conda:
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        settings=virus_settings("files", "storage"),
        source=source_digest("evaluate.virus.source.taken_in"),
    message:
        "frames and labels: read, checked and stored"
    script:
        "../../scripts/virus/recorded.py"


grows_with("virus_recorded", virus_frames())
