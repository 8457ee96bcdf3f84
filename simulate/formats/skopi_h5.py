"""HDF5 as skopi's own scripts write it (its examples/scripts/{sim_spinifel,cspi_generate_synthetic_dataset*}.py).

Images lie in panels, (n, panel, y, x): `photons` are counts, `intensities` their mean. Readers: spinifel.
"""

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from simulate.files import atomic_path
from simulate.formats.hdf5 import (
    open_hdf5,
    read_array,
    read_label,
    read_labels,
    read_number,
    read_rows,
    write_images,
    write_known,
    write_labels,
)
from simulate.formats.patterns import Instrument, Patterns, Quantity

QUANTITIES: dict[str, Quantity] = {"photons": "photons", "intensities": "expected"}
PER_SHOT = ("orientations", "fluences", "beam_offsets")
"""What skopi's scripts store of each shot."""


def write_skopi(patterns: Patterns, path: Path | str) -> None:
    """Write one panel, atomically.

    Raises
    ------
    ValueError if the patterns are a detector's readings, for which skopi has no name, or their q is not known.
    """
    if patterns.quantity == "reading":
        raise ValueError(
            "skopi's files hold photons or their mean, no readings of a detector; export the counts (--raw)"
        )
    instrument = patterns.instrument
    (q,) = instrument.need("q", why="skopi's pixel_position_reciprocal")
    n, ny, nx = patterns.shape
    s = q[None] / (2e-10 * np.pi)
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file["pixel_position_reciprocal"] = s
        file["pixel_index_map"] = np.stack(np.meshgrid(np.arange(nx), np.arange(ny)), axis=-1)[None]
        arrays = {
            "polarization": instrument.polarisation,
            "solid_angle": instrument.solid_angle,
            "mask": instrument.mask,
        }
        write_known(file, {name: None if array is None else array[None] for name, array in arrays.items()})
        numbers = {"photon_energy_eV": instrument.photon_energy_eV, "pixel_size_um": instrument.pixel_size_um}
        write_known(file, numbers)
        file.attrs["name"] = patterns.name
        file.attrs["reciprocal_extent"] = np.linalg.norm(s, axis=-1).max()
        file.attrs["n_images"] = n
        file.attrs["n_pixels_per_image"] = ny * nx
        file.attrs["det_shape"] = (1, ny, nx)
        if instrument.distance_mm is not None:
            file.attrs["det_distance"] = instrument.distance_mm * 1e-3
        name = next(name for name, quantity in QUANTITIES.items() if quantity == patterns.quantity)
        write_images(file, name, patterns, panels=True)
        write_labels(file.create_group("labels"), patterns.labels)


def read_skopi(path: Path | str) -> Patterns:
    """Images of a file of skopi's, its panels where `pixel_index_map` says; gaps between them read 0 and are masked.

    Raises
    ------
    FileNotFoundError; ValueError if there are neither `photons` nor `intensities`, or panels without a map.
    """
    with open_hdf5(path) as file:
        name = next((name for name in QUANTITIES if name in file), None)
        if name is None:
            raise ValueError(f"{path} is no file of skopi's: it has neither `photons` nor `intensities`")
        stack = file[name]
        panels = stack.shape[1:] if stack.ndim == 4 else (1, *stack.shape[1:])
        if len(panels) != 3:
            raise ValueError(f"{path}: `{name}` has shape {stack.shape}, expected (n, panel, y, x)")
        place = _places(read_array(file, "pixel_index_map"), panels, path)
        shape = int(place[0].max()) + 1, int(place[1].max()) + 1
        s, mask = read_array(file, "pixel_position_reciprocal"), read_array(file, "mask")
        solid_angle, polarisation = read_array(file, "solid_angle"), read_array(file, "polarization")
        gaps = np.ones(shape, dtype=bool)
        gaps[place] = False if mask is None else mask
        distance = file.attrs.get("det_distance")
        instrument = Instrument(
            mask=gaps,
            photon_energy_eV=read_number(file, "photon_energy_eV"),
            pixel_size_um=read_number(file, "pixel_size_um"),
            distance_mm=None if distance is None else float(distance) * 1e3,
            q=None if s is None else _assembled(s, place, shape) * (2e-10 * np.pi),
            solid_angle=None if solid_angle is None else _assembled(solid_angle, place, shape),
            polarisation=None if polarisation is None else _assembled(polarisation, place, shape),
        )
        labels = read_labels(file.get("labels"))
        labels |= {key: read_label(file[key]) for key in PER_SHOT if key in file and len(file[key]) == len(stack)}
        return Patterns(
            name=file.attrs.get("name", Path(path).stem),
            shape=(len(stack), *shape),
            dtype=stack.dtype,
            quantity=QUANTITIES[name],
            fetch=lambda rows: _images(path, name, rows, panels, place, shape),
            labels=labels,
            instrument=instrument,
        )


def _places(index_map: NDArray | None, panels: tuple[int, ...], path: Path | str) -> tuple[NDArray, NDArray]:
    """Row and column in the image of every pixel of the panels; skopi's map says column first, as its images do."""
    if index_map is not None:
        return index_map[..., 1].astype(np.int64), index_map[..., 0].astype(np.int64)
    if panels[0] != 1:
        raise ValueError(f"{path} has {panels[0]} panels and no pixel_index_map that says where they lie")
    rows, columns = np.indices(panels[1:])
    return rows[None], columns[None]


def _assembled(stack: NDArray, place: tuple[NDArray, NDArray], shape: tuple[int, int]) -> NDArray:
    """An array (panel, y, x, ...) as (ny, nx, ...), 0 where no panel is."""
    image = np.zeros((*shape, *stack.shape[3:]), dtype=stack.dtype)
    image[place] = stack
    return image


def _images(
    path: Path | str,
    name: str,
    rows: slice,
    panels: tuple[int, ...],
    place: tuple[NDArray, NDArray],
    shape: tuple[int, int],
) -> NDArray:
    stack = read_rows(path, name, rows)
    images = np.zeros((len(stack), *shape), dtype=stack.dtype)
    images[:, *place] = stack.reshape(-1, *panels)
    return images
