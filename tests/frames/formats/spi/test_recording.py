"""A recording is one stack of photons, whatever layout its files have; what is wrong with a file is said."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from frames.formats.spi.recording import Recording, Said, open_recording
from frames.geometry import wavelength

GENERATOR = np.random.default_rng(0)
SHAPE = (30, 26)
MASK = np.zeros(SHAPE, np.int32)
MASK[14:16] = 1
CENTRE = (12.0, 15.0)


def rings(n: int, centre: tuple[float, float]) -> np.ndarray:
    """Counts (n, ny, nx) of rings about the beam."""
    y, x = np.indices(SHAPE)
    return GENERATOR.poisson(4 + 3 * np.cos(np.hypot(x - centre[0], y - centre[1])), (n, *SHAPE))


def spi(path: Path, groups: list[dict[str, Any]]) -> Path:
    with h5py.File(path, "w") as file:
        for k, held in enumerate(groups, 1):
            for name, value in {"mask": MASK, "image_center": [*CENTRE, 0], **held}.items():
                if value is not None:
                    file[f"entry_1/image_{k}/{name}"] = value
    return path


def cxidb(path: Path, data: np.ndarray) -> Path:
    """As CXIDB-58 and 88 are published: photons at this name, and neither a mask nor the beam."""
    with h5py.File(path, "w") as file:
        file["photonConverter/pnccdBack/photonCount"] = data
    return path


def opened(*paths: Path, **said: Any) -> Recording:
    return open_recording(paths, Said(**said))


def test_all_layouts_read_the_same(tmp_path: Path) -> None:
    images = rings(5, CENTRE)
    np.save(tmp_path / "mask.npy", MASK)
    np.save(tmp_path / "run.npy", images)
    other = {"mask": str(tmp_path / "mask.npy"), "centre": CENTRE}
    found = [
        opened(spi(tmp_path / "one.cxi", [{"data": images}])),
        opened(spi(tmp_path / "many.cxi", [{"data": image} for image in images])),
        opened(cxidb(tmp_path / "run.h5", images), **other),
        opened(tmp_path / "run.npy", **other),
        opened(tmp_path / "one.cxi", mask="entry_1/image_1/mask", centre=CENTRE),
    ]
    for one in found:
        assert len(one) == 5
        assert one.centre == CENTRE
        assert np.array_equal(one.mask, MASK != 0)
        assert np.array_equal(one.read(slice(1, 4)), np.where(MASK, 0, images[1:4]))
    assert len(found[1].parts) == 1  # of one mask and one centre


@pytest.mark.parametrize(("means", "usable", "unusable"), [(None, 0, 1), ("good", 1, 0), ("cxi", 256, 1)])
def test_a_mask_of_numpys_means_what_is_said(means: str | None, usable: int, unusable: int, tmp_path: Path) -> None:
    """What is no number is no pixel, whatever else it may mean; 256 of the bits of CXI is a noisy pixel."""
    np.save(tmp_path / "run.npy", rings(2, CENTRE))
    for dtype, one_more in ((np.int32, unusable), (np.float32, np.nan)):
        mask = np.where(MASK, unusable, usable).astype(dtype)
        mask[5, 6] = one_more
        np.save(tmp_path / "mask.npy", mask)
        found = opened(tmp_path / "run.npy", mask=str(tmp_path / "mask.npy"), centre=CENTRE, mask_means=means)
        expected = MASK != 0
        expected[5, 6] = True
        assert np.array_equal(found.mask, expected)


def test_groups_of_other_centres_are_moved_onto_the_first(tmp_path: Path) -> None:
    images, moved = rings(2, CENTRE), np.zeros((1, *SHAPE), np.int64)
    moved[0, 3:, :-2] = images[1, :-3, 2:]  # the beam 3 rows further, 2 columns nearer
    other = np.roll(MASK, 3, axis=0)
    path = spi(
        tmp_path / "run.cxi",
        [{"data": images}, {"data": moved, "mask": other, "image_center": [CENTRE[0] - 2.3, CENTRE[1] + 3.4, 0]}],
    )
    found = opened(path)
    live = ~found.mask
    assert np.array_equal(found.read(slice(1, 2))[0][live], found.read(slice(2, 3))[0][live])
    assert live.sum() == (SHAPE[0] - 2 - 3) * (SHAPE[1] - 2)  # of the mask, and what was moved in from outside


def test_several_files_are_one_run(tmp_path: Path) -> None:
    images = rings(5, CENTRE)
    found = opened(spi(tmp_path / "a.cxi", [{"data": images[:2]}]), spi(tmp_path / "b.cxi", [{"data": images[2:]}]))
    assert np.array_equal(found.read(slice(1, 4)), np.where(MASK, 0, images[1:4]))
    files, rows = found.origin()
    assert [Path(file).name for file in files] == ["a.cxi"] * 2 + ["b.cxi"] * 3
    assert rows.tolist() == [0, 1, 0, 1, 2]


def test_adu_become_photons_and_frames_are_left_out(tmp_path: Path) -> None:
    images = rings(6, CENTRE)
    broken = images * 8.1
    broken[2, 0, 0] = np.nan
    path = spi(tmp_path / "run.cxi", [{"data": broken}])
    with pytest.raises(ValueError, match=r"frame 2 has 1 pixels that are no finite numbers"):
        opened(path, photon=8.1).read(slice(0, 6))
    found = opened(path, photon=8.1, skip={2}).read(slice(1, 5))
    assert not found[1].any()
    assert np.allclose(found[[0, 2, 3]], np.where(MASK, 0, images[[1, 3, 4]]))


def test_what_the_file_says_of_the_beam_gives_way_to_what_is_said(tmp_path: Path) -> None:
    path = spi(tmp_path / "run.cxi", [{"data": rings(1, CENTRE)}])
    with pytest.raises(ValueError, match=r"neither the file nor you say distance_mm"):
        opened(path).instrument("distance_mm")
    with h5py.File(path, "a") as file:
        file["entry_1/instrument_1/detector_1/distance"] = 0.586
        file["entry_1/instrument_1/detector_1/x_pixel_size"] = 300e-6
        file["entry_1/instrument_1/source_1/energy"] = wavelength(1.0) / 7.75 * 1.602176634e-19
    found = opened(path, distance_mm=130.0)
    assert found.instrument("distance_mm") == 130.0
    assert found.instrument("pixel_size_um") == pytest.approx(300)
    assert found.instrument("photon_energy_eV") == pytest.approx(1599.8, abs=0.1)


def negative(images: np.ndarray) -> np.ndarray:
    return np.where(np.arange(len(images))[:, None, None] == 1, -images - 1.0, images)


@pytest.mark.parametrize(
    ("groups", "said", "match"),
    [
        ([{"data": rings(2, CENTRE), "mask": None}], {}, r"image_1 has no mask; name one"),
        ([{"data": rings(2, CENTRE), "image_center": None}], {}, r"image_1 has no image_center; say where the beam is"),
        ([{"data": rings(2, CENTRE)}], {"photon": 0.0}, "expected a number above 0"),
        ([{"data": rings(2, CENTRE)}], {"skip": {2}}, r"no frame 2 to leave out, only 0 to 1"),
        ([{"data": rings(2, CENTRE)}], {"mask": "mask.npy"}, r"mask.npy is \(3, 3\), images of .* are \(30, 26\)"),
        ([{"data": rings(2, CENTRE), "mask": np.ones(SHAPE)}], {}, r"the masks leave no pixel"),
        ([{"data": negative(rings(2, CENTRE))}], {"photon": 1.0}, r"frame 1 is negative, -\d.* photons a pixel"),
        ([{"data": rings(2, CENTRE) + 0.25}], {}, r"frame 0 has a pixel of \d\.25, no count of photons; say"),
    ],
)
def test_what_is_wrong_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, groups: list[dict[str, Any]], said: dict[str, Any], match: str
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("mask.npy", np.zeros((3, 3)))
    path = spi(tmp_path / "run.cxi", groups)
    with pytest.raises(ValueError, match=match):
        opened(path, **said).read(slice(0, 2))


def test_files_of_two_sizes_are_no_run(tmp_path: Path) -> None:
    other = cxidb(tmp_path / "b.h5", np.ones((2, 8, 8), np.int32))
    with pytest.raises(ValueError, match=r"b.h5: images are \(8, 8\) pixels, those of .*a.cxi \(30, 26\)"):
        opened(spi(tmp_path / "a.cxi", [{"data": rings(1, CENTRE)}]), other, mask="none", centre=(4.0, 4.0))


def test_a_frame_of_a_later_file_is_told_by_both_numbers(tmp_path: Path) -> None:
    first, second = rings(3, CENTRE), rings(2, CENTRE) * 1.0
    second[1, 3, 3] = np.inf
    found = opened(spi(tmp_path / "a.cxi", [{"data": first}]), spi(tmp_path / "b.cxi", [{"data": second}]), photon=1.0)
    with pytest.raises(ValueError, match=r"b.cxi.*frame 1 has .*in the run this file's frames count from 3"):
        found.read(slice(0, 5))


def test_masks_of_each_frame_are_one_where_they_nearly_are(tmp_path: Path) -> None:
    images, masks = rings(3, CENTRE), np.zeros((3, *SHAPE), np.int32)
    masks[:, 14:16], masks[1, 2, 2] = 1, 1
    with h5py.File(tmp_path / "run.cxi", "w") as file:
        file["cxi_version"] = 160
        file["entry_1/data_1/data"], file["entry_1/data_1/mask"] = images, masks
    assert opened(tmp_path / "run.cxi", centre=CENTRE).mask.sum() == 2 * SHAPE[1] + 1
    with h5py.File(tmp_path / "run.cxi", "a") as file:
        file["entry_1/data_1/mask"][0, :10] = 1
    with pytest.raises(ValueError, match=r"each frame has a mask of its own"):
        opened(tmp_path / "run.cxi", centre=CENTRE)
