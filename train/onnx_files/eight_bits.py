"""An exported network in 8 bits: weights and maps of its convolutions and dense layers as integers.

What lies between these stays float32: photons span five orders of magnitude and the maps made of them do not. A weight
is of -128 to 127 times a step of its output map's own, a map of 0 to 255 times a step and an offset, from the least and
the greatest that calibration patterns bring about. A CPU multiplies and adds four such numbers where it does one of
float32 (AVX512-VNNI), and onnxruntime does so where it finds such layers between QuantizeLinear and DequantizeLinear
(https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html). It has no bfloat16 on x86.

The first convolution and the last layer stay as they are. The first sees maps of unlike ranges, which one step and one
offset make coarse: of a trained `swift` it alone moved embeddings by 0.21 of their spread, all others together by
0.04. The few numbers of the last are the answer. Rounding is not the export's to bound, so it is measured: `changed`
says of how many patterns the answer is another.
"""

import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from train.inference.shipped import answered, session_of
from train.onnx_files.rewrites import Graph, replace, used

if TYPE_CHECKING:
    import onnx

LAYERS = ("Conv", "Gemm")
"""Operations of ONNX that are put in integers"""

AT_ONCE = 32
"""Calibration patterns answered for together"""

N_CALIBRATION = 512
"""Patterns whose ranges of maps are taken, at most"""


def quantised(contents: bytes, frames: NDArray[np.float32]) -> bytes:
    """The ONNX file of a network of ours with its layers in 8 bits, metadata and all.

    Parameters
    ----------
    contents : what `train.export` wrote.
    frames :   (n, ny, nx) photons, calibration patterns, of those that the network learned from.

    Raises
    ------
    ValueError  there is no pattern to calibrate on, or no layer to put in 8 bits.
    """
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    if not len(frames):
        raise ValueError("no patterns to calibrate on; give a dataset with training patterns")
    original = onnx.load_from_string(contents)
    with tempfile.TemporaryDirectory() as folder:
        plain, whole = (str(Path(folder) / name) for name in ("plain.onnx", "whole.onnx"))
        onnx.save(original, plain)
        # torch has put batch normalisations into their convolutions as it wrote the file; onnxruntime's own
        # preparation would write out the matrices of rings, 8 MB.
        with _unprepared():
            quantize_static(
                plain,
                whole,
                _reader(frames[:N_CALIBRATION]),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(LAYERS),
                nodes_to_exclude=_outermost(original),
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
        made = wrapped_in_integers(onnx.load(whole))
    if not any(node.op_type == "QuantizeLinear" for node in made.graph.node):
        raise ValueError("the network has no layer to put in 8 bits")
    onnx.helper.set_model_props(made, {entry.key: entry.value for entry in original.metadata_props})
    serialised = made.SerializeToString()
    onnx.checker.check_model(serialised)
    return serialised


def wrapped_in_integers(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """The same network, its maps put in integers before they are continued around in the angles, not after.

    A convolution that goes around takes Concat(end, maps, begin) of its maps: to copy integers is a quarter of the
    work, with the same result to the bit. Between two convolutions there is then a ReLU alone, so what the first gives
    is put in integers once, as the second takes it, where it was twice: before the ReLU, and after. onnxruntime makes
    one operation of the convolution, the ReLU and the step.
    """
    from onnx import helper

    graph = Graph(model)
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        maps = _continued(graph, node)
        nodes += [node] if maps is None else _step_first(graph, node, maps)
    outputs = [output.name for output in model.graph.output]
    nodes = used(nodes, outputs)
    makes = {output: node for node in nodes for output in node.output}
    again = {}
    for step in nodes:
        relu = makes.get(step.input[0]) if step.op_type == "QuantizeLinear" else None
        if relu is None or relu.op_type != "Relu" or (layer := _layer_before(makes, relu)) is None:
            continue
        relu.input[0] = layer
        again[relu.output[0]] = step  # what else takes the maps takes them from the integers
    made = []
    for node in nodes:
        if node.op_type != "QuantizeLinear":
            for at, name in enumerate(node.input):
                if name in again:
                    node.input[at] = f"{name}_again"
        made.append(node)
        if node.op_type == "QuantizeLinear" and again.get(node.input[0]) is node:
            name = f"{node.input[0]}_again"
            made.append(helper.make_node("DequantizeLinear", [node.output[0], *node.input[1:]], [name], name))
    replace(model, made)
    return model


def _layer_before(makes: "dict[str, onnx.NodeProto]", relu: "onnx.NodeProto") -> str | None:
    """What a layer gives that is put in integers and back before a ReLU."""
    back = makes.get(relu.input[0])
    step = makes.get(back.input[0]) if back is not None and back.op_type == "DequantizeLinear" else None
    layer = makes.get(step.input[0]) if step is not None and step.op_type == "QuantizeLinear" else None
    return step.input[0] if step is not None and layer is not None and layer.op_type in LAYERS else None


def _continued(graph: Graph, node: "onnx.NodeProto") -> str | None:
    """Of a QuantizeLinear of Concat(Slice(maps), maps, Slice(maps)): the maps."""
    joined = graph.made_by.get(node.input[0]) if node.op_type == "QuantizeLinear" else None
    if joined is None or joined.op_type != "Concat":
        return None
    parts = [graph.made_by.get(name) for name in joined.input]
    inner = [name for name, part in zip(joined.input, parts, strict=True) if part is None or part.op_type != "Slice"]
    slices = [part for part in parts if part is not None and part.op_type == "Slice"]
    return inner[0] if len(inner) == 1 and slices and all(part.input[0] == inner[0] for part in slices) else None


def _step_first(graph: Graph, step: "onnx.NodeProto", maps: str) -> "list[onnx.NodeProto]":
    """QuantizeLinear, then slices and their concatenation, in place of the other order."""
    from onnx import helper

    joined, made = graph.made_by[step.input[0]], f"{step.output[0]}_before"
    nodes = [helper.make_node("QuantizeLinear", [maps, *step.input[1:]], [made], f"{step.name}_first")]
    names = []
    for name in joined.input:
        part = graph.made_by.get(name)
        if name == maps or part is None:
            names.append(made)
            continue
        names.append(f"{name}_in_integers")
        nodes.append(helper.make_node("Slice", [made, *part.input[1:]], [names[-1]], f"{part.name}_in_integers"))
    axis = helper.get_attribute_value(joined.attribute[0])
    nodes.append(helper.make_node("Concat", names, list(step.output), f"{joined.name}_in_integers", axis=axis))
    return nodes


@contextmanager
def _unprepared() -> Iterator[None]:
    """Without onnxruntime's warning that its own preparation was left out."""
    root, level = logging.getLogger(), logging.getLogger().level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)


def _reader(frames: NDArray[np.float32]) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):
        """Calibration patterns as onnxruntime asks for them: a batch for each call, then None."""

        def __init__(self) -> None:
            self.batches: Iterator[int] = iter(range(0, len(frames), AT_ONCE))

        def get_next(self) -> dict[str, NDArray] | None:
            """The next batch."""
            at = next(self.batches, None)
            return None if at is None else {"frames": frames[at : at + AT_ONCE]}

    return Reader()


def _outermost(model: "onnx.ModelProto") -> list[str]:
    """Names of the convolutions that frames reach first, and of the layers that answer, without another between."""
    makes = {output: node for node in model.graph.node for output in node.output}
    takes: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            takes.setdefault(name, []).append(node)
    answering = _met(
        [one.name for one in model.graph.output], lambda name: [makes[name]] if name in makes else [], "input"
    )
    first = _met([one.name for one in model.graph.input], lambda name: takes.get(name, []), "output")
    convolutions = {node.name for node in model.graph.node if node.op_type == "Conv"}
    return [*answering, *(name for name in first if name in convolutions and name not in answering)]


def _met(ahead: list[str], nodes: "Callable[[str], list[onnx.NodeProto]]", onwards: str) -> list[str]:
    """Names of the first layers met from these values on, along the inputs or the outputs of each node."""
    found, seen = [], set()
    while ahead:
        if (name := ahead.pop()) in seen:
            continue
        seen.add(name)
        for node in nodes(name):
            if node.op_type in LAYERS:
                found.append(node.name)
            else:
                ahead += getattr(node, onwards)
    return list(dict.fromkeys(found))


def changed(contents: bytes, eight_bits: bytes, frames: NDArray[np.float32]) -> dict[str, float]:
    """Output -> share of the patterns (n, ny, nx) that it answers otherwise in 8 bits.

    Of probabilities of classes the likeliest class, of p_single the side of one half. Of embeddings the root mean
    square distance between the two, over that of the embeddings from their mean.
    """
    sessions = [session_of(one) for one in (contents, eight_bits)]
    outputs = [output.name for output in sessions[0].get_outputs()]
    found = [answered(session, outputs, frames) for session in sessions]
    return {name: _differs(name, one, other) for name, one, other in zip(outputs, *found, strict=True)}


def _differs(name: str, one: NDArray, other: NDArray) -> float:
    if name == "embedding":
        spread = np.square(one - one.mean(0)).sum(1).mean()
        return float(np.sqrt(np.square(one - other).sum(1).mean() / spread))
    if one.ndim == 1:
        return float(((one > 0.5) != (other > 0.5)).mean())
    return float((one.argmax(1) != other.argmax(1)).mean())
