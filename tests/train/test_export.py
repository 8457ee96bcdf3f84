"""Networks as ONNX files: what onnxruntime answers, what the file says of itself, and what is refused."""

import base64
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from frames.files import sha256, write_arrays
from frames.targets import shot_targets
from screen import select
from train import export
from train.batches.input_transforms import network_input
from train.config.recipe import Recipe, TwinRecipe
from train.few_shot.support import SupportSet, read_support
from train.inference.embed import embed_frames
from train.loop.checkpoint import (
    Description,
    TrainedEncoder,
    TrainedModel,
    TwinDescription,
    load_encoder,
    network,
    save_model,
    twin,
)
from train.loop.history import Epoch, TwinEpoch
from train.models.registry import input_for
from train.onnx_files import operations
from train.onnx_files.trials import trial_frames

CPU = torch.device("cpu")


def described(name: str, size: int = 128) -> Description:
    return Description(
        model=name,
        targets=shot_targets(("1ss8", "3j03", "6ody"), (0, 1, 2, 4)),
        image_shape=(size, size),
        recipe=Recipe(input_transform=input_for(name)),
        seed=3,
        dataset="noisy",
        dataset_digest="abc",
        source="def",
    )


def trained(name: str, size: int = 128) -> TrainedModel:
    """Random weights, among them the statistics of batch norm: what a trained network has."""
    torch.manual_seed(0)
    description = described(name, size)
    model = network(description, CPU).eval()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 1.5)
    epoch = Epoch(**dict.fromkeys(Epoch.__dataclass_fields__, 1))
    return TrainedModel(model, description, epoch)


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    model = trained("late10")
    save_model(tmp_path / "model.pt", model.description, model.epoch, model.model.state_dict())
    return tmp_path / "model.pt"


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("late10", 128),
        ("early", 128),
        ("resnet18", 64),
        ("vgg16", 64),
        ("azimuthal", 128),
        ("polar", 128),
        ("folded", 128),
        ("azimuthal", 256),
        ("folded", 256),
        ("swift", 128),
        ("swift", 256),
    ],
)
def test_a_file_answers_photons_as_the_network_does(name, size):
    """At any batch size, from photons to probabilities, dark frames too. Probabilities are at most 1 and some ten
    float32 layers of sums lie behind them: 1e-5, as for predictions in batches (test_checkpoint.py)."""
    model = trained(name, size)
    session = onnxruntime.InferenceSession(export.export(model, trial_frames((size, size), 3)))
    generator = np.random.default_rng(1)
    for n in (1, 5):
        frames = generator.poisson(0.1, (n, size, size)).astype(np.float32)
        frames[0] = 0
        with torch.inference_mode():
            images = network_input(frames, model.description.recipe.input_transform, CPU)
            expected = [head.softmax(1).numpy() for head in model.model(images).values()]
        count, particle = session.run(["hit_multiplicity", "structure"], {"frames": frames})
        np.testing.assert_allclose(count, expected[0], rtol=0, atol=1e-5)
        np.testing.assert_allclose(particle, expected[1], rtol=0, atol=1e-5)
        assert (count.shape, particle.shape, count.dtype) == ((n, 4), (n, 3), np.float32)


@pytest.mark.parametrize(("n", "n_shares"), [(4, 7), (1, 7), (7, 7), (14, 7), (9, 4)])
def test_shares_are_those_of_adaptive_pooling(n, n_shares):
    """Of float32 shares: their ulp."""
    images = torch.rand(2, 3, n, n)
    shares = operations.adaptive_shares(n, n_shares)
    expected = nn.AdaptiveAvgPool2d(n_shares)(images)
    torch.testing.assert_close(shares @ images @ shares.T, expected, rtol=0, atol=1e-6)


def test_a_file_says_what_was_trained_on_what():
    model = trained("late10")
    found = onnx.load_from_string(export.export(model, trial_frames((128, 128), 4)))
    said = {entry.key: entry.value for entry in found.metadata_props}
    assert json.loads(said["targets"]) == [
        {"name": "hit_multiplicity", "classes": [0, 1, 2, 4], "kept": 1},
        {"name": "structure", "classes": ["1ss8", "3j03", "6ody"], "kept": None},
    ]
    assert [output.name for output in found.graph.output] == ["hit_multiplicity", "structure"]
    assert (said["model"], said["dataset"], said["dataset_digest"], said["seed"]) == ("late10", "noisy", "abc", "3")
    assert json.loads(said["recipe"])["input_transform"] == "standardise"
    assert found.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_the_limit_of_rounding_sees_one_part_in_ten_thousand_of_one_layer():
    """And the other way round: each network's own file passes."""
    model = trained("late10")
    answer = export.ExportedNetwork(model.model, "standardise", ["hit_multiplicity", "structure"]).eval()
    contents, frames = export.to_onnx(answer, model.description), trial_frames((128, 128))
    export.must_agree(contents, answer, frames)
    with torch.no_grad():
        model.model.heads.layers["of_structure"].weight *= 1.0001
    with pytest.raises(ValueError, match="disagree"):
        export.must_agree(contents, answer, frames)


def test_squares_of_few_photons_are_summed_as_well_as_torch_does():
    """Weights that pass on every digit of the input, as a trained network's do. A mean that adds the 16,384 squares of
    an image one after the other scales it by up to 1e-5 too much, and the answers show it. Allowed: 8 ulp."""
    model = trained("late10")
    for layer in model.model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    frames = trial_frames((128, 128))
    session = onnxruntime.InferenceSession(export.export(model, frames))
    with torch.inference_mode():
        images = network_input(frames, "standardise", CPU)
        exact = export.log_probabilities(
            export.ExportedNetwork(model.model.double(), "photons", ["hit_multiplicity", "structure"])(
                images[:, 0].double()
            )
        )
    found = export.log_probabilities(session.run(["hit_multiplicity", "structure"], {"frames": frames}))
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-6 * np.abs(exact).max())


def test_a_batch_that_is_answered_otherwise_than_a_frame_is_refused():
    """As of a file that mixes the frames of a batch, by a mean over all of them: one frame alone would not show it."""

    class Mixing(export.ExportedNetwork):
        def forward(self, frames):
            return super().forward(frames - frames.mean() * torch.linspace(0, 1, 128))

    model = trained("late10")
    mixing, answer = (
        kind(model.model, "standardise", ["hit_multiplicity", "structure"]).eval()
        for kind in (Mixing, export.ExportedNetwork)
    )
    contents = export.to_onnx(mixing, model.description)
    with pytest.raises(ValueError, match="disagree"):
        export.must_agree(contents, answer, trial_frames((128, 128)))


def test_not_a_number_is_no_agreement():
    model = trained("late10")
    answer = export.ExportedNetwork(model.model, "standardise", ["hit_multiplicity", "structure"]).eval()
    contents = export.to_onnx(answer, model.description)
    frames = trial_frames((128, 128), 4)
    frames[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="disagree"):
        export.must_agree(contents, answer, frames)


def test_trial_frames_span_the_fluences_and_end_in_the_dark():
    frames = trial_frames((128, 96))
    photons = frames.sum((1, 2))
    assert frames.shape == (8, 128, 96)
    assert photons[0] < 50
    assert photons[-2] == pytest.approx(1e6, rel=0.01)
    assert photons[-1] == 0
    assert (frames == np.round(frames)).all()


def test_command_line_writes_a_file_and_will_not_replace_one(model_file, toy, tmp_path, capsys):
    output = tmp_path / "new" / "late10.onnx"
    assert export.main([str(model_file), str(output)]) == 0
    assert "agrees with torch on 8 frames" in capsys.readouterr().out
    before = output.read_bytes()
    assert export.main([str(model_file), str(output)]) == 2
    assert "late10.onnx is there already; --overwrite replaces it" in capsys.readouterr().err
    assert export.main([str(model_file), str(output), "--overwrite"]) == 0
    assert [path.name for path in output.parent.iterdir()] == ["late10.onnx"]
    assert output.read_bytes() == before  # the same network is the same file
    assert export.main([str(model_file), str(tmp_path), "--overwrite"]) == 2
    assert "it is a folder; choose another name" in capsys.readouterr().err
    assert export.main([str(model_file), str(tmp_path / "b.onnx"), "--dataset", str(toy.folder)]) == 2
    assert "classes of hit_multiplicity of dataset toy are" in capsys.readouterr().err


def test_a_file_with_other_weights_is_not_left_behind(model_file, tmp_path, monkeypatch, capsys):
    output, honest = tmp_path / "late10.onnx", export.to_onnx

    def tampered(answer, description, more):
        torch.manual_seed(9)
        other = network(description, CPU).eval()
        return honest(export.ExportedNetwork(other, "standardise", ["hit_multiplicity", "structure"]), description)

    monkeypatch.setattr(export, "to_onnx", tampered)
    assert export.main([str(model_file), str(output)]) == 2
    assert "nothing was written" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]


@pytest.mark.parametrize(("contents", "message"), [(None, "no such file"), (b"no model", "damaged")])
def test_what_is_no_model_is_told_in_one_line(tmp_path, capsys, contents, message):
    if contents is not None:
        (tmp_path / "model.pt").write_bytes(contents)
    assert export.main([str(tmp_path / "model.pt"), str(tmp_path / "a.onnx")]) == 2
    said = capsys.readouterr().err
    assert message in said.lower()
    assert said.count("\n") == 1
    assert not (tmp_path / "a.onnx").exists()


def test_where_onnx_is_not_installed_the_command_says_what_to_install(model_file, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert export.main([str(model_file), str(tmp_path / "a.onnx")]) == 2
    assert "`make install` has it" in capsys.readouterr().err


def test_it_is_checked_on_a_dataset_that_is_given(toy, tmp_path, capsys):
    model = trained("late10")
    description = replace(model.description, targets=toy.targets)
    save_model(tmp_path / "model.pt", description, model.epoch, network(description, CPU).state_dict())
    assert export.main([str(tmp_path / "model.pt"), str(tmp_path / "a.onnx"), "--dataset", str(toy.folder)]) == 0
    assert "on 32 frames" in capsys.readouterr().out  # the test split of the toy


def twin_file(folder: Path, name: str, **recipe: object) -> Path:
    """A twin network of random weights, and beside it known patterns whose answer it shows: which half is bright."""
    recipe = TwinRecipe(**{"input_transform": input_for(name), "embedding_dim": 4} | recipe)
    shown = {"targets": shot_targets(("a",), (1, 2)), "image_shape": (128, 128), "held_out": ()}
    description = TwinDescription(
        model=name, recipe=recipe, seed=0, dataset="toy", dataset_digest="abc", source="def", **shown
    )
    torch.manual_seed(0)
    model = twin(description, CPU).eval()
    epoch = TwinEpoch(**dict.fromkeys(TwinEpoch.__dataclass_fields__, 1))
    path = folder / "model.pt"
    save_model(path, description, epoch, model.state_dict())
    embeddings = embed_frames(TrainedEncoder(model, description, epoch), halves(40)[0])
    write_arrays(folder / "support.npz", {"embeddings": embeddings, "is_single": halves(40)[1], "model": sha256(path)})
    return path


def halves(n: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Frames (n, 128, 128) float32, every second one a single hit: bright on the left, or else less so and right."""
    generator, is_single = np.random.default_rng(seed), np.arange(n) % 2 == 0
    frames = generator.poisson(0.5, (n, 128, 128)).astype(np.float32)
    for frame, single in zip(frames, is_single, strict=True):
        frame[:, :64] += generator.poisson(1.5 if single else 1.0, (128, 64))
        frame[:, 64:] += generator.poisson(1.0 if single else 1.4, (128, 64))
    return frames, is_single


@pytest.mark.parametrize(
    ("name", "recipe"), [("late3", {}), ("polar", {"distance": "squared_l2"}), ("specklenn", {"embedding_dim": 16})]
)
def test_a_twins_file_answers_as_the_command_without_labels(tmp_path, capsys, name, recipe):
    """Sums of up to 53,824 terms, of which float32 loses the root, 232, in units of its last digit; probabilities by
    what that moves scores, of coefficients up to 20."""
    path = twin_file(tmp_path, name, **recipe)
    assert export.main([str(path), str(tmp_path / "twin.onnx")]) == 0
    assert "agrees with torch on 8 frames" in capsys.readouterr().out
    frames = halves(9, seed=2)[0]
    np.save(tmp_path / "frames.npy", frames)
    answers = ["-o", str(tmp_path / "frames.csv"), "--embeddings", str(tmp_path / "asked.npz")]
    assert select.main([str(path), str(tmp_path / "frames.npy"), *answers]) == 0
    asked = np.load(tmp_path / "asked.npz")
    session = onnxruntime.InferenceSession(str(tmp_path / "twin.onnx"))
    for n in (9, 1):
        embedding, p_single = session.run(["embedding", "p_single"], {"frames": frames[:n]})
        assert (embedding.dtype, p_single.dtype, p_single.shape) == (np.float32, np.float32, (n,))
        largest = np.abs(asked["embeddings"]).max()
        np.testing.assert_allclose(embedding, asked["embeddings"][:n], rtol=0, atol=232 * 1.2e-7 * largest)
        np.testing.assert_allclose(p_single, asked["p_single"][:n], rtol=0, atol=20 * 232 * 1.2e-7)
    assert np.ptp(asked["p_single"]) > 0.2  # or any answer would do


def test_a_twins_file_holds_the_patterns_that_it_answers_by(tmp_path):
    path = twin_file(tmp_path, "late3")
    assert export.main([str(path), str(tmp_path / "twin.onnx")]) == 0
    said = {entry.key: entry.value for entry in onnx.load(tmp_path / "twin.onnx").metadata_props}
    known = np.load(tmp_path / "support.npz")
    is_single = np.array([*said["support_is_single"]]) == "1"
    embeddings = np.frombuffer(base64.b64decode(said["support_embeddings"]), "<f4").reshape(len(is_single), -1)
    assert np.array_equal(is_single, known["is_single"])
    assert np.array_equal(embeddings, known["embeddings"])
    assert json.loads(said["recipe"])["embedding_dim"] == 4
    assert (said["model"], json.loads(said["held_out"])) == ("late3", [])


def test_other_weights_and_other_known_patterns_are_found_out(tmp_path):
    path = twin_file(tmp_path, "late3")
    trained, known = load_encoder(path, CPU), read_support(path, 4)
    answer = export.ExportedTwin([trained.model], ["standardise"], known).eval()
    contents, frames = export.to_onnx(answer, trained.description), halves(8)[0]
    export.must_agree(contents, answer, frames)
    turned = export.ExportedTwin(
        [trained.model], ["standardise"], SupportSet(known.embeddings, ~known.is_single)
    ).eval()
    with pytest.raises(ValueError, match="disagree"):
        export.must_agree(contents, turned, frames)
    with torch.no_grad():
        trained.model.heads.linear.weight *= 1.0001
    with pytest.raises(ValueError, match="disagree"):
        export.must_agree(contents, answer, frames)


def test_a_twin_without_its_known_patterns_is_not_exported(tmp_path, capsys):
    path = twin_file(tmp_path, "late3")
    (tmp_path / "support.npz").unlink()
    assert export.main([str(path), str(tmp_path / "twin.onnx")]) == 2
    assert (
        "support.npz, the training patterns that single and multiple hits are told apart by" in capsys.readouterr().err
    )
    assert not (tmp_path / "twin.onnx").exists()


def test_a_twin_is_checked_on_a_dataset_that_is_given(toy, tmp_path, capsys):
    path = twin_file(tmp_path, "late3")
    assert export.main([str(path), str(tmp_path / "twin.onnx"), "--dataset", str(toy.folder)]) == 0
    assert "on 32 frames" in capsys.readouterr().out
