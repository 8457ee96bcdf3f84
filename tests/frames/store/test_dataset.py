"""The store: what is written is read, what is damaged is named, what is unfinished does not open."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr

from frames.files import atomic_path, read_json, sha256, write_json
from frames.readout.config import ReadoutConfig
from frames.store import dataset, integrity, writer
from frames.store.layout import Layout
from frames.store.verify import main
from frames.targets import shot_targets
from simulate.render import labels
from support.datasets import make_dataset


@pytest.fixture
def counts() -> np.ndarray:
    return np.random.default_rng(0).poisson(0.4, size=(50, 8, 8)).astype(np.uint16)


@pytest.fixture
def folder(tmp_path: Path, counts: np.ndarray) -> Path:
    """50 patterns in shards of 16: the last one is partly filled."""
    return make_dataset(tmp_path / "noisy", counts, ["a", "b"] * 25, [3, 1] * 25, read_noise_photons=0.3)


def test_what_is_written_is_read(folder: Path, counts: np.ndarray) -> None:
    opened = dataset.open_dataset(folder)
    assert opened.shape == (50, 8, 8)
    assert len(opened) == 50
    assert np.array_equal(opened.read_raw(slice(0, 50)), counts)
    assert np.array_equal(opened.read_raw(slice(14, 35)), counts[14:35])
    assert opened.structures == ("a", "b")
    assert opened.hit_multiplicities == (1, 3)
    assert list(opened.structure[:3]) == [0, 1, 0]
    assert list(opened.count[:3]) == [1, 0, 1]
    assert list(opened.hit_multiplicity[:3]) == [3, 1, 3]
    assert opened.splits == {"train": slice(0, 35), "validation": slice(35, 40), "test": slice(40, 50)}


def test_read_noise_is_the_same_whenever_it_is_read(folder: Path, counts: np.ndarray) -> None:
    opened = dataset.open_dataset(folder)
    whole = opened.read(slice(0, 50))
    assert np.array_equal(opened.read(slice(20, 23)), whole[20:23])
    assert (whole - counts).std() == pytest.approx(0.3, rel=5 / np.sqrt(2 * counts.size))


def test_expected_photons_keep_their_precision(tmp_path: Path) -> None:
    images = np.random.default_rng(1).uniform(0, 1e4, size=(20, 8, 8)).astype(np.float32)
    opened = dataset.open_dataset(make_dataset(tmp_path / "clean", images, ["a"] * 20, [1] * 20))
    assert opened.record == "expected"
    assert np.abs(opened.read(slice(0, 20)) / images - 1).max() <= 2**-13


def test_opens_in_xarray_with_units(folder: Path, counts: np.ndarray) -> None:
    opened = xr.open_zarr(folder / "patterns.zarr").load()
    assert opened["photons"].dims == ("pattern", "y", "x")
    assert opened["photons"].attrs["units"] == "photons"
    assert opened["fluence"].attrs["units"] == "photons/um^2"
    assert opened["structure"].attrs["flag_meanings"] == ["a", "b"]
    assert opened["x"].values == pytest.approx(np.arange(8) - 3.5)
    chosen = opened["photons"].where(opened["hit_multiplicity"] == 3, drop=True)
    assert float(chosen.sum()) == counts[::2].sum()


def test_opening_in_xarray_says_nothing(folder: Path, recwarn: pytest.WarningsRecorder) -> None:
    """Its metadata are in one file, so no array is looked for; shards and labels are what they were."""
    opened = xr.open_zarr(folder / "patterns.zarr").load()
    dataset.open_dataset(folder).read_raw(slice(0, 50))
    assert set(opened.variables) == set(zarr.open_group(folder / "patterns.zarr", use_consolidated=False).array_keys())
    assert [str(warning.message) for warning in recwarn] == []


def test_a_dataset_written_before_metadata_were_in_one_file_opens(folder: Path, counts: np.ndarray) -> None:
    """And is given them when its store is made again; its shards stay."""
    root = folder / "patterns.zarr" / "zarr.json"
    metadata = read_json(root)
    assert metadata.pop("consolidated_metadata")["metadata"].keys() >= {"photons", "structure", "mask"}
    write_json(root, metadata)
    layout = read_json(folder / "layout.json")
    layout["files"]["patterns.zarr/zarr.json"] = sha256(root)
    write_json(folder / "layout.json", layout)
    assert integrity.verify(folder) == []
    assert np.array_equal(dataset.open_dataset(folder).read_raw(slice(0, 50)), counts)
    before = {path: path.read_bytes() for path in (folder / "patterns.zarr" / "photons").rglob("*") if path.is_file()}
    recreate(folder, Layout.load(folder), seed=1000)
    integrity.complete(folder, {})
    assert "consolidated_metadata" in read_json(root)
    assert {path: path.read_bytes() for path in before} == before
    assert integrity.verify(folder) == []


def test_a_dataset_is_said_in_a_line(folder: Path) -> None:
    assert (
        repr(dataset.open_dataset(folder))
        == f"Dataset({folder}: 50 of 8 x 8 pixels, photons; 2 classes of hit_multiplicity, 2 classes of structure)"
    )


def test_card_counts_classes_and_photons(folder: Path, counts: np.ndarray) -> None:
    classes = dataset.open_dataset(folder).card["classes"]
    assert [(c["structure"], c["hit_multiplicity"], c["train"], c["test"]) for c in classes] == [
        ("a", 3, 18, 5),
        ("b", 1, 17, 5),
    ]
    assert classes[0]["photons_mean"] == pytest.approx(counts[::2].sum(axis=(1, 2)).mean(), abs=1e-3)


def test_shots_that_hit_nothing_are_a_class_without_a_structure(tmp_path: Path, counts: np.ndarray) -> None:
    folder = make_dataset(tmp_path / "blanks", counts, ["a", "", "b", "", "a"] * 10, [1, 0, 1, 0, 2] * 10)
    opened = dataset.open_dataset(folder)
    assert opened.structures == ("a", "b")
    assert opened.hit_multiplicities == (0, 1, 2)
    assert list(opened.structure[:5]) == [0, -1, 1, -1, 0]
    assert list(opened.count[:5]) == [1, 0, 1, 0, 2]
    classes = [(c["structure"], c["hit_multiplicity"], c["train"]) for c in opened.card["classes"]]
    assert classes == [("a", 1, 7), ("a", 2, 7), ("b", 1, 7), ("none", 0, 14)]


def test_what_the_pulse_was_is_stored(tmp_path: Path) -> None:
    """Each label as it was given, with its unit."""
    n, rng = 20, np.random.default_rng(2)
    layout = Layout(n, (4, 4), "photons", 4, 8, shot_targets(["a"], [1]), ReadoutConfig().model_dump(mode="json"))
    table = pd.DataFrame(
        {"structure": "a", "hit_multiplicity": 1, "split": "train", "seed": np.arange(n, dtype=np.uint64)}
    )
    pulses = labels.Pulses(*rng.uniform(size=(2, n)), rng.uniform(size=(n, 2)), rng.uniform(size=n))
    live = rng.uniform(size=(4, 4)).round()
    labels.create(tmp_path / "d", layout, table, pulses, live)
    for shard in range(3):
        rows = layout.rows(shard)
        images = np.zeros((rows.stop - rows.start, 4, 4), dtype=np.uint16)
        writer.write_shard(tmp_path / "d", layout, shard, images, made_from="test")
    integrity.complete(tmp_path / "d", {})
    opened = dataset.open_dataset(tmp_path / "d")
    for name in ("fluence", "photon_energy_eV", "beam_centre", "pulse_factor"):
        assert np.array_equal(getattr(opened, name), getattr(pulses, name).astype(np.float32)), name
    assert np.array_equal(opened.live, live)
    assert np.array_equal(opened.mask, live == 0)
    in_xarray = xr.open_zarr(tmp_path / "d" / "patterns.zarr")
    units = {name: in_xarray[name].attrs["units"] for name in ("photon_energy_eV", "beam_centre", "pulse_factor")}
    assert units == {"photon_energy_eV": "eV", "beam_centre": "pixel", "pulse_factor": "1"}


def test_another_readout_keeps_the_photons(folder: Path, counts: np.ndarray) -> None:
    """Labels and arrays are the same: the empty store is made again, the shards stay, and are read otherwise."""
    before = [shard_of(folder, shard).stat().st_mtime_ns for shard in range(4)]
    layout = Layout.load(folder)
    louder = replace(layout, readout={**layout.readout, "read_noise_photons": 2.0})
    recreate(folder, louder, seed=1000)
    integrity.complete(folder, {})
    assert [shard_of(folder, shard).stat().st_mtime_ns for shard in range(4)] == before
    assert integrity.verify(folder) == []
    opened = dataset.open_dataset(folder)
    assert np.array_equal(opened.read_raw(slice(0, 50)), counts)
    assert (opened.read(slice(0, 50)) - counts).std() == pytest.approx(2.0, rel=5 / np.sqrt(2 * counts.size))
    assert zarr.open_group(folder / "patterns.zarr").attrs["readout"]["read_noise_photons"] == 2.0


def test_other_labels_replace_the_store(folder: Path) -> None:
    recreate(folder, Layout.load(folder), seed=2000)
    assert not list((folder / "shards").glob("*"))
    assert not shard_of(folder, 0).exists()


def recreate(folder: Path, layout: Layout, seed: int) -> None:
    """The empty store of fixture `folder` once more, seeds counting from `seed` (it has 1000)."""
    n = layout.n_patterns
    table = pd.DataFrame(
        {
            "structure": ["a", "b"] * 25,
            "hit_multiplicity": [3, 1] * 25,
            "split": ["train"] * 35 + ["validation"] * 5 + ["test"] * 10,
            "seed": np.arange(seed, seed + n, dtype=np.uint64),
        }
    )
    pulses = labels.Pulses(np.full(n, 1e12), np.full(n, 4600.0), np.zeros((n, 2)), np.ones(n))
    labels.create(folder, layout, table, pulses, np.ones(layout.image_shape))


def shard_of(folder: Path, number: int) -> Path:
    return writer.shard_file(folder, Layout.load(folder), number)


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def edit_card(folder: Path) -> None:
    card = read_json(folder / "dataset.json")
    del card["layout"]
    write_json(folder / "dataset.json", card)


DAMAGE = {
    "a flipped bit": (lambda f: flip_a_bit(shard_of(f, 1)), r"shard 1 \(patterns 16-31, .*\) is damaged"),
    "a truncated shard": (lambda f: shard_of(f, 2).write_bytes(shard_of(f, 2).read_bytes()[:-9]), r"shard 2 .* bytes"),
    "a deleted shard": (lambda f: shard_of(f, 0).unlink(), r"shard 0 .* is missing: it was finished"),
    "a shard without marker": (lambda f: writer.shard_marker(f, 3).unlink(), r"shard 3 .* never finished"),
    "deleted labels": (lambda f: (f / "patterns.zarr/structure/c/0").unlink(), r"structure.* \(labels.*missing"),
    "changed labels": (lambda f: flip_a_bit(f / "patterns.zarr/seed/c/0"), r"seed/c/0 \(labels.*damaged"),
    "changed metadata": (lambda f: (f / "patterns.zarr/photons/zarr.json").write_text("{}"), r"zarr.json.*damaged"),
    "an edited card": (edit_card, r"dataset.json is damaged"),
    "no card": (lambda f: (f / "dataset.json").unlink(), r"dataset.json is missing"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named(folder: Path, damage: str, capsys: pytest.CaptureFixture) -> None:
    assert main(["verify", str(folder)]) == 0
    inflict, message = DAMAGE[damage]
    inflict(folder)
    (problem,) = integrity.verify(folder)
    assert re.search(message, problem), problem
    assert main(["verify", str(folder)]) == 1
    assert problem in capsys.readouterr().out


@pytest.mark.parametrize("damage", [damage for damage in DAMAGE if damage != "a shard without marker"])
def test_what_is_damaged_is_not_read(folder: Path, damage: str) -> None:
    """zarr reads what is gone as zeros, or as counts that nobody made."""
    inflict, message = DAMAGE[damage]
    inflict(folder)
    with pytest.raises(integrity.DamagedDatasetError, match=message.replace("dataset.json is missing", "not complete")):
        dataset.open_dataset(folder).read(slice(None))


def test_repair_forgets_only_what_is_damaged(folder: Path, counts: np.ndarray) -> None:
    flip_a_bit(shard_of(folder, 1))
    (folder / "jobs").mkdir()
    for job, listed in enumerate(('{"shards": [0, 1]}', '{"shards": [2, 3]}', '{"shards": [1, 3')):
        (folder / "jobs" / f"{job}.json").write_text(listed)
    (problem,) = integrity.repair(folder)
    assert problem.startswith("shard 1 ")
    assert [(folder / "jobs" / f"{job}.json").exists() for job in range(3)] == [False, True, False]
    with pytest.raises(integrity.DamagedDatasetError, match="not complete"):
        dataset.open_dataset(folder)
    layout = Layout.load(folder)
    assert integrity.shard_problem(folder, layout, 0) is None
    writer.write_shard(folder, layout, 1, counts[16:32], made_from="test")
    integrity.complete(folder, {})
    assert integrity.verify(folder) == []


def test_what_killed_jobs_left_beside_shards_and_markers_goes_when_all_are_there(folder: Path) -> None:
    layout = Layout.load(folder)
    before = sorted(folder.rglob("*"))
    for file in (writer.shard_file(folder, layout, 1), writer.shard_marker(folder, 1)):
        with atomic_path(file) as temporary:
            temporary.write_bytes(file.read_bytes())
        temporary.write_bytes(b"half")  # as a kill would have left it
    assert len(sorted(folder.rglob("*"))) == len(before) + 2
    integrity.complete(folder, {})
    assert sorted(folder.rglob("*")) == before


def test_incomplete_store_does_not_become_complete(folder: Path) -> None:
    shard_of(folder, 3).unlink()
    (folder / "dataset.json").unlink()
    with pytest.raises(integrity.DamagedDatasetError, match=r"1 problem\(s\)[\s\S]*shard 3"):
        integrity.complete(folder, {})
    assert not (folder / "dataset.json").exists()


def test_shard_made_from_something_else_is_out_of_date(folder: Path) -> None:
    layout = Layout.load(folder)
    assert integrity.shard_problem(folder, layout, 0, made_from="test") is None
    assert "out of date" in str(integrity.shard_problem(folder, layout, 0, made_from="another recipe"))


def test_writing_a_shard_again_gives_the_same_bytes(folder: Path, counts: np.ndarray) -> None:
    before = shard_of(folder, 1).read_bytes()
    writer.write_shard(folder, Layout.load(folder), 1, counts[16:32], made_from="test")
    assert shard_of(folder, 1).read_bytes() == before


def test_a_shard_of_dark_patterns_has_a_file(tmp_path: Path) -> None:
    dark = np.zeros((20, 8, 8), dtype=np.uint16)
    folder = make_dataset(tmp_path / "dark", dark, ["a"] * 20, [1] * 20)
    assert integrity.verify(folder) == []
    assert np.array_equal(dataset.open_dataset(folder).read_raw(slice(0, 20)), dark)


def test_wrong_images_are_refused(folder: Path, counts: np.ndarray) -> None:
    layout = Layout.load(folder)
    with pytest.raises(ValueError, match=r"shard 0.*expected uint16 \(16, 8, 8\)"):
        writer.write_shard(folder, layout, 0, counts[:15], made_from="test")
    with pytest.raises(ValueError, match="expected uint16"):
        writer.write_shard(folder, layout, 0, counts[:16].astype(np.float32), made_from="test")


def test_no_dataset_at_all(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no dataset"):
        dataset.open_dataset(tmp_path)
    assert main(["verify", str(tmp_path)]) == 2


def test_creating_again_starts_afresh(folder: Path, counts: np.ndarray) -> None:
    make_dataset(folder, counts[:20], ["a"] * 20, [1] * 20)
    opened = dataset.open_dataset(folder)
    assert len(opened) == 20
    assert not list(folder.glob(".patterns*"))
    shutil.rmtree(folder)
