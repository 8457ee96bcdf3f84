"""ResNet-18: He, Zhang, Ren & Sun, Deep Residual Learning for Image Recognition (CVPR 2016), table 1.

One input channel, and two heads in place of the 1,000 classes. Blocks with another size or number of channels than
their input project it by a 1 x 1 convolution (the paper's option B). Not pretrained; convolutions start from He's
initialisation by fan-out, as in torchvision, whose networks the poster trained.
"""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn.functional import relu

from train.models.heads import Heads, Logits

STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))
"""channels, and stride of the first of the stage's two blocks"""


class Block(nn.Module):
    """Two 3 x 3 convolutions, added to the block's input."""

    def __init__(self, channels: int, out_channels: int, stride: int):
        super().__init__()
        self.first = convolution(channels, out_channels, 3, stride)
        self.second = convolution(out_channels, out_channels, 3, 1)
        same = stride == 1 and channels == out_channels
        self.shortcut = nn.Identity() if same else convolution(channels, out_channels, 1, stride)

    def forward(self, features: Tensor) -> Tensor:
        """(B, channels, ny, nx) -> (B, out_channels, ny / stride, nx / stride)."""
        return relu(self.second(relu(self.first(features))) + self.shortcut(features))


class ResNet(nn.Module):
    """Seventeen convolutions with batch norm, average pooling, two heads; images of any size."""

    def __init__(self, sizes: Mapping[str, int]):
        super().__init__()
        #                                                    (B,   1, 128, 128)
        self.stem = nn.Sequential(
            convolution(1, 64, 7, 2),  # (B,  64,  64,  64)
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1),  # (B,  64,  32,  32)
        )
        blocks: list[Block] = []
        channels = 64
        for out_channels, stride in STAGES:
            blocks += [Block(channels, out_channels, stride), Block(out_channels, out_channels, 1)]
            channels = out_channels
        self.blocks = nn.Sequential(*blocks)  # (B, 512,   4,   4)
        self.heads = Heads(channels, sizes)
        he_fan_out(self)

    def forward(self, images: Tensor) -> Logits:
        """Outputs for images (B, 1, ny, nx) float32."""
        return self.heads(self.blocks(self.stem(images)).mean((2, 3)))


def convolution(channels: int, out_channels: int, kernel: int, stride: int) -> nn.Sequential:
    """Padded to keep the size, apart from the stride; batch norm has the bias."""
    layer = nn.Conv2d(channels, out_channels, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(out_channels))


def he_fan_out(model: nn.Module) -> None:
    """Draw every convolution's weights from N(0, 2 / fan-out), with zero biases: He et al. (2015), eq. 14."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def resnet18(sizes: Mapping[str, int]) -> ResNet:
    """ResNet-18 with two heads on its 512 features."""
    return ResNet(sizes)
