"""The rows of Ignatenko's slides, as printed."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A row of the slides; all but the first two in per cent, as printed."""

    selected: int
    shared: int
    iou: int
    accuracy: int
    precision: int
    recall: int


PUBLISHED: Mapping[str, Published] = {
    "yolov2_jet_linear": Published(1185, 597, 38, 95, 50, 60),
    "yolov2_jet_log": Published(1368, 614, 35, 94, 45, 62),
    "yolov2_grayscale_linear": Published(1756, 622, 29, 92, 35, 63),
    "yolov2_grayscale_log": Published(904, 487, 34, 95, 54, 50),
    "yolov3_jet_linear": Published(1041, 505, 33, 94, 49, 51),
    "yolov3_grayscale_linear": Published(2316, 465, 16, 87, 20, 47),
    "em": Published(1085, 574, 34, 94, 53, 48),
}
"""Method, by the name it has here -> its row."""
