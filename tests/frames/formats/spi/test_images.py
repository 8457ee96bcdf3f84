"""CXI in the layout of spi-em-class: written by h5py and by spi-processing, read by us; written by us, read by it."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from frames.formats.open import open_file, open_frames
from frames.formats.spi.images import read_groups, write_images

GENERATOR = np.random.default_rng(0)
MASK = np.zeros((12, 10), np.int32)
MASK[5] = 1


def write(path: Path, groups: dict[int, dict[str, Any]]) -> Path:
    """Groups image_k of a file, with what each holds."""
    with h5py.File(path, "w") as file:
        file["cxi_version"] = 160
        for k, held in groups.items():
            for name, value in held.items():
                file[f"entry_1/image_{k}/{name}"] = value
    return path


def group(n: int | None, **more: Any) -> dict[str, Any]:
    """One whole group of n images, or of one without an axis of its own."""
    shape = MASK.shape if n is None else (n, *MASK.shape)
    held = {"data": GENERATOR.poisson(3, shape), "mask": MASK, "image_center": [4.5, 6.0, 0.0]}
    return {name: value for name, value in {**held, **more}.items() if value is not None}


def test_frames_are_numbered_through_the_groups_by_their_numbers(tmp_path: Path) -> None:
    groups = {k: group(n) for k, n in ((10, None), (2, 3), (1, 2), (11, 1))}
    frames = open_frames(write(tmp_path / "run.cxi", groups))
    assert frames.shape == (7, 12, 10)
    expected = np.concatenate([groups[k]["data"].reshape(-1, 12, 10) for k in (1, 2, 10, 11)])
    for rows in (slice(0, 7), slice(1, 4), slice(4, 6), slice(5, 6), slice(6, 7)):
        assert np.array_equal(frames.read(rows), np.where(MASK, 0, expected)[rows])
    found = read_groups(tmp_path / "run.cxi")
    assert [(one.name, one.first, one.n) for one in found] == [
        ("entry_1/image_1", 0, 2), ("entry_1/image_2", 2, 3), ("entry_1/image_10", 5, 1), ("entry_1/image_11", 6, 1),
    ]  # fmt: skip
    assert all(one.centre == (4.5, 6.0) for one in found)


def test_groups_have_masks_of_their_own(tmp_path: Path) -> None:
    other = np.roll(MASK, 3, axis=0)
    path = write(tmp_path / "run.cxi", {1: group(2), 2: group(2, mask=other), 3: group(1, mask=None)})
    bad = open_frames(path).bad
    assert bad is not None
    assert np.array_equal(bad(slice(1, 5)), np.stack([MASK, other, other, np.zeros_like(MASK)]).astype(bool))


def test_cxi_that_singlehit_exports_has_its_beam_half_a_pixel_on(tmp_path: Path) -> None:
    path = write(tmp_path / "run.cxi", {1: group(1, image_center=[5.0, 6.0, 0.0])})
    with h5py.File(path, "a") as file:
        file["entry_1/program_name"] = "singlehit"
    assert read_groups(path)[0].centre == (4.5, 5.5)


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ({}, "has no entry_1/image_1"),
        (
            {1: group(2), 2: group(2, data=np.zeros((2, 8, 10)))},
            r"images of entry_1/image_2 are \(8, 10\)",
        ),
        ({1: group(2), 2: {"mask": MASK}}, "image_2 has no dataset data"),
        ({1: group(2, mask=np.zeros((3, 3)))}, r"image_1/mask is \(3, 3\), but its images are \(12, 10\)"),
        ({1: group(2, image_center=[np.nan, 1, 0])}, "image_1/image_center is .*expected x, y, z"),
        ({1: group(2, data=np.zeros((0, 12, 10)))}, r"is \(0, 12, 10\), expected frames"),
        ({1: group(2, data=np.array([["a"]], "S"))}, "expected real numbers"),
    ],
)
def test_what_is_no_such_file_is_said(tmp_path: Path, groups: dict[int, dict[str, Any]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_groups(write(tmp_path / "run.cxi", groups))


def damaged(path: Path, frame: int) -> Path:
    """A file whose chunk of one frame was overwritten."""
    with h5py.File(path, "w") as file:
        data = file.create_dataset(
            "entry_1/image_1/data", data=np.ones((4, *MASK.shape)), chunks=(1, *MASK.shape), compression="gzip"
        )
        file["entry_1/image_1/mask"], file["entry_1/image_1/image_center"] = MASK, [4.5, 6.0, 0]
        chunk = data.id.get_chunk_info(frame)
    with open(path, "r+b") as stream:
        stream.seek(chunk.byte_offset)
        stream.write(b"\xff" * chunk.size)
    return path


def test_a_damaged_frame_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    frames = open_frames(damaged(tmp_path / "run.cxi", 2))
    with pytest.raises(ValueError, match=r"run.cxi is damaged: frame 2 .*leave the frame out"):
        frames.read(slice(0, 4))
    assert frames.read(slice(3, 4)).sum() == 110


def test_a_file_that_is_cut_short_is_said_to_be(tmp_path: Path) -> None:
    path = write(tmp_path / "run.cxi", {1: group(40)})
    path.write_bytes(path.read_bytes()[:-4000])
    with pytest.raises(ValueError, match="is cut short"):
        open_file(path)


def test_what_we_write_is_what_spi_processing_and_spi_em_class_read(tmp_path: Path) -> None:
    cxidata = pytest.importorskip("spi_processing.cxidata")
    em_data = pytest.importorskip("spi_em_class.em_data")
    config = pytest.importorskip("spi_em_class.config")
    images, path = GENERATOR.poisson(3, (6, *MASK.shape)).astype(np.float32), tmp_path / "found.cxi"
    blocks = ((slice(at, at + 2), images[at : at + 2]) for at in (0, 2, 4))
    write_images(path, blocks, images.shape, MASK != 0, (4.5, 6.0), {"frame": np.arange(6) * 3})
    assert cxidata.get_image_groups(str(path)) == [1]
    assert np.array_equal(cxidata.read_dataset(str(path), 1, "data"), images)
    assert em_data.check_cxi_file(str(path))
    data = tmp_path / "em.h5"
    settings = {"binning": 1, "friedel": False, "logscale": False, "best_proba": False, "num_class": 2, "num_rot": 4}
    config.save_config(str(data), {**settings, "q_min": 0, "q_max": 0, "cxi_file": str(path)})
    em_data.convert_cxi_data(str(data))
    with h5py.File(data) as file:
        converted = file[f"{em_data.CONVERT_ROOT}/image_1"]
        y, x = np.nonzero(MASK == 0)
        assert set(np.round(np.hypot(x - 4.5, y - 6.0), 6)) >= set(np.round(converted["q_values"][()], 6))


def test_what_spi_processing_writes_we_read(tmp_path: Path) -> None:
    cxidata = pytest.importorskip("spi_processing.cxidata")
    path = str(tmp_path / "run.cxi")
    cxidata.create_file(path)
    for n in (2, 3):
        k = cxidata.add_image_group(path)
        for name, value in group(n).items():
            cxidata.save_dataset(path, k, name, np.asarray(value))
    assert open_frames(path).shape == (5, 12, 10)
