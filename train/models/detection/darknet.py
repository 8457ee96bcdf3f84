"""Darknet-19 and Darknet-53, from which YOLOv2 and YOLOv3 are made.

Redmon and Farhadi, YOLO9000 (2017), table 6; YOLOv3: An Incremental Improvement (2018), table 1. `width` multiplies
the channels of every layer.
"""

from torch import Tensor, nn

from train.models.detection.layers import Convolution, Residual, alternating, averaged, channels

STAGES_19 = (
    (32, (3,)),
    (64, (3,)),
    (128, (3, 1, 3)),
    (256, (3, 1, 3)),
    (512, (3, 1, 3, 1, 3)),
    (1024, (3, 1, 3, 1, 3)),
)
"""Channels and kernels between halvings of Darknet-19: 18 convolutions."""

STAGES_53 = ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4))
"""Channels, and residual blocks after the convolution that halves the map, of Darknet-53: 52 convolutions with the
first."""

STRIDE = 32
"""Pixels of an image for one of the last map."""


class Body19(nn.Module):
    """The convolutions of Darknet-19 but its last: (B, n_in, y, x) -> maps at 1/16 and 1/32 of the size."""

    def __init__(self, n_in: int = 3, width: float = 1, momentum: float = 0.1):
        super().__init__()
        stages = []
        for full, kernels in STAGES_19:
            stages.append(alternating(n_in, full, kernels, width, momentum))
            n_in = channels(full, width)
        self.stages = nn.ModuleList(stages)
        self.n_out = channels(512, width), n_in

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """As the class says."""
        maps = self.stages[0](images)
        for stage in self.stages[1:-1]:
            maps = stage(nn.functional.max_pool2d(maps, 2))
        return maps, self.stages[-1](nn.functional.max_pool2d(maps, 2))


class Body53(nn.Module):
    """The convolutions of Darknet-53: (B, n_in, y, x) -> maps at 1/8, 1/16 and 1/32 of the size."""

    def __init__(self, n_in: int = 3, width: float = 1, momentum: float = 0.1):
        super().__init__()
        n = channels(32, width)
        self.first = Convolution(n_in, n, 3, momentum=momentum)
        stages = []
        for full, n_blocks in STAGES_53:
            n_next = channels(full, width)
            blocks = [Residual(n_next, momentum) for _ in range(n_blocks)]
            stages.append(nn.Sequential(Convolution(n, n_next, 3, 2, momentum), *blocks))
            n = n_next
        self.stages = nn.ModuleList(stages)
        self.n_out = channels(256, width), channels(512, width), n

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As the class says."""
        maps = self.first(images)
        kept = []
        for stage in self.stages:
            maps = stage(maps)
            kept.append(maps)
        return kept[2], kept[3], kept[4]


class Classifier(nn.Module):
    """A body under a last convolution of 1 x 1 and a mean: (B, n_in, y, x) -> (B, n_classes) logits.

    With it Darknet-19 has its 19 convolutions, and Darknet-53 its 53 layers.
    """

    def __init__(self, body: Body19 | Body53, n_classes: int = 1000):
        super().__init__()
        self.body = body
        self.last = nn.Conv2d(body.n_out[-1], n_classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """As the class says."""
        return averaged(self.last(self.body(images)[-1]))
