"""Export and import: what is written is read back, follows each format's own rules, and appears whole or not at all."""

import re
import struct
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import constants

from frames import export
from frames.formats.cxi import DETECTOR, read_cxi, write_cxi
from frames.formats.emc import detector_path, read_emc, write_emc
from frames.formats.skopi_h5 import read_skopi, write_skopi
from frames.frames import Frames, Instrument, Label
from frames.geometry import Geometry, wavelength
from frames.readout.config import ReadoutConfig
from frames.store import integrity
from frames.store import writer as store
from frames.store.dataset import Dataset, open_dataset
from frames.store.layout import Layout
from frames.targets import shot_targets
from simulate.experiment.geometry import square_detector
from simulate.render import labels
from simulate.skopi.detector import make_beam, make_detector

N, SIDE, SHARD = 50, 12, 16
ENERGY, PIXEL_UM, DISTANCE_MM = 4600.0, 6400.0, 323.0
READERS = {"cxi": read_cxi, "skopi": read_skopi, "emc": read_emc}
SUFFIXES = {"cxi": "photons.cxi", "skopi": "photons.h5", "emc": "photons.emc"}
MULTIPLICITIES = [3, 1, 0, 2, 1]
CONSTANTS = 1e-8
"""q comes from skopi, whose hc is 1.23984197386209e-6 eV m: relative 8.4e-9 from that of CODATA."""


@pytest.fixture(scope="module")
def detector() -> Geometry:
    """Every pixel with its own share of live area; one quarter dead."""
    live = np.random.default_rng(5).uniform(0.5, 1, (SIDE, SIDE))
    live[: SIDE // 2, : SIDE // 2] = 0
    return square_detector(
        photon_energy_eV=ENERGY, n_pixels=SIDE, pixel_size_um=PIXEL_UM, distance_mm=DISTANCE_MM, live=live
    )


@pytest.fixture(scope="module")
def counts(detector: Geometry) -> np.ndarray:
    """Sparse counts with a few large ones; the first and the last pattern are dark."""
    photons = np.random.default_rng(0).poisson(0.4, size=(N, SIDE, SIDE))
    photons[7, -1, -1] = 60_000
    photons[[0, -1]] = 0
    photons[:, detector.mask] = 0
    return photons.astype(np.uint16)


def made(folder: Path, images: np.ndarray, geometry: Geometry, readout: ReadoutConfig) -> Dataset:
    """A complete dataset of two structures and multiplicities from 0 to 3, in shards of 16."""
    n = len(images)
    multiplicity = np.resize(MULTIPLICITIES, n)
    layout = Layout(
        n_patterns=n,
        image_shape=geometry.shape,
        record="photons" if images.dtype == np.uint16 else "expected",
        patterns_per_chunk=4,
        patterns_per_shard=SHARD,
        targets=shot_targets(["a", "b"], [0, 1, 2, 3]),
        readout=readout.model_dump(mode="json"),
    )
    table = pd.DataFrame(
        {
            "structure": np.where(multiplicity == 0, "", np.resize(["a", "b"], n)),
            "hit_multiplicity": multiplicity,
            "split": ["train"] * 35 + ["validation"] * 5 + ["test"] * (n - 40),
            "seed": np.arange(n, dtype=np.uint64) + np.uint64(2**63),
        }
    )
    rng = np.random.default_rng(1)
    pulses = labels.Pulses(
        rng.uniform(1e11, 1e12, n), rng.normal(ENERGY, 9, n), rng.standard_normal((n, 2)), rng.uniform(0.5, 2, n)
    )
    labels.create(folder, layout, table, pulses, geometry.live)
    for shard in range(layout.n_shards):
        store.write_shard(folder, layout, shard, images[layout.rows(shard)], made_from="test")
    geometry.save(folder / "geometry.npz")
    integrity.complete(folder, {})
    return open_dataset(folder)


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory, counts: np.ndarray, detector: Geometry) -> Dataset:
    """Counts, read with noise."""
    readout = ReadoutConfig(read_noise_photons=0.3)
    return made(tmp_path_factory.mktemp("run") / "noisy", counts, detector, readout)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory, detector: Geometry) -> Dataset:
    """Expected photons."""
    means = np.random.default_rng(2).uniform(0, 9, (N, SIDE, SIDE)).astype(np.float32)
    return made(tmp_path_factory.mktemp("run") / "clean", means, detector, ReadoutConfig())


@pytest.fixture
def stored(noisy: Dataset) -> Frames:
    return export.of_dataset(noisy, as_stored=True)


def same_labels(found: Frames, expected: Frames) -> None:
    assert set(found.labels) == set(expected.labels)
    for name, label in expected.labels.items():
        assert found.labels[name].values.dtype == label.values.dtype
        assert np.array_equal(found.labels[name].values, label.values), name
        assert dict(found.labels[name].attributes) == dict(label.attributes), name


def same_instrument(found: Instrument, geometry: Geometry) -> None:
    # Units are changed by a factor and back: a few roundings of float64.
    close = {"rtol": 8 * np.finfo(float).eps, "atol": 0}
    assert found.mask is not None
    assert np.array_equal(found.mask, geometry.mask)
    assert found.photon_energy_eV == pytest.approx(ENERGY, rel=close["rtol"])
    assert found.pixel_size_um == pytest.approx(PIXEL_UM, rel=close["rtol"])
    assert found.distance_mm == pytest.approx(DISTANCE_MM, rel=close["rtol"])
    np.testing.assert_allclose(found.q, geometry.q, **close)
    np.testing.assert_allclose(found.solid_angle, geometry.solid_angle * geometry.live, **close)
    np.testing.assert_allclose(found.polarisation, geometry.polarisation, **close)


# Datasets as patterns


def test_a_dataset_has_all_its_labels(stored: Frames, noisy: Dataset) -> None:
    assert list(stored.labels["row"].values) == list(range(N))
    assert {"structure", "hit_multiplicity", "split", "seed", "fluence", "photon_energy_eV", "beam_centre"} <= set(
        stored.labels
    )
    assert all(len(label.values) == N for label in stored.labels.values())
    assert not {"photons", "mask", "live", "x", "y"} & set(stored.labels)
    assert stored.labels["beam_centre"].values.shape == (N, 2)
    background = stored.labels["hit_multiplicity"].values == 0
    assert background.sum() == N // len(MULTIPLICITIES)
    assert np.all(stored.labels["structure"].values[background] == -1)
    assert np.array_equal(stored.labels["structure"].values, noisy.structure)


def test_ideal_readout_is_exported_as_counts(tmp_path: Path, counts: np.ndarray, detector: Geometry) -> None:
    found = export.of_dataset(made(tmp_path / "ideal", counts, detector, ReadoutConfig()), as_stored=False)
    assert found.quantity == "photons"
    assert found.dtype == np.uint16


def test_dataset_without_geometry_is_refused(tmp_path: Path, counts: np.ndarray, detector: Geometry) -> None:
    dataset = made(tmp_path / "lost", counts, detector, ReadoutConfig())
    (dataset.folder / "geometry.npz").unlink()
    with pytest.raises(FileNotFoundError, match=r"no geometry\.npz; run snakemake"):
        export.open_patterns(dataset.folder)


def test_rows_and_splits(stored: Frames, counts: np.ndarray) -> None:
    chosen = stored.split("test").rows(slice(2, 6))
    assert chosen.shape == (4, SIDE, SIDE)
    assert list(chosen.labels["row"].values) == [42, 43, 44, 45]
    assert np.array_equal(chosen.read_raw(), counts[42:46])
    assert np.array_equal(chosen.read_raw(slice(1, 3)), counts[43:45])
    assert np.array_equal(chosen.read_raw(slice(-1, None)), counts[45:46])
    assert [len(stored.split(name)) for name in ("train", "validation", "test")] == [35, 5, 10]
    for empty in (slice(5, 5), slice(N, None), slice(9, 3)):
        with pytest.raises(ValueError, match="are none"):
            stored.rows(empty)
    with pytest.raises(ValueError, match="no pattern of split 'validation'"):
        stored.split("test").split("validation")
    with pytest.raises(ValueError, match="no label `split`"):
        Frames("x", (1, 2, 2), np.uint16, "photons", lambda rows: np.zeros((1, 2, 2))).split("test")


def test_split_that_is_scattered_is_refused(stored: Frames) -> None:
    scattered = Label(np.resize([0, 1], N), {"flag_meanings": ["train", "test"]})
    mixed = Frames("x", stored.shape, np.uint16, "photons", stored.fetch, {"split": scattered})
    with pytest.raises(ValueError, match="not contiguous"):
        mixed.split("test")


@pytest.mark.parametrize("file_format", READERS)
def test_writers_read_whole_shards_where_memory_holds_one(
    stored: Frames, tmp_path: Path, file_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def fetch(rows: slice) -> np.ndarray:
        asked.append(rows.stop - rows.start)
        return stored.fetch(rows)

    watched = Frames(**{**vars(stored), "fetch": fetch})
    for most, sizes in (
        (SHARD, [SHARD, SHARD, SHARD, N - 3 * SHARD]),
        (2 * SHARD + 1, [2 * SHARD, N - 2 * SHARD]),
        (5, [5] * (N // 5)),
    ):
        monkeypatch.setattr("frames.frames.BYTES_AT_ONCE", 4 * most * SIDE**2 * 2)
        export.WRITERS[file_format](watched, tmp_path / f"{most}.h5")
        assert asked == sizes
        asked.clear()


# Round trips


@pytest.mark.parametrize("file_format", READERS)
def test_round_trip(stored: Frames, counts: np.ndarray, detector: Geometry, tmp_path: Path, file_format: str) -> None:
    path = tmp_path / SUFFIXES[file_format]
    export.WRITERS[file_format](stored, path)
    found = READERS[file_format](path)
    assert (found.name, found.shape, found.quantity) == ("noisy", (N, SIDE, SIDE), "photons")
    assert np.array_equal(found.read_raw(), counts)
    assert found.read_raw().dtype == found.dtype
    for rows in (slice(0, 1), slice(7, 8), slice(13, 34), slice(N - 1, N), slice(4, 4)):
        assert np.array_equal(found.read_raw(rows), counts[rows])
    same_labels(found, stored)
    same_instrument(found.instrument, detector)


@pytest.mark.parametrize("file_format", ["cxi", "skopi"])
def test_round_trip_of_expected_photons(clean: Dataset, tmp_path: Path, file_format: str) -> None:
    path = tmp_path / SUFFIXES[file_format]
    expected = export.of_dataset(clean, as_stored=True)
    export.WRITERS[file_format](expected, path)
    found = READERS[file_format](path)
    assert found.quantity == "expected"
    assert found.dtype == np.float32
    assert np.array_equal(found.read_raw(), clean.read_raw(slice(0, N)))
    same_labels(found, expected)


def test_cxi_holds_what_the_detector_reads(noisy: Dataset, counts: np.ndarray, tmp_path: Path) -> None:
    write_cxi(export.of_dataset(noisy, as_stored=False), tmp_path / "a.cxi")
    with h5py.File(tmp_path / "a.cxi") as file:
        data = file["entry_1/data_1/data"][()]
    assert data.dtype == np.float32
    assert np.array_equal(data, noisy.read(slice(0, N)))
    assert not np.array_equal(data, counts)


def test_formats_turn_into_one_another(
    noisy: Dataset, stored: Frames, counts: np.ndarray, detector: Geometry, tmp_path: Path
) -> None:
    source: Path = noisy.folder
    for step, file_format in enumerate(("cxi", "emc", "skopi", "emc", "cxi")):
        output = tmp_path / str(step) / SUFFIXES[file_format]
        arguments = [str(source), "--format", file_format, "--output", str(output), "--raw"]
        assert export.main(arguments) == 0
        source = output
    found = export.open_patterns(source)
    assert np.array_equal(found.read_raw(), counts)
    same_labels(found, stored)
    assert found.instrument.q is not None
    # Each of five changes of units rounds a few times.
    np.testing.assert_allclose(found.instrument.q, detector.q, rtol=40 * np.finfo(float).eps)


# CXI


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


# skopi


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


# Dragonfly


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


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[:-4], "damaged: .* bytes, expected"),
        (lambda content: content + b"\0" * 4, "damaged: .* bytes, expected"),
        (lambda content: content[:1100], "cut short"),
        (lambda content: content[:80], "less than its header"),
        (lambda content: content[:8] + struct.pack("<i", 2) + content[12:], "type 2; expected a sparse file"),
        (lambda content: content[: 1024 + 8 * N] + struct.pack("<i", 144) + content[1028 + 8 * N :], "outside the 144"),
    ],
)
def test_damaged_emc_is_refused(stored: Frames, tmp_path: Path, damage: object, message: str) -> None:
    path = tmp_path / "photons.emc"
    write_emc(stored, path)
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(ValueError, match=message):
        read_emc(path).read_raw()


# Whole or not at all


@pytest.mark.parametrize("file_format", READERS)
def test_an_export_that_fails_leaves_what_was_there(
    stored: Frames, tmp_path: Path, file_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(rows: slice) -> np.ndarray:
        if rows.start >= 2 * SHARD:
            raise KeyboardInterrupt
        return stored.fetch(rows)

    monkeypatch.setattr("frames.frames.BYTES_AT_ONCE", 4 * SHARD * SIDE**2 * 2)
    stopped = Frames(**{**vars(stored), "fetch": fetch})
    output = tmp_path / SUFFIXES[file_format]
    with pytest.raises(KeyboardInterrupt):
        export.WRITERS[file_format](stopped, output)
    assert not list(tmp_path.iterdir())
    export.WRITERS[file_format](stored, output)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(KeyboardInterrupt):
        export.WRITERS[file_format](stopped, output)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


# The command


def test_command_exports_a_split(noisy: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    output = tmp_path / "test.cxi"
    arguments = [str(noisy.folder), "--format", "cxi", "--output", str(output), "--split", "test", "--rows", "1:4"]
    assert export.main(arguments) == 0
    assert f"{output}: 3 patterns of 12 x 12 pixels, reading" in capsys.readouterr().out
    found = read_cxi(output)
    assert list(found.labels["row"].values) == [41, 42, 43]
    assert np.array_equal(found.read_raw(), noisy.read(slice(41, 44)))
    assert export.main([*arguments, "--raw", "--overwrite"]) == 0
    assert np.array_equal(read_cxi(output).read_raw(), noisy.read_raw(slice(41, 44)))


@pytest.mark.parametrize(("file_format", "quantity"), [("cxi", "reading"), ("skopi", "photons"), ("emc", "photons")])
def test_command_takes_what_suits_the_format(noisy: Dataset, tmp_path: Path, file_format: str, quantity: str) -> None:
    output = tmp_path / SUFFIXES[file_format]
    assert export.main([str(noisy.folder), "--format", file_format, "--output", str(output)]) == 0
    assert export.open_patterns(output).quantity == quantity
    assert len(export.open_patterns(output)) == N


def test_command_says_what_is_wrong(
    noisy: Dataset, clean: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    output = tmp_path / "a.emc"

    def refused(source: Path, *more: str) -> str:
        assert export.main([str(source), "--format", "emc", "--output", str(output), *more]) == 2
        return capsys.readouterr().err

    assert "no file" in refused(tmp_path / "absent")
    assert "holds no dataset" in refused(tmp_path)
    assert "ends in .emc" in refused(noisy.folder, "--output", str(tmp_path / "a.h5"))
    assert re.search(r"\.emc holds counts: export a dataset with record: photons", refused(clean.folder))
    assert "are none" in refused(noisy.folder, "--rows", "50:")
    assert not list(tmp_path.iterdir())
    detector_path(output).write_text("precious")
    assert "a_det.h5 is there already; --overwrite replaces it" in refused(noisy.folder)
    assert detector_path(output).read_text() == "precious"
    with pytest.raises(SystemExit):
        export.main([str(noisy.folder), "--format", "emc", "--output", str(output), "--rows", "5"])
    assert "'5' are no rows; expected a:b" in capsys.readouterr().err


@pytest.mark.parametrize("file_format", ["skopi", "emc"])
def test_advice_does_not_go_in_circles(
    noisy: Dataset, clean: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture, file_format: str
) -> None:
    """What was given is not asked for; what the source is made of is said."""
    readings, output = tmp_path / "a.cxi", tmp_path / SUFFIXES[file_format]
    assert export.main([str(noisy.folder), "--format", "cxi", "--output", str(readings)]) == 0
    capsys.readouterr()

    def refused(*arguments: str) -> str:
        assert export.main([*arguments, "--format", file_format, "--output", str(output)]) == 2
        return capsys.readouterr().err

    assert "without --read" in refused(str(noisy.folder), "--read")
    said = refused(str(readings), "--raw")
    assert "a.cxi" in said
    assert "--raw" not in said
    assert "holds readings" in said or "(reading)" in said
    if file_format == "emc":
        for given in ([], ["--raw"]):
            said = refused(str(clean.folder), *given)
            assert "(expected)" in said
            assert "--r" not in said
    assert not output.exists()


def test_command_takes_a_name_and_what_a_mask_means(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    images, good = np.arange(1, 61).reshape(3, 4, 5), np.ones((4, 5), np.uint8)
    good[1, 2] = 0
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["run/ccd"], file["run/mask"] = images, good
    command = [str(tmp_path / "a.h5"), "--format", "cxi", "--output", str(tmp_path / "a.cxi"), "--dataset", "run/ccd"]
    assert export.main(command) == 2
    assert "say so: --mask-means bad, good or cxi" in capsys.readouterr().err
    assert export.main([*command, "--mask-means", "good"]) == 0
    assert "mask `run/mask`: nonzero is good, as asked" in capsys.readouterr().out
    found = read_cxi(tmp_path / "a.cxi")
    assert np.array_equal(found.read_raw(), images)
    assert np.array_equal(found.instrument.mask, good == 0)


def test_store_of_a_dataset_is_the_dataset(noisy: Dataset, stored: Frames) -> None:
    assert np.array_equal(export.open_patterns(noisy.folder / "patterns.zarr").read_raw(), stored.read_raw())


def test_masked_pixels_hold_no_counts_for_dragonfly(stored: Frames, detector: Geometry, tmp_path: Path) -> None:
    """Whatever marks them in the source: Dragonfly's counts are at least 0."""
    marked = np.where(detector.mask, -1, stored.read_raw().astype(np.int32))
    write_emc(Frames(**{**vars(stored), "fetch": marked.__getitem__, "dtype": np.int32}), tmp_path / "a.emc")
    assert np.array_equal(read_emc(tmp_path / "a.emc").read_raw(), stored.read_raw())


def test_unfinished_dataset_is_refused(tmp_path: Path, counts: np.ndarray, detector: Geometry) -> None:
    dataset = made(tmp_path / "half", counts, detector, ReadoutConfig())
    (dataset.folder / "dataset.json").unlink()
    assert export.main([str(dataset.folder), "--format", "cxi", "--output", str(tmp_path / "a.cxi")]) == 2
    assert not (tmp_path / "a.cxi").exists()


def test_emc_leaves_nothing_beside_while_it_is_written(stored: Frames, tmp_path: Path) -> None:
    during: list[set[str]] = []

    def fetch(rows: slice) -> np.ndarray:
        during.append({path.suffix for path in tmp_path.iterdir()})
        return stored.fetch(rows)

    write_emc(Frames(**{**vars(stored), "fetch": fetch}), tmp_path / "photons.emc")
    assert during[-1] == {".emc"}
