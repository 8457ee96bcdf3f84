"""Late fusion: both heads share every convolution and part only at the last layer.

The networks of the poster (Florin & Yoon): each convolution is followed by a ReLU, without padding, pooling or
normalisation; then dropout, flatten and the two linear heads. The names are the poster's: 10 and 18 count the heads
as a layer, 3 and 5 do not.
"""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from train.models.heads import IMAGE_SIZE, Heads, Logits, must_fit

DROPOUT = 0.25

Convolution = tuple[int, int, int]
"""out-channels, kernel, stride"""

# fmt: off
LATE3: tuple[Convolution, ...] = (
    #              (B,   1, 128, 128)
    (8, 2, 2),   # (B,   8,  64,  64)
    (32, 4, 4),  # (B,  32,  16,  16)
    (128, 4, 4), # (B, 128,   4,   4) = (B, 2048)
)

LATE5: tuple[Convolution, ...] = (
    #              (B,   1, 128, 128)
    (8, 2, 2),   # (B,   8,  64,  64)
    (16, 2, 2),  # (B,  16,  32,  32)
    (32, 2, 2),  # (B,  32,  16,  16)
    (64, 2, 2),  # (B,  64,   8,   8)
    (128, 2, 2), # (B, 128,   4,   4) = (B, 2048)
)

LATE10: tuple[Convolution, ...] = (
    #              (B,   1, 128, 128)
    (8, 2, 2),   # (B,   8,  64,  64)
    (16, 2, 2),  # (B,  16,  32,  32)
    (32, 2, 2),  # (B,  32,  16,  16)
    (64, 2, 2),  # (B,  64,   8,   8)
    (64, 2, 1),  # (B,  64,   7,   7)
    (64, 2, 1),  # (B,  64,   6,   6)
    (64, 2, 1),  # (B,  64,   5,   5)
    (128, 1, 1), # (B, 128,   5,   5)
    (128, 2, 1), # (B, 128,   4,   4) = (B, 2048)
)

LATE18: tuple[Convolution, ...] = (
    #              (B,   1, 128, 128)
    (8, 2, 2),   # (B,   8,  64,  64)
    (16, 2, 2),  # (B,  16,  32,  32)
    (32, 2, 2),  # (B,  32,  16,  16)
    (32, 2, 1),  # (B,  32,  15,  15)
    (32, 2, 1),  # (B,  32,  14,  14)
    (32, 2, 1),  # (B,  32,  13,  13)
    (32, 2, 1),  # (B,  32,  12,  12)
    (32, 2, 1),  # (B,  32,  11,  11)
    (32, 2, 1),  # (B,  32,  10,  10)
    (32, 2, 1),  # (B,  32,   9,   9)
    (64, 1, 1),  # (B,  64,   9,   9)
    (64, 2, 1),  # (B,  64,   8,   8)
    (64, 2, 1),  # (B,  64,   7,   7)
    (64, 2, 1),  # (B,  64,   6,   6)
    (64, 2, 1),  # (B,  64,   5,   5)
    (128, 1, 1), # (B, 128,   5,   5)
    (128, 2, 1), # (B, 128,   4,   4) = (B, 2048)
)
# fmt: on


class LateFusion(nn.Module):
    """A stack of convolutions under two linear heads, for images of 128 x 128 pixels."""

    def __init__(self, convolutions: Sequence[Convolution], sizes: Mapping[str, int]):
        super().__init__()
        self.convolutions = stack(convolutions)
        self.dropout = nn.Dropout(DROPOUT)
        self.heads = Heads(n_features(convolutions), sizes)

    def forward(self, images: Tensor) -> Logits:
        """Outputs for images (B, 1, 128, 128) float32; ValueError for any other size."""
        must_fit(images)
        features = self.dropout(self.convolutions(images))  # (B, channels, size, size)
        return self.heads(features.flatten(1))


def late3(sizes: Mapping[str, int]) -> LateFusion:
    """The poster's 3-layer late network: three convolutions and the heads."""
    return LateFusion(LATE3, sizes)


def late5(sizes: Mapping[str, int]) -> LateFusion:
    """The poster's 5-layer late network: five convolutions and the heads."""
    return LateFusion(LATE5, sizes)


def late10(sizes: Mapping[str, int]) -> LateFusion:
    """The poster's 10-layer late network: nine convolutions and the heads."""
    return LateFusion(LATE10, sizes)


def late18(sizes: Mapping[str, int]) -> LateFusion:
    """The poster's 18-layer late network: seventeen convolutions and the heads."""
    return LateFusion(LATE18, sizes)


def stack(convolutions: Sequence[Convolution], channels: int = 1) -> nn.Sequential:
    """These convolutions of an input of `channels`, a ReLU after each."""
    layers: list[nn.Module] = []
    for out_channels, kernel, stride in convolutions:
        layers += [nn.Conv2d(channels, out_channels, kernel, stride), nn.ReLU(inplace=True)]
        channels = out_channels
    return nn.Sequential(*layers)


def n_features(convolutions: Sequence[Convolution]) -> int:
    """What is left of an image of 128 x 128 pixels, as one vector."""
    channels, size = 1, IMAGE_SIZE
    for out_channels, kernel, stride in convolutions:
        channels, size = out_channels, (size - kernel) // stride + 1
    return channels * size * size
