# Peaks of every frame, by our own finder.

PEAKS = FILES.dataset("{dataset}") / "peaks.parquet"


rule sfx_peaks:
    input:
        FILES.card("{dataset}"),
    output:
        PEAKS,
    log:
        log_of("sfx_peaks/{dataset}"),
    benchmark:
        benchmark_of("sfx_peaks/{dataset}")
    conda:
        "../../envs/singlehit.yaml"
    resources:
        mem_mb=growing(sfx_labels_mb),
        runtime=growing(sfx_peaks_minutes),
    params:
        settings=SFX.peaks.model_dump(mode="json"),
        source=source_digest("evaluate.sfx.peaks"),
    message:
        "dataset {wildcards.dataset}: peaks of every frame"
    script:
        "../../scripts/sfx/peaks.py"


grows_with(
    "sfx_peaks",
    lambda job: SFX.datasets[job.dataset].frames.total * frame_megapixels(job.dataset),
)
