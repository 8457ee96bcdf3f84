# A run on proteins: structures -> volumes -> plan -> datasets -> networks -> tables -> pages.

from evaluate.cost import work
from evaluate.run.outputs import (
    figure_names,
    has_report,
    predictors,
    shown_names,
    table_names,
    transfers,
)
from evaluate.run.preflight import downloads
from evaluate.run.sections import BASELINES
from evaluate.twin.outputs import (
    TABLES as TWIN_TABLES,
    evaluate_on,
    controls,
    embeddings_file,
    figure_names as twin_figure_names,
    has_unseen,
    shown_names as twin_shown_names,
    twin_folder,
)
from simulate.experiment.reach import reach_of
from simulate.molecules.phantoms import RANDOM as RANDOM_NAME
from simulate.plan.placement import MODELS
from simulate.render.layout import layout_of, shards_by_job
from train.config.recipe import N_SUPPORT
from train.models import registry


include: "common.smk"
include: "resources.smk"
include: "simulate.smk"


if RUN.training:

    include: "train.smk"
    include: "limit.smk"
    include: "evaluate.smk"


if has_report(RUN):

    include: "report.smk"


if RUN.twins:

    include: "twin_common.smk"
    include: "twin.smk"


PAGES = [FILES.report] * has_report(RUN) + [FILES.twin_report] * bool(RUN.twins)
RUN_OUTPUTS = [
    *PAGES,
    *(map(FILES.table, [*SHOWN, *TABLES]) if has_report(RUN) else []),
    *(map(FILES.table, TWIN_TABLES) if RUN.twins else []),
    # Finished files do not ask for what they were made from: named here, a damaged dataset is made again.
    *expand(FILES.card("{dataset}"), dataset=SIMULATION.datasets),
]


def said_at_start():
    """What has to be known of a run that starts."""
    return filter(None, [downloads(RUN)])
