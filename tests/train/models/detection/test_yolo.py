"""YOLOv2 and YOLOv3: layers and weights as published, boxes, losses and files against slow twins."""

import math

import numpy as np
import pytest
import torch

from train.models.detection.boxes import (
    Grid,
    best_boxes,
    decode,
    encode,
    overlap,
    pattern_box,
    responsible,
    suppressed,
)
from train.models.detection.darknet import Body19, Body53, Classifier
from train.models.detection.layers import Reorganised, n_convolutions, n_parameters
from train.models.detection.losses import V2, V3, region_loss, yolo_loss
from train.models.detection.weights import read_weights, tensors, write_weights
from train.models.detection.yolo import yolo


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def iou(one, other) -> float:
    """Of two boxes by counting corners."""
    low = [max(one[i] - one[2 + i] / 2, other[i] - other[2 + i] / 2) for i in (0, 1)]
    high = [min(one[i] + one[2 + i] / 2, other[i] + other[2 + i] / 2) for i in (0, 1)]
    shared = max(0, high[0] - low[0]) * max(0, high[1] - low[1])
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)


def slow_loss(raw, boxes, grids, which) -> float:
    """Cell by cell, as darknet's papers say it."""
    total = 0.0
    for image, box in enumerate(boxes.tolist()):
        has_one = not math.isnan(box[0])
        mine = None
        if has_one:
            shapes = {}
            for g, grid in enumerate(grids):
                for a, (w, h) in enumerate(grid.anchors):
                    shapes[g, a] = iou((0, 0, w, h), (0, 0, *box[2:]))
            g, a = max(shapes, key=lambda key: shapes[key])
            mine = (g, a, int(box[1] // grids[g].stride), int(box[0] // grids[g].stride))
        for g, (some, grid) in enumerate(zip(raw, grids, strict=True)):
            for a, (w, h) in enumerate(grid.anchors):
                for row in range(some.shape[3]):
                    for column in range(some.shape[4]):
                        x, y, tw, th, to, tc = some[image, a, :, row, column].tolist()
                        found = (
                            grid.stride * (column + sigmoid(x)),
                            grid.stride * (row + sigmoid(y)),
                            w * math.exp(tw),
                            h * math.exp(th),
                        )
                        there = sigmoid(to)
                        if (g, a, row, column) == mine:
                            area = box[2] * box[3] / (some.shape[3] * some.shape[4] * grid.stride**2)
                            aim = box[0] / grid.stride - column, box[1] / grid.stride - row
                            size = (tw - math.log(box[2] / w)) ** 2 + (th - math.log(box[3] / h)) ** 2
                            if which == "yolov2":
                                place = (sigmoid(x) - aim[0]) ** 2 + (sigmoid(y) - aim[1]) ** 2
                                total += 5 * (there - iou(found, box)) ** 2 + (2 - area) * (place + size)
                            else:
                                place = sum(
                                    -t * math.log(sigmoid(v)) - (1 - t) * math.log(1 - sigmoid(v))
                                    for t, v in zip(aim, (x, y), strict=True)
                                )
                                total += -math.log(there) - math.log(sigmoid(tc)) + (2 - area) * (place + size)
                        elif not has_one or iou(found, box) <= {"yolov2": 0.6, "yolov3": 0.7}[which]:
                            total += there**2 if which == "yolov2" else -math.log(1 - there)
    return total / len(boxes)


def test_layers_are_as_many_as_published() -> None:
    assert n_convolutions(Classifier(Body19(width=0.1))) == 19
    assert n_convolutions(Classifier(Body53(width=0.1))) == 53
    assert n_convolutions(yolo("yolov2", width=0.1)) == 23
    assert n_convolutions(yolo("yolov3", width=0.1)) == 75


def test_full_networks_have_the_published_weights_and_learn() -> None:
    """Darknet-19 of 1000 classes has 20.8 M; its body under a layer of 30 numbers 19.9 M, with means and variances.

    The whole detector, with its deep layers and the passed one, has 50.6 M.
    """
    nineteen = Body19()
    assert sum(some.numel() for some in tensors(nineteen)) + 30 * 1024 + 30 == pytest.approx(19.86e6, abs=1e4)
    assert n_parameters(Classifier(nineteen)) == pytest.approx(20.84e6, abs=1e4)
    for architecture, million, pixels in (("yolov2", 50.56, 416), ("yolov3", 61.52, 608)):
        torch.manual_seed(0)
        network = yolo(architecture)
        assert n_parameters(network) == pytest.approx(million * 1e6, abs=1e4)
        # The files that darknet publishes, of 80 classes, have 203,934,260 and 248,007,048 bytes
        numbers = sum(some.numel() for some in tensors(network))
        widths = (1024,) if architecture == "yolov2" else (1024, 512, 256)
        more = sum((5 if architecture == "yolov2" else 3) * 79 * (width + 1) for width in widths)
        assert 4 * (numbers + more) == {"yolov2": 203_934_260 - 16, "yolov3": 248_007_048 - 20}[architecture]
        raw = network(torch.rand(1, 3, pixels, pixels))
        assert [some.shape[-1] for some in raw] == [pixels // grid.stride for grid in network.grids()]
        loss = {"yolov2": region_loss, "yolov3": yolo_loss}[architecture]
        loss(raw, torch.tensor([[200.0, 210.0, 150.0, 180.0]]), network.grids()).backward()
        assert all(weights.grad is not None and weights.grad.isfinite().all() for weights in network.parameters())


@pytest.mark.parametrize(("which", "loss"), [("yolov2", region_loss), ("yolov3", yolo_loss)])
def test_losses_are_those_of_a_slow_loop(which, loss) -> None:
    generator = torch.Generator().manual_seed(1)
    grids = yolo(which, width=0.01).grids()
    raw = [torch.randn(3, len(g.anchors), 6, 96 // g.stride, 64 // g.stride, generator=generator) for g in grids]
    boxes = torch.tensor([[30.0, 50.0, 40.0, 60.0], [math.nan] * 4, [40.5, 10.0, 90.0, 33.0]])
    # one prediction that overlaps without being responsible: it is ignored
    raw[0][0, 0, :4, 1, 0] = torch.tensor([3.0, 0.3, math.log(40 / grids[0].anchors[0][0]), 0.0])
    raw[0][0, 0, 3, 1, 0] = math.log(60 / grids[0].anchors[0][1])
    assert float(loss(raw, boxes, grids)) == pytest.approx(slow_loss(raw, boxes, grids, which), rel=1e-5)


def test_a_box_is_found_where_it_was_put() -> None:
    for architecture in ("yolov2", "yolov3"):
        grids = yolo(architecture, width=0.01).grids()
        shapes = [(96 // g.stride, 64 // g.stride) for g in grids]
        raw = [torch.zeros(1, len(g.anchors), 6, *shape) - 9 for g, shape in zip(grids, shapes, strict=True)]
        box = torch.tensor([33.0, 47.0, 50.0, 61.0])
        g, a, row, column = responsible(box, grids, shapes)
        numbers = encode(box, grids[g], a, row, column)
        raw[g][0, a, :, row, column] = torch.cat((numbers[:2].logit(), numbers[2:], torch.tensor([9.0, 9.0])))
        found, score = best_boxes(raw, grids)
        torch.testing.assert_close(found[0], box, rtol=1e-4, atol=1e-4)
        assert score.item() == pytest.approx(sigmoid(9), abs=1e-6)


def test_overlap_and_suppression() -> None:
    generator = torch.Generator().manual_seed(0)
    boxes = torch.rand(40, 4, generator=generator) * 20 + 1
    for i in range(0, 40, 7):
        for j in range(40):
            expected = iou(boxes[i].tolist(), boxes[j].tolist())
            assert float(overlap(boxes[i], boxes[j])) == pytest.approx(expected, rel=1e-4, abs=1e-6)
    scores = torch.rand(40, generator=generator)
    kept: list[int] = []
    for i in sorted(range(40), key=lambda i: -float(scores[i])):
        if all(iou(boxes[i].tolist(), boxes[j].tolist()) <= 0.45 for j in kept):
            kept.append(i)
    assert suppressed(boxes, scores).tolist() == kept
    assert len(suppressed(boxes[:0], scores[:0])) == 0


def test_a_patterns_box_is_where_its_photons_are() -> None:
    image = np.zeros((60, 40))
    image[10:20, 5:25] = 3  # evenly: quantiles of 1 % lie a hundredth of the width from the edge
    np.testing.assert_allclose(pattern_box(image), [15, 15, 20 * 0.98, 10 * 0.98], rtol=1e-6)
    mask = np.zeros(image.shape, bool)
    mask[:, 15:] = True
    np.testing.assert_allclose(pattern_box(image, mask), [10, 15, 10 * 0.98, 10 * 0.98], rtol=1e-6)
    with pytest.raises(ValueError, match="without photons"):
        pattern_box(np.zeros((4, 4)))


def test_reorganised_is_darknets_loop() -> None:
    maps = torch.arange(2 * 8 * 4 * 6, dtype=torch.float32).view(2, 8, 4, 6)
    expected = torch.empty(2, 8 * 4 * 6)
    n_out = 8 // 4
    for image in range(2):
        flat = maps[image].flatten()
        for k in range(8):
            for j in range(4):
                for i in range(6):
                    inner, phase = k % n_out, k // n_out
                    there = (i * 2 + phase % 2) + 12 * ((j * 2 + phase // 2) + 8 * inner)
                    expected[image, i + 6 * (j + 4 * k)] = flat[there]
    assert torch.equal(Reorganised()(maps), expected.view(2, 32, 2, 3))
    with pytest.raises(ValueError, match="reorganised"):
        Reorganised()(maps[:, :6])


@pytest.mark.parametrize("architecture", ["yolov2", "yolov3"])
def test_weights_go_round_in_darknets_order(architecture, tmp_path) -> None:
    torch.manual_seed(0)
    one, other = yolo(architecture, 1, 0.05), yolo(architecture, 1, 0.05)
    for norm in (part for part in one.modules() if isinstance(part, torch.nn.BatchNorm2d)):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    write_weights(tmp_path / "a.weights", one, seen=6400)
    content = (tmp_path / "a.weights").read_bytes()
    assert np.frombuffer(content, "<i4", 3).tolist() == [0, 2, 5]
    first = next(part for part in one.modules() if isinstance(part, torch.nn.BatchNorm2d))
    np.testing.assert_array_equal(np.frombuffer(content, "<f4", 8, 20), first.bias.detach().numpy())
    np.testing.assert_array_equal(np.frombuffer(content, "<f4", 8, 20 + 2 * 32), first.running_mean.numpy())
    assert sum(some.numel() for some in tensors(one)) == n_parameters(one) + 2 * sum(
        part.num_features for part in one.modules() if isinstance(part, torch.nn.BatchNorm2d)
    )
    assert read_weights(tmp_path / "a.weights", other) == 6400
    images = torch.rand(2, 1, 64, 64)
    for mine, theirs in zip(one.eval()(images), other.eval()(images), strict=True):
        assert torch.equal(mine, theirs)
    (tmp_path / "short.weights").write_bytes(content[:-4])
    with pytest.raises(ValueError, match=r"short\.weights holds"):
        read_weights(tmp_path / "short.weights", other)
    old = np.array([0, 1, 0, 99], "<i4").tobytes() + content[20:]
    (tmp_path / "old.weights").write_bytes(old)
    assert read_weights(tmp_path / "old.weights", other) == 99


def test_images_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="multiples of 32"):
        yolo("yolov2", 1, 0.05)(torch.zeros(1, 1, 60, 64))


def test_the_weights_of_the_losses_are_darknets() -> None:
    assert (V2.ignore, V2.with_object, V2.without_object, V2.coordinates) == (0.6, 5, 1, 1)
    assert V3.ignore == 0.7
    assert decode(torch.zeros(1, 1, 6, 1, 1), Grid(32, ((10, 20),)))[0].flatten().tolist() == [16, 16, 10, 20]
