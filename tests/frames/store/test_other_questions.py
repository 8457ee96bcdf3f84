"""A store of frames that are no shots at single particles: other questions, other labels, a detector's own units."""

import json
from pathlib import Path

import numpy as np
import pytest

from frames.labels import Label
from frames.readout.config import ReadoutConfig
from frames.store import integrity, writer
from frames.store.dataset import open_dataset
from frames.store.layout import Layout
from frames.targets import Target, shot_targets

TARGETS = (Target("hit", ("miss", "hit"), kept="hit"), Target("crystal", ("lysozyme", "thaumatin")))
LAYOUT = Layout(6, (4, 5), "adu", 2, 4, TARGETS, ReadoutConfig().model_dump(mode="json"))
ADU = np.random.default_rng(0).integers(0, 2**16, size=(6, 4, 5), dtype=np.uint16)


def labels() -> dict[str, Label]:
    return {
        "hit": writer.target_label(TARGETS[0], ["hit", "miss", "hit", "hit", "miss", "hit"]),
        "crystal": writer.target_label(TARGETS[1], ["lysozyme", "", "thaumatin", "thaumatin", "", "lysozyme"]),
        "split": writer.split_label(["train"] * 3 + ["validation"] + ["test"] * 2),
        "seed": writer.seed_label(range(6)),
        "n_peaks": Label(np.arange(6, dtype=np.int32), {"units": "1", "long_name": "Bragg peaks"}),
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six frames of crystals, in shards of four."""
    made = tmp_path / "crystals"
    writer.create(made, LAYOUT, labels(), writer.pixel_maps(np.ones((4, 5))), title="Frames of crystals")
    for shard in range(LAYOUT.n_shards):
        writer.write_shard(made, LAYOUT, shard, ADU[LAYOUT.rows(shard)], made_from="test")
    integrity.complete(made, {})
    return made


def test_units_of_the_detector_come_back_as_they_were(folder: Path) -> None:
    """All 2^16 values may be readings, also the one that stands for what was never written."""
    opened = open_dataset(folder)
    assert opened.read_raw(slice(0, 6)).dtype == np.uint16
    assert np.array_equal(opened.read_raw(slice(0, 6)), ADU)
    assert opened.read(slice(1, 5)).dtype == np.float32
    assert np.array_equal(opened.read(slice(1, 5)), ADU[1:5])
    assert not opened.reads_floats
    assert integrity.verify(folder) == []


def test_labels_are_codes_of_the_declared_classes(folder: Path) -> None:
    opened = open_dataset(folder)
    assert opened.targets == TARGETS
    assert opened.labels("hit").tolist() == [1, 0, 1, 1, 0, 1]
    assert opened.labels("crystal").tolist() == [0, -1, 1, 1, -1, 0]
    assert opened.group["n_peaks"][:].tolist() == [*range(6)]
    assert opened.group["adu"].attrs["coordinates"] == "hit crystal split seed n_peaks"
    assert opened.group.attrs["title"] == "Frames of crystals"
    with pytest.raises(ValueError, match=r"no question 'structure' is asked; there are \['hit', 'crystal'\]"):
        _ = opened.structures


def test_the_card_counts_all_questions_together_and_sums_in_the_records_unit(folder: Path) -> None:
    card = open_dataset(folder).card
    classes = [(c["crystal"], c["hit"], c["train"], c["validation"], c["test"]) for c in card["classes"]]
    assert classes == [("lysozyme", "hit", 1, 0, 1), ("thaumatin", "hit", 1, 1, 0), ("none", "miss", 1, 0, 1)]
    assert card["classes"][1]["adu_mean"] == ADU[2:4].sum(axis=(1, 2), dtype=float).mean()
    assert card["adu_per_pattern"]["mean"] == pytest.approx(ADU.sum(dtype=float) / 6)
    assert list(card["adu_per_pattern"]["histogram"]["counts"]) == ["hit", "miss"]
    assert "photons_per_pattern" not in card


def test_a_store_of_version_0_1_opens(folder: Path) -> None:
    """Its layout names structures and multiplicities, which were all that was asked."""
    said = json.loads((folder / "layout.json").read_text())
    del said["targets"]
    (folder / "layout.json").write_text(json.dumps({**said, "structures": ["a", "b"], "hit_multiplicities": [2, 1]}))
    assert Layout.load(folder).targets == shot_targets(["a", "b"], [2, 1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hit": None, "seed": None}, "labels hit, seed are missing; a store has one of each target, split and seed"),
        ({"n_peaks": Label(np.zeros(5))}, r"label n_peaks is \(5,\), expected \(6,\) or one axis more"),
    ],
)
def test_labels_that_do_not_suit_are_told(change: dict[str, Label | None], message: str, tmp_path: Path) -> None:
    given = {name: label for name, label in {**labels(), **change}.items() if label is not None}
    with pytest.raises(ValueError, match=message):
        writer.create(tmp_path / "d", LAYOUT, given, writer.pixel_maps(np.ones((4, 5))))
    assert not (tmp_path / "d").exists()


def test_maps_a_readout_and_splits_that_do_not_suit_are_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"maps mask are missing"):
        writer.create(tmp_path / "d", LAYOUT, labels(), {"live": writer.pixel_maps(np.ones((4, 5)))["live"]})
    with pytest.raises(ValueError, match=r"map live is \(5, 4\), expected \(4, 5\)"):
        writer.create(tmp_path / "d", LAYOUT, labels(), writer.pixel_maps(np.ones((5, 4))))
    noisy = ReadoutConfig(read_noise_photons=1.0).model_dump(mode="json")
    layout = Layout(6, (4, 5), "adu", 2, 4, TARGETS, noisy)
    with pytest.raises(ValueError, match="record adu: a readout is for counted photons"):
        writer.create(tmp_path / "d", layout, labels(), writer.pixel_maps(np.ones((4, 5))))
    with pytest.raises(ValueError, match="rows must be ordered by split"):
        writer.split_label(["test", "train"])
    with pytest.raises(ValueError, match=r"targets \['hit', 'hit'\]: expected at least one, each of another name"):
        Layout(6, (4, 5), "adu", 2, 4, (TARGETS[0], TARGETS[0]), noisy)
