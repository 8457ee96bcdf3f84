"""What a network was trained on, in a few numbers, and whether the frames that it is given are like that.

A network gives a confident prediction for anything: of frames of zeros as of single hits. So a summary of the training
split is kept in its file, and every frame of somebody's own is held against it.

Patterns are measured as the detector reads them, without augmentation: so the network was validated. Where a recipe
lets parts of the detector be missing, they are missing here in as many patterns. Patterns rendered afresh are as those
of the training split.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from frames.geometry import wavelength
from train.batches.batches import Batches
from train.batches.detector_dropout import without_parts
from train.config.recipe import TrainingRecipe
from train.inference.features import FEATURES, N_RINGS, Feature, Measured, measure

if TYPE_CHECKING:
    from frames.frames import Instrument
    from frames.store.dataset import Dataset

MEASURED = 4000
"""Patterns of the training split, and as many of the validation split, that a domain is made from, at most."""

MEMORY_GB = 0.1
"""Patterns held at once while they are measured [1e9 bytes]: the training still holds its own."""

TAIL = 0.001
"""Share of the training patterns below, and above, what is called their range."""

MARGIN, FAR = 0.25, 2.0
"""A frame is outside beyond the range by this part of the way from the training's median to the end of the range, and
far outside beyond it by that many such ways."""

PASS = 0.995
"""Share of the validation patterns whose distance from the training's is at most what a frame's is to be..."""

DISTANCE_MARGIN, DISTANCE_FAR = 1.25, 2.0
"""... times this; and that many times farther it is far."""

TOGETHER = N_RINGS + 2, N_RINGS + 4
"""Numbers that are compared together: rings and grain; also photons and highest pixel, where the scale is seen"""

RIDGE = 1e-5
"""Added to variances: of a ring whose share of the photons is the same in all training patterns."""


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


@dataclass(frozen=True)
class Domain:
    """What a network was trained on."""

    ranges: Mapping[str, Range]
    """of those `FEATURES` that the network can see"""
    mean: tuple[float, ...]
    """over the training patterns, of what is compared together"""
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
        if not 0 < len(ranges) == len(set(ranges) & set(FEATURES)) or len(saved["mean"]) not in TOGETHER:
            raise KeyError("domain")
        return cls(**{**saved, "ranges": ranges, "setup": Setup(**saved["setup"])})

    def compared(self, measured: Measured) -> dict[str, NDArray[np.float64]]:
        """Of frames as they were measured the features (n,) that are compared."""
        distances = _distances(measured.together, np.array(self.mean), np.array(self.precision))
        features = measured.features | {"together": distances}
        return {name: features[name] for name in self.ranges}

    def inside(self, compared: Mapping[str, NDArray]) -> NDArray[np.bool_]:
        """(n,) whether frames are in every range."""
        return np.all([self.ranges[name].inside(values) for name, values in compared.items()], axis=0)

    def near(self, compared: Mapping[str, NDArray]) -> NDArray[np.bool_]:
        """(n,) whether frames are far outside of none."""
        return np.all([self.ranges[name].near(values) for name, values in compared.items()], axis=0)


def must_be_of(image_shape: tuple[int, ...], model: str, expected: tuple[int, ...]) -> None:
    """ValueError unless images have the shape that a network was trained on."""
    if tuple(image_shape) != tuple(expected):
        raise ValueError(
            f"images of {tuple(image_shape)} pixels, but {model} was trained on {tuple(expected)}; bin or pad them to "
            "that size, as with a table of `singlehit tabulate` (docs/guide/selecting.md)"
        )


def _distances(together: NDArray, mean: NDArray, precision: NDArray) -> NDArray[np.float64]:
    """(n,) Mahalanobis distances of what is compared together (n, k) from its mean over the training patterns."""
    with np.errstate(invalid="ignore"):
        away = together[:, : len(mean)] - mean
        return np.sqrt(np.einsum("ni,ij,nj->n", away, precision, away))


def domain_of(dataset: "Dataset", recipe: TrainingRecipe, structures: Collection[int] | None = None) -> Domain:
    """What a network is trained on by a recipe, and validated on.

    Parameters
    ----------
    structures : the indices of those whose patterns are learned from; None: of all.
    """

    def measured(split: str) -> Measured:
        rows = dataset.splits[split]
        rows = slice(rows.start, min(rows.start + MEASURED, rows.stop))
        batches = Batches(dataset, rows, 256, MEMORY_GB, structures=structures)
        parts = [measure(_with_parts_missing(some.images, recipe.detector_dropout)) for some in batches.epoch()]
        features = {name: np.concatenate([part.features[name] for part in parts]) for name in parts[0].features}
        return Measured(features, np.concatenate([part.together for part in parts]))

    with torch.random.fork_rng([]):  # of missing parts
        torch.manual_seed(0)
        train, validation = measured("train"), measured("validation")
    return summarised(train, validation, recipe, _setup_of(dataset))


def _with_parts_missing(images: Any, share: float) -> NDArray:
    return without_parts(torch.as_tensor(images), share).numpy() if share else np.asarray(images)


def _setup_of(dataset: "Dataset") -> Setup:
    from frames.frames import Instrument
    from frames.geometry import Geometry

    path = dataset.folder / "geometry.npz"
    return Setup.of(Instrument.of(Geometry.load(path)) if path.exists() else None)


def summarised(train: Measured, validation: Measured, recipe: TrainingRecipe, setup: Setup) -> Domain:
    """The domain of a network that is trained by a recipe, from its training and validation patterns as measured."""
    sees_scale = recipe.input_transform != "standardise"
    together = train.together[:, : TOGETHER[sees_scale]]
    mean, covariance = together.mean(0), np.cov(together.T, bias=True)
    precision = np.linalg.inv(covariance + RIDGE * np.eye(len(mean)))
    distances = _distances(validation.together, mean, precision)
    ranges = {
        name: _range(values, FEATURES[name])
        for name, values in train.features.items()
        if sees_scale or not FEATURES[name].scales
    }
    most = DISTANCE_MARGIN * float(np.quantile(distances, PASS))
    ranges["together"] = Range(float(np.median(distances)), 0.0, most, 0.0, DISTANCE_FAR * most)
    domain = Domain(
        ranges,
        tuple(mean.tolist()),
        tuple(tuple(row) for row in precision.tolist()),
        setup,
        recipe.detector_dropout,
        len(together),
        len(distances),
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
