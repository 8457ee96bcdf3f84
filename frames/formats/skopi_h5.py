"""HDF5 as skopi's own scripts write it (its examples/scripts/{sim_spinifel,cspi_generate_synthetic_dataset*}.py).

Images lie in panels, (n, panel, y, x): `photons` are counts, `intensities` their mean. Readers: spinifel.
"""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from frames.files import atomic_path
from frames.formats.checks import shape_of
from frames.formats.hdf5 import (
    fill_of,
    find_frames,
    masks_of,
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
from frames.formats.masks import Bad, MaskMeans, bad_of
from frames.frames import Fetch, Frames, Instrument, Quantity

QUANTITIES: dict[str, Quantity] = {"photons": "photons", "intensities": "expected"}
PER_SHOT = ("orientations", "fluences", "beam_offsets")
"""What skopi's scripts store of each shot."""


def write_skopi(patterns: Frames, path: Path | str) -> None:
    """Write one panel, atomically.

    Raises
    ------
    ValueError if the patterns are a detector's readings, for which skopi has no name, their q is not known, or each has
    a mask of its own.
    """
    if patterns.quantity == "reading":
        raise ValueError(
            f"{patterns.source or patterns.name} holds readings, and skopi's files hold photons or their mean, no "
            "readings of a detector; export the counts of a dataset, without --read"
        )
    patterns.must_share_a_mask("skopi's files")
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
        if instrument.mask is not None:
            file["mask"].attrs["means"] = "bad"
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


def read_skopi(path: Path | str, name: str | None = None, mask_means: MaskMeans | None = None) -> Frames:
    """Images of a file of skopi's, its panels where `pixel_index_map` says; gaps between them read 0 and are masked.

    Parameters
    ----------
    name :       `photons` or `intensities`; by default the first that is there.
    mask_means : what its mask means; by default nonzero is bad.

    Raises
    ------
    FileNotFoundError; ValueError if there are neither `photons` nor `intensities`, panels without a map, or values that
    are not all there.
    """
    with open_hdf5(path) as file:
        if name is None and not any(quantity in file for quantity in QUANTITIES):
            raise ValueError(f"{path} is no file of skopi's: it has neither `photons` nor `intensities`")
        where, stack = find_frames(file, tuple(QUANTITIES) if name is None else (name,), path)
        source = f"{path}: {where}"
        panels = stack.shape[1:] if stack.ndim == 4 and stack.size else (1, *shape_of(stack.shape, source)[1:])
        n = len(stack)
        place = _places(read_array(file, "pixel_index_map"), panels, path)
        shape = int(place[0].max()) + 1, int(place[1].max()) + 1
        s = read_array(file, "pixel_position_reciprocal")
        solid_angle, polarisation = read_array(file, "solid_angle"), read_array(file, "polarization")
        bad = _bad(file, where, panels, place, (n, *shape), path, mask_means)
        distance = file.attrs.get("det_distance")
        instrument = Instrument(
            mask=bad.fixed,
            photon_energy_eV=read_number(file, "photon_energy_eV"),
            pixel_size_um=read_number(file, "pixel_size_um"),
            distance_mm=None if distance is None else float(distance) * 1e3,
            q=None if s is None else _assembled(s, place, shape) * (2e-10 * np.pi),
            solid_angle=None if solid_angle is None else _assembled(solid_angle, place, shape),
            polarisation=None if polarisation is None else _assembled(polarisation, place, shape),
        )
        labels = read_labels(file.get("labels"), n)
        labels |= {key: read_label(file[key]) for key in PER_SHOT if np.shape(file.get(key, ()))[:1] == (n,)}
        return Frames(
            name=file.attrs.get("name", Path(path).stem),
            shape=(n, *shape),
            dtype=stack.dtype,
            quantity=QUANTITIES[where],
            fetch=lambda rows: _images(read_rows(path, where, rows).reshape(-1, *panels), place, shape),
            labels=labels,
            instrument=instrument,
            together=1 if stack.chunks is None else stack.chunks[0],
            bad=bad.of_rows,
            mask_said=bad.said,
            source=source,
            fill=fill_of(stack),
        )


def _bad(
    file: h5py.File,
    name: str,
    panels: tuple[int, ...],
    place: tuple[NDArray, NDArray],
    shape: tuple[int, int, int],
    path: Path | str,
    mask_means: MaskMeans | None,
) -> Bad:
    """What the masks say of the panels, in the image; gaps between panels are bad."""
    flat = (panels[0] * panels[1], panels[2])
    masks = []
    for mask in masks_of(file, name, path):
        fits = mask.shape in (panels, panels[1:]) or mask.shape[1:] in (panels, panels[1:])
        each = fits and len(mask.shape) == file[name].ndim
        of = (*mask.shape[:1], *flat) if each else flat
        masks.append(replace(mask, shape=of, fetch=_flat(mask.fetch, flat)) if fits else mask)
    bad = bad_of(masks, (shape[0], *flat), f"{path}: {name}", mask_means)
    if bad.of_rows is not None:
        of_rows = bad.of_rows
        return Bad(None, lambda rows: _images(of_rows(rows).reshape(-1, *panels), place, shape[1:], True), bad.said)
    if bad.fixed is None and "pixel_index_map" not in file:
        return bad
    fixed = np.zeros(panels, bool) if bad.fixed is None else bad.fixed
    return Bad(_images(fixed.reshape(1, *panels), place, shape[1:], True)[0], None, bad.said)


def _flat(fetch: Fetch, flat: tuple[int, int]) -> Fetch:
    return lambda rows: np.asarray(fetch(rows)).reshape(-1, *flat)


def _places(index_map: NDArray | None, panels: tuple[int, ...], path: Path | str) -> tuple[NDArray, NDArray]:
    """Row and column in the image of every pixel of the panels; skopi's map says column first, as its images do."""
    if index_map is not None:
        if index_map.size != 2 * panels[0] * panels[1] * panels[2]:
            raise ValueError(f"{path}: pixel_index_map {index_map.shape} is not of panels {panels}")
        places = index_map.reshape(*panels, 2).astype(np.int64)
        return places[..., 1], places[..., 0]
    if panels[0] != 1:
        raise ValueError(f"{path} has {panels[0]} panels and no pixel_index_map that says where they lie")
    rows, columns = np.indices(panels[1:])
    return rows[None], columns[None]


def _assembled(stack: NDArray, place: tuple[NDArray, NDArray], shape: tuple[int, int]) -> NDArray:
    """An array (panel, y, x, ...) as (ny, nx, ...), 0 where no panel is."""
    image = np.zeros((*shape, *stack.shape[3:]), dtype=stack.dtype)
    image[place] = stack
    return image


def _images(stack: NDArray, place: tuple[NDArray, NDArray], shape: tuple[int, int], gap: int = 0) -> NDArray:
    """Images (n, ny, nx) from their panels (n, panel, y, x); `gap` where no panel is."""
    images = np.full((len(stack), *shape), gap, dtype=stack.dtype)
    images[:, *place] = stack
    return images
