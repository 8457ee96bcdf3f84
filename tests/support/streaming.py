"""Sources, networks and sinks that tests of the loop are made of: a network that knows a frame by its mean."""

import threading
import time

import numpy as np

from screen.network.network import Network
from screen.stream.frame import Frame, FrameId

SHAPE = 8, 8


def brightness(images):
    """Probability of a frame: its mean."""
    return images.reshape(len(images), -1).mean(1, dtype=np.float64)


def network(predict=brightness, shape=SHAPE):
    return Network("mean", shape, predict, None, "0")


def image(value, shape=SHAPE):
    return np.full(shape, value, np.float32)


def frame(train, value=0.5, pulse=0, problem=None, run="r"):
    given = None if problem else image(value) if np.isscalar(value) else value
    return Frame(FrameId("made up", run, train, pulse), given, 0.0, problem)


class Made:
    """A source of given trains."""

    name = "made up"

    def __init__(self, trains, *, lossless=True, pause=0.0):
        self.trains, self.lossless, self.pause = trains, lossless, pause
        self.committed, self.closed = [], threading.Event()

    def __iter__(self):
        for train in self.trains:
            if self.closed.is_set():
                return
            yield train
            if self.pause:
                time.sleep(self.pause)

    def commit(self, ids):
        self.committed += ids

    def close(self):
        self.closed.set()


class Heard:
    """A sink that remembers."""

    def __init__(self, *, blocks=True, stored=False, slow=0.0, fails=False):
        self.blocks, self.stored, self.slow, self.fails = blocks, stored, slow, fails
        self.records, self.images, self.closed = [], [], False

    def decided(self, records, images):
        time.sleep(self.slow)
        if self.fails:
            raise RuntimeError("full")
        self.records += records
        self.images.append(images)

    def close(self):
        self.closed = True


def onnx_of_means(path, side=8, **metadata):
    """A file of a network whose answer about a frame is its mean."""
    import onnx
    from onnx import TensorProto, helper

    frames = helper.make_tensor_value_info("frames", TensorProto.FLOAT, ["batch", side, side])
    answer = helper.make_tensor_value_info("p_kept", TensorProto.FLOAT, ["batch"])
    node = helper.make_node("ReduceMean", ["frames"], ["p_kept"], axes=[1, 2], keepdims=0)
    graph = helper.make_graph([node], "mean", [frames], [answer])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"model": "mean"} | metadata)
    onnx.save(model, str(path))
    return path
