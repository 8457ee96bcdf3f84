"""One self-contained page about a run: nothing on it is loaded from elsewhere."""

import base64
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from evaluate.config import RunConfig
from evaluate.facts import SMALLEST_MISTAKE, collect
from evaluate.illustrate import figure_names
from evaluate.run_files import RunFiles
from simulate.files import atomic_path

MEDIA_TYPES = {".png": "image/png", ".svg": "image/svg+xml"}


def build_report(run_folder: Path, config: RunConfig, output: Path) -> None:
    """Write the report of a finished run.

    Raises
    ------
    FileNotFoundError naming the table, figure or record that the run lacks.
    """
    files = RunFiles(run_folder)
    images = {name: data_uri(files.figure(name)) for name in figure_names(config)}
    settings = json.dumps(config.model_dump(mode="json"), indent=2, ensure_ascii=False)
    page = (
        _environment()
        .get_template("report.html.j2")
        .render(
            config=config,
            entries={
                name: as_yaml(dataset.model_dump(mode="json")) for name, dataset in config.simulation.datasets.items()
            },
            facts=collect(files, config),
            images=images,
            recipe=asdict(config.training.recipe),
            settings=settings,
            smallest_mistake=SMALLEST_MISTAKE,
        )
    )
    with atomic_path(output) as temporary:
        temporary.write_text(page, encoding="utf-8")


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


def percent(fraction: float) -> str:
    """63.8 %"""
    return "–" if math.isnan(fraction) else f"{100 * fraction:.1f}\u202f%"


def number(value: float, digits: int = 3) -> Markup:
    """To some significant digits, as 1,270 or 0.0127; below a thousandth and from a million on as 1.27 × 10¹⁴."""
    exponent = math.floor(math.log10(abs(value))) if value else 0
    if -3 <= exponent < 6:
        decimals = digits - 1 - exponent
        return Markup(f"{round(value, decimals):,.{max(0, decimals)}f}")
    mantissa, power = map(float, f"{value:.{digits - 1}e}".split("e"))
    return Markup("{:g}\u202f×\u202f10<sup>{:g}</sup>").format(mantissa, power).replace("-", "−")


def size(n_bytes: int) -> str:
    """3.4 GB"""
    power = min(int(math.log10(max(n_bytes, 1)) // 3), 4)
    return f"{n_bytes / 1000**power:.3g}\u202f{('bytes', 'kB', 'MB', 'GB', 'TB')[power]}"


def duration(seconds: float) -> str:
    """2 h 5 min"""
    if seconds < 100:
        return f"{seconds:.3g}\u202fs"
    minutes = round(seconds / 60)
    return f"{minutes}\u202fmin" if minutes < 100 else f"{minutes // 60}\u202fh {minutes % 60}\u202fmin"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "number": number, "size": size, "duration": duration}
    return environment
