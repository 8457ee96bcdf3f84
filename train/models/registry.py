"""Networks by name."""

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from train.recipe import Input


def _late() -> ModuleType:
    from train.models import late

    return late


def _early() -> ModuleType:
    from train.models import early

    return early


def _resnet() -> ModuleType:
    from train.models import resnet

    return resnet


def _vgg() -> ModuleType:
    from train.models import vgg

    return vgg


def _azimuthal() -> ModuleType:
    from train.models import azimuthal

    return azimuthal


def _polar() -> ModuleType:
    from train.models import polar

    return polar


def _folded() -> ModuleType:
    from train.models import folded

    return folded


def _ablated() -> ModuleType:
    from train.models import ablated

    return ablated


def _dense() -> ModuleType:
    from train.models import dense

    return dense


def _specklenn() -> ModuleType:
    from train.models import specklenn

    return specklenn


MODELS: Mapping[str, Callable[[], ModuleType]] = {
    "late3": _late,
    "late5": _late,
    "late10": _late,
    "late18": _late,
    "early": _early,
    "resnet18": _resnet,
    "vgg16": _vgg,
    "azimuthal": _azimuthal,
    "polar": _polar,
    "folded": _folded,
    "cartesian": _ablated,
    "folded_apart": _ablated,
    "folded_inner": _ablated,
    "folded_asinh": _ablated,
    "folded_ring_norm": _ablated,
    "folded_plain": _ablated,
    "folded_kernel5": _ablated,
    "folded_wide": _ablated,
    "folded_dropout": _ablated,
    "dense": _dense,
    "specklenn": _specklenn,
}
"""Name of a network -> its family, the module with the function of that name.

Imported when built: every reader of a config needs the names, and torch takes seconds to import.
"""


def input_for(name: str) -> "Input":
    """The input transform that a network is made for: photons as they are read, or the poster's standardised images."""
    return "photons" if MODELS[name] in (_azimuthal, _polar, _folded, _ablated) else "standardise"


def build(name: str, n_structures: int, n_multiplicities: int) -> "nn.Module":
    """A new network with random weights: (B, 1, ny, nx) float32 images -> Logits.

    KeyError lists the known names.
    """
    if name not in MODELS:
        raise KeyError(f"no network is called {name!r}; known: {', '.join(MODELS)}")
    return getattr(MODELS[name](), name)(n_structures, n_multiplicities)
