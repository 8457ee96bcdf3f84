"""The poster's twin network: two dense layers on the pixels, the second one the embedding."""

from torch import Tensor, nn

from train.models.heads import IMAGE_SIZE, Heads, Logits, must_fit

WIDTH = 128
"""Of the hidden layer; the poster does not say"""


class Dense(nn.Module):
    """One hidden layer, under heads or an embedding; for images of 128 x 128 pixels."""

    def __init__(self, n_structures: int, n_multiplicities: int):
        super().__init__()
        self.hidden = nn.Sequential(nn.Flatten(), nn.Linear(IMAGE_SIZE**2, WIDTH), nn.ReLU(inplace=True))
        self.heads = Heads(WIDTH, n_structures, n_multiplicities)

    def forward(self, images: Tensor) -> Logits:
        """Answers to images (B, 1, 128, 128) float32; ValueError for any other size."""
        must_fit(images)
        return self.heads(self.hidden(images))


def dense(n_structures: int, n_multiplicities: int) -> Dense:
    """Two dense layers."""
    return Dense(n_structures, n_multiplicities)
