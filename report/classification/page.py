"""One self-contained page about a run: nothing on it is loaded from elsewhere."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluate.run.config import RunConfig
from evaluate.run.files import RunFiles
from evaluate.run.outputs import ALL_IN_FULL, asked, figure_names, main_conditions, matrices, selecting, study_figures
from evaluate.run.provenance import gather_simulated
from evaluate.run.study import Study
from frames.targets import Target
from report.classification import sentences
from report.classification.scores import ModelScores
from report.classification.summary import Facts, collect, collect_simulated, published_tables
from report.describe.published import POSTER
from report.describe.questions import JOINT, asked_questions, last_first, words
from report.describe.settings import compared, model_differences, shift
from report.describe.stores import store_facts
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
    """Write the report of a finished run that simulates its patterns.

    Raises
    ------
    FileNotFoundError naming the table, figure or record that the run lacks.
    """
    files = RunFiles(run_folder)
    figures = {name: data_uri(files.figure(name)) for name in figure_names(config)}
    datasets, plan = config.simulation.datasets, config.simulation.plan
    _write(
        config.study,
        collect(
            files, config.study, published_tables(config), None if config.training else gather_simulated(files, config)
        ),
        figures,
        output,
        settings=config.model_dump(mode="json"),
        config=config,
        entries={name: as_yaml(dataset.model_dump(mode="json")) for name, dataset in datasets.items()},
        many=len(datasets) > ALL_IN_FULL,
        shifts={
            (name, condition): shift(datasets[condition], datasets[name], plan)
            for name, others in config.evaluation.cross_dataset.items()
            for condition in others
        },
        simulated=collect_simulated(files, config),
    )


def build_study_report(run_folder: Path, study: Study, output: Path) -> None:
    """Write the report of networks that answer the questions of any datasets, however their frames came about.

    Raises
    ------
    FileNotFoundError naming the table, figure or record that the run lacks.
    """
    files = RunFiles(run_folder)
    figures = {name: data_uri(files.figure(name)) for name in study_figures(study)}
    names = dict.fromkeys([*study.trained.conditions, *study.targets])
    settings = {section: getattr(study, section).model_dump(mode="json") for section in ("training", "evaluation")}
    _write(
        study,
        collect(files, study),
        figures,
        output,
        settings={"run": study.run, "title": study.title, **settings},
        stores=[store_facts(files, name) for name in names],
        simulated=None,
    )


def _write(
    study: Study, facts: Facts, images: Mapping[str, str], output: Path, *, settings: Mapping[str, Any], **more: Any
) -> None:
    models = study.training.models if study.training else {}
    targets = study.all_targets if study.training else []
    write_page(
        Path(__file__).parent / "page.html.j2",
        FILTERS,
        output,
        study=study,
        facts=facts,
        images=images,
        main=main_conditions(study),
        poster=POSTER,
        recipes=compared([model.recipe for model in models.values()], POSTER_RECIPE),
        settings=json.dumps(settings, indent=2, ensure_ascii=False),
        variant_differences=[
            model_differences(models[variant.model], models[variant.against]) for variant in facts.learned.variants
        ],
        sentences=sentences,
        targets=targets,
        heads={target.name: words(target).head for target in targets},
        joint=JOINT,
        questions=asked_questions(targets),
        **{function.__name__: function for function in (asked, last_first, matrices, selecting, words)},
        **more,
    )


_Dumper.add_representer(float, _represent)


def spread(scores: ModelScores, question: str) -> str:
    """Mean and standard deviation over the seeds, in per cent: 59.9 ± 1.2"""
    return mean_and_deviation(scores.mean[question], scores.deviation[question])


def plural(target: Target) -> str:
    """What its classes are called."""
    return words(target).plural


def kept(target: Target) -> str:
    """What patterns of the class that is kept are called."""
    return words(target).kept


def kept_class(target: Target) -> str:
    """What that class is called."""
    return words(target).kept_class


FILTERS = (
    *(duration, enumerated, exact_percent, hundredths, mean_and_deviation, number, percent, points, size, spoken),
    *(kept, kept_class, plural, spread),
)
"""That the templates know."""
