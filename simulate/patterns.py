"""Expected photons of single and multi-hits: slices of the particles' volumes, summed coherently.

Shot of particles a, b, ... at positions d with orientations R:

    F_a(q) = F(R_aᵀ q) exp(i q·d_a)
    I(q)   = Σ_a |F_a|² + Σ_{a≠b} F_a F_b* sinc(½ Δq_x·(d_a − d_b)) sinc(½ Δq_y·(d_a − d_b)),  sinc x = sin(x)/x

Δq_x and Δq_y are the changes of q across a pixel: the sinc factors are the average of the fringe between two particles
over the pixel. Fringes of wide aggregates are finer than a pixel, and sampling them at its centre would err by tens of
per cent. The slowly varying F_a are taken at the pixel's centre.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from simulate.geometry import Geometry
from simulate.orientation import rotation_matrices
from simulate.volume import Volume

Backend = Literal["numba", "torch"]


def expected_photons(
    volume: Volume,
    geometry: Geometry,
    orientations: NDArray[np.float64],
    positions: NDArray[np.float64],
    fluence: NDArray[np.float64],
    *,
    backend: Backend = "numba",
    device: str | None = None,
) -> NDArray[np.float32]:
    """Expected photons per pixel of shots of the same number of particles of one structure.

    Parameters
    ----------
    orientations : (n_shots, n_particles, 4) unit quaternions (w, x, y, z), sample to lab frame.
    positions :    (n_shots, n_particles, 3) lab frame [Å].
    fluence :      (n_shots,) [photons/µm²].
    backend :      `numba` on the CPU, or `torch` on `device`, by default a GPU where there is one.

    Returns
    -------
    (n_shots, ny, nx) float32, 0 where the detector is masked.

    Raises
    ------
    ValueError if shapes do not agree or the volume ends before the detector does.
    """
    shots, particles = np.shape(orientations)[:2]
    if orientations.shape != (shots, particles, 4) or positions.shape != (shots, particles, 3) or len(fluence) != shots:
        raise ValueError(
            f"orientations {orientations.shape}, positions {positions.shape} and fluence {np.shape(fluence)} "
            "do not agree; expected (n, m, 4), (n, m, 3) and (n,)"
        )
    if volume.q_max < geometry.q_max * (1 - 1e-6):
        raise ValueError(
            f"the volume reaches q = {volume.q_max:.4g} Å⁻¹, the detector {geometry.q_max:.4g}; "
            "make the volume for this detector"
        )

    def flat(array: NDArray) -> NDArray[np.float32]:
        return np.ascontiguousarray(array.reshape(geometry.mask.size, -1).squeeze(), dtype=np.float32)

    arguments = (
        volume.field,
        volume.spacing,
        rotation_matrices(orientations).astype(np.float32),
        positions.astype(np.float32),
        flat(geometry.q),
        flat(geometry.q_step_x),
        flat(geometry.q_step_y),
        flat(geometry.photons_per_electron2()),
        np.asarray(fluence, dtype=np.float32),
    )
    if backend == "numba":
        from simulate import patterns_numba

        images = patterns_numba.render(*arguments)
    else:
        from simulate import patterns_torch

        images = patterns_torch.render(*arguments, device=device)
    return images.reshape(shots, *geometry.shape)
