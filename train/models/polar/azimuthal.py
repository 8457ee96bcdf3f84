"""What a network has to beat: a small perceptron on the mean and variance of each ring, which see no fringe."""

from collections.abc import Mapping

from torch import Tensor, nn

from train.models.heads import IMAGE_SIZE, Heads, Logits, must_fit
from train.models.polar.rings import RingMoments

WIDTH = 256
DROPOUT = 0.1


class Azimuthal(nn.Module):
    """Two hidden layers on the moments of every ring, 64 of 128 x 128 photons, as they are read."""

    def __init__(self, sizes: Mapping[str, int], n_pixels: int = IMAGE_SIZE):
        super().__init__()
        self.n_pixels = n_pixels
        self.moments = RingMoments(n_pixels)
        n_features = 2 * self.moments.n_rings
        self.layers = nn.Sequential(
            nn.BatchNorm1d(n_features),
            nn.Linear(n_features, WIDTH),
            nn.ReLU(inplace=True),
            nn.Dropout(DROPOUT),
            nn.Linear(WIDTH, WIDTH),
            nn.ReLU(inplace=True),
        )
        self.heads = Heads(WIDTH, sizes)

    def forward(self, images: Tensor) -> Logits:
        """Outputs for images (B, 1, n_pixels, n_pixels) float32; ValueError for any other size."""
        must_fit(images, self.n_pixels)
        return self.heads(self.layers(self.moments(images)))


def azimuthal(sizes: Mapping[str, int], n_pixels: int = IMAGE_SIZE) -> Azimuthal:
    """The baseline of azimuthal mean and variance."""
    return Azimuthal(sizes, n_pixels)
