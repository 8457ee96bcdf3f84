"""Operations of an exported network in others that onnxruntime does faster on a CPU, with the same answers to rounding.

- Means over 2 x 2 pixels, by slices of every second row and column, as AveragePool: numbers that are not neighbours
  are copied one by one.
- Sign(x) as x / max(|x|, 1.2e-38): it has no vector instruction, and takes as long as a logarithm.
- GridSample at the same places of each image, of all images and maps as maps of one image: places are worked out once.

Measured of `folded` in docs/systems/networks.md. `train.export.must_agree` compares what is written with torch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

TINY = np.finfo(np.float32).tiny
"""The least positive normal number: of smaller ones a session may make zeros, and 0 / 0 is no sign"""


@dataclass(frozen=True)
class Graph:
    """A graph's nodes, by what they make."""

    model: "onnx.ModelProto"

    @cached_property
    def made_by(self) -> dict[str, "onnx.NodeProto"]:
        """Output -> the node that makes it."""
        return {output: node for node in self.model.graph.node for output in node.output}

    @cached_property
    def shapes(self) -> dict[str, list[int]]:
        """Value -> its sizes, 0 where one is not known."""
        from onnx import shape_inference

        graph = shape_inference.infer_shapes(self.model, data_prop=True).graph
        values = (*graph.input, *graph.value_info)
        return {value.name: [one.dim_value for one in value.type.tensor_type.shape.dim] for value in values}

    def inputs(self, node: "onnx.NodeProto", operation: str) -> list["onnx.NodeProto | None"]:
        """What makes the inputs of a node, if it is of this operation; else nothing."""
        return [self.made_by.get(name) for name in node.input] if node.op_type == operation else []

    def constant(self, name: str) -> np.ndarray | None:
        """The value of a constant of this name."""
        from onnx import numpy_helper

        node = self.made_by.get(name)
        if node is not None and node.op_type == "Constant" and node.attribute[0].name == "value":
            return numpy_helper.to_array(node.attribute[0].t)
        return next((numpy_helper.to_array(one) for one in self.model.graph.initializer if one.name == name), None)


Rewrite = Callable[[Graph, "onnx.NodeProto"], "list[onnx.NodeProto] | None"]
"""What a node is replaced by, the last of which makes its output; None where it stays"""


def rewritten(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """The same network in faster operations."""
    for rewrite in REWRITES:
        graph = Graph(model)
        nodes = [new for node in model.graph.node for new in (rewrite(graph, node) or [node])]
        del model.graph.node[:]
        model.graph.node.extend(_used(nodes, [output.name for output in model.graph.output]))
    return model


def _used(nodes: list["onnx.NodeProto"], outputs: list[str]) -> list["onnx.NodeProto"]:
    """Nodes that an output needs, in their order."""
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if wanted & set(node.output):
            wanted |= set(node.input)
            kept.append(node)
    return kept[::-1]


def means_by_pooling(graph: Graph, node: "onnx.NodeProto") -> "list[onnx.NodeProto] | None":
    """(even columns + odd columns) / 4 of (even rows + odd rows) -> AveragePool."""
    from onnx import helper

    if node.op_type != "Div" or (by := graph.constant(node.input[1])) is None or by.size != 1 or by.item() != 4:
        return None
    columns = graph.made_by.get(node.input[0])
    rows_name = None if columns is None else _halves(graph, columns, axis=3)
    rows = None if rows_name is None else graph.made_by.get(rows_name)
    image = None if rows is None else _halves(graph, rows, axis=2)
    if image is None:
        return None
    return [
        helper.make_node(
            "AveragePool", [image], list(node.output), f"{node.name}_pool", kernel_shape=[2, 2], strides=[2, 2]
        )
    ]


def _halves(graph: Graph, node: "onnx.NodeProto", axis: int) -> str | None:
    """Of the sum of even and odd rows (or columns) of an image: the image."""
    slices = graph.inputs(node, "Add")
    starts = []
    for one in slices:
        if one is None or one.op_type != "Slice":
            return None
        start, _, along, step = (graph.constant(name) for name in one.input[1:])
        if start is None or along is None or step is None or along.tolist() != [axis] or step.tolist() != [2]:
            return None
        starts.append((one.input[0], start.tolist()))
    images = {name for name, _ in starts}
    if len(images) != 1 or sorted(start for _, start in starts) != [[0], [1]]:
        return None
    return images.pop()


def signs_by_division(graph: Graph, node: "onnx.NodeProto") -> "list[onnx.NodeProto] | None":
    """Exactly -1, 0 and 1 of normal numbers: a quotient of equal sizes is exact."""
    from onnx import helper, numpy_helper

    if node.op_type != "Sign":
        return None
    size, least, bounded = (f"{node.output[0]}_{part}" for part in ("size", "least", "bounded"))
    graph.model.graph.initializer.append(numpy_helper.from_array(np.array(TINY), least))
    return [
        helper.make_node("Abs", [node.input[0]], [size], size),
        helper.make_node("Max", [size, least], [bounded], bounded),
        helper.make_node("Div", [node.input[0], bounded], list(node.output), f"{node.name}_division"),
    ]


def sampled_at_once(graph: Graph, node: "onnx.NodeProto") -> "list[onnx.NodeProto] | None":
    """(B, C, h, w) as (1, B C, h, w), sampled at places (1, n, m, 2), and back."""
    from onnx import helper, numpy_helper

    expanded = (graph.inputs(node, "GridSample") or [None, None])[1]
    if expanded is None or expanded.op_type != "Expand":
        return None
    shape = graph.shapes.get(node.input[0], [])
    if len(shape) != 4 or not all(shape[1:]):
        return None
    places = graph.constant(expanded.input[0])
    if places is None or places.shape[0] != 1:
        return None
    (_, n_maps, height, width), (_, rings, angles, _) = shape, places.shape
    name, out = node.name, node.output[0]
    for key, values in (("one", [1, -1, height, width]), ("many", [-1, n_maps, rings, angles])):
        graph.model.graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), f"{out}_{key}"))
    how = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    return [
        helper.make_node("Reshape", [node.input[0], f"{out}_one"], [f"{out}_maps"], f"{name}_together"),
        helper.make_node("GridSample", [f"{out}_maps", expanded.input[0]], [f"{out}_sampled"], f"{name}_once", **how),
        helper.make_node("Reshape", [f"{out}_sampled", f"{out}_many"], [out], f"{name}_apart"),
    ]


REWRITES: tuple[Rewrite, ...] = (means_by_pooling, signs_by_division, sampled_at_once)
