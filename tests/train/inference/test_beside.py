"""Twins asked beside each other: all embeddings in a row, of the same known patterns, in one file of ONNX as well."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from support.toy import one_plain_thread, toy
from train.config.recipe import TwinRecipe
from train.export import main
from train.inference.shipped import beside, load_twin
from train.tasks.embed import fit_twin

__all__ = ["one_plain_thread", "toy"]

RECIPE = TwinRecipe(epochs=1, batch_size=16, weight_decay=0.0, embedding_dim=3, detector_dropout=0.5)


@pytest.fixture(scope="module")
def paths(toy, tmp_path_factory):
    """Two twins of one dataset, and one that does not know one of its structures."""
    folder = tmp_path_factory.mktemp("beside")
    for name, network, held_out in (("one", "late3", []), ("other", "spectral", []), ("apart", "late3", ["left"])):
        recipe = replace(RECIPE, input_transform="photons" if network == "spectral" else "standardise")
        fit_twin(network, toy, recipe, 0, torch.device("cpu"), folder / name, held_out)
    return {name: folder / name / "model.pt" for name in ("one", "other", "apart")}


def test_embeddings_stand_in_a_row(paths, toy):
    one, other = load_twin(paths["one"]), load_twin(paths["other"])
    both, frames = beside(one, other), toy.read(slice(0, 5)).astype(np.float32)
    np.testing.assert_array_equal(both.embed(frames), np.hstack([one.embed(frames), other.embed(frames)]))
    np.testing.assert_array_equal(both.support.embeddings[:, 3:], other.support.embeddings)
    assert both.description.model == "late3+spectral"
    assert len(both.alone.coefficients) == 7


def test_only_twins_of_the_same_known_patterns_stand_beside_each_other(paths):
    with pytest.raises(ValueError, match="know different patterns"):
        beside(load_twin(paths["one"]), load_twin(paths["apart"]))


def test_their_file_answers_as_they_do(paths, toy, tmp_path):
    both = beside(load_twin(paths["one"]), load_twin(paths["other"]))
    written = tmp_path / "both.onnx"
    assert main([str(paths["one"]), str(written), "--beside", str(paths["other"]), "--answers-by", "regression"]) == 0
    frames, found = toy.read(slice(0, 5)).astype(np.float32), load_twin(written)
    np.testing.assert_allclose(found.embed(frames), both.embed(frames), atol=1e-4)
    np.testing.assert_allclose(found.support.embeddings, both.support.embeddings)
    assert found.description.model == "late3+spectral"
