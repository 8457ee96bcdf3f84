"""Dragonfly's .emc and its detector, against a slow reader; and that of others."""

import struct
from pathlib import Path

import h5py
import numpy as np
import pytest

from frames import export
from frames.formats.emc import detector_path, read_emc, write_emc
from frames.formats.open import open_frames
from frames.frames import Frames, Instrument
from frames.geometry import Geometry, wavelength
from frames.store.dataset import Dataset
from support.made.exports import (
    CONSTANTS,
    DISTANCE_MM,
    ENERGY,
    PIXEL_UM,
    SIDE,
    N,
)


def slow_emc(path: Path) -> np.ndarray:
    """(n, pixels) of an .emc file, one number after the other."""
    content = path.read_bytes()
    n, pixels, kind = struct.unpack("<3i", content[:12])
    assert kind == 0
    assert content[12:1024] == bytes(1012)
    numbers = iter(number for (number,) in struct.iter_unpack("<i", content[1024:]))
    ones = [next(numbers) for _ in range(n)]
    multi = [next(numbers) for _ in range(n)]
    images = np.zeros((n, pixels), dtype=np.int64)
    for pattern in range(n):
        for _ in range(ones[pattern]):
            images[pattern, next(numbers)] += 1
    places = [[next(numbers) for _ in range(multi[pattern])] for pattern in range(n)]
    for pattern in range(n):
        for place in places[pattern]:
            count = next(numbers)
            assert count > 1
            images[pattern, place] += count
    assert next(numbers, None) is None
    return images


def test_emc_by_a_slow_reader(stored: Frames, counts: np.ndarray, tmp_path: Path) -> None:
    write_emc(stored, tmp_path / "photons.emc")
    assert np.array_equal(slow_emc(tmp_path / "photons.emc"), counts.reshape(N, -1))
    size = 1024 + 4 * (2 * N + np.count_nonzero(counts == 1) + 2 * np.count_nonzero(counts > 1))
    assert (tmp_path / "photons.emc").stat().st_size == size
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photons.emc", "photons_det.h5"]


def test_emc_detector_is_dragonflys(stored: Frames, detector: Geometry, tmp_path: Path) -> None:
    """Against `Detector.calc_from_coords` of Dragonfly: pixel coordinates and distance in pixels, radius in voxels."""
    write_emc(stored, tmp_path / "photons.emc")
    with h5py.File(tmp_path / "photons_det.h5") as file:
        det = {name: file[name][()] for name in ("qx", "qy", "qz", "corr", "mask", "detd", "ewald_rad")}
    assert det["detd"] == det["ewald_rad"] == pytest.approx(DISTANCE_MM * 1e3 / PIXEL_UM)
    cy, cx = (axis.ravel() for axis in np.indices((SIDE, SIDE)) - (SIDE - 1) / 2)
    norm = np.sqrt(cx**2 + cy**2 + det["detd"] ** 2)
    close = {"rtol": 0, "atol": CONSTANTS * SIDE}
    np.testing.assert_allclose(det["qx"], cx * det["ewald_rad"] / norm, **close)
    np.testing.assert_allclose(det["qy"], cy * det["ewald_rad"] / norm, **close)
    np.testing.assert_allclose(det["qz"], det["ewald_rad"] * (det["detd"] / norm - 1), **close)
    # Dragonfly takes the middle of a pixel for all of it: an error of the pixel's own angle squared.
    corr = det["detd"] / norm**3 * (1 - cx**2 / norm**2) * detector.live.ravel()
    np.testing.assert_allclose(det["corr"], corr, rtol=1 / det["detd"] ** 2)
    assert set(det["mask"][detector.mask.ravel()]) == {2}
    assert set(det["mask"][~detector.mask.ravel()]) == {0}
    k = 2 * np.pi / wavelength(ENERGY)
    np.testing.assert_allclose(det["qx"] * k / det["ewald_rad"], detector.q[..., 0].ravel(), atol=1e-12)


def test_emc_needs_counts(clean: Dataset, noisy: Dataset, tmp_path: Path) -> None:
    for dataset in (clean, noisy):
        with pytest.raises(ValueError, match=r"\.emc holds counts: export a dataset with record: photons"):
            write_emc(export.of_dataset(dataset, as_stored=False), tmp_path / "a.emc")
    below = np.full((1, SIDE, SIDE), -1, dtype=np.int16)
    known = export.of_dataset(noisy, as_stored=True).instrument
    with pytest.raises(ValueError, match="counts from -1 to -1"):
        write_emc(Frames("x", below.shape, np.int16, "photons", below.__getitem__, {}, known), tmp_path / "a.emc")
    assert not list(tmp_path.iterdir())


def test_emc_of_others(stored: Frames, counts: np.ndarray, tmp_path: Path) -> None:
    """No detector beside it: a square image, or the shape that is asked for."""
    path = tmp_path / "photons.emc"
    write_emc(stored, path)
    detector_path(path).unlink()
    found = read_emc(path)
    assert np.array_equal(found.read_raw(), counts)
    assert (found.name, dict(found.labels), found.instrument) == ("photons", {}, Instrument())
    assert read_emc(path, image_shape=(9, 16)).shape == (N, 9, 16)
    with pytest.raises(ValueError, match="144 pixels, not 5 x 5"):
        read_emc(path, image_shape=(5, 5))


def twice(content: bytes) -> bytes:
    """The first pixel that counted one in place of the second, too."""
    first = 1024 + 8 * N
    return content[: first + 4] + content[first : first + 4] + content[first + 8 :]


def test_counts_of_one_may_stand_among_those_of_more(tmp_path: Path) -> None:
    """As other programs may write them: pixels 2 and 3 of one pattern of 2 x 2, with one photon and with four."""
    header = struct.pack("<3i", 1, 4, 0).ljust(1024, b"\0")
    (tmp_path / "a.emc").write_bytes(header + struct.pack("<6i", 0, 2, 2, 3, 1, 4))
    assert read_emc(tmp_path / "a.emc").read_raw().tolist() == [[[0, 0], [1, 4]]]


def test_a_shape_that_nobody_says_is_asked_for_where_it_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / "a.emc").write_bytes(struct.pack("<3i", 1, 6, 0).ljust(1024, b"\0") + struct.pack("<3i", 1, 0, 5))
    with pytest.raises(ValueError, match=r"6 pixels, not 2 x 2; write the dataset `image_shape`, .*into a_det.h5"):
        read_emc(tmp_path / "a.emc")
    with h5py.File(tmp_path / "a_det.h5", "w") as file:
        file["image_shape"] = 2, 3
    assert read_emc(tmp_path / "a.emc").read_raw().tolist() == [[[0, 0, 0], [0, 0, 1]]]


def test_sparse_photons_in_hdf5_are_told(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name in ("place_ones", "place_multi", "count_multi"):
            file.create_dataset(name, (3,), h5py.vlen_dtype(np.int32))
    with pytest.raises(ValueError, match=r"a\.h5: Dragonfly's sparse photons in HDF5 are not read; write them as .emc"):
        open_frames(tmp_path / "a.h5")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[:-4], "damaged: .* bytes, expected"),
        (lambda content: content + b"\0" * 4, "damaged: .* bytes, expected"),
        (lambda content: content[:1100], "cut short"),
        (lambda content: content[:80], "less than its header"),
        (lambda content: content[:8] + struct.pack("<i", 2) + content[12:], "type 2; expected a sparse file"),
        (lambda content: content[: 1024 + 8 * N] + struct.pack("<i", 144) + content[1028 + 8 * N :], "outside the 144"),
        (lambda content: content[:-4] + struct.pack("<i", 0), "0 photons in a pixel that holds some"),
        (lambda content: content[:-4] + struct.pack("<i", -5), "-5 photons in a pixel that holds some"),
        (lambda content: twice(content), "have pixels that are there twice"),
        (lambda content: b"\x89HDF" + content[4:], "photons.emc is HDF5, and no .emc file"),
    ],
)
def test_damaged_emc_is_refused(stored: Frames, tmp_path: Path, damage: object, message: str) -> None:
    path = tmp_path / "photons.emc"
    write_emc(stored, path)
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(ValueError, match=message):
        read_emc(path).read_raw()


def test_masked_pixels_hold_no_counts_for_dragonfly(stored: Frames, detector: Geometry, tmp_path: Path) -> None:
    """Whatever marks them in the source: Dragonfly's counts are at least 0."""
    marked = np.where(detector.mask, -1, stored.read_raw().astype(np.int32))
    write_emc(Frames(**{**vars(stored), "fetch": marked.__getitem__, "dtype": np.int32}), tmp_path / "a.emc")
    assert np.array_equal(read_emc(tmp_path / "a.emc").read_raw(), stored.read_raw())


def test_emc_leaves_nothing_beside_while_it_is_written(stored: Frames, tmp_path: Path) -> None:
    during: list[set[str]] = []

    def fetch(rows: slice) -> np.ndarray:
        during.append({path.suffix for path in tmp_path.iterdir()})
        return stored.fetch(rows)

    write_emc(Frames(**{**vars(stored), "fetch": fetch}), tmp_path / "photons.emc")
    assert during[-1] == {".emc"}
