"""The poster's twin network: two dense layers on the pixels, the second one the embedding."""

from collections.abc import Mapping

from torch import Tensor, nn

from train.models.heads import IMAGE_SIZE, Heads, Logits, must_fit

WIDTH = 128
"""Of the hidden layer; the poster does not say"""


class Dense(nn.Module):
    """One hidden layer, under heads or an embedding; for images of 128 x 128 pixels."""

    def __init__(self, sizes: Mapping[str, int]):
        super().__init__()
        self.hidden = nn.Sequential(nn.Flatten(), nn.Linear(IMAGE_SIZE**2, WIDTH), nn.ReLU(inplace=True))
        self.heads = Heads(WIDTH, sizes)

    def forward(self, images: Tensor) -> Logits:
        """Outputs for images (B, 1, 128, 128) float32; ValueError for any other size."""
        must_fit(images)
        return self.heads(self.hidden(images))


def dense(sizes: Mapping[str, int]) -> Dense:
    """Two dense layers."""
    return Dense(sizes)
