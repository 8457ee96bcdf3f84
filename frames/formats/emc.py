"""Dragonfly's sparse photons (Ayyer et al. 2016, J. Appl. Cryst. 49, 1320; its utils/py_src/{reademc,detector}.py).

    photons.emc     little-endian int32 throughout
        0           patterns, pixels of a pattern, type (0: sparse), zeros up to byte 1024
        1024        per pattern: how many pixels hold one photon; then: how many hold more
        then        the pixels with one photon, pattern after pattern
        then        the pixels with more, pattern after pattern; then: their counts
    photons_det.h5  the detector as Dragonfly takes it, and the labels

A pixel is its index in the image, row by row. Dragonfly gives q in voxels, |k| = `ewald_rad` of them; with `ewald_rad`
the distance in pixels, a voxel is a pixel in the middle of the image.
"""

import shutil
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from frames.files import atomic_path
from frames.formats.hdf5 import (
    must_be_frames,
    open_hdf5,
    read_array,
    read_labels,
    read_number,
    values_of,
    write_known,
    write_labels,
)
from frames.formats.hdf5_sources import look_up
from frames.formats.masks import MASK_MEANS, MaskMeans, bad_pixels
from frames.frames import Frames, Instrument, stream
from frames.geometry import wavelength

INT = np.dtype("<i4")
HEADER_BYTES = 1024
SPARSE_HDF5 = "Dragonfly's sparse photons in HDF5 are not read; write them as .emc, or as frames (n, ny, nx)"
BAD = 2
"""Dragonfly's mask: 0 is used, 1 only where the model is merged, 2 not at all."""


def detector_path(path: Path | str) -> Path:
    """The detector file beside `path`."""
    path = Path(path)
    return path.with_name(f"{path.stem}_det.h5")


def write_emc(patterns: Frames, path: Path | str) -> None:
    """Write photons and detector; both appear when both are complete, the photons last.

    Raises
    ------
    ValueError if the patterns are no counts, have each a mask of their own, or the geometry is not known.
    """
    if not patterns.are_counts:
        raise ValueError(
            f"{patterns.source or patterns.name} holds {np.dtype(patterns.dtype)} values ({patterns.quantity}), and "
            ".emc holds counts: export a dataset with record: photons"
            f"{', without --read' if patterns.quantity == 'reading' else ''}"
        )
    patterns.must_share_a_mask("Dragonfly's files")
    arrays = _detector(patterns)
    with atomic_path(path) as photons, atomic_path(detector_path(path)) as detector:
        _write_photons(patterns, photons)
        with h5py.File(detector, "w") as file:
            write_known(file, arrays)
            file.attrs["name"] = patterns.name
            write_labels(file.create_group("labels"), patterns.labels)


def _write_photons(patterns: Frames, path: Path) -> None:
    n, ny, nx = patterns.shape
    (mask,) = patterns.instrument.need("mask", why="Dragonfly's detector")
    ones, multi = np.zeros(n, dtype=INT), np.zeros(n, dtype=INT)
    with (
        open(path, "wb") as file,
        # How far the ones reach is known at the end, so what follows them waits beside.
        TemporaryFile(dir=path.parent) as place_multi,
        TemporaryFile(dir=path.parent) as count_multi,
    ):
        file.write(np.array([n, ny * nx, 0], dtype=INT).tobytes().ljust(HEADER_BYTES, b"\0"))
        file.write(bytes(2 * n * INT.itemsize))
        for rows, images in stream(patterns):
            # What a mask covers is no count: a detector's files may have any mark there.
            seen = images[:, ~mask]
            counts = np.where(mask, 0, images).reshape(len(images), -1)
            if seen.size and (seen.min() < 0 or seen.max() > np.iinfo(INT).max):
                raise ValueError(f"{patterns.name} counts from {seen.min()} to {seen.max()}; .emc holds 0 to 2^31 - 1")
            one, more = np.nonzero(counts == 1), np.nonzero(counts > 1)
            ones[rows], multi[rows] = (np.bincount(where[0], minlength=len(counts)) for where in (one, more))
            for stream_file, values in ((file, one[1]), (place_multi, more[1]), (count_multi, counts[more])):
                stream_file.write(values.astype(INT).tobytes())
        for waiting in (place_multi, count_multi):
            waiting.seek(0)
            shutil.copyfileobj(waiting, file, 2**20)
        file.seek(HEADER_BYTES)
        file.write(ones.tobytes() + multi.tobytes())


def _detector(patterns: Frames) -> dict[str, Any]:
    """What Dragonfly asks of a detector, and from `image_shape` on what it does not look at."""
    why = "Dragonfly's detector"
    q, mask, solid_angle, polarisation = patterns.instrument.need("q", "mask", "solid_angle", "polarisation", why=why)
    energy, distance, pixel = patterns.instrument.need("photon_energy_eV", "distance_mm", "pixel_size_um", why=why)
    radius = distance * 1e3 / pixel
    voxels = q.reshape(-1, 3) * (wavelength(energy) / (2 * np.pi) * radius)
    return {
        **dict(zip(("qx", "qy", "qz"), voxels.T, strict=True)),
        "corr": (solid_angle * polarisation).ravel(),
        "mask": np.where(mask, BAD, 0).astype(np.uint8).ravel(),
        "detd": radius,
        "ewald_rad": radius,
        "image_shape": patterns.shape[1:],
        "solid_angle": solid_angle,
        "polarisation": polarisation,
        "photon_energy_eV": energy,
        "pixel_size_um": pixel,
    }


def read_emc(
    path: Path | str, image_shape: tuple[int, int] | None = None, mask_means: MaskMeans | None = None
) -> Frames:
    """Counts (int32) of an .emc file; labels and instrument from the detector file beside it, where there is one.

    Parameters
    ----------
    image_shape : (ny, nx); by default what the detector file says, else a square.
    mask_means :  what the detector file's mask means, if not what Dragonfly takes it for.

    Raises
    ------
    FileNotFoundError; ValueError if the file is not sparse, holds no pattern, is not as long as it says, or its image
    is no square and nothing says its shape.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    if (size := path.stat().st_size) < HEADER_BYTES:
        raise ValueError(f"{path} is no .emc file: {size} bytes are less than its header")
    with path.open("rb") as stream:
        if stream.read(4) == b"\x89HDF":
            raise ValueError(f"{path} is HDF5, and no .emc file: {SPARSE_HDF5}")
    n, pixels, kind = (int(value) for value in np.fromfile(path, INT, 3))
    if kind == 0 and n == 0 and pixels > 0:
        raise ValueError(f"{path} holds no frames: its header says 0 patterns")
    if kind != 0 or n < 0 or pixels <= 0:
        raise ValueError(f"{path}: {n} patterns, {pixels} pixels, type {kind}; expected a sparse file, of type 0")
    if size < HEADER_BYTES + 2 * n * INT.itemsize:
        raise ValueError(f"{path} is cut short: {size} bytes do not hold {n} patterns")
    per_pattern = np.fromfile(path, INT, 2 * n, offset=HEADER_BYTES).reshape(2, n)
    # ends[k, i]: of the ones (k = 0) or the others (k = 1), how many lie before pattern i.
    ends = np.concatenate([np.zeros((2, 1), np.int64), np.cumsum(per_pattern, axis=1, dtype=np.int64)], axis=1)
    starts = HEADER_BYTES + INT.itemsize * (2 * n + np.array([0, ends[0, -1], ends[0, -1] + ends[1, -1]]))
    if (expected := int(starts[2] + INT.itemsize * ends[1, -1])) != size or (per_pattern < 0).any():
        raise ValueError(f"{path} is damaged: {size} bytes, expected {expected} from what its header says")

    detector = detector_path(path)
    with open_hdf5(detector) if detector.exists() else nullcontext() as file:
        described = None if file is None else read_array(file, "image_shape")
        side = int(np.sqrt(pixels))
        ny, nx = image_shape or ((side, side) if described is None else tuple(int(length) for length in described))
        if ny * nx != pixels:
            raise ValueError(
                f"{path} has images of {pixels} pixels, not {ny} x {nx}; write "
                f"the dataset `image_shape`, (ny, nx), into {detector.name} beside it"
            )
        name, labels, instrument, said = path.stem, {}, Instrument(), ""
        if file is not None:
            name, labels = file.attrs.get("name", path.stem), read_labels(file.get("labels"))
            instrument, said = _instrument(file, (ny, nx), detector, mask_means)

    def fetch(rows: slice) -> NDArray:
        first, last = ends[:, rows.start], ends[:, rows.stop]

        def piece(section: int, of: int) -> NDArray:
            offset = int(starts[section] + INT.itemsize * first[of])
            return np.fromfile(path, INT, int(last[of] - first[of]), offset=offset)

        place_ones, place_multi, count_multi = piece(0, 0), piece(1, 1), piece(2, 1)
        for places in (place_ones, place_multi):
            if len(places) and (places.min() < 0 or places.max() >= pixels):
                raise ValueError(f"{path} is damaged: a pixel lies outside the {pixels} of an image")
        counts = np.zeros((rows.stop - rows.start, pixels), dtype=np.int32)
        index = np.arange(len(counts))
        counts[np.repeat(index, per_pattern[0, rows]), place_ones] = 1
        counts[np.repeat(index, per_pattern[1, rows]), place_multi] = count_multi
        if (count_multi < 1).any():
            raise ValueError(f"{path} is damaged: {count_multi.min()} photons in a pixel that holds some")
        if np.count_nonzero(counts) != len(place_ones) + len(place_multi):
            raise ValueError(
                f"{path} is damaged: patterns {rows.start} to {rows.stop - 1} have pixels that are there twice"
            )
        return counts.reshape(-1, ny, nx)

    return Frames(name, (n, ny, nx), np.int32, "photons", fetch, labels, instrument, mask_said=said, source=str(path))


def _instrument(
    file: h5py.File, shape: tuple[int, int], path: Path, mask_means: MaskMeans | None
) -> tuple[Instrument, str]:
    """What a detector file says, and what its mask was taken to mean."""
    mask, said = _mask(file, shape, path, mask_means)
    energy, pixel = read_number(file, "photon_energy_eV"), read_number(file, "pixel_size_um")
    distance, radius = read_number(file, "detd"), read_number(file, "ewald_rad")
    voxels = [axis for name in ("qx", "qy", "qz") if (axis := read_array(file, name)) is not None]
    q = None
    if energy is not None and radius is not None and len(voxels) == 3:
        q = np.stack(voxels, axis=-1).reshape(*shape, 3) * (2 * np.pi / wavelength(energy) / radius)
    instrument = Instrument(
        mask=mask,
        photon_energy_eV=energy,
        pixel_size_um=pixel,
        distance_mm=None if pixel is None or distance is None else distance * pixel * 1e-3,
        q=q,
        solid_angle=read_array(file, "solid_angle"),
        polarisation=read_array(file, "polarisation"),
    )
    return instrument, said


def _mask(
    file: h5py.File, shape: tuple[int, int], path: Path, mask_means: MaskMeans | None
) -> tuple[NDArray[np.bool_] | None, str]:
    stored = look_up(file, "mask")
    if not isinstance(stored, h5py.Dataset):
        return None, ""
    must_be_frames(stored, f"{path}: mask")
    if stored.size != shape[0] * shape[1]:
        raise ValueError(f"{path}: mask has {stored.size} pixels, expected {shape[0]} x {shape[1]}")
    values = values_of(stored).reshape(shape)
    if mask_means is None:
        return values == BAD, f"mask of {path}: {BAD} is bad, as Dragonfly says"
    return bad_pixels(values, mask_means), f"mask of {path}: {MASK_MEANS[mask_means]}, as asked"
