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
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from simulate.beam import wavelength
from simulate.files import atomic_path
from simulate.formats.hdf5 import open_hdf5, read_array, read_labels, read_number, write_known, write_labels
from simulate.formats.patterns import Instrument, Label, Patterns, stream

INT = np.dtype("<i4")
HEADER_BYTES = 1024
BAD = 2
"""Dragonfly's mask: 0 is used, 1 only where the model is merged, 2 not at all."""


def detector_path(path: Path | str) -> Path:
    """The detector file beside `path`."""
    path = Path(path)
    return path.with_name(f"{path.stem}_det.h5")


def write_emc(patterns: Patterns, path: Path | str) -> None:
    """Write photons and detector; both appear when both are complete, the photons last.

    Raises
    ------
    ValueError if the patterns are no counts, or the geometry is not known.
    """
    if not patterns.are_counts:
        raise ValueError(
            f"{patterns.name} holds {np.dtype(patterns.dtype)} values ({patterns.quantity}), and .emc holds counts: "
            "export a dataset with record: photons, as stored (--raw)"
        )
    arrays = _detector(patterns)
    with atomic_path(path) as photons, atomic_path(detector_path(path)) as detector:
        _write_photons(patterns, photons)
        with h5py.File(detector, "w") as file:
            write_known(file, arrays)
            file.attrs["name"] = patterns.name
            write_labels(file.create_group("labels"), patterns.labels)


def _write_photons(patterns: Patterns, path: Path) -> None:
    n, ny, nx = patterns.shape
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
            counts = images.reshape(len(images), -1)
            if counts.min() < 0 or counts.max() > np.iinfo(INT).max:
                raise ValueError(
                    f"{patterns.name} counts from {counts.min()} to {counts.max()}; .emc holds 0 to 2^31 - 1"
                )
            one, more = np.nonzero(counts == 1), np.nonzero(counts > 1)
            ones[rows], multi[rows] = (np.bincount(where[0], minlength=len(counts)) for where in (one, more))
            for stream_file, values in ((file, one[1]), (place_multi, more[1]), (count_multi, counts[more])):
                stream_file.write(values.astype(INT).tobytes())
        for waiting in (place_multi, count_multi):
            waiting.seek(0)
            shutil.copyfileobj(waiting, file, 2**20)
        file.seek(HEADER_BYTES)
        file.write(ones.tobytes() + multi.tobytes())


def _detector(patterns: Patterns) -> dict[str, Any]:
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


def read_emc(path: Path | str, image_shape: tuple[int, int] | None = None) -> Patterns:
    """Counts (int32) of an .emc file; labels and instrument from the detector file beside it, where there is one.

    Parameters
    ----------
    image_shape : (ny, nx); by default what the detector file says, else a square.

    Raises
    ------
    FileNotFoundError; ValueError if the file is not sparse, is not as long as it says, or its image is no square and
    nothing says its shape.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    if (size := path.stat().st_size) < HEADER_BYTES:
        raise ValueError(f"{path} is no .emc file: {size} bytes are less than its header")
    n, pixels, kind = (int(value) for value in np.fromfile(path, INT, 3))
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

    name, labels, instrument, described = _read_detector(path)
    side = int(np.sqrt(pixels))
    ny, nx = image_shape or described or (side, side)
    if ny * nx != pixels:
        raise ValueError(f"{path} has images of {pixels} pixels, not {ny} x {nx}; give image_shape=(ny, nx)")

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
        return counts.reshape(-1, ny, nx)

    return Patterns(name, (n, ny, nx), np.int32, "photons", fetch, labels, instrument)


def _read_detector(path: Path) -> tuple[str, dict[str, Label], Instrument, tuple[int, int] | None]:
    if not detector_path(path).exists():
        return path.stem, {}, Instrument(), None
    with open_hdf5(detector_path(path)) as file:
        shape = None if (stored := read_array(file, "image_shape")) is None else (int(stored[0]), int(stored[1]))
        labels, name = read_labels(file.get("labels")), file.attrs.get("name", path.stem)
        if shape is None:
            return name, labels, Instrument(), None
        energy, pixel = read_number(file, "photon_energy_eV"), read_number(file, "pixel_size_um")
        voxels = np.stack([file[axis][()] for axis in ("qx", "qy", "qz")], axis=-1).reshape(*shape, 3)
        radius = float(file["ewald_rad"][()])
        instrument = Instrument(
            mask=(file["mask"][()] == BAD).reshape(shape),
            photon_energy_eV=energy,
            pixel_size_um=pixel,
            distance_mm=None if pixel is None else float(file["detd"][()]) * pixel * 1e-3,
            q=None if energy is None else voxels * (2 * np.pi / wavelength(energy) / radius),
            solid_angle=read_array(file, "solid_angle"),
            polarisation=read_array(file, "polarisation"),
        )
        return name, labels, instrument, shape
