"""Networks by name."""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from simulate.provenance import source_digest

if TYPE_CHECKING:
    from torch import nn

    from train.recipe import Input

MODELS: Mapping[str, str] = {
    "late3": "late",
    "late5": "late",
    "late10": "late",
    "late18": "late",
    "early": "early",
    "resnet18": "resnet",
    "vgg16": "vgg",
    "azimuthal": "azimuthal",
    "polar": "polar",
    "folded": "folded",
    "cartesian": "ablated",
    "folded_apart": "ablated",
    "folded_inner": "ablated",
    "folded_asinh": "ablated",
    "folded_ring_norm": "ablated",
    "folded_plain": "ablated",
    "folded_kernel5": "ablated",
    "folded_wide": "ablated",
    "folded_dropout": "ablated",
    "dense": "dense",
    "specklenn": "specklenn",
}
"""Name of a network -> its family, the module beside this one with the function of that name.

Imported when built: every reader of a config needs the names, and torch takes seconds to import.
"""


def input_for(name: str) -> "Input":
    """The input transform that a network is made for: photons as they are read, or the poster's standardised images."""
    return "photons" if MODELS[name] in ("azimuthal", "polar", "folded", "ablated") else "standardise"


def build(name: str, n_structures: int, n_multiplicities: int) -> "nn.Module":
    """A new network with random weights: (B, 1, ny, nx) float32 images -> Logits.

    KeyError lists the known names.
    """
    if name not in MODELS:
        raise KeyError(f"no network is called {name!r}; known: {', '.join(MODELS)}")
    return getattr(import_module(_module(name)), name)(n_structures, n_multiplicities)


def training_digest(name: str, trained_by: str) -> str:
    """Digest of the code that trains a network, without that of other networks and their names.

    So one more network, or a change to another, trains none again.
    """
    return source_digest(trained_by, _module(name), without=[__name__])


def _module(name: str) -> str:
    return f"{__package__}.{MODELS[name]}"
