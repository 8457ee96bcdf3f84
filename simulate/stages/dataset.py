"""A dataset of which all shards are there: checked, and its card written."""

from pathlib import Path
from typing import Any

from frames.files import read_json
from frames.provenance import versions
from frames.store import integrity
from frames.store.layout import Layout
from simulate.config import SimulationConfig
from simulate.experiment import background


def complete_dataset(config: SimulationConfig, folder: Path, geometry_record: Path) -> None:
    """All shards -> checked, and the card of the dataset written."""
    entry = config.datasets[folder.name]
    card: dict[str, Any] = {
        "fluence_photons_per_um2": entry.peak_fluence,
        "config": entry.model_dump(mode="json"),
        "plan": config.plan.model_dump(mode="json"),
        "experiment": read_json(geometry_record),
        "versions": versions(),
    }
    glow = background.expected(entry.background, Layout.load(folder).image_shape)
    integrity.complete(folder, card, glow)
