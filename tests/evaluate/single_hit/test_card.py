"""The network that ships keeps what its card says, on patterns that are simulated here."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml

from evaluate.single_hit.card import as_markdown, checked
from evaluate.single_hit.trial import FIRST, PH13, asked_about, made_up, simulated
from frames.files import sha256
from simulate.config import SimulationConfig
from train.inference.shipped import MODEL, load_twin

ROOT = MODEL.parents[2]
TABLES = ROOT / "docs" / "results" / "unseen"
FOLDER_BYTES = 5e6


@pytest.fixture(scope="module")
def card():
    return json.loads((MODEL.parent / "card.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def twin():
    return load_twin(MODEL)


def test_the_card_is_of_this_file_and_small(card):
    assert card["sha256"] == sha256(MODEL)
    assert sum(path.stat().st_size for path in MODEL.parent.iterdir()) < FOLDER_BYTES
    assert {path.suffix for path in MODEL.parent.iterdir()} <= {".onnx", ".md", ".json"}  # no pickle


def test_the_page_says_what_the_card_says(card):
    assert (MODEL.parent / "card.md").read_text(encoding="utf-8") == as_markdown(card)


def test_a_line_of_the_card_is_reproduced(card, twin):
    """The same seeds, so the same patterns; a pattern on the threshold may fall to either side of it by rounding."""
    found = checked(twin)
    assert found["n"] == card["check"]["n"]
    assert abs(found["right"] - card["check"]["right"]) <= 1
    assert found["accuracy"] > 0.75 > found["majority"]  # by 7 standard errors of 144 patterns: it is no coin


def test_of_an_unseen_protein_as_many_are_right_as_the_table_says(twin, structures_folder, tmp_path):
    """One of the 24, simulated here: the same 101 test patterns as in docs/results/unseen."""
    config = yaml.safe_load((ROOT / "config" / "unseen-judged.yaml").read_text(encoding="utf-8"))["simulation"]
    config["structures"] = [one for one in config["structures"] if one["id"] == "1e6v"]
    config["datasets"] = {"ph13": config["datasets"]["ph13"]}
    config["archive"] = {"mirrors": [str(structures_folder)], "lock_file": str(tmp_path / "lock.json")}
    trial = asked_about(SimulationConfig.model_validate(config), "ph13", tmp_path)
    test = trial.split == "test"
    right = (twin.alone.scores(twin.embed(trial.frames[test])) > 0) == (trial.hit_multiplicity[test] == 1)
    table = pd.read_csv(TABLES / "single_hit_structures.csv", keep_default_na=False)
    row = table[
        (table["structure"] == "1e6v")
        & (table["dataset"] == "ph13")
        & (table["answerer"] == "network")
        & (table["protocol"] == "unseen")
    ].iloc[0]
    assert len(right) == row["n_test"]
    assert abs(right.sum() - round(float(row["accuracy"]) * row["n_test"])) <= 1


def test_none_of_what_it_is_judged_by_was_learned_from(card):
    config = yaml.safe_load((ROOT / "config" / "unseen.yaml").read_text(encoding="utf-8"))["simulation"]
    judged = yaml.safe_load((ROOT / "config" / "unseen-judged.yaml").read_text(encoding="utf-8"))["simulation"]
    assert {structure["source"] for structure in config["structures"]} == {"phantom"}
    assert max(config["random_phantoms"], config["random_assemblies"]) < FIRST
    assert sorted(structure["id"] for structure in judged["structures"]) == sorted(card["held_out"])


def test_the_shares_of_a_trial_and_its_seeds():
    """Six patterns: three single hits and one of each other number, the same whenever asked for."""
    one, other = simulated(made_up(2), 6), simulated(made_up(2), 6)
    assert set(one.structure) == {f"random-{FIRST}", f"assembled-{FIRST}"}
    assert np.bincount(one.hit_multiplicity).tolist() == [0, 6, 2, 2, 2]
    np.testing.assert_array_equal(one.frames, other.frames)
    brighter = simulated(made_up(2), 6, {**PH13, "photons_per_pulse": 1e14})
    assert brighter.frames.sum() == pytest.approx(10 * one.frames.sum(), rel=0.05)
