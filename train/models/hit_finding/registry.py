"""Networks that find hits, by name, and what they take."""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Literal

from frames.provenance import source_digest

if TYPE_CHECKING:
    from train.models.hit_finding.layers import HitNetwork

HitInput = Literal["image", "vectors", "candidates"]

NETWORKS: Mapping[str, tuple[str, HitInput]] = {
    "cnn": ("images", "image"),
    "ke": ("images", "image"),
    "rows": ("vectors", "vectors"),
    "spots": ("spot_counter", "candidates"),
}
"""Name -> the module below this folder that has it, and its input."""

LEAST_PIXELS = {"cnn": 64, "ke": 192}
"""Of an image: its blocks leave nothing of less."""


def build(name: str, channels: int = 1) -> "HitNetwork":
    """A new network with random weights; `channels` of vectors.

    KeyError lists the known names.
    """
    if name not in NETWORKS:
        raise KeyError(f"no network that finds hits is called {name!r}; known: {', '.join(NETWORKS)}")
    made = getattr(import_module(_module(name)), name)
    return made(channels) if NETWORKS[name][1] == "vectors" else made()


def hit_digest(name: str, *trained_by: str) -> str:
    """Digest of the code that trains a network, without that of the others."""
    return source_digest(*trained_by, _module(name), without=[__name__])


def _module(name: str) -> str:
    return f"{__package__}.{NETWORKS[name][0]}"
