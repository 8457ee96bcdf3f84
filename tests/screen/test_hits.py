"""A file of frames in, probabilities and the hits with their peaks out; bad frames are told of, and stay in the CSV."""

import csv
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from frames.files import read_table, sha256
from frames.pixels.hot import FIRST
from screen.hits import SHIPPED, main
from screen.network.crystals import binned, hit_network, network_input_of
from screen.network.networks import load_network
from screen.stream.command import main as screen
from support.made.crystals import REAL
from support.made.hit_frames import candidates, vectors
from train.batches.contrast import Contrast
from train.config.hit_recipe import HitRecipe
from train.tasks.find_hits import fit_hits, hit_probability, load_hits, predict_logits

RECIPE = HitRecipe(batch_size=10, epochs=12, learning_rate=1e-2)
SPOT = np.outer((0.15, 0.7, 0.15), (0.15, 0.7, 0.15))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    fit_hits("spots", candidates(80), candidates(40, 1), RECIPE, 0, torch.device("cpu"), folder, {})
    return folder / "model.pt"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A blank frame, one of 25 bright spots, and one that is saturated."""
    generator = np.random.default_rng(0)
    frames = generator.normal(400, 20, (3, 128, 128))
    for row in range(20, 120, 20):
        for column in range(20, 120, 20):
            frames[1, row - 1 : row + 2, column - 1 : column + 2] += 3000 * SPOT
    frames[2] = 5000
    path = tmp_path_factory.mktemp("file") / "frames.npy"
    np.save(path, frames.astype(np.float32))
    return path


def test_hits_are_told_and_written_with_their_peaks(model: Path, file: Path, tmp_path: Path) -> None:
    out, cxi = tmp_path / "hits.csv", tmp_path / "hits.cxi"
    assert main([str(file), "--model", str(model), "-o", str(out), "--cxi", str(cxi)]) == 0
    rows = list(csv.DictReader(out.open()))
    assert [row["frame"] for row in rows] == ["0", "1", "2"]
    assert float(rows[1]["p_hit"]) > float(rows[0]["p_hit"])
    n_hits = sum(int(row["is_hit"]) for row in rows)
    with h5py.File(cxi) as written:
        assert written["entry_1/data_1/data"].shape == (n_hits, 128, 128)
        place = written["entry_1/data_1/labels/row"][:].tolist().index(1)
        n = written["entry_1/result_1/nPeaks"][place]
        found = {
            (round(float(x)), round(float(y)))
            for x, y in zip(
                written["entry_1/result_1/peakXPosRaw"][place, :n],
                written["entry_1/result_1/peakYPosRaw"][place, :n],
                strict=True,
            )
        }
    assert {(x, y) for x in range(20, 120, 20) for y in range(20, 120, 20)} <= found


def test_a_frame_that_shows_nothing_is_told_of(tmp_path: Path, file: Path, capsys: pytest.CaptureFixture) -> None:
    about = {"pixels": 64, "local_contrast": "divisive", "global_contrast": True, "halve": False, "vectors": "rows"}
    fit_hits("rows", vectors(20), vectors(20, 1), RECIPE, 0, torch.device("cpu"), tmp_path, about)
    out = tmp_path / "hits.csv"
    assert main([str(file), "--model", str(tmp_path / "model.pt"), "-o", str(out)]) == 0
    rows = list(csv.DictReader(out.open()))
    assert rows[2]["p_hit"] == ""
    assert rows[2]["is_hit"] == "0"
    assert "frame 2: the central 64 x 64 pixels all hold 5000" in rows[2]["problem"]
    assert "saturated" in capsys.readouterr().err
    small = tmp_path / "small.npy"
    np.save(small, np.ones((2, 50, 50), np.float32))
    assert main([str(small), "--model", str(tmp_path / "model.pt"), "-o", str(tmp_path / "b.csv")]) == 2
    assert "frames of 50 x 50 pixels" in capsys.readouterr().err
    assert not (tmp_path / "b.csv").exists()


def test_a_frame_of_twice_the_size_is_binned_once() -> None:
    frame = np.arange(40.0 * 44).reshape(40, 44)
    live = np.ones(frame.shape, bool)
    live[0, 0] = False
    image, alive = binned(frame, live, Contrast(16, "none"))
    assert alive is not None
    assert image.shape == alive.shape == (20, 22)
    assert image[0, 0] == pytest.approx((frame[0, 1] + frame[1, 0] + frame[1, 1]) / 3)
    assert image[3, 5] == frame[6:8, 10:12].mean()
    assert alive.all()
    same, none = binned(frame, None, Contrast(21, "none"))
    assert same is frame
    assert none is None


def test_the_network_that_ships_is_what_its_card_says() -> None:
    card = json.loads((SHIPPED.parent / "card.json").read_text(encoding="utf-8"))
    assert sha256(SHIPPED) == card["sha256"]
    trained = load_hits(SHIPPED, torch.device("cpu"))
    assert trained.description.model == card["network"] == "spots"
    assert sum(weights.numel() for weights in trained.model.parameters()) == card["parameters"]
    assert trained.description.dataset == card["learned_from"]


@pytest.mark.parametrize("hit", [False, True])
def test_the_network_that_ships_counts_spots(hit: bool, tmp_path: Path) -> None:
    """Frames of a detector that it has not seen: one photon reads 7, no light spreads."""
    generator = np.random.default_rng(2)
    expected = np.full((4, 256, 256), 40.0)
    for number in range(4):
        for row, column in generator.integers(20, 236, (15 if hit else 2, 2)):
            expected[number, row - 1 : row + 2, column - 1 : column + 2] += 250 * SPOT
    np.save(tmp_path / "frames.npy", (7 * generator.poisson(expected)).astype(np.uint16))
    assert main([str(tmp_path / "frames.npy"), "-o", str(tmp_path / "hits.csv")]) == 0
    assert [int(row["is_hit"]) for row in csv.DictReader((tmp_path / "hits.csv").open())] == [int(hit)] * 4


def test_where_photons_are_few_what_one_reads_tells_noise_from_spots(tmp_path: Path) -> None:
    """Blank frames of a third of a photon a pixel: their noise has a long tail."""
    np.save(tmp_path / "few.npy", (25 * np.random.default_rng(3).poisson(0.3, (2, 512, 512))).astype(np.uint16))
    said = {}
    for name, more in (("by deviations", []), ("by photons", ["--photon-adu", "25"])):
        out = tmp_path / f"{name}.csv"
        assert main([str(tmp_path / "few.npy"), "-o", str(out), *more]) == 0
        said[name] = [int(row["is_hit"]) for row in csv.DictReader(out.open())]
    assert said == {"by deviations": [1, 1], "by photons": [0, 0]}


@pytest.mark.skipif(not REAL.exists(), reason=f"no real frames in {REAL}; SINGLEHIT_SHARED names the folder")
def test_real_hits_are_called_hits() -> None:
    """Three hits of two detectors, of which DIALS found 55 to 180 spots each."""
    frames = sorted(REAL.glob("idx-*.npz")) + sorted((REAL / "rayonix").glob("*.npz"))
    assert len(frames) >= 3
    trained = load_hits(SHIPPED, torch.device("cpu"))
    for path in frames:
        with np.load(path) as arrays:
            image = arrays["image"]
            good = arrays.get("mask", image != -9999)
        for photon_adu in (None, 25.0) if path.stem.startswith("idx") else (None,):
            frame = np.where(good, image, 0).astype(np.float32)
            inputs = network_input_of(trained, frame, good, path.name, photon_adu)
            logits = predict_logits(trained.model, inputs[None], trained.description.recipe, torch.device("cpu"))
            assert hit_probability(logits)[0] > 0.9, path.name


def test_arguments_are_checked(model: Path, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "hits.csv"
    assert main([str(file), "--model", str(model), "-o", str(out), "--threshold", "1.5"]) == 2
    assert "expected a probability" in capsys.readouterr().err
    assert main([str(file), "--model", str(model), "-o", str(out), "--photon-adu", "0"]) == 2
    assert "expected what one photon reads" in capsys.readouterr().err
    assert main([str(file), "--model", str(file), "-o", str(out)]) == 2
    assert "damaged or no checkpoint" in capsys.readouterr().err


def test_a_stream_is_screened_by_the_same_network(model: Path, file: Path, tmp_path: Path, capsys) -> None:
    """As the command answers about the file; what shows nothing has no answer and is kept; a size has to be said."""
    assert main([str(file), "--model", str(model), "-o", str(tmp_path / "hits.csv")]) == 0
    rows = list(csv.DictReader((tmp_path / "hits.csv").open()))
    expected = [float(row["p_hit"]) if row["p_hit"] else np.nan for row in rows]
    words = [str(file), "--model", str(model), "--threshold", "0.5", "--keep-vetoes", "0", "--out"]
    assert screen([*words, str(tmp_path / "a")]) == 2
    assert "say of which these are, --frame-shape NY NX" in capsys.readouterr().err
    assert screen([*words, str(tmp_path / "b"), "--frame-shape", "128", "128"]) == 0
    decided = read_table(tmp_path / "b" / "decisions.parquet").to_pandas()
    np.testing.assert_allclose(decided["p_single"].to_numpy(float), expected, rtol=1e-5)
    kept = [not p < 0.5 for p in expected]  # also where there is none
    assert (decided["decision"] == "keep").tolist() == kept
    assert screen([*words, str(tmp_path / "c"), "--frame-shape", "64", "64"]) == 0
    assert set(read_table(tmp_path / "c" / "decisions.parquet")["decision"].to_pylist()) == {"unreadable"}


def test_vectors_of_frames_that_show_nothing_have_no_answer(tmp_path: Path) -> None:
    """A network of row vectors: it sees a square of the frame, which has to be large enough."""
    data = vectors(12)
    about = {"pixels": 64, "local_contrast": "subtractive", "global_contrast": True, "halve": False, "vectors": "rows"}
    recipe = HitRecipe(batch_size=6, epochs=1, learning_rate=1e-3)
    fit_hits("rows", data, vectors(12, 1), recipe, 0, torch.device("cpu"), tmp_path, about)
    frames = np.random.default_rng(0).normal(100, 5, (3, 80, 80)).astype(np.float32)
    frames[1] = 7
    p = load_network(tmp_path / "model.pt", (80, 80)).predict(frames)
    assert np.isnan(p).tolist() == [False, True, False]
    with pytest.raises(ValueError, match=r"frames of 64 x 64 pixels, but 64 pixels with their windows"):
        load_network(tmp_path / "model.pt", (64, 64))


def test_hot_pixels_are_masked_in_a_stream_and_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """From the 33rd frame on answers are as if the hot pixel were masked; of a file all are, and it is said."""
    about = {"pixels": 64, "local_contrast": "wide", "global_contrast": True, "halve": False, "vectors": "rows"}
    trained = fit_hits("rows", vectors(20), vectors(20, 1), RECIPE, 0, torch.device("cpu"), tmp_path, about)
    frames = np.random.default_rng(0).normal(400, 20, (FIRST + 3, 128, 128)).astype(np.float32)
    frames[:, 60, 70] = 9000
    live = np.ones((128, 128), bool)
    live[60, 70] = False

    def asked(mask: np.ndarray | None) -> np.ndarray:
        inputs = np.stack([network_input_of(trained, frame, mask, "a frame") for frame in frames])
        return hit_probability(predict_logits(trained.model, inputs, RECIPE, torch.device("cpu"))).numpy()

    masked, whole = asked(live), asked(None)
    assert np.abs(masked - whole).max() > 1e-3
    network = hit_network(tmp_path / "model.pt", (128, 128))
    in_stream = np.concatenate([network.predict(frames[start : start + 5]) for start in range(0, len(frames), 5)])
    np.testing.assert_allclose(in_stream[: FIRST - 1], whole[: FIRST - 1], atol=1e-5)
    np.testing.assert_allclose(in_stream[FIRST:], masked[FIRST:], atol=1e-5)
    np.save(tmp_path / "frames.npy", frames)
    assert (
        main([str(tmp_path / "frames.npy"), "--model", str(tmp_path / "model.pt"), "-o", str(tmp_path / "h.csv")]) == 0
    )
    told = [float(row["p_hit"]) for row in csv.DictReader((tmp_path / "h.csv").open())]
    np.testing.assert_allclose(told, masked, atol=1e-5)
    assert "hot in the first 32 frames: 1 pixel, masked: row and column (60, 70)" in capsys.readouterr().out
