"""What a file says of its frames, instrument and objects is read, for screening and for export alike."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr

from frames import export
from frames.export import open_patterns
from frames.formats.cxi import DETECTOR, read_cxi
from frames.formats.emc import detector_path, read_emc
from frames.formats.open import open_frames
from frames.frames import Instrument
from support.made.files_of_others import COUNTS, DATA, NX, NY, cxi, read_by_both, refused, written

# Dragonfly


def emc_of_others(path: Path, images: np.ndarray, **detector: object) -> Path:
    """Sparse photons as Dragonfly's own programs write them, and its detector file without anything of ours."""
    flat = images.reshape(len(images), images[0].size if len(images) else NY * NX)
    ones, multi = flat == 1, flat > 1
    sections = [
        *(which.sum(1) for which in (ones, multi)),
        *(np.nonzero(which)[1] for which in (ones, multi)),
        flat[multi],
    ]
    header = np.array([*flat.shape, 0], "<i4").tobytes().ljust(1024, b"\0")
    path.write_bytes(header + b"".join(section.astype("<i4").tobytes() for section in sections))
    if detector:
        written(detector_path(path), detector)
    return path


def test_dragonflys_mask_is_heeded(tmp_path: Path) -> None:
    images = np.random.default_rng(5).poisson(2.0, (4, 6, 6))
    mask = np.zeros(36, "u1")
    mask[[3, 20]], mask[[4, 5]] = 2, 1
    q = {axis: np.zeros(36) for axis in ("qx", "qy", "qz", "corr")}
    path = emc_of_others(tmp_path / "a.emc", images, mask=mask, detd=500.0, ewald_rad=500.0, **q)
    found = open_frames(path)
    assert np.array_equal(read_by_both(path), np.where(mask.reshape(6, 6) == 2, 0, images))
    assert "2 is bad, as Dragonfly says" in found.mask_said
    assert np.array_equal(read_by_both(path, None, "bad"), np.where(mask.reshape(6, 6) > 0, 0, images))
    with h5py.File(detector_path(path), "a") as file:
        del file["mask"]
        file["mask"] = np.zeros(35, "u1")
    with pytest.raises(ValueError, match="mask has 35 pixels, expected 6 x 6"):
        open_frames(path)


def test_an_emc_file_alone_is_read(tmp_path: Path) -> None:
    images = np.random.default_rng(6).poisson(2.0, (4, 6, 6))
    path = emc_of_others(tmp_path / "a.emc", images)
    assert np.array_equal(read_by_both(path), images)
    assert open_frames(path).instrument == Instrument()
    with pytest.raises(ValueError, match="leave the name out"):
        open_frames(path, "photons")


def test_no_frames_are_said_as_such(tmp_path: Path) -> None:
    empty = np.zeros((0, NY, NX), np.int64)
    np.save(tmp_path / "a.npy", empty)
    zarr.create_group(tmp_path / "a.zarr").create_array("photons", data=empty)
    files = [
        emc_of_others(tmp_path / "a.emc", empty),
        written(tmp_path / "a.h5", {"photons": empty}),
        written(tmp_path / "b.h5", {"photons": np.zeros((0, 2, NY, NX))}),
        written(tmp_path / "a.cxi", {"cxi_version": 160, DATA: empty}),
        *(tmp_path / name for name in ("a.npy", "a.zarr")),
    ]
    for path in files:
        assert "holds no frames" in refused(path)


# What is said of an instrument, and of an object


def test_every_file_that_says_it_gives_energy_distance_and_pixel(tmp_path: Path) -> None:
    about = {"distance": 0.5, "x_pixel_size": 75e-6}
    known = {"cxi_version": 160, DATA: COUNTS, "entry_1/instrument_1/source_1/energy": 1.602176634e-16}
    path = written(tmp_path / "a.cxi", {**known, **{f"{DETECTOR}/{name}": value for name, value in about.items()}})
    found = open_frames(path).instrument
    assert found is not None
    assert found.photon_energy_eV == pytest.approx(1000)
    assert (found.distance_mm, found.pixel_size_um) == (pytest.approx(500), pytest.approx(75))
    with h5py.File(path, "a") as file:
        file["entry_1/instrument_1/source_1/energy"][()] = 0  # not known
    assert read_cxi(path).instrument.photon_energy_eV is None
    q = {axis: np.zeros(36) for axis in ("qx", "qy", "qz")}
    said = {"photon_energy_eV": 900.0, "pixel_size_um": 50.0, "detd": 4000.0, "ewald_rad": 4000.0}
    emc = emc_of_others(tmp_path / "a.emc", np.ones((2, 6, 6), int), **q, **said)
    instrument = open_frames(emc).instrument
    assert (instrument.photon_energy_eV, instrument.pixel_size_um) == (900, 50)
    assert instrument.distance_mm == pytest.approx(200)
    assert read_emc(emc).instrument.q is not None


def test_objects_are_said_in_a_line(tmp_path: Path) -> None:
    path = cxi(tmp_path / "a.cxi", mask=np.zeros((NY, NX), "u2"))
    frames, patterns = repr(open_frames(path)), repr(open_patterns(path))
    assert frames == patterns == f"Frames({path}: {DATA}: 6 of 8 x 5 pixels, float32, reading, masked; 0 labels)"
    assert repr(open_patterns(path).instrument) == "Instrument(mask)"


def test_cxi_without_a_version_is_read_and_said(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path, output = written(tmp_path / "a.h5", {DATA: COUNTS}), tmp_path / "b.cxi"
    assert export.main([str(path), "--format", "cxi", "--output", str(output)]) == 0
    assert capsys.readouterr().err == f"{path} has no cxi_version, and is read as CXI by the name {DATA}\n"
    assert np.array_equal(read_by_both(output), COUNTS)


def test_rows_of_a_file_are_counted_from_its_beginning(tmp_path: Path) -> None:
    marked = COUNTS.copy()
    marked[4, 1, 1] = np.nan
    part = open_patterns(written(tmp_path / "a.h5", {"photons": marked})).rows(slice(2, 6)).rows(slice(1, 3))
    with pytest.raises(ValueError, match="frame 4 has 1 pixels that are no finite"):
        part.read()


def test_what_else_lies_in_a_file_does_not_matter(tmp_path: Path) -> None:
    others = {"labels/x": np.ones(2), "orientations": 3.0, "entry_1/title": ["a", "b"]}
    assert np.array_equal(read_by_both(written(tmp_path / "a.h5", {"photons": COUNTS, **others})), COUNTS)
    path = written(tmp_path / "a.cxi", {"cxi_version": 160, DATA: COUNTS, **others, f"{DETECTOR}/distance": "far"})
    with h5py.File(path, "a") as file:
        file["entry_1/data_1/labels"] = 1
        file[DATA].attrs["_FillValue"] = "none"
    assert np.array_equal(read_by_both(path), COUNTS)


def test_corrected_frames_of_european_xfel(tmp_path: Path) -> None:
    """As EXtra-data makes them up for its own tests: frames that nobody wrote are refused, a mask's bits heeded."""
    detectors = pytest.importorskip("extra_data.tests.mockdata.detectors")
    mockdata = pytest.importorskip("extra_data.tests.mockdata")
    module = detectors.AGIPDModule("SPB_DET_AGIPD1M-1/DET/0CH0", raw=False, frames_per_train=2)
    mockdata.write_file(tmp_path / "run.h5", [module], 2)
    name = "INSTRUMENT/SPB_DET_AGIPD1M-1/DET/0CH0:xtdf/image/data"
    with pytest.raises(ValueError, match="never written"):
        open_frames(tmp_path / "run.h5", name)
    with h5py.File(tmp_path / "run.h5", "a") as file:
        data, mask = file[name], file[name.replace("data", "mask")]
        frames = np.random.default_rng(0).poisson(2, data.shape).astype(np.float32)
        bits = np.where(np.random.default_rng(1).random(data.shape) < 0.1, 1 << 12, 0)
        frames[bits > 0] = np.nan
        data[...], mask[...] = frames, bits
    found = read_by_both(tmp_path / "run.h5", name)
    assert found.shape[1:] == (512, 128)
    assert np.array_equal(found, np.where(bits > 0, 0, frames))
    assert "nonzero is bad, as the file says" in open_frames(tmp_path / "run.h5", name).mask_said
