"""CXI 1.60, the format of the Coherent X-ray Imaging Data Bank (Maia 2012, Nature Methods 9, 854; cxidb.org/cxi.html).

All in SI units. The detector's data are linked into `data_1`, where the labels lie beside them, and into `image_1`,
where programs that classify patterns look (spi-em-class).
"""

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy import constants

from simulate.files import atomic_path
from simulate.formats.hdf5 import (
    open_hdf5,
    read_array,
    read_labels,
    read_number,
    read_rows,
    write_images,
    write_known,
    write_labels,
)
from simulate.formats.patterns import Instrument, Patterns

VERSION = 160
PIXEL_IS_INVALID = 0x00000001
UNUSABLE = 0x0000029F
"""Bits that say not to use a pixel: invalid, saturated, hot, dead, shadowed, bad, missing."""

DATA, LABELS = "entry_1/data_1/data", "entry_1/data_1/labels"
DETECTOR, SOURCE = "entry_1/instrument_1/detector_1", "entry_1/instrument_1/source_1"
IMAGE = "entry_1/image_1"
LONG_NAMES = {
    "photons": "number of photons",
    "expected": "mean number of photons",
    "reading": "reading of the detector in photons",
}


def unusable(mask: NDArray) -> NDArray[np.bool_]:
    """Where a mask says not to use a pixel: 32 bits by those of CXI that mean it, any others where they are not 0."""
    if mask.dtype.kind in "iu" and mask.dtype.itemsize >= 4:
        return (mask & UNUSABLE) != 0
    return mask != 0


def write_cxi(patterns: Patterns, path: Path | str) -> None:
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


def _identifiers(patterns: Patterns) -> NDArray[np.bytes_]:
    rows = patterns.labels["row"].values if "row" in patterns.labels else np.arange(len(patterns))
    return np.array([f"{patterns.name}_{row:07d}".encode() for row in rows])


def _write_detector(file: h5py.File, patterns: Patterns) -> None:
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
        detector["mask"] = np.where(instrument.mask, PIXEL_IS_INVALID, 0).astype(np.uint32)
    # Not in the standard, which lets users add.
    write_known(detector, {"solid_angle": instrument.solid_angle, "polarisation": instrument.polarisation})


def _write_image(file: h5py.File, patterns: Patterns) -> None:
    image, (_, ny, nx) = file[IMAGE], patterns.shape
    image["data_type"] = "intensity"
    image["data_space"] = "diffraction"
    image["dimensionality"] = 2
    image["is_fft_shifted"] = 0
    image["image_center"] = np.array([nx / 2, ny / 2, 0.0])  # the first pixel's own middle is (0.5, 0.5)
    image["detector_1"] = h5py.SoftLink(f"/{DETECTOR}")
    if SOURCE in file:
        image["source_1"] = h5py.SoftLink(f"/{SOURCE}")
    if patterns.instrument.mask is not None:
        image["mask"] = h5py.SoftLink(f"/{DETECTOR}/mask")
    if patterns.instrument.q is not None:
        image["reciprocal_coordinates"] = np.moveaxis(patterns.instrument.q, -1, 0) / (2e-10 * np.pi)


def read_cxi(path: Path | str) -> Patterns:
    """The first entry of a CXI file of whole images, ours or another's.

    Raises
    ------
    FileNotFoundError; ValueError if it is no CXI file or its data are not (n, ny, nx).
    """
    with open_hdf5(path) as file:
        if "cxi_version" not in file:
            raise ValueError(f"{path} is no CXI file: it has no cxi_version")
        where = next((name for name in (DATA, f"{DETECTOR}/data") if name in file), None)
        if where is None:
            raise ValueError(f"{path} has no {DATA}")
        data = file[where]
        if data.ndim != 3:
            raise ValueError(
                f"{path}: {where} has shape {data.shape}, expected (n, ny, nx); "
                "assemble the modules of the detector first"
            )
        mask, s = read_array(file, f"{DETECTOR}/mask"), read_array(file, f"{IMAGE}/reciprocal_coordinates")
        instrument = Instrument(
            mask=None if mask is None or mask.ndim != 2 else unusable(mask),
            photon_energy_eV=read_number(file, f"{SOURCE}/energy", 1 / constants.eV),
            pixel_size_um=read_number(file, f"{DETECTOR}/x_pixel_size", 1e6),
            distance_mm=read_number(file, f"{DETECTOR}/distance", 1e3),
            q=None if s is None else np.moveaxis(s, 0, -1) * (2e-10 * np.pi),
            solid_angle=read_array(file, f"{DETECTOR}/solid_angle"),
            polarisation=read_array(file, f"{DETECTOR}/polarisation"),
        )
        counts = np.issubdtype(data.dtype, np.integer)
        title = read_array(file, "entry_1/title")
        return Patterns(
            name=title.decode() if isinstance(title, bytes) else Path(path).stem,
            shape=data.shape,
            dtype=data.dtype,
            quantity=data.attrs.get("quantity", "photons" if counts else "reading"),
            fetch=lambda rows: read_rows(path, where, rows),
            labels=read_labels(file.get(LABELS)),
            instrument=instrument,
        )
