"""What is known of every shot at single particles, as the labels of a dataset."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frames.labels import Label
from frames.store import writer
from frames.store.layout import Layout
from frames.targets import MULTIPLICITY, STRUCTURE


@dataclass(frozen=True)
class Pulses:
    """What the pulse of each shot was."""

    fluence: NDArray[np.float64]
    """(n,) mean over the shot's particles; without one, on the axis [photons/µm²]."""
    photon_energy_eV: NDArray[np.float64]
    """(n,)"""
    beam_centre: NDArray[np.float64]
    """(n, 2) where the beam meets the detector, x and y from the middle of the image [pixels]."""
    pulse_factor: NDArray[np.float64]
    """(n,) photons of the pulse over the nominal number."""


def create(folder: Path, layout: Layout, table: pd.DataFrame, pulses: Pulses, live: NDArray[np.float64]) -> None:
    """Make the empty store of a dataset of shots, with all labels.

    Parameters
    ----------
    table : rows as in `Plan.table`, len(table) == layout.n_patterns.
    live :  image_shape, share of each pixel that counts photons; 0 where unusable.
    """
    title = "Simulated X-ray single-particle diffraction patterns"
    writer.create(folder, layout, shot_labels(layout, table, pulses), writer.pixel_maps(live), title=title)


def shot_labels(layout: Layout, table: pd.DataFrame, pulses: Pulses) -> dict[str, Label]:
    """The labels of every shot, by their names in the store."""
    per_pulse = {
        "fluence": (pulses.fluence, "photons/um^2", "fluence of the shot, mean over its particles"),
        "photon_energy_eV": (pulses.photon_energy_eV, "eV", "photon energy of the shot"),
        "pulse_factor": (pulses.pulse_factor, "1", "photons of the pulse over the nominal number"),
        "beam_centre": (
            pulses.beam_centre,
            "pixel",
            "where the beam meets the detector, x and y from the middle of the image",
        ),
    }
    return {
        STRUCTURE: writer.target_label(
            layout.target(STRUCTURE), table["structure"].to_numpy(), comment="-1: no particle was hit"
        ),
        MULTIPLICITY: writer.target_label(
            layout.target(MULTIPLICITY), table["hit_multiplicity"].to_numpy(), long_name="particles in the shot"
        ),
        "split": writer.split_label(table["split"].to_numpy(str)),
        "seed": writer.seed_label(table["seed"].to_numpy(np.uint64)),
        **{
            name: Label(values.astype(np.float32), {"units": units, "long_name": long_name})
            for name, (values, units, long_name) in per_pulse.items()
        },
    }
