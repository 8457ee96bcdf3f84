"""From frames as a detector stores them to the images of a network: which image pixel each detector pixel adds to.

A detector pixel belongs as a whole to the image pixel that its centre falls in, the beam through the middle of the
image, as in the simulation of binned detectors (simulate/experiment/panels.py): photons are summed, none is shared or
scaled, and an image pixel is masked where nothing of it is live. `singlehit tabulate` writes such a table.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frames.files import read_arrays, write_arrays
from frames.frames import Instrument
from frames.geometry import Geometry, wavelength
from frames.pixels.positions import MaskBeside

NOWHERE = -1
"""Target of a pixel that adds to no image pixel."""

COMPILED = {
    "bool": np.uint16,
    "uint8": np.uint16,
    "uint16": np.uint16,
    "int8": np.int32,
    "int16": np.int32,
    "int32": np.int32,
    "float16": np.float32,
    "float32": np.float32,
}
"""Types of values that `fold` is compiled for; all others are summed as float64."""

PER_PIXEL = ("dark", "adu_per_photon", "threshold")


@dataclass(frozen=True)
class PixelTable:
    """Where the pixels of a frame go, and what makes photons of their values."""

    target: NDArray[np.int32]
    """a frame's shape; row * n_pixels + column of the image, or NOWHERE: beyond the image, bad, or no pixel at all"""
    n_pixels: int
    """of the image, along an edge"""
    binning: int
    """detector pixels in an image pixel, along an edge"""
    pixel_size_um: float
    """Edge of an image pixel."""
    distance_mm: float
    photon_energy_eV: float | None
    beam_centre: tuple[float, float]
    """where the beam meets the image, (x, y) from its middle [image pixels]: what centring by whole pixels leaves"""
    dark: NDArray[np.float32] | None = None
    """a frame's shape; subtracted from its values [ADU]"""
    adu_per_photon: NDArray[np.float32] | None = None
    """a frame's shape; divides what is left"""
    threshold: NDArray[np.float32] | None = None
    """a frame's shape [photons]; a value counts as k photons from k - 1 + threshold on; None: it stays as it is"""
    mask: MaskBeside | None = None
    """that lies beside the frames, to be used when they are read"""
    made_from: str = ""

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Of a frame, without the axis of frames."""
        return self.target.shape

    @cached_property
    def live(self) -> NDArray[np.float64]:
        """(n_pixels, n_pixels) share of each image pixel's area that counts photons, as `Geometry.live`."""
        held = self.target[self.target != NOWHERE]
        return np.minimum(counted(held, self.n_pixels) / self.binning**2, 1.0)

    @cached_property
    def runs(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
        """Starts and stops (r,) of neighbours in a frame that share a target, and their targets (r,)."""
        flat = self.target.ravel()
        starts = np.flatnonzero(np.diff(flat, prepend=NOWHERE - 1))
        stops = np.append(starts[1:], flat.size)
        held = flat[starts] != NOWHERE
        return starts[held], stops[held], flat[starts[held]]

    @property
    def instrument(self) -> Instrument:
        """Of the images."""
        return Instrument(
            mask=self.live == 0,
            photon_energy_eV=self.photon_energy_eV,
            pixel_size_um=self.pixel_size_um,
            distance_mm=self.distance_mm,
        )

    def save(self, path: Path | str) -> None:
        """Write to an .npz file, atomically."""
        arrays = {
            key: value for key, value in vars(self).items() if key in self.__dataclass_fields__ and value is not None
        }
        if self.mask is not None:
            del arrays["mask"]
            arrays |= {f"mask_{key}": value for key, value in vars(self.mask).items()}
        write_arrays(path, arrays, compress=True)


def load(path: Path | str) -> PixelTable:
    """What `PixelTable.save` wrote. FileNotFoundError; ValueError for a damaged file or one of something else."""
    try:
        arrays = read_arrays(path)
        beside = {key: arrays.pop(f"mask_{key}") for key in MaskBeside.__dataclass_fields__ if f"mask_{key}" in arrays}
        x, y = (float(offset) for offset in arrays.pop("beam_centre"))
        table = PixelTable(
            **{"photon_energy_eV": None} | arrays, beam_centre=(x, y), mask=MaskBeside(**beside) if beside else None
        )
        _must_be_whole(table)
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(f"{path} is no table of pixels, or is damaged ({error}); make it again") from error
    return table


def _must_be_whole(table: PixelTable) -> None:
    """ValueError where the parts of a table do not fit each other."""
    target, n = table.target, table.n_pixels
    if not isinstance(target, np.ndarray) or target.dtype != np.int32 or not isinstance(n, int):
        raise ValueError("target holds no int32, or n_pixels no whole number")
    if target.min() < NOWHERE or target.max() >= n**2:
        raise ValueError(f"targets {target.min()} to {target.max()}, expected {NOWHERE} to {n**2 - 1}")
    if target.max() == NOWHERE:
        raise ValueError("no pixel of a frame adds to the image")
    for name in PER_PIXEL:
        if (values := getattr(table, name)) is not None and (
            values.shape != target.shape or values.dtype != np.float32
        ):
            raise ValueError(f"{name} is {values.dtype} {values.shape}, expected float32 {target.shape}")


def counted(targets: NDArray[np.int32], n_pixels: int) -> NDArray[np.int64]:
    """(n_pixels, n_pixels) how many pixels go to each image pixel."""
    return np.bincount(targets, minlength=n_pixels**2).reshape(n_pixels, n_pixels)


def fold(frames: NDArray, table: PixelTable, bad: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """Images (n, n_pixels, n_pixels) of frames (n, ...): photons summed, exact up to 2²⁴ of them in a pixel.

    Parameters
    ----------
    bad : (n, ...) or a frame's shape; True where a pixel is not to be used.

    Raises
    ------
    ValueError for frames of another shape.
    """
    from frames.pixels.table_numba import add_up

    if frames.shape[1:] != table.frame_shape:
        raise ValueError(f"frames of {frames.shape[1:]} pixels, but the table is of {table.frame_shape}")
    n = len(frames)
    flat = np.ascontiguousarray(frames.reshape(n, -1), COMPILED.get(frames.dtype.name, np.float64))
    bad = np.zeros((n, 0), bool) if bad is None else np.broadcast_to(bad, frames.shape).reshape(flat.shape)
    images = np.empty((n, table.n_pixels**2), np.float32)
    add_up(_read_only(flat), _read_only(np.ascontiguousarray(bad)), *_per_pixel(table), *table.runs, images)
    return images.reshape(-1, table.n_pixels, table.n_pixels)


class Folder:
    """`fold` of one frame after the other, in the thread that calls: several threads may, each with a frame of its own.

    What of the table all frames share is prepared once.
    """

    def __init__(self, table: PixelTable):
        self.table = table
        self._prepared = (*_per_pixel(table), *table.runs)
        starts, stops, _ = table.runs
        self._longest = int((stops - starts).max())
        self._none = np.zeros(0, bool)

    def fold(self, frame: NDArray, image: NDArray[np.float32], bad: NDArray[np.bool_] | None = None) -> None:
        """Write a frame's image (n_pixels, n_pixels). ValueError for a frame of another shape."""
        from frames.pixels.table_numba import AT_ONCE, add_up_one

        if frame.shape != self.table.frame_shape:
            raise ValueError(f"a frame of {frame.shape} pixels, but the table is of {self.table.frame_shape}")
        flat = np.ascontiguousarray(frame.reshape(-1), COMPILED.get(frame.dtype.name, np.float64))
        photons, sums = np.empty(max(AT_ONCE, self._longest), np.float32), np.zeros(image.size)
        left_out = self._none if bad is None else np.ascontiguousarray(bad.reshape(-1))
        add_up_one(_read_only(flat), _read_only(left_out), *self._prepared, photons, sums)
        image.reshape(-1)[:] = sums


def _read_only(values: NDArray) -> NDArray:
    """The same values, not to be written to, as those of a file are: loops are compiled anew for arrays that may be."""
    view = values.view()
    view.flags.writeable = False
    return view


def _per_pixel(table: PixelTable) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Dark, ADU per photon and threshold of each pixel; empty where they are not to be applied."""
    none = np.zeros(0, np.float32)
    threshold = none if table.threshold is None else table.threshold.ravel()
    if table.dark is None and table.adu_per_photon is None and table.threshold is None:
        return none, none, none
    dark = np.zeros(table.target.size, np.float32) if table.dark is None else table.dark.ravel()
    adu = np.ones(table.target.size, np.float32) if table.adu_per_photon is None else table.adu_per_photon.ravel()
    return dark, adu, threshold


def q_step(seen: Instrument | Geometry) -> float:
    """Change of q across a pixel in the middle of the image [Å⁻¹]. ValueError where what it takes is not known."""
    energy, size, distance = seen.photon_energy_eV, seen.pixel_size_um, seen.distance_mm
    if energy is None:
        raise ValueError("the photon energy of the frames is not known; give --energy")
    if size is None or distance is None:
        raise ValueError(f"pixels of {size} µm at {distance} mm: both have to be known")
    return 2 * np.pi / wavelength(energy) * (size * 1e-3) / distance
