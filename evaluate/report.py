"""One self-contained page about a run: nothing on it is loaded from elsewhere."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from evaluate import findings
from evaluate.config import RunConfig
from evaluate.confusions import SMALLEST_MISTAKE
from evaluate.contents import ALL_IN_FULL, figure_names, main_conditions
from evaluate.facts import collect
from evaluate.judged import Judged
from evaluate.pages import write_page
from evaluate.published import POSTER
from evaluate.run_files import RunFiles
from evaluate.settings import compared, model_differences, shift
from evaluate.wording import (
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
from train.config import recipes
from train.recipe import Recipe

POSTER_RECIPE = Recipe(**recipes()["poster"])

MEDIA_TYPES = {".png": "image/png", ".svg": "image/svg+xml"}


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
        Path(__file__).parent / "report.html.j2",
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
            for name, others in config.evaluation.transfers.items()
            for condition in others
        },
        smallest_mistake=SMALLEST_MISTAKE,
        variant_differences=[
            model_differences(models[variant.model], models[variant.against]) for variant in facts.learned.variants
        ],
        findings=findings,
    )


def data_uri(path: Path) -> str:
    """An image file as a URI that holds it."""
    return f"data:{MEDIA_TYPES[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"


def as_yaml(values: dict[str, Any]) -> str:
    """Values as a person would write them into a config: 1.0e+12, and no line for every number."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, default_flow_style=None, allow_unicode=True, width=100)


class _Dumper(yaml.SafeDumper):
    """Writes large and small numbers with their power of ten."""


def _represent(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    plain = value == 0 or 1e-4 <= abs(value) < 1e6
    text = repr(value) if plain else np.format_float_scientific(value, trim="0", exp_digits=2)
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


_Dumper.add_representer(float, _represent)


def spread(judged: Judged, question: str) -> str:
    """Mean and standard deviation over the seeds, in per cent: 59.9 ± 1.2"""
    return mean_and_deviation(judged.mean[question], judged.deviation[question])


FILTERS = (
    *(duration, enumerated, exact_percent, hundredths, mean_and_deviation, number, percent, points, size, spoken),
    spread,
)
"""That the template knows."""
