"""Geometry files of CrystFEL: layouts as facilities write them, made small, and what is refused and how."""

from pathlib import Path

import numpy as np
import pytest

from frames.formats.crystfel import read_geom
from frames.pixels.positions import MaskBeside
from frames.pixels.table import NOWHERE, fold
from simulate.experiment.panels import of_panels, panels
from simulate.experiment.tabulate import tabulate

# Two modules of two ASICs of 8 x 4 pixels, slow along x, fast down: as the AGIPD's, with its tilts and offsets.
AGIPD = """
; Manually optimized with hdfsee
data = /entry_1/data_1/data      ; where the data lie
dim0 = %
dim1 = 0
dim2 = ss
dim3 = fs
mask = /entry_1/data_1/mask
mask_good = 0x0
mask_bad = 0xffff
adu_per_eV = 0.0075  ; no idea
clen = 0.1249
photon_energy = 9300
res = 5000 ; 200 um pixels
max_adu = 9999

rigid_group_q0 = p0a0,p0a1
rigid_group_collection_quadrants = q0

p0a0/dim1 = 0
p0a0/min_fs = 0
p0a0/min_ss = 0
p0a0/max_fs = 7
p0a0/max_ss = 3
p0a0/fs = -0.001328x -0.999995y
p0a0/ss = +0.999995x -0.001328y
p0a0/corner_x = -12.5
p0a0/corner_y = 20.25
p0a0/coffset = 0.001112

p0a1/dim1 = 0
p0a1/min_fs = 0
p0a1/min_ss = 4
p0a1/max_fs = 7
p0a1/max_ss = 7
p0a1/fs = -0.001328x -0.999995y
p0a1/ss = +0.999995x -0.001328y
p0a1/corner_x = -6.5
p0a1/corner_y = 20.242
p0a1/coffset = 0.001112

p1a0/dim1 = 1
p1a0/min_fs = 0
p1a0/min_ss = 0
p1a0/max_fs = 7
p1a0/max_ss = 3
p1a0/fs = +0.0x +1.0y
p1a0/ss = -x
p1a0/corner_x = 12
p1a0/corner_y = -20

p1a1/dim1 = 1
p1a1/min_fs = 0
p1a1/min_ss = 4
p1a1/max_fs = 7
p1a1/max_ss = 7
p1a1/fs = +0.0x +1.0y
p1a1/ss = -x
p1a1/corner_x = 6
p1a1/corner_y = -20

; Optimized panel offsets can be found at the end of the file
p1a1/corner_x = 5.5
"""

# Two halves of 4 x 8 pixels in one array, above and below the beam, the lower one turned about: as the pnCCD's.
PNCCD = """
wavelength = 7.29 A
clen = 130.0 mm
adu_per_photon = 133
res = 13333.3333333333
badslit/min_x = -1.0
badslit/max_x = 1.0
badslit/min_y = -9
badslit/max_y = 9
badcolumn/min_fs = 7
badcolumn/max_fs = 7
badcolumn/min_ss = 2
badcolumn/max_ss = 5
upper/min_fs = 0
upper/max_fs = 7
upper/min_ss = 0
upper/max_ss = 3
upper/corner_x = -4
upper/corner_y = 2
upper/fs = x
upper/ss = y
lower/min_fs = 0
lower/max_fs = 7
lower/min_ss = 4
lower/max_ss = 7
lower/corner_x = 4
lower/corner_y = -2
lower/fs = -x
lower/ss = -y
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "some.geom"
    path.write_text(text)
    return path


def test_pixels_of_an_agipd_lie_where_its_panels_say(tmp_path: Path) -> None:
    """A pixel by hand: its centre half a pixel into the panel, seen from the sample in the plane at the median."""
    pixels = read_geom(written(tmp_path, AGIPD))
    assert pixels.shape == (2, 8, 8)
    assert pixels.usable.all()
    assert pixels.pixel_size_um == pytest.approx(200)
    assert pixels.photon_energy_eV == 9300
    assert np.unique(pixels.adu_per_photon) == pytest.approx([69.75])
    assert pixels.mask == MaskBeside("entry_1/data_1/mask", 0, 0xFFFF)
    distances = 124.9 + np.array([1.112, 0.0])
    assert pixels.distance_mm == pytest.approx(np.median(np.repeat(distances, 64)))
    for module, ss, fs, corner, along_fs, along_ss in (
        (0, 2, 3, (-12.5, 20.25), (-0.001328, -0.999995), (0.999995, -0.001328)),
        (0, 5, 0, (-6.5, 20.242), (-0.001328, -0.999995), (0.999995, -0.001328)),
        (1, 3, 7, (12, -20), (0, 1), (-1, 0)),
        (1, 4, 7, (5.5, -20), (0, 1), (-1, 0)),  # the corner that is said last
    ):
        expected = np.array(corner) + (fs + 0.5) * np.array(along_fs) + (ss % 4 + 0.5) * np.array(along_ss)
        expected *= pixels.distance_mm / distances[module]
        found = pixels.x[module, ss, fs], pixels.y[module, ss, fs]
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)  # rounded to a millionth of a pixel


def test_pixels_of_a_pnccd_lie_about_the_beam(tmp_path: Path) -> None:
    pixels = read_geom(written(tmp_path, PNCCD))
    assert pixels.shape == (8, 8)
    assert pixels.photon_energy_eV == pytest.approx(12398.42 / 7.29, rel=1e-6)
    assert (pixels.distance_mm, pixels.pixel_size_um) == (pytest.approx(130), pytest.approx(75))
    assert np.array_equal(pixels.x[:4], np.tile(np.arange(-3.5, 4), (4, 1)))
    assert np.array_equal(pixels.y[4:, 0], [-2.5, -3.5, -4.5, -5.5])
    assert np.array_equal(pixels.x[4], -pixels.x[0])  # the lower half is turned about
    bad = abs(pixels.x) < 1
    bad[2:6, 7] = True
    assert np.array_equal(pixels.usable, ~bad)
    assert (pixels.adu_per_photon == 133).all()
    assert pixels.mask is None


def test_frames_of_both_are_folded_pixel_by_pixel(tmp_path: Path) -> None:
    for text, binning in ((AGIPD, 3), (PNCCD, 2)):
        pixels = read_geom(written(tmp_path, text))
        table = tabulate(pixels, 16, binning)
        frames = np.random.default_rng(0).poisson(2.0, (3, *pixels.shape))
        expected = np.zeros((3, 16, 16))
        for place in np.ndindex(pixels.shape):
            column = int(np.floor(pixels.x[place] / binning + 8))
            row = int(np.floor(pixels.y[place] / binning + 8))
            if pixels.usable[place] and 0 <= column < 16 and 0 <= row < 16:
                expected[:, row, column] += frames[(slice(None), *place)]
        assert np.array_equal(fold(frames, table), expected)
        assert (table.target != NOWHERE).sum() == pixels.usable.sum()


def test_our_own_agipd_written_as_a_geom_gives_the_same_table(tmp_path: Path) -> None:
    """128 panels, each with dim1 its own number: nothing differs, to the last pixel."""
    lines = ["clen = 700 mm", "photon_energy = 6 keV", "res = 5000", "dim0 = %", "dim2 = ss", "dim3 = fs"]
    for number, panel in enumerate(panels("agipd1m")):
        keys = {"dim1": number, "min_fs": 0, "max_fs": panel.n_fast - 1, "min_ss": 0, "max_ss": panel.n_slow - 1}
        vectors = {"fs": panel.fast, "ss": panel.slow}
        keys |= {key: f"{x:+.1f}x {y:+.1f}y" for key, (x, y) in vectors.items()}
        keys |= {"corner_x": panel.corner[0], "corner_y": panel.corner[1]}
        lines += [f"p{number}/{key} = {value}" for key, value in keys.items()]
    ours = tabulate(of_panels("agipd1m", 700.0, 6000.0), 128, 4)
    theirs = tabulate(read_geom(written(tmp_path, "\n".join(lines))), 128, 4)
    assert np.array_equal(ours.target, theirs.target)
    for name in ("pixel_size_um", "distance_mm", "photon_energy_eV"):
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-12)
    assert theirs.beam_centre == pytest.approx((0, 0), abs=1e-6)


def test_a_tilted_panel_is_projected_from_the_sample(tmp_path: Path) -> None:
    """A panel that leans away: its far pixels appear nearer to the beam than they lie."""
    tilted = PNCCD.replace("upper/ss = y", "upper/ss = 0.8y +0.6z")
    pixels = read_geom(written(tmp_path, tilted))
    y, z = 2 + 0.8 * 3.5, 0.130 * 13333.3333333333 + 0.6 * 3.5
    assert pixels.y[3, 0] == pytest.approx(y / z * pixels.distance_mm / 0.075, abs=2e-6)


def test_what_the_file_leaves_to_the_data_is_given(tmp_path: Path) -> None:
    """An encoder's place for clen, and coffset the most of the distance, as LCLS has it."""
    text = PNCCD.replace("clen = 130.0 mm", "clen = /LCLS/detector_1/EncoderValue\ncoffset = 0.58").replace(
        "wavelength = 7.29 A", "photon_energy = /LCLS/photon_energy_eV"
    )
    path = written(tmp_path, text)
    with pytest.raises(ValueError, match=r"some\.geom: clen is /LCLS/detector_1/EncoderValue, no number; give"):
        read_geom(path)
    pixels = read_geom(path, distance_mm=20, photon_energy_eV=1700)
    assert pixels.distance_mm == pytest.approx(600)
    assert pixels.photon_energy_eV == 1700
    assert read_geom(path, distance_mm=20).photon_energy_eV is None


def test_a_detector_that_is_shifted_panels_left_out_and_edges(tmp_path: Path) -> None:
    text = PNCCD.replace("badslit/", "; ").replace("badcolumn/", "; ")
    pixels = read_geom(written(tmp_path, text))
    assert pixels.usable.all()
    shifted = read_geom(written(tmp_path, "detector_shift_x = 0.15 mm\ndetector_shift_y = -75e-6\n" + text))
    np.testing.assert_allclose(shifted.x, pixels.x + 2, atol=2e-6)
    np.testing.assert_allclose(shifted.y, pixels.y - 1, atol=2e-6)
    without = read_geom(written(tmp_path, text + "lower/no_index = 1\nupper/mask_edge_pixels = 1\n"))
    expected = np.zeros((8, 8), bool)
    expected[1:3, 1:7] = True
    assert np.array_equal(without.usable, expected)
    larger = read_geom(written(tmp_path, text), shape=(9, 10))
    assert larger.shape == (9, 10)
    assert larger.usable.sum() == 64


def test_bits_of_a_mask_say_what_is_bad() -> None:
    mask = np.array([0, 1, 2, 3, 5], np.uint8)
    assert MaskBeside("m", 0, 0xFFFF).unusable(mask).tolist() == [False, True, True, True, True]
    assert MaskBeside("m", 1, 0).unusable(mask).tolist() == [True, False, True, False, False]  # 1 is good: Cheetah
    assert MaskBeside("m", 1, 4).unusable(mask).tolist() == [True, False, True, False, True]
    assert not MaskBeside("m", 0, 0).unusable(mask).any()
    with pytest.raises(ValueError, match="holds float64 values"):
        MaskBeside("m", 1, 0).unusable(mask.astype(float))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("clen = 130.0 mm\n", "", "clen is missing, no number; give the distance"),
        ("clen = 130.0 mm", "clen = 130.0 cm", "clen is '130.0 cm', expected a number and one of m, mm"),
        ("clen = 130.0 mm", "clen = -130 mm", "lies at -0.13 m along the beam"),
        ("res = 13333.3333333333", "res = 0", "upper/res is 0, expected pixels per metre"),
        ("res = 13333.3333333333", "res = 75e-6", "res is 7.5e-05: pixels of 13333.3 m; expected pixels per metre"),
        ("upper/fs = x", "upper/fs = 2x", "upper/fs is '2x' and upper/ss 'y', expected directions of length 1"),
        ("upper/fs = x", "upper/fs = 0x", "expected directions of length 1, at right angles"),
        ("upper/fs = x", "upper/fs = y", "expected directions of length 1, at right angles"),
        ("lower/corner_y = -2", "lower/corner_y = 6", "panels lie over each other: 32 of 64 pixels share their place"),
        ("wavelength = 7.29 A", "wavelength = 0 A", "wavelength is '0 A', expected more than 0"),
        ("wavelength = 7.29 A", "photon_energy = -5", "photon_energy is '-5', expected more than 0"),
        ("upper/corner_x = -4\n", "", "panel upper has no corner_x"),
        ("upper/corner_x = -4", "upper/corner_x = left", "upper/corner_x is 'left', expected a number"),
        ("upper/max_fs = 7", "upper/max_fs = 7.5", "upper/max_fs is '7.5', expected a whole number"),
        ("upper/max_fs = 7", "upper/max_fs = -1", "upper/max_fs is '-1', expected a whole number, 0 or more"),
        ("upper/min_fs = 0", "upper/min_fs = 9", "panel upper is of fs 9 to 7"),
        ("upper/fs = x", "upper/fs = 1", "upper/fs is '1', expected a vector such as"),
        ("upper/fs = x", "upper/fs = x + y2", "upper/fs is 'x \\+ y2', expected a vector"),
        ("upper/fs = x", "upper/fs", "line 20: 'upper/fs' is no `name = value`"),
        ("upper/fs = x", "upper/fast = x", "line 20: 'fast' is not known here"),
        ("upper/fs = x", "upper/fs = x\nflag_morethan = 9", "'flag_morethan' is not known here"),
        ("lower/min_ss = 4", "lower/min_ss = 3", "two panels share the pixels"),
        ("wavelength = 7.29 A", "wavelength = 7.29", "wavelength is '7.29', expected a number and one of m, A"),
        ("wavelength = 7.29 A", "wavelength = 7.29 A\nphoton_energy = 5", "photon_energy and wavelength; remove one"),
        ("badslit/min_x = -1.0\n", "", "badslit has max_x, max_y, min_y; expected min_x"),
        ("badslit/min_x", "badslit/colour", "'colour' of a bad region is not known"),
        ("badcolumn/min_ss = 2", "badcolumn/min_ss = 2\nbadcolumn/panel = q", "of panel 'q', which the file has not"),
        ("upper/fs = x", "upper/fs = x\nupper/dim0 = fs\nupper/dim1 = ss", "panel upper has dim = fs, ss; expected %"),
        ("upper/fs = x", "upper/fs = x\nupper/dim0 = ss\nupper/dim1 = fs\nupper/dim2 = %", "has dim = ss, fs, %"),
        (
            "upper/fs = x",
            "upper/fs = x\nupper/dim0 = 0\nupper/dim1 = ss\nupper/dim2 = fs",
            "fs and ss number the pixels",
        ),
        ("res =", "mask_file = /elsewhere/mask.h5\nres =", "its mask lies in /elsewhere/mask.h5"),
        ("res =", "mask1_data = /data/m\nres =", "'mask1_data' is not known here"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in PNCCD
    with pytest.raises(ValueError, match=rf"some\.geom: .*{message}"):
        read_geom(written(tmp_path, PNCCD.replace(old, new, 1)))


@pytest.mark.parametrize(("old", "new"), [("lower/corner_y = -2", "lower/corner_y = 6\nlower/coffset = 0.1")])
def test_a_panel_behind_another_lies_apart(tmp_path: Path, old: str, new: str) -> None:
    assert old in PNCCD
    assert np.isfinite(read_geom(written(tmp_path, PNCCD.replace(old, new, 1))).x).all()


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path, mark: bytes) -> None:
    (tmp_path / "some.geom").write_bytes(mark + PNCCD.lstrip().encode())
    assert read_geom(tmp_path / "some.geom").distance_mm == 130


def test_frames_smaller_than_the_panels_and_files_without_panels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"its panels lie in frames of \(8, 8\) pixels, so these cannot"):
        read_geom(written(tmp_path, PNCCD), shape=(4, 8))
    with pytest.raises(ValueError, match="it has no panel"):
        read_geom(written(tmp_path, "clen = 1"))
    with pytest.raises(FileNotFoundError):
        read_geom(tmp_path / "absent.geom")
