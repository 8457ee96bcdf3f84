"""The command that writes tables of pixels: from geometry files, assembled images, our datasets and detectors."""

from pathlib import Path

import numpy as np
import pytest

from frames.pixels.table import fold, load
from simulate.experiment.geometry import square_detector
from simulate.experiment.tabulate import main

GEOM = """
clen = 130 mm
res = 13333.3333333333
adu_per_photon = 133
p/min_fs = 0
p/max_fs = 255
p/min_ss = 0
p/max_ss = 255
p/corner_x = -128
p/corner_y = -128
p/fs = x
p/ss = y
"""


@pytest.fixture(scope="module")
def trained_on(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset's folder, of which only the geometry is asked: 64 pixels of 300 µm at 130 mm, 1.7 keV."""
    folder = tmp_path_factory.mktemp("datasets") / "amo"
    folder.mkdir()
    geometry = square_detector(photon_energy_eV=1700, n_pixels=64, pixel_size_um=300, distance_mm=130)
    geometry.save(folder / "geometry.npz")
    return folder


def make(folder: Path, *arguments: object) -> int:
    return main([*map(str, arguments), "-o", str(folder / "pixels.npz")])


def assembled(centre: tuple[float, float] = (127.5, 127.5), distance: float = 130, energy: float | None = 1700) -> list:
    options = ["--assembled", 256, 256, "--centre", *centre, "--pixel-size", 75, "--distance", distance]
    return options if energy is None else [*options, "--energy", energy]


def test_a_geometry_file_and_an_assembled_image_of_the_same_pixels_make_one_table(trained_on, tmp_path, capsys) -> None:
    (tmp_path / "a.geom").write_text(GEOM)
    options = "--like", trained_on, "--dark", 20, "--threshold", 0.7
    assert (
        make(tmp_path / "geom", "--geom", tmp_path / "a.geom", "--energy", 1700, *options, "--adu-per-photon", "geom")
        == 0
    )
    said = capsys.readouterr().out
    assert (
        "frames (256, 256) -> 64 x 64 pixels of 300 µm at 130 mm, 4 x 4 summed; 65,536 of 65,536 usable pixels" in said
    )
    assert "0 of its 4,096 pixels are masked; the beam meets it at x +0.000, y +0.000 pixels" in said
    assert "a pixel's step in q is 1.000 times that of" in said
    assert "live: 100.0% of the image, of the training's 100.0%" in said
    assert make(tmp_path / "by hand", *assembled(), *options, "--adu-per-photon", 133) == 0
    one, other = load(tmp_path / "geom" / "pixels.npz"), load(tmp_path / "by hand" / "pixels.npz")
    assert np.array_equal(one.target, other.target)
    frames = np.random.default_rng(0).integers(0, 900, (2, 256, 256), dtype=np.int32)
    assert np.array_equal(fold(frames, one), fold(frames, other))
    assert "a.geom" in one.made_from


def test_arrays_say_what_each_pixel_needs(trained_on, tmp_path) -> None:
    generator = np.random.default_rng(1)
    dark, gain = generator.uniform(10, 20, (256, 256)), generator.uniform(50, 60, (256, 256))
    mask = (generator.random((256, 256)) < 0.1).astype(np.uint8)
    for name, values in {"dark": dark, "gain": gain, "mask": mask}.items():
        np.save(tmp_path / f"{name}.npy", values)
    files = [tmp_path / f"{name}.npy" for name in ("dark", "gain", "mask")]
    options = "--dark", files[0], "--adu-per-photon", files[1], "--mask", files[2], "--threshold", "0.5"
    assert make(tmp_path, *assembled(), "--like", trained_on, *options) == 0
    table = load(tmp_path / "pixels.npz")
    photons = generator.poisson(1.0, (3, 256, 256))
    expected = (photons * (mask == 0)).reshape(3, 64, 4, 64, 4).sum((2, 4))
    assert np.array_equal(fold(photons * gain + dark, table), expected)


def test_a_dataset_of_ours_and_panels_need_no_more_than_a_binning(trained_on, tmp_path) -> None:
    assert make(tmp_path / "a", "--dataset", trained_on, "--n-pixels", 32, "--bin", 2) == 0
    table = load(tmp_path / "a" / "pixels.npz")
    assert (table.frame_shape, table.pixel_size_um, table.photon_energy_eV) == ((64, 64), 600, 1700)
    assert make(tmp_path / "b", "--detector", "pnccd", "--distance", 130, "--n-pixels", 128, "--bin", 8) == 0
    assert load(tmp_path / "b" / "pixels.npz").frame_shape == (6, 489, 1024)


@pytest.mark.parametrize(
    ("distance", "status", "message"),
    [(132, 0, ""), (137, 0, "warning: steps in q differ by -5.1%"), (108, 0, "warning: steps in q differ by -9.7%")],
)
def test_a_scale_that_differs_is_told(trained_on, tmp_path, capsys, distance, status, message) -> None:
    """At 108 mm 3 x 3 pixels come next: 0.75 · 130/108."""
    assert make(tmp_path, *assembled(distance=distance), "--like", trained_on) == status
    said = capsys.readouterr().err
    assert said.startswith(message)
    assert bool(said) == bool(message)
    assert (tmp_path / "pixels.npz").exists()


def test_an_image_that_is_masked_elsewhere_is_told(trained_on, tmp_path, capsys) -> None:
    assert make(tmp_path, *assembled(centre=(100, 127.5)), "--like", trained_on) == 0
    said = capsys.readouterr()
    assert said.err == "warning: more or less of the image is masked than in training\n"
    assert "live: 89.1% of the image, of the training's 100.0%" in said.out


def test_a_scale_that_is_another_is_refused_unless_it_is_forced(trained_on, tmp_path, capsys) -> None:
    options = *assembled(), "--like", trained_on, "--bin", 6
    assert make(tmp_path, *options) == 2
    assert "would be 1.500 times that of" in (said := capsys.readouterr().err)
    assert "Train one for this detector (docs/guide/selecting.md), or give --force" in said
    assert not (tmp_path / "pixels.npz").exists()
    assert make(tmp_path, *options, "--force") == 0
    assert "warning: steps in q differ by +50.0%" in capsys.readouterr().err
    assert load(tmp_path / "pixels.npz").binning == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([*assembled(), "--bin", 4], "give --like, a dataset that the network was trained on, or --n-pixels and --bin"),
        ([*assembled(), "--bin", 0, "--n-pixels", 8], "--n-pixels is 8 and --bin 0, expected 1 or more"),
        ([*assembled(energy=None), "--like", "LIKE"], "the photon energy of the frames is not known; give --energy"),
        ([*assembled(), "--like", "LIKE", "--frame-shape", 3], "--frame-shape says nothing about --assembled"),
        (["--assembled", 8, 8, "--like", "LIKE"], "--assembled needs --centre"),
        (["--detector", "pnccd", "--like", "LIKE"], "--detector needs --distance"),
        (["--dataset", "LIKE", "--energy", 3, "--like", "LIKE"], "--energy says nothing about --dataset; leave it out"),
        ([*assembled(distance=-3), "--like", "LIKE"], "--distance is -3.0, expected more than 0"),
        ([*assembled(), "--like", "nowhere"], "there is no nowhere/geometry.npz; expected a folder"),
        (["--geom", "absent.geom", "--like", "LIKE"], "absent.geom"),
        ([*assembled(), "--like", "LIKE", "--adu-per-photon", "geom"], "no adu_per_photon is said of every panel"),
        ([*assembled(), "--like", "LIKE", "--adu-per-photon", "0"], "adu_per_photon is no positive number"),
        ([*assembled(), "--like", "LIKE", "--dark", "NPY"], "dark is float64 (3, 3), expected a number, or numbers"),
        ([*assembled(), "--like", "LIKE", "--mask", "NPY"], "holds float64 (3, 3), expected whole numbers (256, 256)"),
        ([*assembled(), "--like", "LIKE", "--dark", "LIKE/geometry.npz"], "is no .npy file of numbers, or is damaged"),
        ([*assembled(centre=(5000, 0)), "--like", "LIKE"], "no usable pixel of the frames is within 32 image pixels"),
    ],
)
def test_what_is_missing_or_of_no_use_is_told_in_one_line(trained_on, tmp_path, capsys, options, message) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 3)))
    named = {"LIKE": str(trained_on), "NPY": str(tmp_path / "a.npy")}
    words = [str(option) for option in options]
    for short, name in named.items():
        words = [word.replace(short, name) for word in words]
    assert make(tmp_path, *words) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "pixels.npz").exists()


def test_a_table_that_is_there_stays(trained_on, tmp_path, capsys) -> None:
    options = *assembled(), "--like", trained_on
    assert make(tmp_path, *options) == 0
    assert make(tmp_path, *options) == 2
    assert "pixels.npz is there already" in capsys.readouterr().err
    assert make(tmp_path, *options, "--overwrite") == 0
    assert main([*map(str, options), "-o", str(tmp_path / "pixels.h5")]) == 2
    assert "expected a name that ends in .npz" in capsys.readouterr().err
