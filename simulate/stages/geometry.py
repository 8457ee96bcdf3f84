"""The pixels of a dataset's detector in reciprocal space."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frames.files import DAMAGED, write_json
from frames.geometry import wavelength
from simulate.experiment.config import DatasetConfig
from simulate.experiment.geometry import beamstop_mask, square_detector
from simulate.experiment.panels import coverage


def make_geometry(dataset: DatasetConfig, geometry_file: Path, record_file: Path) -> None:
    """Beam and detector of a dataset -> what every pixel sees and counts (.npz) and a summary (.json).

    Raises
    ------
    FileNotFoundError if there is no mask file, ValueError if it is not a boolean image of the detector's shape, or
    where no pixel is left.
    """
    energy, detector = dataset.beam.photon_energy_eV, dataset.detector
    mask = beamstop_mask(detector.n_pixels, detector.beamstop_radius_pixels)
    if detector.mask_file is not None:
        mask |= _read_mask(detector.mask_file, mask.shape)
    geometry = square_detector(
        photon_energy_eV=energy,
        n_pixels=detector.n_pixels,
        pixel_size_um=detector.image_pixel_size_um,
        distance_mm=detector.distance_mm,
        mask=mask,
        live=coverage(detector),
    )
    if not geometry.live.any():
        raise ValueError(
            f"no pixel of the detector counts photons: beamstop_radius_pixels = {detector.beamstop_radius_pixels:g}, "
            f"missing = {detector.missing} and mask_file = {detector.mask_file} leave none of {geometry.mask.size}; "
            "a mask is True where a pixel is unusable"
        )
    geometry.save(geometry_file)
    edge = float(np.linalg.norm(geometry.q[detector.n_pixels // 2, -1]))
    write_json(
        record_file,
        {
            "photon_energy_eV": energy,
            "wavelength_angstrom": wavelength(energy),
            "model": detector.model,
            "n_pixels": detector.n_pixels,
            "pixel_size_um": detector.image_pixel_size_um,
            "distance_mm": detector.distance_mm,
            "masked_pixels": int(geometry.mask.sum()),
            "live_fraction": float(geometry.live.mean()),
            "q_step_per_angstrom": geometry.q_step,
            "q_edge_per_angstrom": edge,
            "q_max_per_angstrom": geometry.q_max,
            "resolution_edge_nm": 0.2 * np.pi / edge,
            "resolution_corner_nm": 0.2 * np.pi / geometry.q_max,
            "largest_sampled_extent_nm": 0.1 * np.pi / geometry.q_step,
        },
    )


def _read_mask(file: Path, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """A mask of this shape, True where a pixel is unusable. Nothing is unpickled."""
    with file.open("rb") as stream:
        try:
            mask = np.lib.format.read_array(stream, allow_pickle=False)
        except DAMAGED as error:
            raise ValueError(f"mask_file {file} is no .npy file of numbers, or is damaged ({error})") from error
    if mask.dtype != bool or mask.shape != shape:
        raise ValueError(
            f"mask_file {file} holds {mask.dtype} {mask.shape}, expected bool {shape}, True where a pixel is unusable"
        )
    return mask
