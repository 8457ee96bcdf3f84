"""The networks against their tables, and against networks written out in numpy."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, relu

from support.heads import sizes
from train.losses.multi_output import multi_output_loss
from train.models.published.early import early
from train.models.published.late import LATE3, LATE5, LATE10, LATE18, late10
from train.models.published.resnet import Block, resnet18
from train.models.published.vgg import vgg16
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
    layers = [m for m in late10(sizes(11, 4)).modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert [sum(p.numel() for p in layer.parameters()) for layer in layers] == LATE10_PARAMETERS
    assert sum(p.numel() for p in late10(sizes(11, 4)).parameters()) == 164_967


HEADS = 512 * 15 + 15, 25_088 * 15 + 15
"""of ResNet-18 and VGG16: four multiplicities and eleven structures"""
DENSE = 25_088 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 1000 + 1000
"""VGG16's three dense layers"""
PARAMETERS = {
    "late3": 100_567,
    "late5": 74_535,
    "late10": 164_967,
    "late18": 204_167,
    "early": 298_631,
    "azimuthal": 102_927,
    "polar": 342_543,
    "folded": 432_987,
    "swift": 432_987 - 2 * (16 * 16 * 9 + 2 * 16) + 10,  # less a block, and with two numbers for each of five steps
    # as published for ImageNet, less two input channels of three in the first convolution, with our heads
    "resnet18": 11_689_512 - 2 * 64 * 7 * 7 - (512 * 1000 + 1000) + HEADS[0],
    "vgg16": 138_357_544 - 2 * 64 * 3 * 3 - DENSE + HEADS[1],
}


@pytest.mark.parametrize(("name", "n_parameters"), PARAMETERS.items())
def test_a_network_has_the_parameters_of_its_table_row(name, n_parameters):
    assert sum(p.numel() for p in build(name, sizes(11, 4)).parameters()) == n_parameters


@pytest.mark.parametrize(("convolutions", "n_convolutions"), [(LATE3, 3), (LATE5, 5), (LATE10, 9), (LATE18, 17)])
def test_every_late_network_ends_in_2048_features(convolutions, n_convolutions):
    size = 128
    for _, kernel, stride in convolutions:
        assert (size - kernel) % stride == 0  # no pixel is left over at an edge
        size = (size - kernel) // stride + 1
    assert len(convolutions) == n_convolutions
    assert convolutions[-1][0] * size**2 == 2048


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("n_structures", "n_multiplicities"), [(11, 4), (2, 3)])
def test_every_network_answers_both_questions(name, n_structures, n_multiplicities):
    model = build(name, sizes(n_structures, n_multiplicities)).eval()
    with torch.inference_mode():
        logits = model(torch.zeros(3, 1, 128, 128))
    assert logits["hit_multiplicity"].shape == (3, n_multiplicities)
    assert logits["structure"].shape == (3, n_structures)


@pytest.mark.parametrize("name", MODELS)
def test_a_step_reaches_every_weight_and_lowers_the_loss(name):
    """Without dropout, so that both losses are of one function; a step along the gradient lowers it. A bias that the
    next normalisation takes away again has no gradient but rounding."""
    torch.manual_seed(0)
    model = build(name, sizes(3, 2)).train()
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    images = torch.randn(2, 1, 128, 128)
    labels = {"hit_multiplicity": torch.tensor([0, 1]), "structure": torch.tensor([0, 2])}
    before = multi_output_loss(model(images), labels)
    before.backward()
    gradients = {name: p.grad for name, p in model.named_parameters()}
    idle = [name for name, gradient in gradients.items() if gradient is None or not gradient.any()]
    assert set(idle) <= {"dense.0.bias", "dense.2.bias"}
    assert all(gradient.isfinite().all() for gradient in gradients.values())
    slope = sum(gradient.square().sum() for gradient in gradients.values()).item()
    torch.optim.SGD(model.parameters(), lr=0.002 * before.item() / slope).step()  # by 0.2 % of the loss, to first order
    assert multi_output_loss(model(images), labels) < before


def test_unknown_network_lists_the_known_ones():
    with pytest.raises(KeyError, match="late10"):
        build("late11", sizes(2, 2))


@pytest.mark.parametrize("name", ["late3", "early"])
@pytest.mark.parametrize("shape", [(1, 1, 64, 64), (1, 3, 128, 128), (1, 128, 128)])
def test_another_image_size_is_an_error(name, shape):
    with pytest.raises(ValueError, match="takes"):
        build(name, sizes(2, 2))(torch.zeros(shape))


@pytest.mark.parametrize("name", ["resnet18", "vgg16"])
def test_standard_networks_take_any_size(name):
    with torch.inference_mode():
        assert build(name, sizes(2, 3))(torch.zeros(1, 1, 64, 96))["hit_multiplicity"].shape == (1, 3)


@pytest.mark.parametrize(
    ("name", "n_pixels"), [("azimuthal", 256), ("polar", 256), ("folded", 256), ("folded", 96), ("swift", 256)]
)
def test_our_networks_are_built_for_other_images(name, n_pixels):
    """One step of training lowers the loss; images of another size are refused."""
    torch.manual_seed(0)
    model = build(name, sizes(3, 2), n_pixels).train()
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    images = torch.poisson(3 * torch.rand(4, 1, n_pixels, n_pixels))
    labels = {"hit_multiplicity": torch.arange(4) % 2, "structure": torch.arange(4) % 3}
    before = multi_output_loss(model(images), labels)
    before.backward()
    slope = sum(p.grad.square().sum() for p in model.parameters()).item()
    torch.optim.SGD(model.parameters(), lr=0.01 * before.item() / slope).step()
    assert multi_output_loss(model(images), labels) < before
    with pytest.raises(ValueError, match=f"takes \\(B, 1, {n_pixels}, {n_pixels}\\)"):
        model(torch.zeros(1, 1, 128, 128))


@pytest.mark.parametrize("name", ["polar", "folded"])
def test_a_larger_image_has_the_same_inner_rings(name):
    """What is convolved first: of an image within a larger one, the rings that both have."""
    torch.manual_seed(0)
    small, large = build(name, sizes(2, 2)).eval(), build(name, sizes(2, 2), 256).eval()
    images = torch.poisson(3 * torch.rand(2, 1, 256, 256))
    seen = []
    for model in (small, large):
        getattr(model, "ring_norm" if name == "polar" else "norm").register_forward_pre_hook(
            lambda _, arguments: seen.append(arguments[0])
        )
    with torch.inference_mode():
        small(images[:, :, 64:192, 64:192])
        large(images)
    n_rings = seen[0].shape[2]
    assert seen[1].shape[2] == (n_rings if name == "polar" else n_rings + 32)
    torch.testing.assert_close(
        seen[1][:, :, : n_rings - 1], seen[0][:, :, : n_rings - 1]
    )  # the last one meets the edge


@pytest.mark.parametrize(("name", "n_pixels"), [("late10", 256), ("folded", 112), ("polar", 129), ("vgg16", 16)])
def test_images_that_a_network_has_no_layers_for_are_refused(name, n_pixels):
    with pytest.raises(ValueError, match=rf"network '{name}' takes images of .*, not of {n_pixels} x {n_pixels}"):
        build(name, sizes(2, 2), n_pixels)


SUMS = {"azimuthal": 264.0216919503, "polar": 3242.764330044112, "folded": 3576.2906349200093}
"""Of all weights and statistics, from seed 0, as they were when these networks took images of 128 x 128 pixels alone"""


@pytest.mark.parametrize("name", SUMS)
def test_weights_for_128_pixels_are_drawn_as_they_were(name):
    torch.manual_seed(0)
    total = sum(values.double().sum().item() for values in build(name, sizes(11, 4)).state_dict().values())
    assert total == pytest.approx(SUMS[name], rel=1e-12)


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
    model = late10(sizes(11, 4)).eval()
    images = torch.randn(2, 1, 128, 128)
    weights = {name: tensor.double().numpy() for name, tensor in model.state_dict().items()}
    features = images.double().numpy()
    for layer, (_, _, stride) in enumerate(LATE10):
        name = f"convolutions.{2 * layer}"  # every second one is a ReLU
        features = np.maximum(convolve(features, weights[f"{name}.weight"], weights[f"{name}.bias"], stride), 0)
    features = features.reshape(2, 2048)
    with torch.inference_mode():
        logits = model.to(memory_format=memory_format)(images)
    for target, ours in logits.items():
        head = f"heads.layers.of_{target}"
        expected = features @ weights[f"{head}.weight"].T + weights[f"{head}.bias"]
        np.testing.assert_allclose(ours.numpy(), expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_dropout_acts_on_a_quarter_of_the_features_and_only_in_training():
    model = late10(sizes(2, 2))
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
    model = late10(sizes(3, 2)).to(memory_format=torch.channels_last)
    images = torch.randn(12, 1, 128, 128)
    count, particle = torch.arange(12) % 2, torch.arange(12) % 3
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(150):
        loss = multi_output_loss(model(images), {"hit_multiplicity": count, "structure": particle})
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    logits = model.eval()(images)
    assert (logits["hit_multiplicity"].argmax(1) == count).all()
    assert (logits["structure"].argmax(1) == particle).all()


def test_early_is_two_late10s_that_share_two_convolutions():
    """A late network with the weights of one branch gives that branch's answer, to the bit."""
    torch.manual_seed(0)
    model, images = early(sizes(11, 4)).eval(), torch.randn(2, 1, 128, 128)
    for name, branch in model.branches.items():
        late = late10(sizes(11, 4)).eval()
        late.convolutions = nn.Sequential(*model.shared, *branch[0])
        late.heads.layers[name] = branch[-1]
        target = name.removeprefix("of_")
        with torch.inference_mode():
            assert torch.equal(late(images)[target], model(images)[target])
    weights = [p.data_ptr() for p in model.parameters()]
    assert len(set(weights)) == len(weights)  # two branches, not one twice


def test_each_head_of_early_has_dropout_of_its_own():
    model = early(sizes(2, 2)).train()
    dropouts = [layer for layer in model.modules() if isinstance(layer, nn.Dropout)]
    assert [layer.p for layer in dropouts] == [0.25, 0.25]
    masks = []
    for layer in dropouts:
        layer.register_forward_hook(lambda _, arguments, result: masks.append((arguments[0] != 0) & (result == 0)))
    model(torch.randn(2, 1, 128, 128))
    assert not torch.equal(*masks)


def normalise(features, weights, name):
    """Batch norm by its definition, with the running statistics."""
    mean, variance, scale, shift = (
        weights[f"{name}.{key}"][:, None, None] for key in ("running_mean", "running_var", "weight", "bias")
    )
    return (features - mean) / (variance + 1e-5).sqrt() * scale + shift


@pytest.mark.parametrize(("channels", "out_channels", "stride"), [(4, 4, 1), (4, 6, 2)])
def test_a_residual_block_is_the_equation_of_the_paper(channels, out_channels, stride):
    """He et al., eqs. 1 and 2, in float64: y = ReLU(F(x) + x), the x projected where its shape changes."""
    torch.manual_seed(0)
    block = Block(channels, out_channels, stride).double().eval()
    for name, tensor in block.state_dict().items():
        if name.split(".")[-1] in ("running_mean", "running_var", "weight", "bias") and tensor.ndim == 1:
            tensor.uniform_(0.5, 1.5)
    weights, features = block.state_dict(), torch.randn(2, channels, 8, 8, dtype=torch.float64)
    inner = conv2d(features, weights["first.0.weight"], stride=stride, padding=1)
    inner = conv2d(relu(normalise(inner, weights, "first.1")), weights["second.0.weight"], padding=1)
    shortcut = features
    if (channels, stride) != (out_channels, 1):
        shortcut = normalise(conv2d(features, weights["shortcut.0.weight"], stride=stride), weights, "shortcut.1")
    expected = relu(normalise(inner, weights, "second.1") + shortcut)
    with torch.inference_mode():
        torch.testing.assert_close(block(features), expected, rtol=1e-12, atol=1e-12)


def test_resnet18_has_the_stages_of_its_table():
    """He et al., table 1, at 128 x 128 pixels: two blocks each, and the sizes halved from stage to stage."""
    model, shapes = resnet18(sizes(2, 2)).eval(), []
    for block in model.blocks:
        block.register_forward_hook(lambda _, __, result: shapes.append(tuple(result.shape[1:])))
    with torch.inference_mode():
        model(torch.zeros(1, 1, 128, 128))
    assert shapes == [shape for shape in [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4)] for _ in range(2)]


def test_vgg16_is_configuration_d():
    """Simonyan & Zisserman, table 1: "M" halves the size; then average pooling to 7 x 7 and dropout."""
    model = vgg16(sizes(2, 2))
    layers = [
        layer.out_channels if isinstance(layer, nn.Conv2d) else "M"
        for layer in model.convolutions
        if not isinstance(layer, nn.ReLU)
    ]
    assert layers == [64, 64, "M", 128, 128, "M", *[256] * 3, "M", *[512] * 3, "M", *[512] * 3, "M"]
    assert model.heads.n_features == 25_088
    assert model.dropout.p == 0.25


@pytest.mark.parametrize("name", ["resnet18", "vgg16"])
def test_the_signal_survives_deep_networks(name):
    """He's initialisation keeps the mean square of the signal, by fan-out up to the stride's factors; PyTorch's
    default would leave 6^-13 of it after VGG16's convolutions."""
    torch.manual_seed(0)
    model = build(name, sizes(2, 2)).eval()
    seen = []
    model.heads.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    with torch.inference_mode():
        model(torch.randn(2, 1, 128, 128))
    assert seen[0].square().mean() > 1e-3
