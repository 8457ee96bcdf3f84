"""Weights before training.

PyTorch's default keeps about a sixth of the signal's variance from one convolution to the next. After the nine of the
poster's network hardly any is left, the gradient drowns in the L2 penalty, and some seeds decay to a network that gives
every pattern the same answer. He's initialisation keeps the variance.
"""

from torch import nn


def initialise(model: nn.Module, how: str) -> None:
    """Set the weights of every convolution, or leave them.

    `torch`: as the network drew them, by PyTorch's default, the poster's; ResNet and VGG have draws of their own.
    `he`: N(0, 2 / fan-in) and zero biases; He et al., Delving Deep into Rectifiers (2015), eq. 10.
    """
    if how == "torch":
        return
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
