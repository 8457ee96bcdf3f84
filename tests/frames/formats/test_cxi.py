"""CXI by the rules of its own, and that of others."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy import constants

from frames import export
from frames.formats.cxi import DETECTOR, read_cxi, write_cxi
from frames.formats.emc import write_emc
from frames.formats.skopi_h5 import read_skopi, write_skopi
from frames.frames import Frames
from frames.geometry import Geometry
from support.made.exports import CONSTANTS, DISTANCE_MM, ENERGY, PIXEL_UM, SIDE, N


def cxi_violations(path: Path) -> list[str]:
    """The rules of CXI 1.60 that a stack of images from one detector must follow; those that it breaks."""
    broken = []

    def rule(holds: bool, words: str) -> None:
        if not holds:
            broken.append(words)

    def axes(file: h5py.File, group: str) -> None:
        data = file[f"{group}/data"]
        names = data.attrs["axes"].split(":") if "axes" in data.attrs else []
        rule(len(names) == data.ndim, f"{group}: `axes` names every dimension of data")
        for name, size in zip(names, data.shape, strict=False):
            if name not in ("y", "x"):  # implicit
                rule(name in file[group] and len(file[group][name]) == size, f"{group}: axis {name} lies beside data")

    with h5py.File(path) as file:
        version = file.get("cxi_version")
        rule(version is not None and version.dtype.kind in "iu" and version[()] == 160, "cxi_version is the int 160")
        entries = sorted(name for name in file if name.startswith("entry_"))
        rule(entries == [f"entry_{n + 1}" for n in range(len(entries))] != [], "entries count from entry_1")
        rule(file["number_of_entries"][()] == len(entries), "number_of_entries is their number")
        entry = file["entry_1"]
        for name in entry:
            kind, _, number = name.rpartition("_")
            if number.isdigit():
                rule(kind in ("data", "image", "instrument", "sample"), f"{name} is a class of an entry")
                rule(number == "1", f"{name} is numbered from 1")
        rule("data_1" in entry and "data" in entry["data_1"], "an entry has data_1/data")
        link = entry["data_1"].get("data", getlink=True)
        where = "/entry_1/instrument_1/detector_1"
        linked = isinstance(link, h5py.SoftLink) and link.path == f"{where}/data"
        rule(linked, "data_1/data links to the detector")
        identifiers = entry["experiment_identifier"]
        rule(identifiers.dtype.kind in "SO", "experiment_identifier is text")
        rule(len(set(identifiers[()])) == len(identifiers), "shots have unique names")
        detector, source = file[where], file["entry_1/instrument_1/source_1"]
        for group in ("entry_1/data_1", "entry_1/image_1", where):
            axes(file, group)
        rule(source["energy"][()] == pytest.approx(ENERGY * constants.eV), "energy is in J")
        rule(detector["distance"][()] == pytest.approx(DISTANCE_MM * 1e-3), "distance is in m")
        for axis in "xy":
            rule(detector[f"{axis}_pixel_size"][()] == pytest.approx(PIXEL_UM * 1e-6), f"{axis}_pixel_size is in m")
        ny, nx = detector["data"].shape[1:]
        corner = [-nx * PIXEL_UM * 0.5e-6, -ny * PIXEL_UM * 0.5e-6, DISTANCE_MM * 1e-3]
        rule(detector["corner_position"][()] == pytest.approx(corner), "corner_position is of the first pixel, in m")
        rule(detector["basis_vectors"].shape == (2, 3), "basis_vectors has a row for each dimension of an image")
        mask = detector["mask"]
        rule(mask.dtype == np.uint32 and mask.shape == (ny, nx), "mask is 32 bits for each pixel")
        known = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x80 | 0x200 | 0x400 | 0x1000
        rule(not np.any(mask[()] & ~np.uint32(known)), "mask has defined bits alone")
        image = entry["image_1"]
        allowed = {"intensity", "electron density", "amplitude", "unphased amplitude", "autocorrelation"}
        rule(image["data_type"].asstr()[()] in allowed, "data_type is one of five")
        rule(image["data_space"].asstr()[()] in {"real", "diffraction"}, "data_space is one of two")
        rule(image["dimensionality"][()] in (1, 2, 3), "dimensionality is 1, 2 or 3")
        rule(image["is_fft_shifted"][()] in (0, 1), "is_fft_shifted is 0 or 1")
        rule(image["image_center"].shape == (3,), "image_center has three coordinates")
        rule(image["reciprocal_coordinates"].shape == (3, ny, nx), "reciprocal_coordinates has its components first")
    return broken


def test_cxi_follows_the_rules(stored: Frames, tmp_path: Path) -> None:
    write_cxi(stored, tmp_path / "a.cxi")
    assert cxi_violations(tmp_path / "a.cxi") == []


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("cxi_version", 1.6, "cxi_version is the int 160"),
        ("entry_1/instrument_1/source_1/energy", ENERGY, "energy is in J"),
        ("entry_1/experiment_identifier", [b"same"] * N, "shots have unique names"),
        ("entry_1/data_1/data", np.zeros((N, 2, 2)), "data_1/data links to the detector"),
        ("entry_1/image_1/data_type", "photons", "data_type is one of five"),
        ("entry_1/image_2/data", 0, "image_2 is numbered from 1"),
    ],
)
def test_rules_of_cxi_can_be_broken(stored: Frames, tmp_path: Path, name: str, value: object, rule: str) -> None:
    write_cxi(stored, tmp_path / "a.cxi")
    with h5py.File(tmp_path / "a.cxi", "a") as file:
        if name in file:
            del file[name]
        file[name] = value
    assert rule in cxi_violations(tmp_path / "a.cxi")


def test_cxi_positions_give_the_scattering_vectors(stored: Frames, detector: Geometry, tmp_path: Path) -> None:
    """From the corner, half a pixel in, then whole pixels along the basis vectors."""
    write_cxi(stored, tmp_path / "a.cxi")
    with h5py.File(tmp_path / "a.cxi") as file:
        pixels = file["entry_1/instrument_1/detector_1"]
        corner, along = pixels["corner_position"][()], pixels["basis_vectors"][()]
        energy = file["entry_1/instrument_1/source_1/energy"][()]
        s = file["entry_1/image_1/reciprocal_coordinates"][()]
    row, column = np.indices((SIDE, SIDE)) + 0.5
    position = corner + row[..., None] * along[0] + column[..., None] * along[1]
    direction = position / np.linalg.norm(position, axis=-1, keepdims=True)
    expected = (direction - [0, 0, 1]) * energy / (constants.h * constants.c)  # 1/λ [m⁻¹]
    np.testing.assert_allclose(np.moveaxis(s, 0, -1), expected, rtol=0, atol=CONSTANTS * np.abs(expected).max())
    np.testing.assert_allclose(2e-10 * np.pi * expected, detector.q, rtol=0, atol=CONSTANTS * detector.q_max)


def test_cxi_is_what_a_classifier_reads(stored: Frames, counts: np.ndarray, detector: Geometry, tmp_path: Path) -> None:
    """As spi-em-class 0.1.7 does in `convert_image_group`: mask 0 is good, the centre is (x, y, 0)."""
    write_cxi(stored, tmp_path / "a.cxi")
    with h5py.File(tmp_path / "a.cxi") as file:
        (key,) = (key for key in file["entry_1"] if key.startswith("image_"))
        image = file["entry_1"][key]
        mask, centre = image["mask"][:], image["image_center"][:]
        assert centre.shape == (3,)
        assert image["data"].shape[1:] == mask.shape
        assert np.array_equal(image["data"][3:9][:, mask == 0], counts[3:9][:, ~detector.mask])
        assert list(centre) == [SIDE / 2, SIDE / 2, 0]


def test_cxi_names_each_shot_by_its_row(stored: Frames, tmp_path: Path) -> None:
    write_cxi(stored.rows(slice(7, 9)), tmp_path / "a.cxi")
    with h5py.File(tmp_path / "a.cxi") as file:
        assert list(file["entry_1/data_1/experiment_identifier"][()]) == [b"noisy_0000007", b"noisy_0000008"]


def test_cxi_of_others(tmp_path: Path) -> None:
    """As facilities write it: an energy for each shot, flags in the mask, no data_1, no labels."""
    with h5py.File(tmp_path / "other.cxi", "w") as file:
        file["cxi_version"] = 150
        detector = file.create_group("entry_1/instrument_1/detector_1")
        detector["data"] = np.arange(3 * 4 * 5, dtype=np.int16).reshape(3, 4, 5)
        detector["mask"] = np.uint32([[0, 0x1, 0x8, 0x1000, 0x200]] * 4)
        detector["distance"] = [0.1, 0.1, 0.1]
        file["entry_1/instrument_1/source_1/energy"] = np.array([1600.0, 1700.0, 1800.0]) * constants.eV
    found = read_cxi(tmp_path / "other.cxi")
    assert (found.name, found.shape, found.quantity, dict(found.labels)) == ("other", (3, 4, 5), "photons", {})
    assert np.array_equal(found.read_raw(slice(1, 2)), np.arange(20, 40).reshape(1, 4, 5))
    assert found.instrument.mask is not None
    assert found.instrument.mask[0].tolist() == [False, True, True, False, True]
    with h5py.File(tmp_path / "other.cxi", "r+") as file:
        del file[f"{DETECTOR}/mask"]
        file[f"{DETECTOR}/mask"] = np.uint8([[0, 1, 2, 0, 255]] * 4)
    assert read_cxi(tmp_path / "other.cxi").instrument.mask[0].tolist() == [False, True, True, False, True]
    assert found.instrument.photon_energy_eV == pytest.approx(1700)
    assert found.instrument.distance_mm == pytest.approx(100)
    assert found.instrument.pixel_size_um is None
    assert found.instrument.q is None
    write_cxi(found, tmp_path / "again.cxi")
    assert np.array_equal(read_cxi(tmp_path / "again.cxi").read_raw(), found.read_raw())
    for writer in (write_emc, write_skopi):
        with pytest.raises(ValueError, match=r"needs .*q.*does not say"):
            writer(found, tmp_path / "never.h5")


def test_other_hdf5_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "modules.cxi", "w") as file:
        file["cxi_version"] = 160
        file["entry_1/data_1/data"] = np.zeros((2, 64, 4, 4))
    with pytest.raises(ValueError, match=r"\(2, 64, 4, 4\), expected frames \(n, ny, nx\): put the panels"):
        read_cxi(tmp_path / "modules.cxi")
    with h5py.File(tmp_path / "empty.h5", "w") as file:
        file["something"] = 1
    with pytest.raises(ValueError, match="no cxi_version"):
        read_cxi(tmp_path / "empty.h5")
    with pytest.raises(ValueError, match="neither `photons` nor `intensities`"):
        read_skopi(tmp_path / "empty.h5")
    with pytest.raises(ValueError, match=r"no dataset entry_1/data_1/data or .*photons .*dimensions or more: none"):
        export.open_patterns(tmp_path / "empty.h5")
    (tmp_path / "text.h5").write_text("text")
    with pytest.raises(ValueError, match="no HDF5 file"):
        export.open_patterns(tmp_path / "text.h5")
