"""VGG16: Simonyan & Zisserman, Very Deep Convolutional Networks (ICLR 2015), table 1, configuration D.

One input channel, no batch norm; two heads directly on the 25,088 features in place of the three dense layers. Not
pretrained; convolutions start from He's initialisation by fan-out, as in torchvision: by PyTorch's default the signal
would not survive thirteen of them.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from train.models.heads import Heads, Logits
from train.models.published.late import DROPOUT
from train.models.published.resnet import he_fan_out

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""out-channels of 3 x 3 convolutions; a 2 x 2 maximum halves the size after each stage"""
POOLED = 7
"""pixels a side of what the heads see"""


class VGG(nn.Module):
    """Thirteen convolutions, each with a ReLU, under two linear heads; images of 32 x 32 pixels and more."""

    def __init__(self, sizes: Mapping[str, int]):
        super().__init__()
        layers: list[nn.Module] = []
        channels = 1
        for stage in STAGES:
            for out_channels in stage:
                layers += [nn.Conv2d(channels, out_channels, 3, padding=1), nn.ReLU(inplace=True)]
                channels = out_channels
            layers += [nn.MaxPool2d(2)]
        self.convolutions = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(POOLED)
        self.dropout = nn.Dropout(DROPOUT)
        self.heads = Heads(channels * POOLED**2, sizes)
        he_fan_out(self)

    def forward(self, images: Tensor) -> Logits:
        """Outputs for images (B, 1, ny, nx) float32."""
        features = self.pool(self.convolutions(images))  # (B, 512, 4, 4) of 128 x 128 pixels -> (B, 512, 7, 7)
        return self.heads(self.dropout(features).flatten(1))


def vgg16(sizes: Mapping[str, int]) -> VGG:
    """VGG16 with two heads on its features."""
    return VGG(sizes)
