# A run on crystal frames: plan -> shards -> card -> peaks.

from simulate.sfx.layout import shards_by_job


include: "resources.smk"
include: "simulate.smk"
include: "peaks.smk"


if SFX.learning:

    include: "find_common.smk"
    include: "find.smk"


# What the cost page waits for.
PAGES = [
    *expand(PEAKS, dataset=SFX.datasets),
    *([page_file(FILES)] if SFX.learning else []),
]
RUN_OUTPUTS = [*PAGES, *expand(FILES.card("{dataset}"), dataset=SFX.datasets)]


def said_at_start():
    """What has to be known of a run that starts."""
    return []
