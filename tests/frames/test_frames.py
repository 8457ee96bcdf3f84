"""The same frames from every kind of file, in blocks, masked where the file says so; and what is refused, and how."""

import json
import pickle

import h5py
import numpy as np
import pytest
import zarr

from frames import frames as frames_module
from frames.formats.cxi import write_cxi
from frames.formats.open import open_frames
from frames.formats.skopi_h5 import write_skopi
from frames.frames import Frames, Instrument
from frames.store.dataset import open_dataset
from frames.store.integrity import DamagedDatasetError
from support.datasets import make_dataset

MASK = np.zeros((6, 5), bool)
MASK[2, 3] = MASK[5, 0] = True


@pytest.fixture
def images():
    """(11, 6, 5) counts, 0 where masked."""
    counts = np.random.default_rng(0).poisson(3.0, (11, 6, 5)).astype(np.uint16)
    counts[:, MASK] = 0
    return counts


def write_h5(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name.replace("__", "/")] = values
    return path


def write_patterns(writer, path, images, mask=None):
    instrument = Instrument(mask=mask, q=np.zeros((*images.shape[1:], 3)) + 1e-3)
    writer(Frames("made_up", images.shape, images.dtype, "photons", lambda rows: images[rows], {}, instrument), path)
    return path


def write_zarr(path, **arrays):
    group = zarr.create_group(path)
    for name, values in arrays.items():
        group.create_array(name.replace("__", "/"), data=values, chunks=(4, *values.shape[1:]))
    return path


def write_array(path, values):
    zarr.create_array(path, data=values, chunks=(4, 6, 5), shards=(8, 6, 5))
    return path


def write_npy(path, values):
    np.save(path, values)
    return path


WRITERS = {
    "cxi of ours": lambda folder, images: write_patterns(write_cxi, folder / "a.cxi", images, MASK),
    "cxi": lambda folder, images: write_h5(folder / "b.cxi", entry_1__data_1__data=images),
    "skopi's panels": lambda folder, images: write_patterns(write_skopi, folder / "c.h5", images, MASK),
    "photons": lambda folder, images: write_h5(folder / "d.hdf5", photons=images.astype(">f8")),
    "zarr group": lambda folder, images: write_zarr(folder / "e.zarr", photons=images, other=images[:, 0]),
    "zarr array": lambda folder, images: write_array(folder / "f.zarr", images.astype(np.int64)),
    "npy": lambda folder, images: write_npy(folder / "g.npy", images.astype(np.float32)),
    "npy in Fortran's order": lambda folder, images: write_npy(folder / "h.npy", np.asfortranarray(images)),
    "dataset": lambda folder, images: make_dataset(folder / "i", images, ["a"] * 11, [1, 2] * 5 + [1]),
    "its store": lambda folder, images: make_dataset(folder / "j", images, ["a"] * 11, [1] * 11) / "patterns.zarr",
}


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("per_block", [1, 3, 4, 1000])
def test_every_file_gives_the_same_frames_in_blocks_that_tile_it(kind, per_block, images, tmp_path, monkeypatch):
    monkeypatch.setattr(frames_module, "BYTES_AT_ONCE", per_block * 6 * 5 * 4)
    frames = open_frames(WRITERS[kind](tmp_path, images))
    assert (frames.shape, len(frames)) == ((11, 6, 5), 11)
    blocks = list(frames.blocks())
    assert len(blocks) == frames.n_blocks
    assert [row for rows, _ in blocks for row in range(rows.start, rows.stop)] == list(range(11))
    for rows, block in blocks:
        assert len(block) <= per_block
        assert block.dtype == np.float32
        np.testing.assert_array_equal(block, images[rows])


def test_blocks_are_whole_chunks_where_memory_holds_one(images, tmp_path, monkeypatch):
    path = write_zarr(tmp_path / "a.zarr", photons=images)
    for most, sizes in ((6, [4, 4, 3]), (9, [8, 3]), (3, [3, 3, 3, 2])):
        monkeypatch.setattr(frames_module, "BYTES_AT_ONCE", most * 6 * 5 * 4)
        assert [len(block) for _, block in open_frames(path).blocks()] == sizes


def test_a_dataset_and_its_file_are_the_same_frames(images, tmp_path):
    """Values, labels and what is taken of them by number."""
    folder = make_dataset(tmp_path / "a", images, ["a", "b"] * 5 + ["a"], [1, 2] * 5 + [1])
    stored = open_frames(folder)
    write_cxi(stored, tmp_path / "a.cxi")
    read = open_frames(tmp_path / "a.cxi")
    assert (stored.shape, stored.dtype, stored.quantity) == (read.shape, read.dtype, read.quantity)
    assert set(stored.labels) == set(read.labels)
    numbers = np.array([7, 2, 3, 9])
    for frames in (stored, read):
        taken = frames.take(numbers)
        assert len(taken) == 4
        np.testing.assert_array_equal(taken.read(), images[numbers])
        np.testing.assert_array_equal(taken.read_raw(slice(1, 3)), images[numbers[1:3]])
        np.testing.assert_array_equal(taken.labels["row"].values, numbers)
        assert taken.read_raw().dtype == np.uint16
        with pytest.raises(ValueError, match="step of 2; frames are read one after the other"):
            frames.read(slice(0, 8, 2))


def test_what_is_taken_has_its_own_masks(images):
    """A mask for every frame goes with it; one that holds for all stays."""
    bad = np.random.default_rng(3).random(images.shape) < 0.2
    numbers = np.array([10, 0, 4])
    frames = Frames("a", images.shape, images.dtype, "photons", images.__getitem__, bad=bad.__getitem__)
    np.testing.assert_array_equal(frames.take(numbers).unusable(slice(0, 3)), bad[numbers])
    np.testing.assert_array_equal(frames.take(numbers).read(), np.where(bad, 0, images)[numbers])
    np.testing.assert_array_equal(frames.rows(slice(3, 9)).read(slice(1, 4)), np.where(bad, 0, images)[4:7])
    one = Frames("a", images.shape, images.dtype, "photons", images.__getitem__, instrument=Instrument(mask=bad[0]))
    np.testing.assert_array_equal(one.take(numbers).read(), np.where(bad[0], 0, images)[numbers])


def test_the_mask_of_each_frame_is_read_once(images):
    """A mask may be as large as its frame, and compressed: what wants both asks once."""
    bad, asked = np.random.default_rng(4).random(images.shape) < 0.2, []

    def masks(rows):
        asked.append(rows)
        return bad[rows]

    frames = Frames("a", images.shape, images.dtype, "photons", images.__getitem__, bad=masks)
    rows, values, mask = next(frames.masked_blocks())
    assert asked == [rows]
    np.testing.assert_array_equal(mask, bad[rows])
    np.testing.assert_array_equal(values, np.where(bad, 0, images)[rows])


def test_a_dataset_is_read_as_the_detector_reads_it(images, tmp_path):
    folder = make_dataset(tmp_path / "noisy", images, ["a"] * 11, [1] * 11, read_noise_photons=0.3)
    expected = open_dataset(folder).read(slice(0, 11))
    assert not np.array_equal(expected, images)
    for path in (folder, folder / "patterns.zarr"):  # who points at the store means its patterns, too
        np.testing.assert_array_equal(open_frames(path).read(slice(0, 11)), expected)
    stored = open_frames(folder / "patterns.zarr", "photons")  # but who names an array gets that
    np.testing.assert_array_equal(stored.read(slice(0, 11)), images)


def test_a_dataset_that_is_not_complete_is_refused(images, tmp_path):
    folder = make_dataset(tmp_path / "torn", images, ["a"] * 11, [1] * 11)
    (folder / "dataset.json").unlink()
    with pytest.raises(DamagedDatasetError, match="not complete"):
        open_frames(folder)


def test_frames_are_found_by_their_name(images, tmp_path):
    h5 = write_h5(tmp_path / "a.h5", photons=images + 1, run__frames=images)
    store = write_zarr(tmp_path / "a.zarr", photons=images + 1, run__frames=images)
    for path in (h5, store):
        np.testing.assert_array_equal(open_frames(path, "run/frames").read(slice(2, 5)), images[2:5])
        np.testing.assert_array_equal(open_frames(path, "/run/frames").read(slice(2, 5)), images[2:5])
        np.testing.assert_array_equal(open_frames(path).read(slice(2, 5)), images[2:5] + 1)


PER_FRAME = np.random.default_rng(1).random((11, 6, 5)) < 0.1


@pytest.mark.parametrize("mask", [MASK, PER_FRAME], ids=["one mask", "one of each frame"])
@pytest.mark.parametrize("place", ["beside", "in CXI's place", "zarr"])
def test_what_the_mask_says_is_bad_becomes_zero_and_nothing_else(mask, place, images, tmp_path):
    images = images.astype(np.float32) + 1
    bad = np.broadcast_to(mask, images.shape)
    expected = np.where(bad, 0, images)
    images[bad] = np.nan
    images[0, 0, 0] = expected[0, 0, 0] = 1e30
    flags = mask * np.uint32(0x80)
    if place == "zarr":
        path = write_zarr(tmp_path / "a.zarr", photons=images, mask=flags)
    elif place == "beside":
        path = write_h5(tmp_path / "a.h5", photons=images, mask=flags)
    else:
        where = "entry_1__instrument_1__detector_1__mask"
        path = write_h5(tmp_path / "a.cxi", entry_1__data_1__data=images, **{where: flags})
    np.testing.assert_array_equal(np.concatenate([block for _, block in open_frames(path).blocks()]), expected)


def test_a_mask_of_other_frames_is_left_alone(images, tmp_path):
    path = write_h5(tmp_path / "a.h5", run__frames=images + 1, mask=MASK)
    np.testing.assert_array_equal(open_frames(path, "run/frames").read(slice(0, 11)), images + 1)


def test_gaps_between_panels_are_zero(tmp_path):
    """Two panels of 2 x 2, a column between them."""
    stack = np.arange(1, 17).reshape(2, 2, 2, 2)
    columns, rows = np.meshgrid([0, 1, 3, 4], [0, 1])
    places = np.stack([columns, rows], axis=-1).reshape(2, 2, 2, 2).transpose(1, 0, 2, 3)
    path = write_h5(tmp_path / "a.h5", photons=stack, pixel_index_map=places)
    read = open_frames(path).read(slice(0, 2))
    assert read.shape == (2, 2, 5)
    assert not read[:, :, 2].any()
    for panel, columns in ((0, slice(0, 2)), (1, slice(3, 5))):
        np.testing.assert_array_equal(read[:, :, columns], stack[:, panel])


@pytest.mark.parametrize(
    ("value", "said"), [(np.nan, "no finite numbers"), (np.inf, "no finite numbers"), (1e300, "beyond 1e")]
)
def test_a_pixel_that_is_no_number_is_an_error_that_names_the_frame(value, said, images, tmp_path):
    images = images.astype(np.float64)
    images[7, 1, 2:4] = value
    frames = open_frames(write_npy(tmp_path / "a.npy", images))
    frames.read(slice(0, 7))
    with pytest.raises(ValueError, match=rf"a\.npy: frame 7 has 2 pixels that are {said}"):
        frames.read(slice(5, 11))


def test_the_file_is_not_changed(images, tmp_path):
    path = write_npy(tmp_path / "a.npy", images.astype(np.float32))
    before = path.read_bytes()
    open_frames(path).read(slice(0, 11))[:] = 7
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"scan__ccd": np.zeros((4, 3, 2))}, r"no dataset entry_1/data_1/data or .*scan/ccd \(4, 3, 2\); name the one"),
        ({"energy": np.zeros(4)}, "arrays of three dimensions or more: none"),
        ({"entry_1__data_1__data": np.zeros((2, 4, 3, 2))}, "put the panels of a detector together"),
        ({"photons": np.zeros((4, 3))}, r"shape \(4, 3\), expected frames"),
        ({"photons": np.zeros((0, 4, 3))}, r"shape \(0, 4, 3\), expected frames"),
        ({"photons": np.zeros((4, 3, 2), complex)}, "complex128 values, expected real numbers"),
        ({"photons": np.zeros((4, 3, 2)), "mask": np.zeros((2, 3))}, r"their mask \(2, 3\) do not agree"),
    ],
)
@pytest.mark.parametrize("suffix", [".h5", ".zarr"])
def test_what_holds_no_frames_is_told(arrays, message, suffix, tmp_path):
    if suffix == ".h5":
        path = write_h5(tmp_path / "a.h5", **arrays)
    else:
        group = zarr.create_group(tmp_path / "a.zarr")
        for name, values in arrays.items():
            group.create_array(name.replace("__", "/"), data=values)
        path = tmp_path / "a.zarr"
    with pytest.raises(ValueError, match=message):
        open_frames(path)


def test_a_name_that_is_not_there_is_told(images, tmp_path):
    for path in (write_h5(tmp_path / "a.h5", photons=images), write_zarr(tmp_path / "a.zarr", photons=images)):
        with pytest.raises(ValueError, match=r"no dataset ccd; .* photons \(11, 6, 5\)"):
            open_frames(path, "ccd")
    dataset = make_dataset(tmp_path / "d", images, ["a"] * 11, [1] * 11)
    for path in (write_npy(tmp_path / "a.npy", images), write_array(tmp_path / "b.zarr", images), dataset):
        with pytest.raises(ValueError, match="leave the name out"):
            open_frames(path, "ccd")


@pytest.mark.parametrize("name", ["a.h5", "a.npy", "a.tif", "folder"])
def test_what_is_of_no_format_is_told(name, tmp_path):
    with pytest.raises(FileNotFoundError, match=f"no .*{name}"):
        open_frames(tmp_path / name)
    if name == "folder":
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).write_bytes(b"no frames at all")
    with pytest.raises(ValueError, match=name):
        open_frames(tmp_path / name)


@pytest.mark.parametrize("writer", ["photons", "npy"])
def test_a_file_that_is_cut_short_is_told(writer, images, tmp_path):
    path = WRITERS[writer](tmp_path, images)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match=path.name):
        open_frames(path)


def test_a_file_with_a_damaged_block_is_named_when_that_is_read(images, tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("photons", data=images, chunks=(1, 6, 5), fletcher32=True)
        place = file["photons"].id.get_chunk_info(3).byte_offset
    contents = bytearray(path.read_bytes())
    contents[place] ^= 1
    path.write_bytes(contents)
    frames = open_frames(path)
    assert np.array_equal(frames.read(slice(0, 3)), images[:3])
    with pytest.raises(ValueError, match=r"a\.h5 is damaged: /photons cannot be read"):
        frames.read(slice(2, 5))


@pytest.mark.parametrize("mask", [np.ones((6, 5), np.uint8), np.full((6, 5), np.nan)], ids=["turned round", "NaN"])
def test_a_mask_that_leaves_no_pixel_is_told(mask, images, tmp_path):
    frames = open_frames(write_h5(tmp_path / "a.h5", photons=images, mask=mask))
    with pytest.raises(ValueError, match=r"the mask leaves no pixel of frames 2 to 4; .* invert it"):
        frames.read(slice(2, 5))


class Malicious:
    def __reduce__(self):
        return (print, ("this ran",))


def test_nothing_is_unpickled(tmp_path, capsys):
    np.save(tmp_path / "a.npy", np.array([Malicious()], object), allow_pickle=True)
    (tmp_path / "b.npy").write_bytes(pickle.dumps(Malicious()))
    codec = {"id": "pickle", "protocol": 5}
    for name, codecs in (
        ("c", {"compressor": codec, "filters": None}),
        ("d", {"compressor": None, "filters": [codec]}),
    ):
        folder = tmp_path / f"{name}.zarr"
        folder.mkdir()
        array = {
            "zarr_format": 2,
            "shape": [2, 4, 4],
            "chunks": [2, 4, 4],
            "dtype": "<f4",
            "fill_value": 0,
            "order": "C",
        }
        (folder / ".zarray").write_text(json.dumps(array | codecs))
        (folder / "0.0.0").write_bytes(pickle.dumps(Malicious()))
    for name in ("a.npy", "b.npy", "c.zarr", "d.zarr"):
        with pytest.raises(ValueError, match=name):
            open_frames(tmp_path / name)
    assert capsys.readouterr().out == ""
