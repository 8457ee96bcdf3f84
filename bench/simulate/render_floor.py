"""Expected photons of single hits per second against the floor of this core: its arithmetic and its memory.

The floor counts what the method itself asks for, whatever the code: multiplications and additions of slicing the coarse
points, of refining along both axes and of turning fields into photons; bytes of the voxels read and of the image
written. The core's rates are measured in the same run, by a compiled loop of fused multiply-adds that stays in
registers and by one that copies arrays as large as a volume. `competitor` is the larger of the two floors' rate.
"""

import math

import numba
import numpy as np

from bench.setting import field, geometry, molecule, rate, report, some_shots
from simulate.diffraction.patterns import ATOM_RADIUS, BANDWIDTH_MARGIN, REFINEMENT_SHARE, expected_photons
from simulate.diffraction.refinement import TAPS, refinements
from simulate.diffraction.volume import Volume, stack

CHAIN = 32


@numba.njit(fastmath=True)
def fused_multiply_adds(values: np.ndarray, factor: np.float32) -> None:
    """A polynomial of degree CHAIN of every value: one load and one store for many operations."""
    for i in range(values.shape[0]):
        value = values[i]
        for _ in range(CHAIN):
            value = value * factor + factor
        values[i] = value


@numba.njit
def copied(source: np.ndarray, target: np.ndarray) -> None:
    """As said."""
    for i in range(source.shape[0]):
        target[i] = source[i]


def counted(made: Volume, n_pixels: int, q_step: float) -> tuple[float, float]:
    """Floating-point operations and bytes of one single hit."""
    bandwidth = BANDWIDTH_MARGIN * q_step * (made.radius + ATOM_RADIUS)
    n_coarse = int(refinements(n_pixels, (bandwidth,), (REFINEMENT_SHARE * made.accuracy,)).n_coarse[0])
    rotate_and_place, nodes = 40, 2 * (27 * 2 + 9 + 6)
    slicing = n_coarse**2 * (rotate_and_place + nodes)
    refining = 2 * (2 * TAPS) * (n_coarse * n_pixels + n_pixels**2)
    photons = n_pixels**2 * 16  # direction, |F|², solid angle, polarisation
    voxels = n_coarse**2 * 27 * 8
    return slicing + refining + photons, voxels + n_pixels**2 * 4


if __name__ == "__main__":
    numba.set_num_threads(1)
    entry, atoms = molecule()
    detector = geometry()
    made = field(atoms, detector)
    shots = some_shots(atoms, 1, 256)
    ours = rate(lambda: expected_photons(stack([made]), detector, shots), len(shots), repeats=7)
    operations, moved = counted(made, detector.shape[1], detector.q_step)

    values = np.ones(2**16, np.float32)
    operations_per_s = rate(lambda: fused_multiply_adds(values, np.float32(0.5)), 2 * CHAIN * values.size, repeats=20)
    source = np.ones(made.field.nbytes // 4, np.float32)
    target = np.empty_like(source)
    bytes_per_s = rate(lambda: copied(source, target), 2 * source.nbytes)
    floor = max(operations / operations_per_s, moved / bytes_per_s)
    report(
        "render_floor",
        ours,
        1 / floor,
        "patterns/s on one core",
        structure=entry,
        microseconds=1e6 / ours,
        arithmetic_floor_us=1e6 * operations / operations_per_s,
        memory_floor_us=1e6 * moved / bytes_per_s,
        megaflop=operations / 1e6,
        megabytes=moved / 1e6,
        gigaflop_per_s=operations_per_s / 1e9,
        gigabytes_per_s=bytes_per_s / 1e9,
        voxels_in_volume=math.prod(made.field.shape),
    )
