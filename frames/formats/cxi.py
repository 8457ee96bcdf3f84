"""CXI 1.60, the format of the Coherent X-ray Imaging Data Bank (Maia 2012, Nature Methods 9, 854; cxidb.org/cxi.html).

All in SI units. The detector's data are linked into `data_1`, where the labels lie beside them, and into `image_1`,
where programs that classify patterns look (spi-em-class).
"""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy import constants

from frames.files import atomic_path
from frames.formats.checks import AsStored, shape_of
from frames.formats.hdf5 import (
    fill_of,
    find_frames,
    masks_of,
    open_hdf5,
    read_array,
    read_labels,
    read_number,
    read_rows,
    write_images,
    write_known,
    write_labels,
)
from frames.formats.masks import MaskMeans, bad_of
from frames.frames import Frames, Instrument

VERSION = 160
PIXEL_IS_INVALID = 0x00000001

DATA, LABELS = "entry_1/data_1/data", "entry_1/data_1/labels"
DETECTOR, SOURCE = "entry_1/instrument_1/detector_1", "entry_1/instrument_1/source_1"
IMAGE = "entry_1/image_1"
FRAMES = (DATA, f"{DETECTOR}/data")
"""Where frames are looked for."""
MASKS = (f"{DETECTOR}/mask", f"{DETECTOR}/mask_shared", f"{IMAGE}/mask")
"""Where a mask of these is, if it is not beside them."""
LONG_NAMES = {
    "photons": "number of photons",
    "expected": "mean number of photons",
    "reading": "reading of the detector in photons",
}


def write_cxi(patterns: Frames, path: Path | str) -> None:
    """Write one entry that holds all patterns, atomically."""
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file["cxi_version"] = VERSION
        file["number_of_entries"] = 1
        file["entry_1/title"] = patterns.name
        file["entry_1/program_name"] = "singlehit"
        file["entry_1/experiment_identifier"] = _identifiers(patterns)
        if (structure := patterns.labels.get("structure")) is not None and "flag_meanings" in structure.attributes:
            file["entry_1/sample_1/name"] = ", ".join(structure.attributes["flag_meanings"])
        _write_detector(file, patterns)
        data = write_images(file[DETECTOR], "data", patterns)
        data.attrs["axes"] = "experiment_identifier:y:x"
        data.attrs["numEvents"] = len(patterns)
        data.attrs["units"] = "photons"
        data.attrs["long_name"] = LONG_NAMES[patterns.quantity]
        data.attrs["quantity"] = patterns.quantity
        for group in ("entry_1/data_1", IMAGE):
            file[f"{group}/data"] = h5py.SoftLink(f"/{DETECTOR}/data")
        # An axis has to lie, or be linked, in each group that shows the data.
        for group in ("entry_1/data_1", IMAGE, DETECTOR):
            file[f"{group}/experiment_identifier"] = h5py.SoftLink("/entry_1/experiment_identifier")
        _write_image(file, patterns)
        write_labels(file.create_group(LABELS), patterns.labels)


def _identifiers(patterns: Frames) -> NDArray[np.bytes_]:
    if (known := patterns.labels.get("identifier")) is not None:
        return known.values
    rows = patterns.labels["row"].values if "row" in patterns.labels else np.arange(len(patterns))
    return np.array([f"{patterns.name}_{row:07d}".encode() for row in rows])


def _write_detector(file: h5py.File, patterns: Frames) -> None:
    instrument = patterns.instrument
    if instrument.photon_energy_eV is not None:
        file[f"{SOURCE}/energy"] = instrument.photon_energy_eV * constants.eV
    detector = file.create_group(DETECTOR)
    detector["description"] = "simulated flat detector, the beam through its middle"
    if instrument.distance_mm is not None:
        detector["distance"] = instrument.distance_mm * 1e-3
    if instrument.pixel_size_um is not None:
        size = instrument.pixel_size_um * 1e-6
        detector["x_pixel_size"] = detector["y_pixel_size"] = size
        # Without them, y and x would point against the rows and columns.
        detector["basis_vectors"] = np.array([[0.0, size, 0.0], [size, 0.0, 0.0]])
        if instrument.distance_mm is not None:
            _, ny, nx = patterns.shape
            detector["corner_position"] = np.array([-nx / 2 * size, -ny / 2 * size, instrument.distance_mm * 1e-3])
    if instrument.mask is not None:
        detector["mask"] = _bits(instrument.mask)
    elif patterns.bad is not None:
        mask = detector.create_dataset(
            "mask", patterns.shape, np.uint32, chunks=(1, *patterns.shape[1:]), compression="gzip", compression_opts=1
        )
        for rows in patterns.raw_spans():
            mask[rows] = _bits(patterns.bad(rows))
    # Not in the standard, which lets users add.
    write_known(detector, {"solid_angle": instrument.solid_angle, "polarisation": instrument.polarisation})


def _bits(bad: NDArray[np.bool_]) -> NDArray[np.uint32]:
    return np.where(bad, PIXEL_IS_INVALID, 0).astype(np.uint32)


def _write_image(file: h5py.File, patterns: Frames) -> None:
    image, (_, ny, nx) = file[IMAGE], patterns.shape
    image["data_type"] = "intensity"
    image["data_space"] = "diffraction"
    image["dimensionality"] = 2
    image["is_fft_shifted"] = 0
    image["image_center"] = np.array([nx / 2, ny / 2, 0.0])  # the first pixel's own middle is (0.5, 0.5)
    image["detector_1"] = h5py.SoftLink(f"/{DETECTOR}")
    if SOURCE in file:
        image["source_1"] = h5py.SoftLink(f"/{SOURCE}")
    if f"{DETECTOR}/mask" in file:
        image["mask"] = h5py.SoftLink(f"/{DETECTOR}/mask")
    if patterns.instrument.q is not None:
        image["reciprocal_coordinates"] = np.moveaxis(patterns.instrument.q, -1, 0) / (2e-10 * np.pi)


def is_cxi(file: h5py.File, name: str | None = None) -> bool:
    """Whether a file says that it is CXI, or has the names of one."""
    return "cxi_version" in file or ((name or FRAMES[0]).startswith("entry_") and "entry_1" in file)


def read_cxi(
    path: Path | str, name: str | None = None, mask_means: MaskMeans | None = None, stored: AsStored | None = None
) -> Frames:
    """The first entry of a CXI file of whole images, ours or another's.

    Parameters
    ----------
    name :       of the frames; by default the first of `FRAMES` that is there.
    mask_means : what its masks mean, if they are not of CXI's bits.
    stored :     to have frames of other axes than (ny, nx), too.

    Raises
    ------
    FileNotFoundError; ValueError if it is no CXI file, its data are not (n, ny, nx), or are not all there.
    """
    with open_hdf5(path) as file:
        if not is_cxi(file, name):
            raise ValueError(f"{path} is no CXI file: it has no cxi_version")
        where, data = find_frames(file, FRAMES if name is None else (name,), path)
        source = f"{path}: {where}"
        shape = shape_of(data.shape, source, stored)
        usual = where in (*FRAMES, f"{IMAGE}/data")
        masks = masks_of(file, where, path, MASKS if usual else (), stored)
        detector = DETECTOR if usual else where.rpartition("/")[0]
        # Whatever they are called: a CXI file has CXI's bits, unless a mask says otherwise of itself.
        masks = [replace(mask, means=mask.means or "cxi") for mask in masks]
        bad = bad_of(masks, shape, source, mask_means)
        s = read_array(file, f"{IMAGE}/reciprocal_coordinates") if usual else None
        instrument = Instrument(
            mask=bad.fixed,
            photon_energy_eV=read_number(file, f"{SOURCE}/energy", 1 / constants.eV),
            pixel_size_um=read_number(file, f"{detector}/x_pixel_size", 1e6),
            distance_mm=read_number(file, f"{detector}/distance", 1e3),
            q=None if s is None else np.moveaxis(s, 0, -1) * (2e-10 * np.pi),
            solid_angle=read_array(file, f"{detector}/solid_angle"),
            polarisation=read_array(file, f"{detector}/polarisation"),
        )
        counts = np.issubdtype(data.dtype, np.integer)
        title = read_array(file, "entry_1/title")
        return Frames(
            name=title.decode() if isinstance(title, bytes) else Path(path).stem,
            shape=shape,
            dtype=data.dtype,
            quantity=data.attrs.get("quantity", "photons" if counts else "reading"),
            fetch=lambda rows: read_rows(path, where, rows),
            labels=read_labels(file.get(LABELS), shape[0]) if usual else {},
            instrument=instrument,
            together=1 if data.chunks is None else data.chunks[0],
            bad=bad.of_rows,
            mask_said=bad.said,
            note="" if "cxi_version" in file else f"{path} has no cxi_version, and is read as CXI by the name {where}",
            source=source,
            fill=fill_of(data),
        )
