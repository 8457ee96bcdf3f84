"""What a file does not hold is not made up, and its masks mean what it says: for screening and for export alike."""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr

from frames import export
from frames.export import open_patterns
from frames.formats.cxi import DETECTOR, read_cxi, write_cxi
from frames.formats.emc import detector_path, read_emc, write_emc
from frames.formats.masks import UNUSABLE, bad_pixels
from frames.formats.open import open_frames
from frames.formats.skopi_h5 import read_skopi, write_skopi
from frames.frames import Frames, Instrument

N, NY, NX = 6, 8, 5
COUNTS = np.random.default_rng(0).poisson(3.0, (N, NY, NX)).astype(np.float32) + 1
DATA = "entry_1/data_1/data"
# Every bit of Cheetah's 16 alone, none, and all of them.
BITS = np.array([0, *(1 << np.arange(16)), 0xFFFF, *np.zeros(NY * NX - 18, int)]).reshape(NY, NX)
SAY_DO_NOT_USE = [0x1, 0x2, 0x4, 0x8, 0x10, 0x80, 0x200]


def refused(path: Path, name: str | None = None) -> str:
    """What screening says, in one line, and export as well."""
    said = []
    for opened in (open_frames, open_patterns):
        with pytest.raises(ValueError) as told:  # noqa: PT011
            opened(path, name=name).read(slice(0, N))
        said.append(str(told.value))
    assert said[0] == said[1]
    assert "\n" not in said[0]
    assert path.name in said[0]
    return said[0]


def read_by_both(path: Path, name: str | None = None, mask_means: str | None = None) -> np.ndarray:
    """All frames, 0 where masked, the same for screening and for export."""
    frames = open_frames(path, name, mask_means)  # type: ignore[arg-type]
    found = frames.read(slice(0, len(frames)))
    patterns = open_patterns(path, name=name, mask_means=mask_means)  # type: ignore[arg-type]
    assert (patterns.shape, patterns.mask_said) == (frames.shape, frames.mask_said)
    rows = slice(0, len(patterns))
    bad = patterns.unusable(rows)
    assert np.array_equal(np.where(False if bad is None else bad, 0, patterns.read_raw(rows)), found)
    return found


def written(path: Path, arrays: dict[str, object]) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values
    return path


def cxi(path: Path, **arrays: object) -> Path:
    """As Cheetah writes it: the detector's data and mask, and links to them."""
    written(path, {"cxi_version": 140, f"{DETECTOR}/data": COUNTS, **{f"{DETECTOR}/{k}": v for k, v in arrays.items()}})
    with h5py.File(path, "a") as file:
        for name in ("data", *arrays):
            file[f"entry_1/data_1/{name}"] = h5py.SoftLink(f"/{DETECTOR}/{name}")
    return path


# Masks


@pytest.mark.parametrize("dtype", ["u2", "<i2", ">u2", "i4", "u4", ">i4", "i8", "u8", "f8"])
def test_bits_of_cxi_mean_the_same_in_integers_of_any_width(dtype: str, tmp_path: Path) -> None:
    mask = BITS.astype("u2").view("i2").astype(dtype) if np.dtype(dtype).kind == "i" else BITS.astype(dtype)
    bad = np.isin(BITS, [*SAY_DO_NOT_USE, 0xFFFF])
    assert np.array_equal(read_by_both(cxi(tmp_path / "a.cxi", mask=mask)), np.where(bad, 0, COUNTS))


@pytest.mark.parametrize("dtype", [bool, "u1", "i1"])
def test_narrow_masks_of_cxi(dtype: object, tmp_path: Path) -> None:
    low = BITS > 0 if dtype is bool else BITS & 0x7F
    bad = low if dtype is bool else (low & UNUSABLE) > 0
    assert np.array_equal(read_by_both(cxi(tmp_path / "a.cxi", mask=low.astype(dtype))), np.where(bad, 0, COUNTS))


def test_the_bits_are_those_that_cxi_says_not_to_use() -> None:
    assert sum(SAY_DO_NOT_USE) == UNUSABLE
    assert bad_pixels(np.array([np.nan, 1.0, 64.0]), "cxi").tolist() == [True, True, False]
    assert bad_pixels(np.array([np.nan, 1.0, 0.0]), "good").tolist() == [True, False, True]


@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "u4", "u8"])
@pytest.mark.parametrize("name", ["photons", "INSTRUMENT/DET/0CH0:xtdf/image/data", "entry/instrument/detector/data"])
def test_outside_cxi_every_bit_is_bad(name: str, dtype: str, tmp_path: Path) -> None:
    """European XFEL's and NeXus's bits: a pixel with any of them is masked."""
    flags = (BITS & 0xFF if dtype == "u1" else BITS & 0xFFFF).astype(dtype)
    mask = "pixel_mask" if name.startswith("entry/") else "mask"
    path = written(tmp_path / "a.h5", {name: COUNTS, f"{name.rpartition('/')[0]}/{mask}".lstrip("/"): flags})
    assert np.array_equal(read_by_both(path, name), np.where(flags > 0, 0, COUNTS))


def test_what_a_mask_means_can_be_said(tmp_path: Path) -> None:
    path = written(tmp_path / "a.h5", {"photons": COUNTS, "mask": BITS.astype("u2")})
    for means, bad in (("bad", BITS > 0), ("good", BITS == 0), ("cxi", bad_pixels(BITS, "cxi"))):
        assert np.array_equal(read_by_both(path, None, means), np.where(bad, 0, COUNTS))
        assert "as asked" in open_frames(path, None, means).mask_said  # type: ignore[arg-type]
    with h5py.File(path, "a") as file:
        file["mask"].attrs["means"] = "cxi"
    assert np.array_equal(read_by_both(path), np.where(bad_pixels(BITS, "cxi"), 0, COUNTS))
    with h5py.File(path, "a") as file:
        file["mask"].attrs["means"] = "perhaps"
    assert "means 'perhaps', expected one of bad, good, cxi" in refused(path)


@pytest.mark.parametrize("dtype", [bool, "u1", "u4", "f4"])
@pytest.mark.parametrize("each", [False, True])
def test_a_mask_that_takes_most_pixels_away_has_to_be_explained(dtype: object, each: bool, tmp_path: Path) -> None:
    """As psana has it, 1 where a pixel is good."""
    good = np.ones((N, NY, NX) if each else (NY, NX))
    good[..., 2, 3] = 0
    path = written(tmp_path / "a.h5", {"photons": COUNTS, "mask": good.astype(dtype)})
    assert "nonzero in 98% of the pixels, and nothing says whether" in refused(path)
    assert "--mask-means" in refused(path)
    assert np.array_equal(read_by_both(path, None, "good"), COUNTS * good)


def test_our_own_mask_of_most_pixels_needs_no_word(tmp_path: Path) -> None:
    """As of a detector with a few modules."""
    mask = np.ones((NY, NX), bool)
    mask[2:4, 1:3] = False
    instrument = Instrument(mask=mask, q=np.full((NY, NX, 3), 1e-3))
    counts = Frames("x", COUNTS.shape, np.uint16, "photons", COUNTS.astype("u2").__getitem__, {}, instrument)
    for writer, name in ((write_skopi, "a.h5"), (write_cxi, "a.cxi")):
        writer(counts, tmp_path / name)
        assert np.array_equal(read_by_both(tmp_path / name), np.where(mask, 0, COUNTS))


def test_masks_in_two_places_are_both_heeded(tmp_path: Path) -> None:
    """One for every shot beside the data, one for all shots beside the detector's."""
    fixed, each = np.zeros((NY, NX), "u2"), np.zeros((N, NY, NX), "u4")
    fixed[1, 2], each[4, 3, 3] = 8, 2
    path = written(
        tmp_path / "a.cxi",
        {"cxi_version": 160, DATA: COUNTS, "entry_1/data_1/mask": each, f"{DETECTOR}/mask": fixed},
    )
    assert np.array_equal(read_by_both(path), np.where((each > 0) | (fixed > 0), 0, COUNTS))


def test_a_mask_that_leaves_no_pixel_is_told(tmp_path: Path) -> None:
    for path in (
        written(tmp_path / "a.h5", {"photons": COUNTS, "mask": np.ones((NY, NX), "u1")}),
        cxi(tmp_path / "a.cxi", mask=np.ones((N, NY, NX), "u2")),
    ):
        assert "the mask leaves no pixel of frames 0 to 5" in refused(path)
        assert np.array_equal(read_by_both(path, None, "good"), COUNTS)


@pytest.mark.parametrize("shape", [(NX, NY), (2, NY, NX), (1, 1, NY, NX), (NY,)])
def test_a_mask_of_another_shape_is_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    assert "do not agree" in refused(cxi(tmp_path / "a.cxi", mask=np.zeros(shape, "u2")))


def test_a_mask_that_is_a_dangling_link_is_not_left_out(tmp_path: Path) -> None:
    path = cxi(tmp_path / "a.cxi", mask=np.zeros((NY, NX), "u2"))
    with h5py.File(path, "a") as file:
        del file[f"{DETECTOR}/mask"]
    assert "data_1/mask is a link to /entry_1/instrument_1/detector_1/mask, which is not there" in refused(path)


@pytest.mark.parametrize("dtype", ["u2", "u4", bool])
def test_a_mask_for_every_shot_survives_export(dtype: object, tmp_path: Path) -> None:
    each = np.random.default_rng(3).random((N, NY, NX)) < 0.2
    source, again, part = (tmp_path / name for name in ("a.cxi", "b.cxi", "c.cxi"))
    cxi(source, mask=each.astype(dtype))
    assert np.array_equal(read_by_both(source), np.where(each, 0, COUNTS))
    assert export.main([str(source), "--format", "cxi", "--output", str(again)]) == 0
    assert np.array_equal(read_by_both(again), np.where(each, 0, COUNTS))
    assert export.main([str(source), "--format", "cxi", "--output", str(part), "--rows", "2:5"]) == 0
    assert np.array_equal(read_by_both(part), np.where(each, 0, COUNTS)[2:5])
    with h5py.File(again) as file:
        assert file["entry_1/image_1/mask"].shape == (N, NY, NX)
        assert np.array_equal(file["entry_1/image_1/mask"][()], each)
        assert np.array_equal(file[DATA][()], COUNTS)


def test_formats_that_hold_one_mask_refuse_one_for_every_shot(tmp_path: Path) -> None:
    each = np.zeros((N, NY, NX), bool)
    each[2, 1, 1] = True
    path = written(
        tmp_path / "a.h5",
        {"photons": COUNTS.astype("u2"), "mask": each, "pixel_position_reciprocal": np.ones((1, NY, NX, 3))},
    )
    assert np.array_equal(read_by_both(path), np.where(each, 0, COUNTS))
    for writer in (write_skopi, write_emc):
        with pytest.raises(ValueError, match=r"mask for every pattern, .* hold one for all; export as CXI"):
            writer(read_skopi(path), tmp_path / "b.emc")
    write_cxi(read_skopi(path), tmp_path / "b.cxi")
    assert np.array_equal(read_by_both(tmp_path / "b.cxi"), np.where(each, 0, COUNTS))


def test_masks_of_panels_for_every_shot(tmp_path: Path) -> None:
    """Two panels of 2 x 2 with a column between them."""
    stack = np.arange(1, 25, dtype=np.uint16).reshape(3, 2, 2, 2)
    columns, rows = np.meshgrid([0, 1, 3, 4], [0, 1])
    places = np.stack([columns, rows], axis=-1).reshape(2, 2, 2, 2).transpose(1, 0, 2, 3)
    for mask in (np.arange(24).reshape(stack.shape) % 5 == 0, np.arange(8).reshape(2, 2, 2) == 3):
        path = written(tmp_path / "a.h5", {"photons": stack, "pixel_index_map": places, "mask": mask})
        kept = np.where(mask, 0, stack)
        expected = np.zeros((3, 2, 5))
        expected[:, :, :2], expected[:, :, 3:] = kept[:, 0], kept[:, 1]
        assert np.array_equal(read_by_both(path), expected)


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


# What is not there


@pytest.mark.parametrize("kind", ["beside", "in a folder", "absolute", "numbered", "nested", "dataset", "short"])
def test_virtual_datasets_need_their_sources(kind: str, tmp_path: Path) -> None:
    """Two files of three frames each; whole, they are read, wherever both were moved together."""
    home = tmp_path / "home"
    (home / "raw").mkdir(parents=True)
    folder = "raw/" if kind == "in a folder" else f"{home}/" if kind == "absolute" else ""
    parts = [f"{folder}part-{part}.h5" for part in range(2)]
    for part, name in enumerate(parts):
        written(home / name, {"d": COUNTS[3 * part : 3 * part + 3]})
    path = home / "all.cxi"
    with h5py.File(path, "w") as file:
        file["cxi_version"] = 160
        if kind == "numbered":
            space = h5py.h5s.create_simple((N, NY, NX), (h5py.h5s.UNLIMITED, NY, NX))
            space.select_hyperslab((0, 0, 0), (h5py.h5s.UNLIMITED, 1, 1), (3, 1, 1), (3, NY, NX))
            properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            properties.set_virtual(space, b"part-%b.h5", b"d", h5py.h5s.create_simple((3, NY, NX)))
            group = file.create_group("entry_1/data_1")
            h5py.h5d.create(group.id, b"data", h5py.h5t.NATIVE_FLOAT, space, dcpl=properties)
        else:
            layout = h5py.VirtualLayout((N, NY, NX), "f4")
            for part, name in enumerate(parts):
                layout[3 * part : 3 * part + 3] = h5py.VirtualSource(name, "d", (3, NY, NX))
            file.create_virtual_dataset(DATA, layout)
    if kind == "nested":
        inner, path = path, home / "outer.h5"
        layout = h5py.VirtualLayout((N, NY, NX), "f4")
        layout[:] = h5py.VirtualSource(inner.name, DATA, (N, NY, NX))
        with h5py.File(path, "w") as file:
            file.create_virtual_dataset("photons", layout)
    assert np.array_equal(read_by_both(path), COUNTS)
    moved = Path(shutil.move(home, tmp_path / "moved"))
    path = moved / path.name
    assert np.array_equal(read_by_both(path), COUNTS)
    gone = moved / (parts[0] if kind == "numbered" else parts[1].removeprefix(f"{home}/"))
    if kind == "dataset":
        with h5py.File(gone, "a") as file:
            del file["d"]
        assert "d of the file part-1.h5, which has no such dataset" in refused(path)
    elif kind == "short":
        written(gone, {"d": COUNTS[3:5]})
        assert r"part-1.h5, whose shape is (2, 8, 5), less than is asked" in refused(path)
    else:
        gone.unlink()
        assert gone.name in refused(path)
        assert "which is not there; put that file beside this one" in refused(path)


def test_virtual_datasets_need_a_source_for_every_frame(tmp_path: Path) -> None:
    written(tmp_path / "part.h5", {"d": COUNTS[:2]})
    layout = h5py.VirtualLayout((N, NY, NX), "f4", maxshape=(None, NY, NX))
    layout[:2] = layout[4:6] = h5py.VirtualSource(tmp_path / "part.h5", "d", (2, NY, NX))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_virtual_dataset("photons", layout)
    assert "without a source for frames 2 to 3, in all or in part" in refused(tmp_path / "a.h5")
    layout = h5py.VirtualLayout((N, NY, NX), "f4")
    for half in range(2):
        layout[half::2] = h5py.VirtualSource(written(tmp_path / f"{half}.h5", {"d": COUNTS[half::2]}), "d", (3, NY, NX))
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_virtual_dataset("photons", layout)
    assert np.array_equal(read_by_both(tmp_path / "b.h5"), COUNTS)


def test_a_numbered_source_that_is_gone_in_the_middle_is_named(tmp_path: Path) -> None:
    """HDF5 ends the dataset there, and says nothing of the frames that follow."""
    space = h5py.h5s.create_simple((N, NY, NX), (h5py.h5s.UNLIMITED, NY, NX))
    space.select_hyperslab((0, 0, 0), (h5py.h5s.UNLIMITED, 1, 1), (2, 1, 1), (2, NY, NX))
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_virtual(space, b"part-%b.h5", b"d", h5py.h5s.create_simple((2, NY, NX)))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        h5py.h5d.create(file.id, b"photons", h5py.h5t.NATIVE_FLOAT, space, dcpl=properties)
    for part in range(3):
        written(tmp_path / f"part-{part}.h5", {"d": COUNTS[2 * part : 2 * part + 2]})
    assert np.array_equal(read_by_both(tmp_path / "a.h5"), COUNTS)
    (tmp_path / "part-1.h5").unlink()
    assert "of which part-1.h5 is not there, but part-2.h5 is" in refused(tmp_path / "a.h5")


def test_virtual_datasets_of_their_own_file(tmp_path: Path) -> None:
    layout = h5py.VirtualLayout((N, NY, NX), "f4")
    layout[:] = h5py.VirtualSource(".", "raw", (N, NY, NX))
    with h5py.File(written(tmp_path / "a.h5", {"raw": COUNTS}), "a") as file:
        file.create_virtual_dataset("photons", layout)
    assert np.array_equal(read_by_both(tmp_path / "a.h5"), COUNTS)


@pytest.mark.parametrize("target", ["soft", "external", "external, other name", "external, in a folder"])
def test_dangling_links_say_where_they_lead(target: str, tmp_path: Path) -> None:
    written(tmp_path / "raw.h5", {"d": COUNTS})
    link, said = {
        "soft": (h5py.SoftLink("/gone/d"), "is a link to /gone/d, which is not there"),
        "external": (h5py.ExternalLink("gone.h5", "/d"), "/d of the file gone.h5, which is not there; put that file"),
        "external, other name": (h5py.ExternalLink("raw.h5", "/e"), "/e of the file raw.h5, which cannot be read"),
        "external, in a folder": (h5py.ExternalLink("x/raw.h5", "/d"), "x/raw.h5, which is not there"),
    }[target]
    for number, at in enumerate((DATA, "photons", "entry_1/data_1")):
        path = written(tmp_path / f"{number}.h5", {"cxi_version": 160})
        with h5py.File(path, "a") as file:
            file[at] = link
        assert said in refused(path)
        assert f"{at} is a link" in refused(path)
    with h5py.File(tmp_path / "good.h5", "w") as file:
        file["photons"] = h5py.ExternalLink("raw.h5", "/d")
    assert np.array_equal(read_by_both(tmp_path / "good.h5"), COUNTS)


def test_frames_that_were_never_written_are_named(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = file.create_dataset("photons", (N, NY, NX), "f4", chunks=(1, NY, NX))
        for row in (0, 1, 4):
            made[row] = COUNTS[row]
        file.create_dataset("whole", (N, NY, NX), "f4")
        file.create_dataset("halves", (N, NY, NX), "f4", chunks=(4, NY // 2, NX))[:, :4] = COUNTS[:, :4]
        file.create_dataset("dark", data=np.zeros((N, NY, NX)), chunks=(1, NY, NX))
    assert "frames 2 to 3, 5 were never written" in refused(tmp_path / "a.h5")
    assert "was never written: frames 0 to 5" in refused(tmp_path / "a.h5", "whole")
    assert "frames 0 to 5 were never written, in all or in part" in refused(tmp_path / "a.h5", "halves")
    assert not read_by_both(tmp_path / "a.h5", "dark").any()


def test_values_kept_in_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with h5py.File("a.h5", "w") as file:
        file.create_dataset("photons", (N, NY, NX), "f4", external=[("a.raw", 0, h5py.h5f.UNLIMITED)])[:] = COUNTS
    path = tmp_path / "a.h5"
    assert np.array_equal(read_by_both(path), COUNTS)
    (tmp_path / "a.raw").write_bytes((tmp_path / "a.raw").read_bytes()[:-8])
    assert "in the file a.raw, which is cut short" in refused(path)
    (tmp_path / "a.raw").unlink()
    assert "in the file a.raw, which is not there" in refused(path)


@pytest.mark.parametrize(("version", "shards"), [(2, None), (3, None), (3, (2, NY, NX))])
def test_chunks_of_zarr_that_are_gone_are_no_dark_frames(version: int, shards: object, tmp_path: Path) -> None:
    group = zarr.create_group(tmp_path / "a.zarr", zarr_format=version)
    made = group.create_array("photons", shape=COUNTS.shape, dtype="f4", chunks=(1, NY, NX), shards=shards)
    made[:] = COUNTS
    assert np.array_equal(read_by_both(tmp_path / "a.zarr"), COUNTS)
    (tmp_path / "a.zarr/photons" / (made.metadata.encode_chunk_key((2, 0, 0)))).unlink()
    assert ("frames 4 to 5" if shards else "frames 2") in refused(tmp_path / "a.zarr")
    assert "are not there, in all or in part, and would read 0" in refused(tmp_path / "a.zarr")


# Values that are no readings


@pytest.mark.parametrize(
    ("dtype", "value", "said"),
    [
        ("u2", 2**16 - 1, "65535, the highest number of an integer"),
        ("u4", 2**32 - 1, "4294967295, the highest"),
        ("u8", 2**64 - 1, "the highest"),
        ("i4", 2**31 - 1, "2147483647, the highest"),
        ("i4", 2**16 - 1, "65535, the highest"),
        ("f4", 2**16 - 1, "65535, the highest"),
        ("f4", 2**32 - 1, "4294967296, the highest"),
        ("f8", 2**32 - 1, "4294967295, the highest"),
        ("i2", -(2**15), "-32768, the lowest number of an integer"),
        ("i2", -1, "-1"),
        ("i4", -1, "-1"),
        ("f4", -1, "-1"),
        ("i4", -2, "-2"),
        ("i4", -999, "-999"),
        ("f4", -9999, "-9999"),
        ("f4", np.finfo("f4").max, "beyond 1e+30, which no detector reads"),
        ("f8", 9.969209968386869e36, "beyond 1e+30"),
        ("f8", -1.7e308, "beyond 1e+30"),
        ("f4", np.nan, "no finite numbers"),
        ("f8", -np.inf, "no finite numbers"),
    ],
)
@pytest.mark.parametrize("kind", ["h5", "cxi", "zarr", "npy"])
def test_marks_that_no_mask_covers_are_refused(dtype: str, value: float, said: str, kind: str, tmp_path: Path) -> None:
    """A row of a frame; where a mask covers it, it is left out."""
    marked = COUNTS.astype(dtype)
    marked[4, 3] = value
    path = tmp_path / f"a.{kind}"
    mask = np.zeros((NY, NX), "u2")
    mask[3] = 1
    if kind == "npy":
        np.save(path, marked)
    elif kind == "zarr":
        zarr.create_group(path).create_array("photons", data=marked)
    else:
        written(path, {DATA if kind == "cxi" else "photons": marked})
    assert f"frame 4 has {NX} pixels that are" in refused(path)
    assert said in refused(path)
    if kind == "npy":
        return
    if kind == "zarr":
        zarr.open_group(path).create_array("mask", data=mask)
    else:
        with h5py.File(path, "a") as file:
            file["entry_1/data_1/mask" if kind == "cxi" else "mask"] = mask
    expected = np.where(mask > 0, 0, COUNTS.astype(dtype))
    assert np.array_equal(open_frames(path).read(slice(0, N)), expected)


def test_gaps_and_dead_pixels_of_two_marks_are_refused_together(tmp_path: Path) -> None:
    """As DECTRIS writes them: -1 in the gap between modules, -2 in a pixel that is dead."""
    marked = COUNTS.astype("i4")
    marked[:, 3], marked[:, 1, 2] = -1, -2
    np.save(tmp_path / "a.npy", marked)
    assert f"frame 0 has {NX + 1} pixels that are -2 or -1 and" in refused(tmp_path / "a.npy")


def test_a_pixel_that_is_the_same_below_zero_in_every_frame_is_no_reading(tmp_path: Path) -> None:
    marked = COUNTS.astype("i4")
    marked[:, 1, 2] = -4095
    np.save(tmp_path / "a.npy", marked)
    assert "frame 0 has 1 pixels that are -4095" in refused(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", marked[:1])  # of one frame it is a value as any other
    assert np.array_equal(open_frames(tmp_path / "b.npy").read(slice(0, 1)), marked[:1])
    marked[2, 1, 2] = 0
    np.save(tmp_path / "c.npy", marked)
    assert np.array_equal(open_frames(tmp_path / "c.npy").read(slice(0, N)), marked)


def test_readings_below_zero_are_readings(tmp_path: Path) -> None:
    """Noise goes below zero: -1 is a value as any other where there are others, or where it is scattered."""
    for count in (2, 40):  # of two frames some pixels are below zero in both
        rounded = np.random.default_rng(9).normal(0, 0.7, (count, 40, 40)).round().clip(-2).astype(np.int16)
        assert rounded.min() == -2
        assert np.array_equal(read_by_both(written(tmp_path / f"{count}.h5", {"photons": rounded})), rounded)
    noisy = np.random.default_rng(8).normal(0, 1, (40, NY, NX)).round().astype(np.int16)
    assert (noisy < -1).any()
    assert np.array_equal(read_by_both(written(tmp_path / "a.h5", {"photons": noisy})), noisy)
    quiet = np.random.default_rng(8).normal(0, 0.35, (40, NY, NX)).round().astype(np.int16)
    assert set(np.unique(quiet)) == {-1, 0, 1}
    assert np.array_equal(read_by_both(written(tmp_path / "b.h5", {"photons": quiet})), quiet)
    bright = COUNTS.copy()
    bright[0, 0, 0], bright[1, 1, 1] = 65535, 65540
    assert np.array_equal(read_by_both(written(tmp_path / "c.h5", {"photons": bright})), bright)


def test_what_a_file_says_that_it_is_filled_with_is_no_reading(tmp_path: Path) -> None:
    values = COUNTS.copy()
    values[3, 2, 1] = -7
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("photons", data=values, chunks=(1, NY, NX), fillvalue=-7)
        file["other"] = values
        file["other"].attrs["_FillValue"] = np.float32(-7)
        file["none"] = values
    for name in ("photons", "other"):
        assert "frame 3 has 1 pixels that are -7, which the file is filled with" in refused(tmp_path / "a.h5", name)
    assert np.array_equal(read_by_both(tmp_path / "a.h5", "none"), values)
    made = zarr.create_array(tmp_path / "a.zarr", shape=values.shape, dtype="f4", chunks=(1, NY, NX), fill_value=-7)
    made[:] = values
    assert "frame 3 has 1 pixels that are -7" in refused(tmp_path / "a.zarr")


# What cannot be read


def test_a_group_is_no_frames(tmp_path: Path) -> None:
    path = written(tmp_path / "a.h5", {"photons/run1": COUNTS})
    for name in (None, "photons"):
        said = refused(path, name)
        assert "photons is a group of run1" in said
        assert "photons/run1 (6, 8, 5); name the one" in said
    assert np.array_equal(read_by_both(path, "photons/run1"), COUNTS)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.zeros((N, NY, NX), complex), "complex128 values, expected real numbers"),
        (np.zeros((N, NY, NX), [("a", "f4"), ("b", "i4")]), "values, expected real numbers"),
        (np.full((N, NY, NX), b"text"), "S4 values, expected real numbers"),
        (np.full((N, NY, NX), "text", h5py.string_dtype()), "object values, expected real numbers"),
        (np.full((N, NY, NX), h5py.Reference(), h5py.ref_dtype), "object values, expected real numbers"),
        (h5py.Empty("f4"), "holds no frames: it is empty"),
        (np.float32(3), r"has shape (), expected frames (n, ny, nx)"),
        (COUNTS[0], r"has shape (8, 5), expected frames (n, ny, nx)"),
        (np.zeros((2, 3, 4, NY, NX)), r"has shape (2, 3, 4, 8, 5), expected frames"),
    ],
)
@pytest.mark.parametrize("name", [DATA, "photons", "frames"])
def test_what_are_no_frames_of_numbers(values: object, said: str, name: str, tmp_path: Path) -> None:
    assert said in refused(written(tmp_path / "a.h5", {name: values}), name)


def with_filter(path: Path, number: int) -> Path:
    """A chunk that only a plug-in can decompress."""
    space, properties = h5py.h5s.create_simple((1, NY, NX)), h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((1, NY, NX))
    properties.set_filter(number, h5py.h5z.FLAG_OPTIONAL, (0, 2))
    with h5py.File(path, "w") as file:
        made = h5py.h5d.create(file.id, b"photons", h5py.h5t.NATIVE_FLOAT, space, dcpl=properties)
        made.write_direct_chunk((0, 0, 0), b"compressed", 0)
    return path


def test_a_filter_that_is_not_installed_says_what_to_install(tmp_path: Path) -> None:
    assert "that is not installed: unknown (number 300); pip install hdf5plugin" in refused(
        with_filter(tmp_path / "a.h5", 300)
    )
    names = {32001: "Blosc", 32004: "LZ4", 32008: "bitshuffle"}
    for number in names:
        with_filter(tmp_path / f"{number}.h5", number)
    code = f"""
        import sys
        sys.modules["hdf5plugin"] = None  # as where it is not installed
        from frames.formats.open import open_frames
        for number in {[*names]}:
            try:
                open_frames(f"{tmp_path}/{{number}}.h5")
            except ValueError as error:
                print(error)
    """
    environment = {name: value for name, value in os.environ.items() if name != "HDF5_PLUGIN_PATH"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False, env=environment
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        f"{tmp_path}/{number}.h5: photons is compressed by a filter that is not installed: {name} (number {number}); "
        "pip install hdf5plugin"
        for number, name in names.items()
    ]


def test_hdf5plugin_is_used_where_it_is_installed(tmp_path: Path) -> None:
    hdf5plugin = pytest.importorskip("hdf5plugin")
    for number, filters in enumerate((hdf5plugin.Bitshuffle(), hdf5plugin.LZ4(), hdf5plugin.Blosc())):
        with h5py.File(tmp_path / f"{number}.h5", "w") as file:
            file.create_dataset("photons", data=COUNTS, chunks=(1, NY, NX), **filters)
        path = tmp_path / f"{number}.h5"
        code = f"from frames.formats.open import open_frames; print(open_frames({str(path)!r}).read(slice(0, 6)).sum())"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == f"{COUNTS.sum()}\n"


@pytest.mark.parametrize("swmr", [False, True])
def test_a_file_that_is_being_written_is_told(swmr: bool, tmp_path: Path) -> None:
    code = f"""
        import h5py, os, sys
        file = h5py.File("{tmp_path}/a.h5", "w", libver="latest")
        file.create_dataset("photons", data=[[[1.0]]], chunks=(1, 1, 1), maxshape=(None, 1, 1))
        if {swmr}:
            file.swmr_mode = True
        file.flush()
        print("written", flush=True)
        sys.stdin.readline()
        os._exit(1)  # as when it is killed
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "written\n"
        assert "is open in a program that writes it" in refused(tmp_path / "a.h5")
        writer.communicate("\n")
    assert "if nothing writes it any more, run `h5clear -s" in refused(tmp_path / "a.h5")


def test_a_file_that_is_cut_short_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "a.h5", {"photons": COUNTS})
    path.write_bytes(path.read_bytes()[:-100])
    assert "is cut short" in refused(path)


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


def test_links_and_sources_that_go_in_circles_are_told(tmp_path: Path) -> None:
    layout = h5py.VirtualLayout((N, NY, NX), "f4")
    layout[:] = h5py.VirtualSource("virtual.h5", "photons", (N, NY, NX))
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        file.create_virtual_dataset("photons", layout)
    assert "is a virtual dataset of itself" in refused(tmp_path / "virtual.h5")
    with h5py.File(tmp_path / "soft.h5", "w") as file:
        file["photons"], file["other"] = h5py.SoftLink("/other"), h5py.SoftLink("/photons")
    assert "photons is a link to /other" in refused(tmp_path / "soft.h5")
    with h5py.File(tmp_path / "external.h5", "w") as file:
        file["photons"] = h5py.ExternalLink("external.h5", "/photons")
    assert "photons is a link to /photons of the file external.h5" in refused(tmp_path / "external.h5")


def test_a_virtual_source_that_is_no_hdf5_is_told(tmp_path: Path) -> None:
    layout = h5py.VirtualLayout((N, NY, NX), "f4")
    layout[:] = h5py.VirtualSource("part.h5", "d", (N, NY, NX))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_virtual_dataset("photons", layout)
    (tmp_path / "part.h5").write_text("a page of the web")
    assert "d of the file part.h5, which cannot be read" in refused(tmp_path / "a.h5")
    with h5py.File(tmp_path / "part.h5", "w") as file:
        file.create_dataset("d", (N, NY, NX), "f4", chunks=(1, NY, NX))[:4] = COUNTS[:4]
    assert "d of the file part.h5, which: frames 4 to 5 were never written" in refused(tmp_path / "a.h5")


def test_a_damaged_chunk_of_zarr_names_the_array(tmp_path: Path) -> None:
    zarr.create_group(tmp_path / "a.zarr").create_array("photons", data=COUNTS, chunks=(1, NY, NX))
    chunk = tmp_path / "a.zarr/photons/c/1/0/0"
    chunk.write_bytes(chunk.read_bytes()[:-4])
    assert "photons is damaged: frames 0 to 5 cannot be read" in refused(tmp_path / "a.zarr")


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
