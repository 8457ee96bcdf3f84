"""Where a crystal's reflections meet the detector, how many photons they bring, and how wide they are.

A reflection is a cloud about its point q of the reciprocal lattice: |transform of a block|², turned by mosaicity and
divergence, stretched by bandwidth. Ewald's sphere cuts it, nearly flat, at the excitation error e = |k ẑ + q| - k along
the sphere's normal n. The cloud's Fourier transform is known: with a block of N_i cells along each axis

    A(t) = Π_i max(0, 1 - |a*_i·t| / N_i) · exp(-2π² tᵀ C t),   C = (η² + δ²) (s² 1 - q qᵀ) + bw² q qᵀ,

the overlap of the block with itself moved by t, and Gaussians for all else. So what a cut holds of the whole, and where
its middle is, are integrals along one line (the central-slice theorem), for every block and every direction exact:

    g(e) = ∫ A(τn) cos(2πeτ) dτ         m(e) = -1/(2π g) ∫ ∇A(τn) sin(2πeτ) dτ,   spot at k ẑ + q - m

Photons of the whole spot: J r_e² P λ² |F|² V_crystal / V² · g(e), Darwin's kinematic formula with g in place of a full
rotation. Where blocks were Gaussians of deviation σ_size, g would be exp(-e²/2σ²) / (σ √2π) with
σ² = σ_size² + (η² + δ²) s² cos²θ + (bw s²/2k)²: that is how wide a cut is here, and how far reflections are looked for.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import constants

from simulate.sfx.crystal import Crystal
from simulate.sfx.excited_numba import excited

ELECTRON_RADIUS_A = constants.physical_constants["classical electron radius"][0] * 1e10

REACH = 4.0
"""Deviations of the excitation error beyond which a reflection is left out."""

NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)
"""The integrands are polynomials times cosines of at most two turns."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Beam:
    """A pulse."""

    wavelength: float
    """Å"""
    bandwidth: float
    """Relative standard deviation."""
    divergence: float
    """Standard deviation [rad]."""
    polarisation: float
    """1 along x, 0 none, -1 along y."""


@dataclass(frozen=True)
class Camera:
    """A flat detector across the beam."""

    distance_mm: float
    pixel_mm: float
    centre: tuple[float, float]
    """(x, y) where the beam meets it; the middle of the first pixel is (0, 0) [pixel]."""


@dataclass(frozen=True)
class Spots:
    """Spots on the plane of the detector, (n,) each."""

    x: Array
    """[pixel]"""
    y: Array
    photons: Array
    covariance: Array
    """(n, 3) of xx, xy, yy [pixel²], pixels themselves not among them."""
    reflection: NDArray[np.int64]
    """Index into the crystal's hkl."""
    sign: NDArray[np.int8]
    """-1 where it is the opposite of that."""
    error: Array
    """Excitation error [1/Å]."""
    deviation: Array
    """σ of the excitation error [1/Å]."""

    def __len__(self) -> int:
        return len(self.x)

    def take(self, which: NDArray) -> "Spots":
        """Some of them."""
        return Spots(*(getattr(self, name)[which] for name in self.__dataclass_fields__))


def spots(
    crystal: Crystal, rotation: Array, beam: Beam, camera: Camera, cells: Array, mosaicity: float, exposure: float
) -> Spots:
    """All spots of one orientation, on or beside the detector.

    Parameters
    ----------
    rotation :  (3, 3) from the crystal's to the lab frame.
    cells :     (3,) unit cells along each axis of a perfect block.
    mosaicity : η, standard deviation [rad].
    exposure :  fluence times the crystal's volume [photons/Å² · Å³].
    """
    k = 1 / beam.wavelength
    basis = rotation @ crystal.reciprocal
    edges = basis / cells  # columns a*_i / N_i
    size = edges @ edges.T / (2 * np.pi)  # of the Gaussian with the cloud's height and integral
    angle2 = mosaicity**2 + beam.divergence**2
    widest = float(np.linalg.eigvalsh(size).max())
    index, sign = excited(crystal.hkl, basis, k, widest, angle2, beam.bandwidth**2, REACH)
    q = sign[:, None] * (crystal.hkl[index] @ basis.T)
    out = q + np.array([0, 0, k])
    length = np.linalg.norm(out, axis=1)
    normal, error = out / length[:, None], length - k
    s2 = np.einsum("ni,ni->n", q, q)
    blur = angle2 * s2[:, None, None] * np.eye(3) + (beam.bandwidth**2 - angle2) * q[:, :, None] * q[:, None, :]
    cloud = size + blur
    along = np.einsum("nij,nj->ni", cloud, normal)
    variance = np.einsum("ni,ni->n", along, normal)
    keep = (error**2 <= REACH**2 * variance) & (out[:, 2] > 0.05 * k)
    index, sign, out, error, variance, along, cloud, normal, blur = (
        values[keep] for values in (index, sign, out, error, variance, along, cloud, normal, blur)
    )
    share, middle = cut(error, normal, edges, blur)
    place = out - middle
    left = cloud - along[:, :, None] * along[:, None, :] / variance[:, None, None]
    scale = camera.distance_mm / camera.pixel_mm
    tx, ty = place[:, 0] / place[:, 2], place[:, 1] / place[:, 2]
    jacobian = np.zeros((len(place), 2, 3))
    jacobian[:, 0, 0] = jacobian[:, 1, 1] = scale / place[:, 2]
    jacobian[:, 0, 2], jacobian[:, 1, 2] = -scale * tx / place[:, 2], -scale * ty / place[:, 2]
    on_plane = jacobian @ left @ jacobian.transpose(0, 2, 1)
    direction = place / np.linalg.norm(place, axis=1)[:, None]
    photons = exposure * ELECTRON_RADIUS_A**2 * polarised(direction, beam.polarisation) * beam.wavelength**2
    return Spots(
        x=camera.centre[0] + scale * tx,
        y=camera.centre[1] + scale * ty,
        photons=photons * crystal.intensity[index] / crystal.volume**2 * share,
        covariance=np.stack([on_plane[:, 0, 0], on_plane[:, 0, 1], on_plane[:, 1, 1]], -1),
        reflection=index,
        sign=sign,
        error=error,
        deviation=np.sqrt(variance),
    )


def cut(error: Array, normal: Array, edges: Array, blur: Array) -> tuple[Array, Array]:
    """g(e) [Å] and m(e) [1/Å] of this module's text.

    Parameters
    ----------
    error :  (n,) [1/Å].
    normal : (n, 3) unit vectors.
    edges :  (3, 3) columns a*_i / N_i [1/Å].
    blur :   (n, 3, 3) C [1/Å²].

    Returns
    -------
    (n,), not negative; (n, 3).
    """
    across = normal @ edges  # what of the block's edge a step of 1 Å along the normal is
    blurred = np.einsum("nij,nj->ni", blur, normal)
    variance = np.einsum("ni,ni->n", blurred, normal)
    with np.errstate(divide="ignore"):
        longest = np.minimum(1 / np.abs(across).max(axis=1), 6 / (2 * np.pi * np.sqrt(variance)))
    step = (NODES + 1)[None, :] / 2 * longest[:, None]
    weight = WEIGHTS[None, :] * longest[:, None]  # half of the line, twice
    overlap = 1 - np.abs(across)[:, None, :] * step[:, :, None]
    value = weight * overlap.prod(axis=2) * np.exp(-2 * np.pi**2 * variance[:, None] * step**2)
    phase = 2 * np.pi * error[:, None] * step
    share = np.maximum((value * np.cos(phase)).sum(axis=1), 1e-12)
    sine = value * np.sin(phase)
    by_edge = np.einsum("nt,nti->ni", sine, 1 / overlap) * np.sign(across)
    middle = by_edge @ edges.T + 4 * np.pi**2 * blurred * (sine * step).sum(axis=1)[:, None]
    return share, middle / (2 * np.pi * share[:, None])


def polarised(direction: Array, polarisation: float) -> Array:
    """(...) share of what a free electron scatters into directions (..., 3): 1 - x² along x, 1 - y² along y."""
    x2, y2 = direction[..., 0] ** 2, direction[..., 1] ** 2
    return 1 - (1 + polarisation) / 2 * x2 - (1 - polarisation) / 2 * y2
