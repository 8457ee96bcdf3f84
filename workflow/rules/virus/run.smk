# A run on a virus: shots -> store -> hits -> sizes -> splits.

from evaluate.virus import files as virus_files
from simulate.virus.dataset import layout_of as virus_layout

VIRUS = RUN.virus


include: "simulate.smk"


PAGES = []
RUN_OUTPUTS = [
    FILES.card("shots"),
    virus_files.splits_file(RUN.folder),
    RUN.folder / "tables" / "annotator.csv",
]


def said_at_start():
    """What has to be known of a run that starts."""
    return []
