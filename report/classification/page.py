"""One self-contained page about a run: nothing on it is loaded from elsewhere."""

import json
from pathlib import Path

from evaluate.run.config import RunConfig
from evaluate.run.files import RunFiles
from evaluate.run.outputs import ALL_IN_FULL, figure_names, main_conditions
from report.classification import sentences
from report.classification.mistakes import SMALLEST_MISTAKE
from report.classification.scores import ModelScores
from report.classification.summary import collect
from report.describe.published import POSTER
from report.describe.settings import compared, model_differences, shift
from report.formatting import (
    duration,
    enumerated,
    exact_percent,
    hundredths,
    mean_and_deviation,
    number,
    percent,
    points,
    size,
    spoken,
)
from report.page import _Dumper, _represent, as_yaml, data_uri, write_page
from train.config.recipe import Recipe
from train.config.training import recipes

POSTER_RECIPE = Recipe(**recipes()["poster"])


def build_report(run_folder: Path, config: RunConfig, output: Path) -> None:
    """Write the report of a finished run.

    Raises
    ------
    FileNotFoundError naming the table, figure or record that the run lacks.
    """
    files = RunFiles(run_folder)
    images = {name: data_uri(files.figure(name)) for name in figure_names(config)}
    facts = collect(files, config)
    models = config.training.models if config.training else {}
    datasets, plan = config.simulation.datasets, config.simulation.plan
    write_page(
        Path(__file__).parent / "page.html.j2",
        FILTERS,
        output,
        config=config,
        entries={name: as_yaml(dataset.model_dump(mode="json")) for name, dataset in datasets.items()},
        facts=facts,
        images=images,
        many=len(datasets) > ALL_IN_FULL,
        main=main_conditions(config),
        poster=POSTER,
        recipes=compared([model.recipe for model in models.values()], POSTER_RECIPE),
        settings=json.dumps(config.model_dump(mode="json"), indent=2, ensure_ascii=False),
        shifts={
            (name, condition): shift(datasets[condition], datasets[name], plan)
            for name, others in config.evaluation.cross_dataset.items()
            for condition in others
        },
        smallest_mistake=SMALLEST_MISTAKE,
        variant_differences=[
            model_differences(models[variant.model], models[variant.against]) for variant in facts.learned.variants
        ],
        sentences=sentences,
    )


_Dumper.add_representer(float, _represent)


def spread(scores: ModelScores, question: str) -> str:
    """Mean and standard deviation over the seeds, in per cent: 59.9 ± 1.2"""
    return mean_and_deviation(scores.mean[question], scores.deviation[question])


FILTERS = (
    *(duration, enumerated, exact_percent, hundredths, mean_and_deviation, number, percent, points, size, spoken),
    spread,
)
"""That the template knows."""
