"""Late fusion: both heads share every convolution and part only at the last layer.

The networks of the poster (Florin & Yoon): each convolution is followed by a ReLU, without padding, pooling or
normalisation; then dropout, flatten and the two linear heads.
"""

from torch import Tensor, nn

from train.models.heads import Heads, Logits

IMAGE_SIZE = 128
DROPOUT = 0.25

Convolution = tuple[int, int, int]
"""out-channels, kernel, stride"""

# fmt: off
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
# fmt: on


class LateFusion(nn.Module):
    """A stack of convolutions under two linear heads, for images of 128 x 128 pixels."""

    def __init__(self, convolutions: tuple[Convolution, ...], n_structures: int, n_multiplicities: int):
        super().__init__()
        layers: list[nn.Module] = []
        channels, size = 1, IMAGE_SIZE
        for out_channels, kernel, stride in convolutions:
            layers += [nn.Conv2d(channels, out_channels, kernel, stride), nn.ReLU(inplace=True)]
            channels, size = out_channels, (size - kernel) // stride + 1
        self.convolutions = nn.Sequential(*layers)
        self.dropout = nn.Dropout(DROPOUT)
        self.heads = Heads(channels * size * size, n_structures, n_multiplicities)

    def forward(self, images: Tensor) -> Logits:
        """Answers to images (B, 1, 128, 128) float32; ValueError for any other size."""
        if images.shape[1:] != (1, IMAGE_SIZE, IMAGE_SIZE):
            raise ValueError(
                f"images of shape {tuple(images.shape)}: this network takes (B, 1, {IMAGE_SIZE}, {IMAGE_SIZE}); "
                f"simulate with detector.n_pixels: {IMAGE_SIZE}"
            )
        features = self.dropout(self.convolutions(images))  # (B, channels, size, size)
        return self.heads(features.flatten(1))


def late10(n_structures: int, n_multiplicities: int) -> LateFusion:
    """The poster's 10-layer late network: nine convolutions and the heads."""
    return LateFusion(LATE10, n_structures, n_multiplicities)
