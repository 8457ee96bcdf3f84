"""Networks by name."""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from frames.provenance import source_digest

if TYPE_CHECKING:
    from torch import nn

    from train.config.recipe import InputTransform

MODELS: Mapping[str, str] = {
    "late3": "published.late",
    "late5": "published.late",
    "late10": "published.late",
    "late18": "published.late",
    "early": "published.early",
    "resnet18": "published.resnet",
    "vgg16": "published.vgg",
    "azimuthal": "polar.azimuthal",
    "polar": "polar.polar",
    "folded": "polar.folded",
    "spectral": "polar.spectral",
    "swift": "polar.swift",
    "cartesian": "polar.ablations",
    "folded_apart": "polar.ablations",
    "folded_inner": "polar.ablations",
    "folded_asinh": "polar.ablations",
    "folded_ring_norm": "polar.ablations",
    "folded_plain": "polar.ablations",
    "folded_kernel5": "polar.ablations",
    "folded_wide": "polar.ablations",
    "folded_dropout": "polar.ablations",
    "dense": "published.dense",
    "specklenn": "published.specklenn",
}
"""Name of a network -> its family, the module below this folder with the function of that name.

Imported when built: every reader of a config needs the names, and torch takes seconds to import.
"""


IMAGE_PIXELS = 128
"""Along an edge of the images that a network takes, unless it takes others."""

OTHER_PIXELS: Mapping[str, tuple[int, int]] = {
    "resnet18": (1, 1),
    "vgg16": (32, 1),
    "azimuthal": (2, 1),
    "polar": (66, 2),
    "folded": (96, 32),
    "swift": (96, 32),
}
"""Networks that take other square images: from so many pixels along an edge on, in steps of so many."""

BUILT_FOR_PIXELS = ("azimuthal", "polar", "folded", "swift")
"""Those of them that have other layers for other images."""


def unfit(name: str, n_pixels: int) -> str | None:
    """What images a network takes, where those of n_pixels x n_pixels are none of them."""
    least, step = OTHER_PIXELS.get(name, (IMAGE_PIXELS, 0))
    if n_pixels == least or (step and n_pixels > least and (n_pixels - least) % step == 0):
        return None
    others = f" or more, in steps of {step}" if step else ""
    return f"images of {least} x {least} pixels{others}"


def input_for(name: str) -> "InputTransform":
    """The input transform that a network is made for: photons as they are read, or the poster's standardised images."""
    return "photons" if MODELS[name].startswith("polar.") else "standardise"


def build(name: str, sizes: Mapping[str, int], n_pixels: int = IMAGE_PIXELS) -> "nn.Module":
    """A new network with random weights: (B, 1, n_pixels, n_pixels) float32 images -> Logits.

    `sizes`: target -> number of its classes, in the order of the dataset's targets.

    KeyError lists the known names; ValueError for images that the network cannot be built for.
    """
    if name not in MODELS:
        raise KeyError(f"no network is called {name!r}; known: {', '.join(MODELS)}")
    if takes := unfit(name, n_pixels):
        raise ValueError(f"network {name!r} takes {takes}, not of {n_pixels} x {n_pixels}")
    size = (n_pixels,) if name in BUILT_FOR_PIXELS else ()
    return getattr(import_module(_module(name)), name)(sizes, *size)


def training_digest(name: str, trained_by: str) -> str:
    """Digest of the code that trains a network, without that of other networks and their names.

    So one more network, or a change to another, trains none again.
    """
    return source_digest(trained_by, _module(name), without=[__name__])


def _module(name: str) -> str:
    return f"{__package__}.{MODELS[name]}"
