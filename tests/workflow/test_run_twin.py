"""A run of twin networks alone, for real: random phantoms, folds, controls, tables, page."""

import json

import numpy as np
import pandas as pd

from evaluate.predictions.embeddings import read_embedded, read_support
from frames.store.dataset import open_dataset
from screen.select import main


def test_outputs_are_all_there(twinned) -> None:
    table = pd.read_csv(twinned.results / "tables" / "twin.csv")
    assert {"azimuthal", "grid", "total_intensity", "pixels", "spectral_clustering"} == set(table["encoder"])
    assert (table["run"] == "tiny").all()
    unseen = table[(table["protocol"] == "unseen") & (table["encoder"] == "azimuthal") & (table["fold"] == "rods")]
    assert set(unseen["dataset"]) == {"mixed", "dim"}
    assert (unseen["n_test"] == 16).all()  # eight single and eight double hits of one structure
    assert (unseen["n_structures"] == 1).all()
    grid = table[table["encoder"] == "grid"]
    assert set(grid["dataset"]) == {"known"}
    assert set(grid["embedding_dim"]) == {2, 4}
    assert {"same", "retrieval", "training_triplets", "test_triplets"} == set(grid["protocol"])
    assert set(table[table["protocol"] == "few_shot"]["labels"]) == {1, 3}
    provenance = json.loads((twinned.results / "tables" / "twin.json").read_text())
    assert set(table.columns) == set(provenance["columns"])
    assert (twinned.results / "twin.html").stat().st_size > 20_000
    assert not twinned.planned()


def test_nothing_held_out_is_known(twinned) -> None:
    """Embeddings are those of the validation and test patterns, in their order; the family held out is not known."""
    folder = twinned.results / "twins" / "mixed" / "azimuthal" / "rods" / "d8-m0.5" / "seed0"
    assert "wishbone" not in read_support(folder / "support.npz").structure
    assert json.loads((folder / "training.json").read_text())["held_out"] == ["wishbone"]
    embedded = read_embedded(
        twinned.results / "embeddings" / "mixed" / "azimuthal" / "rods" / "d8-m0.5" / "seed0.npz", "dim"
    )
    dataset = open_dataset(twinned.results / "datasets" / "dim")
    rows = slice(dataset.splits["validation"].start, dataset.splits["test"].stop)
    assert (embedded.structure == np.array(dataset.structures)[dataset.structure[rows]]).all()
    assert (embedded.hit_multiplicity == dataset.hit_multiplicity[rows]).all()


def test_its_encoder_judges_a_file_of_frames(twinned, tmp_path, capsys) -> None:
    """What docs/guide/selecting.md does. It never saw noise, so of noisy frames it answers only when it is forced."""
    model = twinned.results / "twins" / "mixed" / "azimuthal" / "none" / "d8-m0.5" / "seed0" / "model.pt"
    out = tmp_path / "frames.csv"
    arguments = [str(model), str(twinned.results / "datasets" / "dim"), "-o", str(out)]
    assert main(arguments) == 2
    assert "far from what azimuthal was trained on (mixed): " in capsys.readouterr().err
    assert main([*arguments, "--force"]) == 0
    answers = pd.read_csv(out)
    assert (answers["in_domain"] == 0).all()
    assert len(answers) == len(open_dataset(twinned.results / "datasets" / "dim"))
    assert answers["p_single"].between(0, 1).all()
