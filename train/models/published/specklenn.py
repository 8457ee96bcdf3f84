"""SpeckleNN's encoder: two convolutions with pooling and two dense layers.

Wang et al., IUCrJ 10, 568 (2023), "SpeckleNN: a unified embedding for real-time speckle pattern classification in X-ray
single-particle imaging with limited labeled examples".
"""

from collections.abc import Mapping

from torch import Tensor, nn

from train.models.heads import IMAGE_SIZE, Heads, Logits, must_fit

WIDTH = 512
"""Of the first dense layer; the second one is the embedding, 128 in the paper"""


class SpeckleNN(nn.Module):
    """Convolutions of 5 x 5 without padding, batch norm, PReLU and max pooling; for images of 128 x 128 pixels."""

    def __init__(self, sizes: Mapping[str, int]):
        super().__init__()
        size = ((IMAGE_SIZE - 4) // 2 - 4) // 2  # 128 -> 124 -> 62 -> 58 -> 29
        self.layers = nn.Sequential(
            *(nn.Conv2d(1, 32, 5), nn.BatchNorm2d(32), nn.PReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 64, 5), nn.BatchNorm2d(64), nn.PReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(64 * size * size, WIDTH), nn.PReLU()),
        )
        self.heads = Heads(WIDTH, sizes)

    def forward(self, images: Tensor) -> Logits:
        """Outputs for images (B, 1, 128, 128) float32; ValueError for any other size."""
        must_fit(images)
        return self.heads(self.layers(images))


def specklenn(sizes: Mapping[str, int]) -> SpeckleNN:
    """SpeckleNN's encoder under two heads."""
    return SpeckleNN(sizes)
