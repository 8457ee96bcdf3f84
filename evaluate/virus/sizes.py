"""The size filter: how large the particle of a frame is, if it is one ball-like particle at all.

Two tests. The first holds the radial profile against balls and icosahedra of every size, by Poisson likelihood (which
decides) and by L1 distance. Two particles that touch have the mean profile of one, so the second looks along the rings
inside of the central maximum: there a particle as round as an icosahedron is even, and a dimer has fringes. Opposite
sectors are counted together, as |F(q)| = |F(-q)|: what a beam some pixels off its place does to one side it undoes on
the other.

Where a detector's dark level was not taken off as a whole, each pixel reads some part of a photon too much or too
little; so does light that did not come from the particle. This pedestal is fitted beside the size, at most as much as
the darkest annulus has, and subtracted before both tests where it is more than noise.

Sizes are circumdiameters of an icosahedron; the ball of its volume has 0.846 of it.
"""

from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from frames.schema import Strict
from simulate.virus.icosahedron import EQUAL_VOLUME_SPHERE
from simulate.virus.sizing import templates

BODIES = ("sphere", "icosahedron")

FIRST_MINIMUM = 4.493
"""q R of the first minimum of a ball: tan x = x."""

ANGLES = 12
"""Sectors of a ring over half a circle, opposite ones together."""


ANNULUS_PX, LEAST_PIXELS, ENOUGH_PIXELS = 16, 500, 1000
"""Width of the annuli whose darkest bounds a pedestal, their least pixels, and about how many of more are looked at:
noise of .2 photons leaves .01."""


class SizesConfig(Strict):
    """Which sizes are held against, and which pass."""

    fitted_nm: tuple[float, float] = Field((40.0, 110.0), description="circumdiameters tried, every step_nm")
    step_nm: Annotated[float, Field(gt=0)] = 0.5
    accepted_nm: tuple[float, float] = Field((55.0, 84.0), description="circumdiameters that pass")
    inner_px: Annotated[float, Field(ge=0)] = 12.0
    outer_px: Annotated[float, Field(gt=0)] = 80.0
    background_photons: Annotated[float, Field(gt=0)] = Field(0.03, description="a pixel, mean")
    least_photons: Annotated[float, Field(ge=0)] = Field(0.5, description="of a pixel that counts: below is noise")
    least_pedestal: Annotated[float, Field(ge=0)] = Field(
        0.1, description="photons a pixel, more or fewer, from which on what is read too much is subtracted"
    )
    most_misfit: Annotated[float, Field(gt=0)] = Field(0.25, description="L1 distance of the profile, relative")
    most_anisotropy: Annotated[float, Field(gt=0)] = Field(
        0.28,
        description="relative standard deviation along rings inside of the central maximum, beyond Poisson's; as many "
        "times that of the most uneven simulated singles as it is below that of half of the aggregates",
    )

    @model_validator(mode="after")
    def _ranges_fit(self) -> Self:
        low, high = self.fitted_nm
        if not 0 < low < self.accepted_nm[0] < self.accepted_nm[1] < high:
            raise ValueError(
                f"accepted_nm {self.accepted_nm} must lie inside of fitted_nm {self.fitted_nm}: a size at the end "
                "of what was tried is not known"
            )
        if self.inner_px >= self.outer_px:
            raise ValueError(f"inner_px {self.inner_px:g} is not below outer_px {self.outer_px:g}")
        return self


@dataclass(frozen=True)
class Sizes:
    """What the size filter measured of each frame, (n,) each."""

    diameter_nm: NDArray[np.float64]
    """circumdiameter of the likeliest icosahedron"""
    sphere_nm: NDArray[np.float64]
    """the same of the likeliest ball: its own diameter over 0.846"""
    l1_nm: NDArray[np.float64]
    """of the icosahedron nearest in L1"""
    misfit: NDArray[np.float64]
    """L1 distance to it, over the profile's sum"""
    score: NDArray[np.float64]
    """second-best minimum of the L1 distance over the best; infinite where there is one only"""
    anisotropy: NDArray[np.float64]
    """relative standard deviation along rings"""
    pedestal: NDArray[np.float64]
    """that was subtracted [photons a pixel]; 0 where it was below `least_pedestal`"""
    right_size: NDArray[np.bool_]
    """passes the first test"""
    one_particle: NDArray[np.bool_]
    """passes the second test"""


def measure(
    frames: NDArray[np.floating],
    mask: NDArray[np.bool_],
    centre: tuple[float, float],
    q: NDArray[np.floating],
    config: SizesConfig,
) -> Sizes:
    """Sizes of frames (n, ny, nx) [photons], the beam at centre (row, column).

    Parameters
    ----------
    mask : (ny, nx) True where unusable; pixels of a frame that are not finite count as masked in it.
    q :    (ny, nx) length of the scattering vector [1/A].

    Raises
    ------
    ValueError for shapes that do not agree, or where fewer than 20 rings have a live pixel.
    """
    if not frames.shape[1:] == mask.shape == q.shape:
        raise ValueError(f"frames {frames.shape[1:]}, mask {mask.shape} and q {q.shape} must be of the same pixels")
    y, x = np.indices(mask.shape)
    r = np.hypot(y - centre[0], x - centre[1])
    chosen = np.flatnonzero(~mask & (r >= config.inner_px) & (r < config.outer_px))
    ring = r.ravel()[chosen].astype(int)
    order = np.argsort(ring, kind="stable")
    chosen, ring = chosen[order], ring[order]
    _, starts, n = np.unique(ring, return_index=True, return_counts=True)
    if len(n) < 20:
        raise ValueError(
            f"{len(n)} rings from {config.inner_px:g} to {config.outer_px:g} pixels of the centre {centre} have a live "
            "pixel, expected 20; look at the mask and the centre"
        )
    values = np.asarray(frames, np.float64).reshape(len(frames), -1)[:, chosen]
    finite = np.isfinite(values)
    counted = np.add.reduceat(finite, starts, axis=1, dtype=np.float64)
    whole = n / np.maximum(counted, 1)
    q_ring = np.add.reduceat(q.ravel()[chosen], starts) / n
    sizes = np.arange(config.fitted_nm[0], config.fitted_nm[1] + config.step_nm / 2, config.step_nm)
    shapes = {}
    for body in BODIES:
        shape = templates(q_ring, sizes, body) * n
        shapes[body] = shape / shape.sum(1, keepdims=True)
    every = max(1, round(2 / config.step_nm))
    pedestal = darkest(frames, mask, r, config.inner_px)
    for row in np.flatnonzero(pedestal >= config.least_pedestal):
        read = np.add.reduceat(np.where(finite[row], values[row], 0), starts) * whole[row]
        pedestal[row] = np.clip(fitted_pedestal(read, n, shapes["icosahedron"][::every]), 0, pedestal[row])
    lies_flat = np.abs(pedestal) < config.least_pedestal
    pedestal[lies_flat] = 0
    # A cut would leave what of a pedestal's own noise lies above it, so there is none where one was subtracted; the
    # background that is reckoned with stays.
    values = np.where(
        lies_flat[:, None],
        np.where(values >= config.least_photons, values, 0),
        values - (pedestal - config.background_photons)[:, None],
    )
    values = np.where(finite, values, 0)
    profile = np.add.reduceat(values, starts, axis=1) * whole
    likely, near = {}, {}
    for body, shape in shapes.items():
        likely[body], near[body] = _likelihood_and_l1(profile, shape, config.background_photons * n)
    best = {body: sizes[likely[body].argmax(1)] for body in BODIES}
    l1 = near["icosahedron"]
    misfit = l1.min(1)
    angle = np.arctan2(y - centre[0], x - centre[1]).ravel()[chosen]
    uneven = np.array(
        [
            anisotropy(row, there, ring, angle, q.ravel()[chosen], diameter)
            for row, there, diameter in zip(values, finite, best["icosahedron"], strict=True)
        ]
    )
    low, high = config.accepted_nm
    return Sizes(
        diameter_nm=best["icosahedron"],
        sphere_nm=best["sphere"],
        l1_nm=sizes[l1.argmin(1)],
        misfit=misfit,
        score=np.array([_second_minimum(row) / max(row.min(), 1e-12) for row in l1]),
        anisotropy=uneven,
        pedestal=pedestal,
        right_size=(best["icosahedron"] >= low) & (best["icosahedron"] <= high) & (misfit <= config.most_misfit),
        one_particle=uneven <= config.most_anisotropy,
    )


def _likelihood_and_l1(profile: NDArray, shape: NDArray, background: NDArray) -> tuple[NDArray, NDArray]:
    """(n, sizes) Poisson log-likelihood and relative L1 distance of profiles (n, rings) to shapes (sizes, rings)."""
    likely, near = np.empty((len(profile), len(shape))), np.empty((len(profile), len(shape)))
    for row, (counts, signal) in enumerate(
        zip(profile, np.maximum(profile.sum(1) - background.sum(), 1.0), strict=True)
    ):
        expected = signal * shape + background
        likely[row] = np.log(expected) @ counts - expected.sum(1)
        near[row] = np.abs(expected - counts).sum(1) / max(counts.sum(), 1e-12)
    return likely, near


def darkest(frames: NDArray, mask: NDArray[np.bool_], r: NDArray, inner_px: float) -> NDArray[np.float64]:
    """(n,) photons a pixel of the darkest annulus of frames (n, ny, nx), from inner_px to the corners.

    No particle takes photons away, so a pedestal is not above it; and none is negative where no annulus is. 0 where
    no annulus has LEAST_PIXELS live ones.
    """
    flat, found = np.asarray(frames).reshape(len(frames), -1), []
    number = np.where(mask | (r < inner_px), -1, r // ANNULUS_PX).ravel().astype(int)
    for one in np.unique(number[number >= 0]):
        pixels = np.flatnonzero(number == one)
        if len(pixels) >= LEAST_PIXELS:
            some = flat[:, pixels[:: max(1, len(pixels) // ENOUGH_PIXELS)]]
            there = np.isfinite(some)
            found.append(np.where(there, some, 0).sum(1, dtype=np.float64) / np.maximum(there.sum(1), 1))
    return np.min(found, axis=0) if found else np.zeros(len(frames))


def fitted_pedestal(profile: NDArray, n: NDArray, shape: NDArray, turns: int = 4) -> float:
    """What each pixel reads too much [photons], of the likeliest size.

    Rings of expectation s t + p n: brightness s and pedestal p of each size by least squares, weighted with the inverse
    of what the turn before expected, which leads to the highest Poisson likelihood; then the likeliest size.

    Parameters
    ----------
    profile, n : (rings,) what is read on each, and its pixels.
    shape :      (sizes, rings) shares of a particle's photons.
    """
    expected = np.broadcast_to(np.maximum(profile, 0.01 * n), shape.shape)
    for _ in range(turns):
        weight = 1 / expected
        tt, tn, nn = (weight * shape * shape).sum(1), (weight * shape * n).sum(1), weight @ (n * n)
        tp, np_ = (weight * shape) @ profile, weight @ (n * profile)
        within = tt * nn - tn * tn
        bright, more = (tp * nn - np_ * tn) / within, (np_ * tt - tp * tn) / within
        expected = np.maximum(bright[:, None] * shape + more[:, None] * n, 0.01 * n)
    return float(more[(np.log(expected) @ profile - expected.sum(1)).argmax()])


def _second_minimum(distance: NDArray) -> float:
    """The second-lowest local minimum, infinite where there is one only."""
    inner = np.flatnonzero((distance[1:-1] < distance[:-2]) & (distance[1:-1] <= distance[2:])) + 1
    return float(np.sort(distance[inner])[1]) if len(inner) > 1 else float("inf")


def anisotropy(
    values: NDArray, there: NDArray[np.bool_], ring: NDArray, angle: NDArray, q: NDArray, diameter_nm: float
) -> float:
    """Relative standard deviation along rings beyond Poisson's, inside of 0.85 of the first minimum of this size.

    Of pixels (n,): photons, whether they can be used, ring, angle [rad] and q [1/A]. Sectors of four rings are compared
    with their mean over angles, each weighted by its photons. 0 where no photon was counted.
    """
    inside = there & (q < 0.85 * FIRST_MINIMUM / (5 * diameter_nm * EQUAL_VOLUME_SPHERE))
    if not inside.any():
        return 0.0
    # The radial fall inside of a sector is taken out first: what is left is even for a round particle.
    counted = np.bincount(ring[inside], minlength=ring.max() + 1)
    mean = np.bincount(ring[inside], values[inside], len(counted)) / np.maximum(counted, 1)
    sector = (ring[inside] // 4) * ANGLES + (angle[inside] / np.pi % 1 * ANGLES).astype(int) % ANGLES
    got = np.bincount(sector, values[inside])
    expected = np.bincount(sector, mean[ring[inside]])
    if not expected.sum() > 0:
        return 0.0
    lit = expected > 0
    excess = ((got[lit] - expected[lit]) ** 2 - expected[lit]) / expected[lit]
    return float(np.sqrt(max(excess.sum() / expected.sum(), 0.0)))
