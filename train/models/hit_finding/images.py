"""Networks of pre-processed images (B, 1, n, n)."""

from torch import Tensor, nn

from train.models.hit_finding.layers import HitNetwork, MeanAndMax, classifier

KE_CLASSES = 3
"""Miss, maybe, hit."""


def _block(inside: int, outside: int, kernel: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, kernel, stride, kernel // 2),
        nn.BatchNorm2d(outside),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
    )


class Flat3x3(nn.Module):
    """Maps as 3 x 3 places each: of 720 pixels they are that, of other images they are averaged to it."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(3)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, k, y, x) -> (B, 9k)."""
        return (maps if maps.shape[2:] == (3, 3) else self.pool(maps)).flatten(1)


def ke() -> HitNetwork:
    """The network of Ke et al., J. Synchrotron Rad. 25, 655 (2018): of 720 x 720 pixels, 7,291 parameters."""
    base = nn.Sequential(
        _block(1, 4, 7, 2), _block(4, 8, 3, 2), _block(8, 16, 3, 2), nn.Sequential(*_block(16, 32, 3, 2), Flat3x3())
    )
    return HitNetwork(base, nn.Linear(288, KE_CLASSES), 288)


def cnn() -> HitNetwork:
    """The 2-D CNN of arXiv 2309.04474, whose layers it does not give.

    Ours: four blocks of convolution, batch normalisation, ReLU and 2 x 2 maxima (8, 16, 32, 64 maps; 5 x 5 in steps of
    2, then 3 x 3), means and maxima of each map, one hidden layer of 64.
    """
    base = nn.Sequential(
        _block(1, 8, 5, 2),
        _block(8, 16, 3, 1),
        _block(16, 32, 3, 1),
        nn.Sequential(*_block(32, 64, 3, 1), MeanAndMax()),
    )
    return HitNetwork(base, classifier(128, 64), 128)
