"""Rings and what is made of them, against loops over pixels; answers that do not change when a pattern turns."""

import math

import pytest
import torch

from support.heads import sizes, together
from train.models.polar.polar import LARGEST, STEEPNESS, STEPS, Around, RingNorm, Wrapped, counted
from train.models.polar.rings import RingMoments, polar_places, reach
from train.models.registry import build

SIZE = 128


@pytest.fixture(scope="module")
def images():
    """Speckled rings of 0.1 to 10⁴ photons."""
    generator = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(*[torch.arange(SIZE) - (SIZE - 1) / 2] * 2, indexing="ij")
    mean = 1e4 * torch.exp(-torch.hypot(y, x) / 6) + 0.1
    return torch.poisson(mean * torch.rand(3, 1, SIZE, SIZE, generator=generator), generator=generator)


def test_moments_of_a_ring_are_those_of_its_pixels(images):
    """In float64 by a loop. The variance is a difference of numbers up to 4e7 that float32 holds to 6e-8 each, over 400
    sums: 1e-5 of the larger, which asinh turns into that relative error."""
    moments = RingMoments(SIZE)(images).double()
    rings = [[] for _ in range(SIZE // 2)]
    for row in range(SIZE):
        for column in range(SIZE):
            k = int(math.hypot(row - 63.5, column - 63.5))
            if k < len(rings):
                rings[k].append((row, column))
    for k, ring in enumerate(rings):
        pixels = torch.stack([images[:, 0, row, column] for row, column in ring], 1).double()
        mean, square = pixels.mean(1), pixels.square().mean(1)
        torch.testing.assert_close(moments[:, k], torch.asinh(20 * mean), rtol=1e-5, atol=1e-5)
        doubt = 1e-5 * square / (square - mean.square() + 1 / 20)
        assert (abs(moments[:, 64 + k] - torch.asinh(20 * (square - mean.square()))) <= doubt + 1e-5).all()


def test_places_lie_on_rings_around_the_middle():
    """Sampling the pixels' own coordinates gives the places back: bilinear interpolation is exact for them."""
    n_rings, n_angles = 5, 8
    half = reach(n_rings)
    along = torch.arange(2 * half) - (2 * half - 1) / 2
    coordinates = torch.stack(torch.meshgrid(along, along, indexing="xy"))[None]
    places = polar_places(range(n_rings), n_angles, half)
    sampled = torch.nn.functional.grid_sample(coordinates, places, align_corners=False)[0]
    for ring in range(n_rings):
        for step in range(n_angles):
            angle = 2 * math.pi * step / n_angles
            place = torch.tensor([(ring + 0.5) * math.cos(angle), (ring + 0.5) * math.sin(angle)])
            torch.testing.assert_close(sampled[:, ring, step], place, atol=1e-5, rtol=0)


TURNABLE = (
    "azimuthal",
    "polar",
    "folded",
    "folded_apart",
    "folded_inner",
    "folded_asinh",
    "folded_ring_norm",
    "folded_plain",
    "folded_kernel5",
    "folded_wide",
    "folded_dropout",
)


@pytest.mark.parametrize("name", [*TURNABLE, "cartesian"])
def test_a_pattern_turned_by_a_right_angle_gets_the_same_answer(images, name):
    """A right angle moves pixels onto pixels, and 32 of 128 angles are 4 of the 16 that are left: equal to rounding.
    Mirrored it is another pattern to all but `azimuthal`; to `cartesian` turned as well."""
    torch.manual_seed(0)
    network = build(name, sizes(11, 4)).eval()
    with torch.inference_mode():
        answer, turned, mirrored = (
            together(network(view)) for view in (images, images.rot90(1, (2, 3)), images.flip(3))
        )
    rounding = 16 * torch.finfo(torch.float32).eps * answer.abs().max()  # some layers' worth, half an ulp a sum
    assert ((turned - answer).abs().max() <= rounding) == (name in TURNABLE)
    assert ((mirrored - answer).abs().max() <= rounding) == (name == "azimuthal")


def test_a_convolution_goes_around():
    """Angles shifted before or after: the same, also across the seam."""
    torch.manual_seed(0)
    layer, maps = Around(2, 3).eval(), torch.rand(1, 2, 6, 10)
    torch.testing.assert_close(layer(maps.roll(3, 3)), layer(maps).roll(3, 3))


@pytest.mark.parametrize("margin", [1, 2])
def test_wrapping_is_circular_padding_and_keeps_the_layout(margin):
    """Values and gradients are those of torch's own, to the bit: no place has more than two terms."""
    maps = torch.rand(2, 3, 4, 6, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    weights = torch.rand(2, 3, 4, 6 + 2 * margin, dtype=torch.float64)
    gradients = []
    for wrap in (Wrapped.apply, lambda x, m: torch.nn.functional.pad(x, (m, m, 0, 0), mode="circular")):
        leaf = maps.clone().requires_grad_()
        wrapped = wrap(leaf, margin)
        (wrapped * weights).sum().backward()
        gradients.append((wrapped.detach(), leaf.grad))
    for mine, theirs in zip(*gradients, strict=True):
        assert (mine == theirs).all()
    assert gradients[0][1].is_contiguous(memory_format=torch.channels_last)


def test_each_ring_of_each_map_is_normalised_by_itself():
    maps = torch.rand(4, 2, 3, 16) * torch.tensor([1e-3, 1.0, 1e4])[:, None]
    result = RingNorm(2, 3)(maps).detach()
    assert result.mean((0, 3)).abs().max() < 1e-5
    # BatchNorm adds 1e-5 to the variance: nothing to 1/12, all to the faintest ring's 8e-8.
    spread = result.std((0, 3), correction=0)
    torch.testing.assert_close(spread[:, 1:], torch.ones(2, 2), rtol=1e-3, atol=0)
    assert spread[:, 0].max() < 0.1


@pytest.mark.parametrize("name", ["polar", "folded"])
def test_a_dark_place_in_a_bright_ring_does_not_decide_alone(name):
    """Where every training pattern is bright a soft step is 1 to the last digits: the pattern that is dark there would
    stand out by hundreds of deviations, and its logits be of that size. It may by ten."""
    torch.manual_seed(0)
    y, x = torch.meshgrid(*[torch.arange(SIZE) - (SIZE - 1) / 2] * 2, indexing="ij")
    bright = (50 + 50 * torch.rand(16, 1, 1, 1)) * torch.exp(-torch.hypot(y, x) / 10)
    network = build(name, sizes(11, 4)).train()
    for _ in range(50):  # until the running means are those of the batch
        network(bright)
    dark = bright[:1].clone()
    dark[..., 60:68, 66:70] = 0.0

    seen = []
    network.eval().dense[0].register_forward_hook(lambda norm, given, made: seen.append((given[0], made)))
    with torch.no_grad():
        network(dark)
        ((features, bounded),) = seen
        unbounded = torch.nn.BatchNorm1d.forward(network.dense[0], features)
    assert unbounded.abs().max() > 2 * LARGEST
    torch.testing.assert_close(bounded, unbounded.clamp(-LARGEST, LARGEST))


def test_folded_takes_opposite_pixels_as_one(images):
    """Turned by half a turn a pattern gets the same answer to rounding, and what is odd about the middle changes only
    the moments: a photon here or opposite is the same."""
    torch.manual_seed(0)
    network = build("folded", sizes(11, 4)).eval()
    with torch.inference_mode():
        answer, turned = (together(network(view)) for view in (images, images.flip((2, 3))))
    rounding = 16 * torch.finfo(torch.float32).eps * answer.abs().max()
    assert (turned - answer).abs().max() <= rounding

    here = torch.zeros(2, 1, SIZE, SIZE)
    here[0, 0, 50, 72] = here[1, 0, 77, 55] = 1.0  # of 0 to 127, 77 is opposite 50, and 55 opposite 72
    here[:, 0, 60, 60] = 2.0  # so that this is no turn of the whole
    with torch.inference_mode():
        one, opposite = together(network(here))
        elsewhere = together(network(here[:1].roll(3, 3)))[0]
        plain = together(build("polar", sizes(11, 4)).eval()(here))
    torch.testing.assert_close(one, opposite)
    assert (one != elsewhere).any()
    assert (plain[0] != plain[1]).any()


def test_a_pixel_becomes_soft_steps_and_an_asinh():
    """As torch has them, of dark frames' outliers too: the sum under the logarithm is rounded to half an ulp."""
    readings = torch.tensor([-1e6, -3000.0, -0.3, -1e-8, 0.0, 0.4, 1.0, 1.7, 2e4])[None, None, None]
    maps = counted(readings)[0, :, 0]
    for step, of_step in zip(STEPS, maps, strict=False):
        torch.testing.assert_close(of_step, torch.sigmoid(STEEPNESS * (readings[0, 0, 0] - step)))
    torch.testing.assert_close(maps[-1], readings[0, 0, 0].asinh(), rtol=1e-6, atol=1.2e-7)
