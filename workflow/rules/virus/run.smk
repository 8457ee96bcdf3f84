# A run on a virus: shots, or recorded frames -> store -> hits -> sizes -> splits -> selections, tables, page.

from evaluate.virus import files as virus_files
from simulate.virus.layout import layout_of as virus_layout

VIRUS = RUN.virus


include: "common.smk"


if VIRUS.recorded:

    include: "recorded.smk"

else:

    include: "simulate.smk"


include: "filter.smk"
include: "find.smk"


PAGES = [RUN.folder / "pr772.html"]
RUN_OUTPUTS = [
    FILES.card("shots"),
    virus_files.splits_file(RUN.folder),
    RUN.folder / "tables" / "annotator.csv",
    *rules.virus_tables.output,
    RUN.folder / "pr772.html",
]


def said_at_start():
    """What has to be known of a run that starts."""
    return []
