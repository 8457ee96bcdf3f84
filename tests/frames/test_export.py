"""Export and import: what is written is read back, and appears whole or not at all."""

import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from frames import export
from frames.formats.cxi import read_cxi, write_cxi
from frames.formats.emc import detector_path
from frames.frames import Frames, Label
from frames.geometry import Geometry
from frames.readout.config import ReadoutConfig
from frames.store.dataset import Dataset
from support.made.exports import (
    MULTIPLICITIES,
    READERS,
    SHARD,
    SIDE,
    SUFFIXES,
    N,
    made,
    same_instrument,
    same_labels,
)

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


def test_unfinished_dataset_is_refused(tmp_path: Path, counts: np.ndarray, detector: Geometry) -> None:
    dataset = made(tmp_path / "half", counts, detector, ReadoutConfig())
    (dataset.folder / "dataset.json").unlink()
    assert export.main([str(dataset.folder), "--format", "cxi", "--output", str(tmp_path / "a.cxi")]) == 2
    assert not (tmp_path / "a.cxi").exists()
