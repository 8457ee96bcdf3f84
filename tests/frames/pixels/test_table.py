"""Frames summed into images: against loops and against the simulation of binned detectors; tables as files."""

import numpy as np
import pytest

from frames.frames import Instrument
from frames.pixels.positions import MaskBeside, Pixels, assembled, of_geometry
from frames.pixels.table import NOWHERE, Folder, PixelTable, _per_pixel, fold, load, q_step
from simulate.diffraction import volume
from simulate.experiment.config import NATIVE_PIXEL_UM, DetectorConfig
from simulate.experiment.geometry import square_detector
from simulate.experiment.panels import LAYOUTS, coverage, of_panels
from simulate.experiment.tabulate import binning_like, disagreement, tabulate
from support.references import Atoms


def slow_fold(frames: np.ndarray, table: PixelTable, bad: np.ndarray | None = None) -> np.ndarray:
    """Pixel after pixel, photons made of each value as the docstrings say, in float32 as the compiled loop has them."""
    images = np.zeros((len(frames), table.n_pixels**2))
    values = frames.astype(np.float32)
    if table.dark is not None:
        values = values - table.dark
    if table.adu_per_photon is not None:
        values = values / table.adu_per_photon
    if table.threshold is not None:
        values = np.maximum(np.floor(values + (np.float32(1) - table.threshold)), 0)
    used = np.broadcast_to(table.target != NOWHERE, frames.shape) & (True if bad is None else ~bad)
    for image, frame, here in zip(images, values, used, strict=True):
        np.add.at(image, table.target[here], frame[here].astype(np.float64))
    return images.reshape(-1, table.n_pixels, table.n_pixels)


@pytest.fixture(scope="module")
def agipd() -> Pixels:
    return of_panels("agipd1m", 700.0, 6000.0)


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.uint16, np.int32, np.float32, np.float64, ">f8", ">u2", np.float16, bool]
)
def test_every_type_of_number_is_summed_as_by_hand(agipd: Pixels, dtype: str) -> None:
    table = tabulate(agipd, 40, 16)
    frames = np.random.default_rng(0).poisson(0.4, (3, *agipd.shape)).astype(dtype)
    images = fold(frames, table)
    assert images.dtype == np.float32
    assert np.array_equal(images, slow_fold(frames, table))


def test_photons_are_made_of_adu_and_summed_as_by_hand(agipd: Pixels) -> None:
    """The same float32 arithmetic, sums of whole photons: equal. Without the threshold, float64 sums rounded once."""
    generator = np.random.default_rng(1)
    photons = generator.poisson(0.4, (4, *agipd.shape))
    dark, gain = generator.uniform(90, 110, agipd.shape), generator.uniform(50, 70, agipd.shape)
    adu = np.round(photons * gain + dark + generator.normal(0, 6, photons.shape)).astype(np.uint16)
    bad = generator.random(photons.shape) < 0.02
    for threshold in (None, 0.7, generator.uniform(0.4, 0.9, agipd.shape)):
        table = tabulate(agipd, 128, 4, dark=dark, adu_per_photon=gain, threshold=threshold)
        for where in (None, bad, bad[0]):
            images, expected = fold(adu, table, where), slow_fold(adu, table, where)
            if threshold is not None:
                assert np.array_equal(images, expected)
            else:
                np.testing.assert_allclose(images, expected, rtol=1e-6, atol=1e-6)
    # 5 standard deviations of the noise are half a photon: of 0.5, all photons come back.
    table = tabulate(agipd, 128, 4, dark=dark, adu_per_photon=gain, threshold=0.5)
    calm = np.round(photons * gain + dark).astype(np.uint16)
    assert np.array_equal(fold(calm, table), fold(photons, tabulate(agipd, 128, 4)))


def test_a_frame_alone_is_folded_as_among_others(agipd: Pixels) -> None:
    """As screening folds it, in one thread: the same sums, of photons and of raw values, with bad pixels too."""
    generator = np.random.default_rng(3)
    adu = generator.integers(90, 400, (2, *agipd.shape)).astype(np.uint16)
    bad = generator.random(agipd.shape) < 0.02
    for table in (tabulate(agipd, 128, 4), tabulate(agipd, 128, 4, dark=100, adu_per_photon=60, threshold=0.7)):
        folder, image = Folder(table), np.empty((128, 128), np.float32)
        for where in (None, bad):
            for frame, expected in zip(adu, slow_fold(adu, table, where), strict=True):
                folder.fold(frame, image, where)
                assert np.array_equal(image, expected)
    with pytest.raises(ValueError, match="but the table is of"):
        folder.fold(adu[0, 0], image)


@pytest.mark.parametrize("dtype", ["?", "i1", ">u2", "<i2", ">i4", ">u4", ">i8", "u8", "f2", ">f4", ">f8"])
def test_a_frame_alone_is_folded_whatever_its_type_and_order(dtype: str) -> None:
    """Of either end first, and of types that no loop is compiled for; as a file has them, or as columns of others."""
    target = np.array([[0, 0, 1, NOWHERE], [2, 1, 1, 3]], np.int32)
    table = PixelTable(target, 2, 1, 100.0, 100.0, None, (0.0, 0.0))
    frame = np.array([[1, 0, 1, 1], [0, 1, 1, 1]]).astype(dtype)
    for given in (frame, np.asfortranarray(frame), np.repeat(frame, 2, axis=1)[:, ::2], np.frombuffer(frame, dtype)):
        image = np.full((2, 2), 9, np.float32)
        Folder(table).fold(given.reshape(frame.shape), image)
        assert image.tolist() == [[1, 3], [0, 1]]
        assert fold(given.reshape(1, *frame.shape), table).tolist() == [[[1, 3], [0, 1]]]
    bad = np.asfortranarray(target == 1)
    Folder(table).fold(frame, image, bad)
    assert image.tolist() == [[1, 0], [0, 1]]


def test_one_of_dark_gain_and_threshold_is_enough(agipd: Pixels) -> None:
    frames = np.random.default_rng(2).poisson(3.0, (2, *agipd.shape)).astype(np.int16)
    for given in ({"dark": 2.0}, {"adu_per_photon": 3.0}, {"threshold": 0.4}):
        table = tabulate(agipd, 32, 32, **given)
        np.testing.assert_allclose(fold(frames, table), slow_fold(frames, table), rtol=1e-6, atol=1e-3)
    assert fold(frames, tabulate(agipd, 32, 32, dark=4.0)).min() < 0  # noise reads below none, and stays
    counted = tabulate(agipd, 32, 32, dark=4.0, threshold=0.5)
    assert np.array_equal(fold(frames, counted), slow_fold(frames, counted))
    assert fold(frames, counted).min() >= 0  # no count does


def test_a_threshold_alone_counts_values_that_are_no_whole_numbers(agipd: Pixels) -> None:
    """Calibrated frames in photons: 0.69 is none, 0.7 is one, 1.69 one and 1.7 two."""
    table = tabulate(agipd, 32, 32, threshold=0.7)
    values = np.array([0.69, 0.71, 1.69, 1.71], np.float32)
    frames = np.zeros((4, *agipd.shape), np.float32)
    where = tuple(np.argwhere(table.target == table.target.max())[0])
    frames[(slice(None), *where)] = values
    assert fold(frames, table).sum((1, 2)).tolist() == [0, 1, 1, 2]
    assert np.array_equal(fold(frames, table), slow_fold(frames, table))


def test_what_makes_photons_is_single_precision_given_or_not(agipd: Pixels) -> None:
    """The loop is compiled for that: of another type it would be compiled again, seconds in each process."""
    for given in ({}, {"dark": 2.0}, {"adu_per_photon": 3.0}, {"threshold": 0.4}):
        assert {values.dtype for values in _per_pixel(tabulate(agipd, 32, 32, **given))} == {np.dtype(np.float32)}


def test_every_photon_on_the_image_is_there_once(agipd: Pixels) -> None:
    """An image of 160 x 8 native pixels holds the whole detector."""
    frames = np.random.default_rng(3).poisson(2.0, (2, *agipd.shape)).astype(np.uint16)
    table = tabulate(agipd, 160, 8)
    assert (table.target != NOWHERE).all()
    assert np.array_equal(fold(frames, table).sum((1, 2), dtype=np.float64), frames.sum((1, 2, 3), dtype=np.float64))


def test_a_value_that_is_no_number_counts_where_it_is_used_and_nowhere_else(agipd: Pixels) -> None:
    for given in ({}, {"dark": 1.0}, {"threshold": 0.5}):
        table = tabulate(agipd, 32, 8, **given)
        frames = np.ones((1, *agipd.shape), np.float32)
        frames[0, table.target == NOWHERE] = np.nan
        assert np.isfinite(fold(frames, table)).all()
        used = tuple(np.argwhere(table.target != NOWHERE)[7])
        frames[(0, *used)] = np.nan
        assert np.isnan(fold(frames, table)).sum() == 1
        assert np.isfinite(fold(frames, table, np.isnan(frames))).all()


@pytest.mark.parametrize("model", LAYOUTS)
@pytest.mark.parametrize(("n_pixels", "binning"), [(128, 4), (128, 8), (91, 7), (32, 33), (256, 1)])
def test_live_shares_and_the_mask_are_those_of_the_simulation(model: str, n_pixels: int, binning: int) -> None:
    table = tabulate(of_panels(model, 300.0), n_pixels, binning)
    detector = DetectorConfig(model=model, n_pixels=n_pixels, binning=binning)
    assert np.array_equal(table.live, coverage(detector))
    assert np.array_equal(table.instrument.mask, coverage(detector) == 0)
    assert table.pixel_size_um == detector.image_pixel_size_um


def test_native_patterns_of_a_detector_are_folded_into_its_binned_ones(molecule: Atoms) -> None:
    """Expected photons of the middle of the AGIPD, by the same volume: a pixel of 4 x 4 takes the sum of its native
    pixels, and the simulation its own middle 16 times over. Between them is what varies within it: of a smooth pattern,
    curvature times (4² - 1)/24 native pixels squared along each axis (5/8), the next order being less than that again.
    """
    native = square_detector(
        photon_energy_eV=6000,
        n_pixels=256,
        pixel_size_um=NATIVE_PIXEL_UM["agipd1m"],
        distance_mm=700,
        live=coverage(DetectorConfig(model="agipd1m", n_pixels=256)),
    )
    binned = square_detector(
        photon_energy_eV=6000,
        n_pixels=64,
        pixel_size_um=800,
        distance_mm=700,
        live=coverage(DetectorConfig(model="agipd1m", n_pixels=64, binning=4)),
    )

    def photons(geometry, live):
        field = volume.exact_field(geometry.q, *molecule)
        return geometry.solid_angle * geometry.polarisation * live * np.abs(field) ** 2

    table = tabulate(of_geometry(native), 64, 4)
    assert np.array_equal(table.live > 0, binned.live > 0)
    folded = fold(photons(native, native.live)[None], table)[0]
    rendered = photons(binned, binned.live)
    whole = binned.live == 1
    everywhere = photons(native, 1.0)
    curvature = sum(abs(np.gradient(np.gradient(everywhere, axis=axis), axis=axis)) for axis in (0, 1))
    largest = curvature.reshape(64, 4, 64, 4).max((1, 3)) * 16
    assert (abs(folded - rendered)[whole] <= 2 * 5 / 8 * largest[whole] + 1e-6 * rendered.max()).all()
    assert np.linalg.norm((folded - rendered)[whole]) < 0.01 * np.linalg.norm(rendered[whole])
    assert (folded[binned.live == 0] == 0).all()


def test_counts_of_native_patterns_are_summed_exactly() -> None:
    """Of an image that our detector assembles, by slices."""
    live = coverage(DetectorConfig(model="agipd1m", n_pixels=256))
    native = square_detector(photon_energy_eV=6000, n_pixels=256, pixel_size_um=200, distance_mm=700, live=live)
    counts = np.random.default_rng(4).poisson(3.0 * live, (5, 256, 256)).astype(np.uint16)
    table = tabulate(of_geometry(native), 64, 4)
    assert np.array_equal(fold(counts, table), counts.reshape(5, 64, 4, 64, 4).sum((2, 4)))
    assert table.photon_energy_eV == 6000


@pytest.mark.parametrize("centre", [(511.5, 499.5), (511.75, 499.0), (512.0, 500.2)])
def test_an_assembled_image_is_centred_by_whole_pixels_and_what_is_left_is_told(centre: tuple[float, float]) -> None:
    """The middle of the image lies on the border before the first pixel whose centre is not before the beam."""
    table = tabulate(assembled((1024, 1024), centre, 75.0, 130.0, 1700.0), 64, 8)
    column, row = np.ceil(centre).astype(int)
    frames = np.zeros((1, 1024, 1024), np.uint16)
    frames[0, row, column], frames[0, row - 1, column - 1] = 5, 7
    image = fold(frames, table)[0]
    assert (image[32, 32], image[31, 31], image.sum()) == (5, 7, 12)
    x, y = table.beam_centre  # (0.5, 0.5) pixels before the pixel (column, row) is the middle
    assert x == pytest.approx((centre[0] - (column - 0.5)) / 8)
    assert y == pytest.approx((centre[1] - (row - 0.5)) / 8)
    assert 0 <= max(abs(x), abs(y)) <= 0.5 / 8


def test_a_frame_that_ends_before_the_image_is_padded_and_masked() -> None:
    """260 x 257 pixels, beam at column 128 and row 130, in pixels of 2 x 2 on 160 x 160."""
    pixels = assembled((260, 257), (128.0, 130.0), 300.0, 586.0, 1600.0)
    table = tabulate(pixels, 160, 2)
    frames = np.ones((1, 260, 257), np.uint8)
    image = fold(frames, table)[0]
    assert image.sum() == 260 * 257
    assert np.array_equal(image == 0, table.instrument.mask)
    assert np.array_equal(image, 4 * table.live)
    rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (15, 144, 16, 144)


def test_a_bad_pixel_takes_its_share_from_the_image_pixel_and_a_dead_one_is_masked() -> None:
    pixels = assembled((8, 8), (3.5, 3.5), 100.0, 100.0)
    usable = np.ones((8, 8), bool)
    usable[0, 0] = usable[0, 1] = False
    usable[4:6, 6:8] = False
    table = tabulate(Pixels(**vars(pixels) | {"usable": usable}), 4, 2)
    expected = np.ones((4, 4))
    expected[0, 0], expected[2, 3] = 0.5, 0
    assert np.array_equal(table.live, expected)
    assert np.array_equal(fold(np.ones((1, 8, 8)), table)[0], 4 * expected)


def test_a_table_comes_back_from_its_file(agipd: Pixels, tmp_path) -> None:
    beside = MaskBeside("entry_1/data_1/mask", 0, 0xFFFF)
    pixels = Pixels(**vars(agipd) | {"mask": beside})
    table = tabulate(pixels, 64, 8, dark=3.0, adu_per_photon=np.full(agipd.shape, 45), threshold=0.7, made_from="me")
    table.save(tmp_path / "pixels.npz")
    again = load(tmp_path / "pixels.npz")
    for name in table.__dataclass_fields__:
        assert np.array_equal(getattr(again, name), getattr(table, name)), name
    frames = np.random.default_rng(5).integers(0, 400, (2, *agipd.shape))
    assert np.array_equal(fold(frames, again), fold(frames, table))
    # Targets are runs of equal numbers, dark and gain one number each.
    assert (tmp_path / "pixels.npz").stat().st_size < 0.1 * sum(
        values.nbytes for values in (table.target, table.dark, table.adu_per_photon, table.threshold)
    )
    plain = tabulate(Pixels(**vars(agipd) | {"photon_energy_eV": None}), 64, 8)
    plain.save(tmp_path / "plain.npz")
    assert load(tmp_path / "plain.npz").photon_energy_eV is None
    assert load(tmp_path / "plain.npz").mask is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": np.full((4, 4), 99, np.int32)}, "targets 99 to 99, expected -1 to 15"),
        ({"target": np.full((4, 4), 16, np.int32)}, "targets 16 to 16, expected -1 to 15"),
        ({"target": np.full((4, 4), -2, np.int32)}, "targets -2"),
        ({"target": np.zeros((4, 4))}, r"\(target holds no int32, or n_pixels no whole number\)"),
        ({"target": np.full((4, 4), NOWHERE, np.int32)}, r"\(no pixel of a frame adds to the image\)"),
        ({"dark": np.zeros((4, 5), np.float32)}, "dark is float32"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, change: dict, message: str) -> None:
    table = tabulate(assembled((4, 4), (1.5, 1.5), 100.0, 100.0), 4, 1)
    table.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as arrays:
        np.savez(tmp_path / "b.npz", **dict(arrays) | change)
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "b.npz")


def test_a_damaged_table_is_refused(tmp_path) -> None:
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 no more")
    with pytest.raises(ValueError, match=r"a\.npz is no table of pixels, or is damaged"):
        load(tmp_path / "a.npz")


def test_frames_of_another_shape_and_frames_beside_the_beam_are_refused(agipd: Pixels) -> None:
    with pytest.raises(ValueError, match=r"frames of \(16, 512, 128\) pixels, but the table is of \(128, 128, 64\)"):
        fold(np.zeros((1, 16, 512, 128)), tabulate(agipd, 128, 4))
    with pytest.raises(ValueError, match="no usable pixel of the frames is within 4 image pixels of the beam"):
        tabulate(assembled((64, 64), (200.0, 0.0), 75.0, 100.0), 8, 2)
    with pytest.raises(ValueError, match="adu_per_photon is no positive number"):
        tabulate(agipd, 128, 4, adu_per_photon=np.zeros(agipd.shape))
    with pytest.raises(ValueError, match=r"dark is float64 \(3,\)"):
        tabulate(agipd, 128, 4, dark=np.zeros(3))


def test_the_binning_comes_next_to_the_trainings_step_in_q(agipd: Pixels) -> None:
    """800 µm at 700 mm and 6 keV is the step that 4 x 4 pixels of the AGIPD have there; at 770 mm they have a tenth
    less, and 5 x 5 an eighth more."""
    geometry = square_detector(photon_energy_eV=6000, n_pixels=128, pixel_size_um=800, distance_mm=700)
    assert q_step(geometry) == pytest.approx(geometry.q_step, rel=1e-3)
    assert binning_like(agipd, geometry) == 4
    assert disagreement(tabulate(agipd, 128, 4), geometry) == pytest.approx(0, abs=1e-12)
    further = of_panels("agipd1m", 770.0, 6000.0)
    assert binning_like(further, geometry) == 4
    assert disagreement(tabulate(further, 128, 4), geometry) == pytest.approx(700 / 770 - 1)
    harder = of_panels("agipd1m", 700.0, 12000.0)
    assert binning_like(harder, geometry) == 2
    with pytest.raises(ValueError, match=r"^the photon energy of the frames is not known; give --energy$"):
        binning_like(of_panels("agipd1m", 700.0), geometry)
    for instrument, said in (
        (Instrument(None, 6000.0, None, 700.0), "None µm at 700.0 mm"),
        (Instrument(None, 6000.0, 200.0, None), "200.0 µm at None mm"),
    ):
        with pytest.raises(ValueError, match=f"^pixels of {said}: both have to be known$"):
            q_step(instrument)
