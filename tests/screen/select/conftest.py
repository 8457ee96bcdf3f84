"""An encoder of random weights with what it was trained on, and a file of frames to ask it about."""

import numpy as np
import pytest
import torch

from frames.files import sha256, write_arrays
from frames.targets import shot_targets
from support.made.selections import CPU, D, N, made_up
from train.config.recipe import TwinRecipe
from train.inference.domain import Setup, summarised
from train.inference.embed import embed_frames
from train.inference.features import measure
from train.loop.checkpoint import TwinDescription, load_encoder, save_model
from train.loop.history import TwinEpoch
from train.models.encoder import encoder


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    """An encoder of random weights, and training patterns whose answer it shows: which half is bright."""
    folder = tmp_path_factory.mktemp("seed0")
    recipe = TwinRecipe(embedding_dim=D)
    torch.manual_seed(0)
    weights = encoder("late3", D, "rms").state_dict()
    described = {"targets": shot_targets(("a",), (1, 2)), "image_shape": (128, 128), "held_out": ()}
    names = {"dataset": "toy", "dataset_digest": "abc", "source": "def"}
    description = TwinDescription(model="late3", recipe=recipe, seed=0, **described, **names)
    epoch = TwinEpoch(**dict.fromkeys(TwinEpoch.__dataclass_fields__, 1))
    frames, is_single = made_up(60, seed=1)
    domain = summarised(measure(frames), measure(made_up(60, seed=5)[0]), recipe, Setup(photon_energy_eV=4600))
    save_model(folder / "model.pt", description, epoch, weights, domain)
    embeddings = embed_frames(load_encoder(folder / "model.pt", CPU), frames)
    known = {"embeddings": embeddings, "is_single": is_single, "model": sha256(folder / "model.pt")}
    write_arrays(folder / "support.npz", known)
    return folder / "model.pt"


@pytest.fixture(scope="module")
def frames_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("frames") / "frames.npy"
    np.save(path, made_up(N, seed=2)[0])
    return path
