"""The networks against their table, and against a network written out in numpy."""

import numpy as np
import pytest
import torch
from torch import nn

from train.losses import multi_output_loss
from train.models.late import LATE10, late10
from train.models.registry import MODELS, build

# weights + biases of each layer of the poster's 10-layer late network, by hand
LATE10_PARAMETERS = [
    8 * 1 * 4 + 8,
    16 * 8 * 4 + 16,
    32 * 16 * 4 + 32,
    64 * 32 * 4 + 64,
    64 * 64 * 4 + 64,
    64 * 64 * 4 + 64,
    64 * 64 * 4 + 64,
    128 * 64 * 1 + 128,
    128 * 128 * 4 + 128,
    2048 * 4 + 4,
    2048 * 11 + 11,
]


def test_late10_has_the_parameters_of_its_table_row():
    layers = [m for m in late10(11, 4).modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert [sum(p.numel() for p in layer.parameters()) for layer in layers] == LATE10_PARAMETERS
    assert sum(p.numel() for p in late10(11, 4).parameters()) == 164_967


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("n_structures", "n_multiplicities"), [(11, 4), (2, 3)])
def test_every_network_answers_both_questions(name, n_structures, n_multiplicities):
    logits = build(name, n_structures, n_multiplicities)(torch.zeros(5, 1, 128, 128))
    assert logits.count.shape == (5, n_multiplicities)
    assert logits.particle.shape == (5, n_structures)


def test_unknown_network_lists_the_known_ones():
    with pytest.raises(KeyError, match="late10"):
        build("late11", 2, 2)


@pytest.mark.parametrize("shape", [(1, 1, 64, 64), (1, 3, 128, 128), (1, 128, 128)])
def test_another_image_size_is_an_error(shape):
    with pytest.raises(ValueError, match="takes"):
        late10(2, 2)(torch.zeros(shape))


def convolve(images, weight, bias, stride):
    """A convolution by its definition, one output pixel at a time: (B, C, H, W) -> (B, O, h, w)."""
    kernel = weight.shape[-1]
    size = (images.shape[-1] - kernel) // stride + 1
    result = np.empty((len(images), len(weight), size, size))
    for row in range(size):
        for column in range(size):
            y, x = row * stride, column * stride
            patch = images[:, :, y : y + kernel, x : x + kernel]
            result[:, :, row, column] = np.einsum("bcij,ocij->bo", patch, weight) + bias
    return result


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_late10_is_the_network_written_out_in_numpy(memory_format):
    """Nine layers of float32 sums agree to some 1e-6 of the largest logit; 1e-4 leaves room for their order."""
    torch.manual_seed(3)
    model = late10(11, 4).eval()
    images = torch.randn(2, 1, 128, 128)
    weights = {name: tensor.double().numpy() for name, tensor in model.state_dict().items()}
    features = images.double().numpy()
    for layer, (_, _, stride) in enumerate(LATE10):
        name = f"convolutions.{2 * layer}"  # every second one is a ReLU
        features = np.maximum(convolve(features, weights[f"{name}.weight"], weights[f"{name}.bias"], stride), 0)
    features = features.reshape(2, 2048)
    with torch.inference_mode():
        logits = model.to(memory_format=memory_format)(images)
    for head, ours in (("count", logits.count), ("particle", logits.particle)):
        expected = features @ weights[f"heads.{head}.weight"].T + weights[f"heads.{head}.bias"]
        np.testing.assert_allclose(ours.numpy(), expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_dropout_acts_on_a_quarter_of_the_features_and_only_in_training():
    model = late10(2, 2)
    seen = []
    model.heads.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    model.convolutions = nn.Sequential(nn.Flatten(), nn.Linear(128 * 128, 2048))
    nn.init.ones_(model.convolutions[1].bias)
    nn.init.zeros_(model.convolutions[1].weight)
    images = torch.zeros(50, 1, 128, 128)
    torch.manual_seed(0)
    model.train()(images)
    model.eval()(images)
    dropped = (seen[0] == 0).double().mean().item()
    # 102,400 draws of probability 1/4: a standard deviation of 0.00135, five of which are allowed
    assert abs(dropped - 0.25) < 5 * (0.25 * 0.75 / 102_400) ** 0.5
    assert (seen[1] == 1).all()


def test_late10_overfits_one_batch():
    """Random labels on noise can only be learned by heart: gradients reach every layer and both heads."""
    torch.manual_seed(0)
    model = late10(3, 2).to(memory_format=torch.channels_last)
    images = torch.randn(12, 1, 128, 128)
    count, particle = torch.arange(12) % 2, torch.arange(12) % 3
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(150):
        loss = multi_output_loss(model(images), count, particle)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    logits = model.eval()(images)
    assert (logits.count.argmax(1) == count).all()
    assert (logits.particle.argmax(1) == particle).all()
