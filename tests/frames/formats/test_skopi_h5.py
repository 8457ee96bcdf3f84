"""skopi's HDF5: as its own detector says it, of one panel or several."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from frames import export
from frames.formats.skopi_h5 import read_skopi, write_skopi
from frames.frames import Frames
from frames.geometry import Geometry
from frames.store.dataset import Dataset
from simulate.skopi.detector import make_beam, make_detector
from support.made.exports import DISTANCE_MM, ENERGY, PIXEL_UM, SIDE, N


def test_skopi_file_is_as_skopis_detector_says(
    stored: Frames, counts: np.ndarray, detector: Geometry, tmp_path: Path
) -> None:
    """Against the arrays that skopi's scripts would store, and its own assembly of the panels."""
    write_skopi(stored, tmp_path / "a.h5")
    beam = make_beam(ENERGY, focus_radius_um=1.0, photons_per_pulse=1.0)
    theirs = make_detector(SIDE, PIXEL_UM, DISTANCE_MM, beam)
    rounding = 8 * np.finfo(float).eps
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["photons"].shape == (N, *theirs.shape)
        assert tuple(file.attrs["det_shape"]) == tuple(theirs.shape)
        np.testing.assert_allclose(
            file["pixel_position_reciprocal"][()], theirs.pixel_position_reciprocal, rtol=rounding
        )
        assert np.array_equal(file["pixel_index_map"][()], theirs.pixel_index_map)
        np.testing.assert_allclose(file["polarization"][()], theirs.polarization_correction, rtol=rounding)
        np.testing.assert_allclose(file["solid_angle"][0], theirs.solid_angle_per_pixel[0] * detector.live)
        assert np.array_equal(theirs.assemble_image_stack(file["photons"][7]), counts[7].T)


def test_skopi_panels_are_assembled(tmp_path: Path) -> None:
    """Two panels of 2 x 3 pixels, the second upside down, one column apart."""
    stack = np.arange(1, 37, dtype=np.uint8).reshape(3, 2, 2, 3)
    rows, columns = np.indices((2, 3))
    with h5py.File(tmp_path / "pnccd.h5", "w") as file:
        file["photons"] = stack
        file["pixel_index_map"] = np.stack(
            [np.stack([columns, rows], axis=-1), np.stack([6 - columns, 1 - rows], axis=-1)]
        )
        file["orientations"] = np.arange(12.0).reshape(3, 1, 4)
        file["pixel_position_reciprocal"] = np.ones((2, 2, 3, 3)) * 1e9
    found = read_skopi(tmp_path / "pnccd.h5")
    assert found.shape == (3, 2, 7)
    assert found.read_raw(slice(0, 1))[0].tolist() == [[1, 2, 3, 0, 12, 11, 10], [4, 5, 6, 0, 9, 8, 7]]
    assert np.array_equal(found.labels["orientations"].values.ravel(), np.arange(12.0))
    assert found.instrument.mask is not None
    assert found.instrument.q is not None
    assert np.flatnonzero(found.instrument.mask.all(axis=0)).tolist() == [3]
    assert found.instrument.q[0, :, 0] == pytest.approx([0.2 * np.pi] * 3 + [0] + [0.2 * np.pi] * 3)
    with h5py.File(tmp_path / "pnccd.h5", "a") as file:
        del file["pixel_index_map"]
    with pytest.raises(ValueError, match="2 panels and no pixel_index_map"):
        read_skopi(tmp_path / "pnccd.h5")


def test_skopi_has_no_name_for_readings(noisy: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no readings of a detector; export the counts"):
        write_skopi(export.of_dataset(noisy, as_stored=False), tmp_path / "a.h5")
    assert not list(tmp_path.iterdir())
