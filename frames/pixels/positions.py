"""Where the pixels of a frame lie, as a detector stores it: panels, or one assembled image with the beam anywhere."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frames.geometry import Geometry

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MaskBeside:
    """A mask in the file of the frames, by its name there."""

    name: str
    good_bits: int
    """A pixel is bad unless all of these are set"""
    bad_bits: int
    """and where any of these is."""

    def unusable(self, mask: NDArray) -> NDArray[np.bool_]:
        """Where a mask says not to use a pixel."""
        if mask.dtype.kind not in "iub":
            raise ValueError(f"mask {self.name} holds {mask.dtype} values, expected whole numbers, whose bits count")
        bits = mask.astype(np.int64)
        return ((bits & self.good_bits) != self.good_bits) | ((bits & self.bad_bits) != 0)


@dataclass(frozen=True)
class Pixels:
    """The pixels of a stored frame, whose shape may have any number of axes: (panels, slow, fast), (ny, nx), ..."""

    x: Array
    """frame's shape; of a pixel's centre, from the beam, in the plane at `distance_mm` [native pixels]. A pixel out of
    that plane is where the ray through its centre meets it, so q is right. NaN where there is no pixel"""
    y: Array
    usable: NDArray[np.bool_]
    """frame's shape; False where a pixel is bad, or none"""
    pixel_size_um: float
    """Edge of a native pixel."""
    distance_mm: float
    photon_energy_eV: float | None = None
    adu_per_photon: Array | None = None
    """frame's shape, as the detector's description says; None where it does not"""
    mask: "MaskBeside | None" = None
    """of each frame, where the description says that there is one"""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a frame."""
        return self.x.shape


def assembled(
    shape: tuple[int, int],
    centre: tuple[float, float],
    pixel_size_um: float,
    distance_mm: float,
    photon_energy_eV: float | None = None,
) -> Pixels:
    """Of one image (ny, nx) without gaps.

    Parameters
    ----------
    centre : x (column) and y (row) where the beam meets it [native pixels]; the middle of the first pixel is (0, 0).
    """
    y, x = np.meshgrid(np.arange(shape[0]) - centre[1], np.arange(shape[1]) - centre[0], indexing="ij")
    return Pixels(x, y, np.ones(shape, bool), pixel_size_um, distance_mm, photon_energy_eV)


def of_geometry(geometry: Geometry) -> Pixels:
    """Of a dataset's images, the beam through their middle."""
    ny, nx = geometry.shape
    pixels = assembled(
        (ny, nx),
        ((nx - 1) / 2, (ny - 1) / 2),
        geometry.pixel_size_um,
        geometry.distance_mm,
        geometry.photon_energy_eV,
    )
    return Pixels(**{**vars(pixels), "usable": ~geometry.mask})
