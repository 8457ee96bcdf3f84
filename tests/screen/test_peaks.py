"""`singlehit peaks`: a file in, a row for each frame and a CXI with peak lists out."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from frames.formats.cxi_peaks import MOST, RESULT, read_peak_lists, write_cxi_with_peaks
from frames.formats.open import open_file
from frames.frames import Frames
from frames.pixels.peaks.finder import no_peaks
from screen.peaks import main


def frames(n_spots: list[int]) -> np.ndarray:
    """Frames of Poisson noise with so many bright spots, 20 pixels apart."""
    rng, images = np.random.default_rng(0), []
    y, x = np.indices((120, 120))
    for n in n_spots:
        mean = np.full((120, 120), 50.0)
        for at in range(n):
            mean += 400 * np.exp(-((x - 20 - 20 * (at % 5)) ** 2 + (y - 20 - 20 * (at // 5)) ** 2) / 1.5)
        images.append(rng.poisson(mean))
    return np.array(images, np.int32)


@pytest.mark.parametrize("layout", ["nexus", "cxidb76"])
def test_hits_and_their_peaks_come_out(layout: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    images = frames([0, 12, 3, 15])
    source, table, hits = tmp_path / "run.h5", tmp_path / "frames.csv", tmp_path / "hits.cxi"
    with h5py.File(source, "w") as file:
        if layout == "nexus":
            bad = np.zeros(images.shape[1:], np.uint32)
            bad[0], images[:, 0] = 1, 4 * 10**6
            file["entry/data/data"], file["entry/instrument/detector/pixel_mask"] = images, bad
        else:
            file["metadata/idh5_version"] = "idh5_v1.0"
            file["data/a/images"], file["data/b/images"] = images[:1], images[1:]
    assert main([str(source), "-o", str(table), "--cxi", str(hits)]) == 0
    said = pd.read_csv(table)
    assert said["n_peaks"].tolist() == [0, 12, 3, 15]
    assert said["hit"].tolist() == [0, 1, 0, 1]
    assert "2 of 4 frames" in capsys.readouterr().out
    read = open_file(hits)
    assert np.array_equal(read.read()[:, 1:], images[[1, 3], 1:])
    assert (read.unusable(slice(0, 2)) is not None) == (layout == "nexus")
    with h5py.File(hits) as file:  # each keeps its number, when it is read again, too
        assert file["entry_1/data_1/labels/row"][()].tolist() == [1, 3]
        assert [name.decode()[-3:] for name in file["entry_1/experiment_identifier"][()]] == ["001", "003"]
    again = tmp_path / "again.cxi"
    assert main([str(hits), "-o", str(tmp_path / "again.csv"), "--cxi", str(again), "--at-least", "15"]) == 0
    with h5py.File(again) as file:
        assert file["entry_1/data_1/labels/row"][()].tolist() == [3]
    peaks = read_peak_lists(hits)
    assert peaks is not None
    assert np.bincount(peaks["frame"]).tolist() == [12, 15]
    first = peaks[peaks["frame"] == 0].sort_values(["y", "x"])
    expected = [(20 + 20 * (at % 5), 20 + 20 * (at // 5)) for at in range(12)]
    distance = np.hypot(*(first[["x", "y"]].to_numpy()[:, None] - np.array(expected)[None]).transpose(2, 0, 1))
    assert (distance.min(axis=0) < 0.5).all()


def test_a_file_without_peak_lists_says_so(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.cxi", "w") as file:
        file["cxi_version"] = 160
    assert read_peak_lists(tmp_path / "a.cxi") is None


def test_lists_that_do_not_fit_are_told(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.cxi", "w") as file:
        file["entry_1/result_1/nPeaks"] = np.array([1, 5])
        for name in ("peakXPosRaw", "peakYPosRaw"):
            file[f"entry_1/result_1/{name}"] = np.zeros((2, 3))
    with pytest.raises(ValueError, match="of 5 peaks or more"):
        read_peak_lists(tmp_path / "a.cxi")


def test_without_a_hit_no_cxi_is_written(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", frames([0, 2]))
    with pytest.raises(ValueError, match="lower --at-least"):
        main([str(tmp_path / "a.npy"), "-o", str(tmp_path / "f.csv"), "--cxi", str(tmp_path / "hits.cxi")])
    assert not (tmp_path / "hits.cxi").exists()
    assert (tmp_path / "f.csv").exists()


def test_the_best_peaks_of_a_frame_are_written_and_a_file_of_no_frames(tmp_path: Path) -> None:
    n = MOST + 50
    images = np.random.default_rng(0).poisson(3.0, (4, 8, 8)).astype(np.uint16)
    opened = Frames("a", images.shape, images.dtype, "photons", images.__getitem__, source="a.npy")
    snr = np.random.default_rng(1).permutation(n).astype(float)
    peaks = pd.DataFrame({"frame": 1, "x": np.arange(n) % 8, "y": 0.0, "intensity": 9.0, "snr": snr, "n_pixels": 2})
    write_cxi_with_peaks(opened.take(np.array([3, 1])), peaks, tmp_path / "most.cxi")
    found = read_peak_lists(tmp_path / "most.cxi")
    assert found is not None
    assert len(found) == MOST
    assert set(found["snr"]) == set(range(50, n))
    with h5py.File(tmp_path / "most.cxi") as file:
        assert file["entry_1/data_1/labels/row"][:].tolist() == [3, 1]
        assert file["entry_1/experiment_identifier"][0] == b"a_0000003"
    write_cxi_with_peaks(opened.take(np.array([], int)), no_peaks(), tmp_path / "none.cxi")
    with h5py.File(tmp_path / "none.cxi") as file:
        assert file["entry_1/data_1/data"].shape == (0, 8, 8)
        assert file[f"{RESULT}/nPeaks"].shape == (0,)
