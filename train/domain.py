"""What a network was trained on, in a few numbers, and whether the frames that it is asked about are like that.

A network answers anything, and is sure of itself: of frames of zeros as of single hits. So a summary of the training
split is kept in its file, and every frame of somebody's own is held against it.

Patterns are measured as the detector reads them, without augmentation: so the network was validated. Where a recipe
lets parts of the detector be missing, they are missing here in as many patterns. Patterns rendered afresh are as those
of the training split.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray

from simulate.beam import wavelength
from train.data import Batches
from train.missing import without_parts
from train.recipe import Descent

if TYPE_CHECKING:
    from simulate.dataset import Dataset
    from simulate.formats.patterns import Instrument

MEASURED = 4000
"""Patterns of the training split, and as many of the validation split, that a domain is made from, at most."""

TOGETHER = 64
"""Frames measured at once: 4 MB of 128 x 128 pixels, which stay in the cache."""

MEMORY_GB = 0.1
"""Patterns held at once while they are measured [1e9 bytes]: the training still holds its own."""

N_RINGS = 8
"""Of equal width, from the middle to the nearest edge of the image; a last one is what lies beyond."""

TAIL = 0.001
"""Share of the training patterns below, and above, what is called their range."""

MARGIN, FAR = 0.25, 2.0
"""A frame is outside beyond the range by this part of the way from the training's median to the end of the range, and
far outside beyond it by that many such ways."""

PASS = 0.995
"""Share of the validation patterns whose radial profile is as near to the training's as a frame's is to be..."""

PROFILE_MARGIN, PROFILE_FAR = 1.25, 3.0
"""... times this; and times that, it is far."""

RIDGE = 1e-5
"""Added to the variance of a ring's root share of the photons: one that does not vary among the training patterns."""


@dataclass(frozen=True)
class Feature:
    """One number of a frame."""

    label: str
    floor: float
    """least way from the median to an end of the range, where patterns hardly vary: a factor for what is a scale"""
    is_scale: bool = False
    """positive, and compared by factors"""
    scales: bool = False
    """changes where every pixel is multiplied: a network whose input is standardised does not see it"""


FEATURES = {
    "photons": Feature("photons per frame", 1.1, is_scale=True, scales=True),
    "lowest": Feature("lowest pixel", 0.5, scales=True),
    "highest": Feature("highest pixel", 1.1, is_scale=True, scales=True),
    "depth": Feature("lowest pixel over the highest", 0.1),
    "negative": Feature("share of pixels below 0", 0.1),
    "zero": Feature("share of pixels that are 0", 0.1),
    "whole": Feature("share of pixels that are whole numbers", 0.1, scales=True),
    "noise": Feature("variance of noise over photons", 1.5, is_scale=True, scales=True),
    "grain": Feature("share of the variance between neighbouring pixels", 1.5, is_scale=True),
    "x": Feature("middle of the photons along x [pixels]", 2.0),
    "y": Feature("middle of the photons along y [pixels]", 2.0),
    "quadrant": Feature("emptiest quadrant's share of the photons", 0.05),
    "profile": Feature("distance of the radial profile", 0.0),
}
"""What is compared, by names. Noise shows in the checkerboard of 2 x 2 pixels, where an oversampled pattern has next to
nothing: of counted photons its variance is their number, of ADUs it is as many times their sum as a photon has ADUs."""

_PLAIN = [name for name in FEATURES if name != "profile"]


@dataclass(frozen=True)
class Range:
    """Where one feature of the training patterns lies."""

    typical: float
    """median"""
    low: float
    high: float
    """below or above these a frame is outside"""
    far_low: float
    far_high: float
    """... and far outside"""

    def inside(self, values: NDArray) -> NDArray[np.bool_]:
        """(n,) whether values (n,) are; what is no number is not."""
        return (values >= self.low) & (values <= self.high)

    def near(self, values: NDArray) -> NDArray[np.bool_]:
        """(n,) whether values (n,) are not far outside."""
        return (values >= self.far_low) & (values <= self.far_high)


@dataclass(frozen=True)
class Setup:
    """Beam and detector, as far as they are known."""

    photon_energy_eV: float | None = None
    distance_mm: float | None = None
    pixel_size_um: float | None = None
    q_step: float | None = None
    """change of q across a pixel in the middle of the image [Å⁻¹]"""
    masked: float | None = None
    """share of the pixels"""

    @classmethod
    def of(cls, instrument: "Instrument | None") -> Self:
        """What an instrument says; all unknown of None."""
        if instrument is None:
            return cls()
        return cls(
            instrument.photon_energy_eV,
            instrument.distance_mm,
            instrument.pixel_size_um,
            _q_step(instrument),
            None if instrument.mask is None else float(instrument.mask.mean()),
        )


class Measured(NamedTuple):
    """What n frames are like."""

    features: dict[str, NDArray[np.float64]]
    """(n,) each, by the names of `FEATURES`; not yet the profile's distance, which is from some training's"""
    roots: NDArray[np.float64]
    """(n, rings) root of each ring's share of the photons"""


@dataclass(frozen=True)
class Domain:
    """What a network was trained on."""

    ranges: Mapping[str, Range]
    """of those `FEATURES` that the network can see"""
    profile: tuple[float, ...]
    """mean over the training patterns of the root of each ring's share of the photons"""
    precision: tuple[tuple[float, ...], ...]
    """inverse of their covariance"""
    setup: Setup
    missing: float
    """share of the training patterns that parts of the detector were missing from"""
    n_train: int
    n_validation: int
    validation_inside: float
    """share of the validation patterns measured that are inside"""

    @classmethod
    def of_saved(cls, saved: Mapping[str, Any]) -> Self:
        """From `dataclasses.asdict`; TypeError, KeyError where it is no domain of this version."""
        ranges = {name: Range(**range_) for name, range_ in saved["ranges"].items()}
        if unknown := [*set(ranges) - set(FEATURES), *(["profile"] if len(saved["profile"]) != N_RINGS + 1 else [])]:
            raise KeyError(*unknown)
        return cls(**{**saved, "ranges": ranges, "setup": Setup(**saved["setup"])})

    def compared(self, measured: Measured) -> dict[str, NDArray[np.float64]]:
        """Of frames as they were measured the features (n,) that are compared."""
        distances = _distances(measured.roots, np.array(self.profile), np.array(self.precision))
        features = measured.features | {"profile": distances}
        return {name: features[name] for name in self.ranges}

    def inside(self, compared: Mapping[str, NDArray]) -> NDArray[np.bool_]:
        """(n,) whether frames are in every range."""
        return np.all([self.ranges[name].inside(values) for name, values in compared.items()], axis=0)

    def near(self, compared: Mapping[str, NDArray]) -> NDArray[np.bool_]:
        """(n,) whether frames are far outside of none."""
        return np.all([self.ranges[name].near(values) for name, values in compared.items()], axis=0)


def measure(frames: NDArray) -> Measured:
    """What frames (n, ny, nx) are like.

    Shares and middles are of pixels above 0: in a frame of hardly any photon read noise adds up to about nothing.
    """
    weights = _weights(frames.shape[1], frames.shape[2])
    parts = [_measured(frames[at : at + TOGETHER], weights) for at in range(0, len(frames), TOGETHER)]
    features, roots = (np.concatenate(some) for some in zip(*parts, strict=True))
    return Measured(dict(zip(_PLAIN, features.T, strict=True)), roots)


def _weights(ny: int, nx: int) -> NDArray[np.float32]:
    """(ny nx, 12 + rings): of each quadrant 1, x and y of its pixels from the middle [pixels]; and each ring's pixels.

    Opposite quadrants are the first and the last, and the two between.
    """
    y, x = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in (ny, nx)), indexing="ij")
    quadrants = [below & right for below in (y < 0, y >= 0) for right in (x < 0, x >= 0)]
    ring = np.minimum(np.hypot(x, y) * 2 * N_RINGS / min(ny, nx), N_RINGS).astype(int)
    columns = [quadrant * values for quadrant in quadrants for values in (np.ones_like(x), x, y)]
    columns += [ring == number for number in range(N_RINGS + 1)]
    return np.stack(columns, -1).reshape(ny * nx, -1).astype(np.float32)


def _measured(frames: NDArray, weights: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n, features) in the order of `_PLAIN`, and (n, rings)."""
    frames = frames.astype(np.float32, copy=False)
    pixels, (ny, nx) = frames.reshape(len(frames), -1), frames.shape[1:]
    with np.errstate(over="ignore", invalid="ignore"):  # what is too bright for float32 is inside of nothing
        blocks = frames[:, : ny // 2 * 2, : nx // 2 * 2].reshape(-1, ny // 2, 2, nx // 2, 2)
        checkers = (blocks[:, :, 0, :, 0] - blocks[:, :, 0, :, 1] - blocks[:, :, 1, :, 0] + blocks[:, :, 1, :, 1]) / 2
        noise = _mean_square(checkers)
        variance = _mean_square(pixels - pixels.mean(1, keepdims=True))
        sums = (np.maximum(pixels, 0) @ weights).astype(np.float64)
        quadrants, rings = sums[:, :12].reshape(-1, 4, 3), sums[:, 12:]
        photons = rings.sum(1)
        x, y = _middles(quadrants).T
        features = {
            "photons": pixels.sum(1, dtype=np.float64),
            "lowest": pixels.min(1),
            "highest": pixels.max(1),
            "depth": _over(pixels.min(1), pixels.max(1)),
            "negative": (pixels < 0).mean(1),
            "zero": (pixels == 0).mean(1),
            "whole": (pixels == np.rint(pixels)).mean(1),
            "noise": _over(noise * pixels.shape[1], photons),
            "grain": _over(noise, variance),
            "x": x,
            "y": y,
            "quadrant": _over(quadrants[..., 0].min(1), photons),
        }
        return np.stack([features[name] for name in _PLAIN], 1), np.sqrt(_over(rings, photons[:, None]))


def _middles(quadrants: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 2) x and y of the middle of the photons, of the sums of 1, x and y over the quadrants (n, 4, 3).

    A quadrant without photons is taken to show what the opposite one does: where the beam is can then be told of frames
    that parts of the detector are missing from.
    """
    mirrored = quadrants[:, ::-1] * (1, -1, -1)
    photons, *moments = np.where(quadrants[..., :1] > 0, quadrants, mirrored).sum(1).T
    return np.stack([_over(moment, photons) for moment in moments], -1)


def _mean_square(values: NDArray) -> NDArray[np.float64]:
    """(n,) of values (n, ...)."""
    flat = values.reshape(len(values), -1)
    return np.einsum("np,np->n", flat, flat).astype(np.float64) / flat.shape[1]


def _over(part: NDArray, whole: NDArray) -> NDArray[np.float64]:
    """part / whole; 0 where the whole is nothing."""
    return np.divide(part, whole, out=np.zeros(part.shape), where=np.broadcast_to(whole > 0, part.shape))


def _distances(roots: NDArray, profile: NDArray, precision: NDArray) -> NDArray[np.float64]:
    """(n,) Mahalanobis distances of root shares (n, rings) from their mean over the training patterns."""
    away = roots - profile
    return np.sqrt(np.einsum("ni,ij,nj->n", away, precision, away))


def domain_of(dataset: "Dataset", recipe: Descent, structures: Collection[int] | None = None) -> Domain:
    """What a network is trained on by a recipe, and validated on.

    Parameters
    ----------
    structures : the indices of those whose patterns are learned from; None: of all.
    """

    def measured(split: str) -> Measured:
        rows = dataset.splits[split]
        rows = slice(rows.start, min(rows.start + MEASURED, rows.stop))
        batches = Batches(dataset, rows, 256, MEMORY_GB, structures=structures)
        parts = [measure(_with_parts_missing(some.images, recipe.missing)) for some in batches.epoch()]
        features = {name: np.concatenate([part.features[name] for part in parts]) for name in parts[0].features}
        return Measured(features, np.concatenate([part.roots for part in parts]))

    with torch.random.fork_rng([]):  # of missing parts
        torch.manual_seed(0)
        train, validation = measured("train"), measured("validation")
    return summarised(train, validation, recipe, _setup_of(dataset))


def _with_parts_missing(images: Any, share: float) -> NDArray:
    return without_parts(torch.as_tensor(images), share).numpy() if share else np.asarray(images)


def _setup_of(dataset: "Dataset") -> Setup:
    from simulate.formats.patterns import Instrument
    from simulate.geometry import Geometry

    path = dataset.folder / "geometry.npz"
    return Setup.of(Instrument.of(Geometry.load(path)) if path.exists() else None)


def summarised(train: Measured, validation: Measured, recipe: Descent, setup: Setup) -> Domain:
    """The domain of a network that is trained by a recipe, from its training and validation patterns as measured."""
    profile = train.roots.mean(0)
    covariance = np.cov(train.roots.T) if len(train.roots) > 1 else np.zeros((len(profile),) * 2)
    precision = np.linalg.inv(covariance + RIDGE * np.eye(len(profile)))
    distances = _distances(validation.roots, profile, precision)
    passed = float(np.quantile(distances, PASS))
    ranges = {
        name: _range(values, FEATURES[name])
        for name, values in train.features.items()
        if recipe.input != "standardise" or not FEATURES[name].scales
    }
    ranges["profile"] = Range(
        float(np.median(distances)), 0.0, PROFILE_MARGIN * passed, 0.0, PROFILE_FAR * PROFILE_MARGIN * passed
    )
    domain = Domain(
        ranges,
        tuple(profile.tolist()),
        tuple(tuple(row) for row in precision.tolist()),
        setup,
        recipe.missing,
        len(train.roots),
        len(validation.roots),
        1.0,
    )
    return replace(domain, validation_inside=float(domain.inside(domain.compared(validation)).mean()))


def _range(values: NDArray[np.float64], feature: Feature) -> Range:
    """Of the training patterns' values (n,), widened."""
    first, typical, last = (float(value) for value in np.quantile(values, (TAIL, 0.5, 1 - TAIL)))

    def beyond(end: float, sign: int, ways: float) -> float:
        if feature.is_scale and min(end, typical) > 0:
            return end * max(typical / end, end / typical, feature.floor) ** (sign * ways)
        return end + sign * ways * max(abs(end - typical), 0.0 if feature.is_scale else feature.floor)

    return Range(typical, *(beyond(*at, ways) for ways in (MARGIN, FAR) for at in ((first, -1), (last, 1))))


def _q_step(instrument: "Instrument") -> float | None:
    """Change of q across a pixel in the middle of the image [Å⁻¹]; None where it is not known."""
    known = instrument.photon_energy_eV, instrument.distance_mm, instrument.pixel_size_um
    if None not in known:
        energy, distance, pixel = (float(value) for value in known if value is not None)
        return 2 * math.pi / wavelength(energy) * pixel * 1e-3 / distance
    if instrument.q is None:
        return None
    ny, nx, _ = instrument.q.shape
    middle = instrument.q[ny // 4 : ny - ny // 4, nx // 4 : nx - nx // 4]
    steps = np.linalg.norm(np.diff(middle, axis=1), axis=-1)
    return float(np.median(steps[np.isfinite(steps)])) if np.isfinite(steps).any() else None
