"""Operations of an exported network in others that onnxruntime does faster on a CPU, with the same answers to rounding.

- Means over 2 x 2 pixels, by slices of every second row and column, as AveragePool: numbers that are not neighbours
  are copied one by one.
- Sign(x) as x / max(|x|, 1.2e-38): it has no vector instruction, and takes as long as a logarithm.
- GridSample at the same places of each image, of all images and maps as maps of one image: places are worked out once.
- No axis taken away to be put back, no loop over single numbers, half of the slices by which maps go around: of one
  frame by itself, what is done to a few numbers takes as long as arithmetic.

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
        values = (*graph.input, *graph.output, *graph.value_info)
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
        replace(model, [new for node in model.graph.node for new in (rewrite(graph, node) or [node])])
    return continued_at_one_end(model)


def replace(model: "onnx.ModelProto", nodes: list["onnx.NodeProto"]) -> None:
    """Make these the graph's nodes, but for those that no output needs, and keep the constants that they take."""
    nodes = used(nodes, [output.name for output in model.graph.output])
    taken = {name for node in nodes for name in node.input}
    constants = [one for one in model.graph.initializer if one.name in taken]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(constants)


def used(nodes: list["onnx.NodeProto"], outputs: list[str]) -> list["onnx.NodeProto"]:
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


def axes_kept(graph: Graph, node: "onnx.NodeProto") -> "list[onnx.NodeProto] | None":
    """An axis taken away and put back, or taken away before all but the first become one -> nothing."""
    from onnx import helper

    squeezed = graph.made_by.get(node.input[0]) if node.op_type in ("Unsqueeze", "Flatten") else None
    if squeezed is None or squeezed.op_type != "Squeeze" or len(squeezed.input) < 2:
        return None
    before, given = squeezed.input
    rank, axes = len(graph.shapes.get(before, [])), graph.constant(given)
    if not rank or axes is None:
        return None
    gone = {int(axis) % rank for axis in axes}
    if node.op_type == "Flatten":
        axis = next((helper.get_attribute_value(one) for one in node.attribute if one.name == "axis"), 1)
        return (
            [helper.make_node("Flatten", [before], list(node.output), node.name, axis=1)]
            if (axis == 1 and 0 not in gone)
            else None
        )
    back = graph.constant(node.input[1])
    if back is None or {int(axis) % rank for axis in back} != gone:
        return None
    return [helper.make_node("Identity", [before], list(node.output), node.name)]


def norm_by_number(graph: Graph, node: "onnx.NodeProto") -> "list[onnx.NodeProto] | None":
    """BatchNormalization of (B, features), for which there is a loop over single numbers -> Mul and Add."""
    from onnx import helper, numpy_helper

    if node.op_type != "BatchNormalization" or len(graph.shapes.get(node.output[0], [])) != 2:
        return None
    given = [graph.constant(name) for name in node.input[1:]]
    if any(one is None for one in given):
        return None
    scale, bias, mean, variance = (np.asarray(one, np.float64) for one in given)
    epsilon = next((helper.get_attribute_value(one) for one in node.attribute if one.name == "epsilon"), 1e-5)
    times = scale / np.sqrt(variance + epsilon)
    name, out = node.name, node.output[0]
    for key, values in (("times", times), ("plus", bias - mean * times)):
        graph.model.graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), f"{out}_{key}"))
    return [
        helper.make_node("Mul", [node.input[0], f"{out}_times"], [f"{out}_scaled"], f"{name}_times"),
        helper.make_node("Add", [f"{out}_scaled", f"{out}_plus"], [out], f"{name}_plus"),
    ]


def images_as_maps(graph: Graph, node: "onnx.NodeProto") -> "list[onnx.NodeProto] | None":
    """(B, ny, nx) as (B, 1, ny, nx), and that as (1, B, ny, nx) -> at once."""
    from onnx import helper, numpy_helper

    if node.op_type != "Transpose" or helper.get_attribute_value(node.attribute[0]) != [1, 0, 2, 3]:
        return None
    before = graph.made_by.get(node.input[0])
    axes = graph.constant(before.input[1]) if before is not None and before.op_type == "Unsqueeze" else None
    if before is None or axes is None or axes.tolist() != [1] or len(graph.shapes.get(before.input[0], [])) != 3:
        return None
    name = f"{node.output[0]}_axis"
    graph.model.graph.initializer.append(numpy_helper.from_array(np.array([0], np.int64), name))
    return [helper.make_node("Unsqueeze", [before.input[0], name], list(node.output), node.name)]


def continued_at_one_end(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """Of two convolutions around in the angles, one after the other, the first continued at its end alone, by as much
    as both ends were, and the second at its beginning.

    What the first makes is then turned by its margin, the second turns it back: to the bit the same, by half of the
    slices. The first has to keep all angles, and nothing else may take what it makes.
    """
    from onnx import helper, numpy_helper

    graph = Graph(model)
    takers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            takers.setdefault(name, []).append(node)
    replaced: dict[str, list[onnx.NodeProto]] = {}
    for second in model.graph.node:
        inner, outer = _around(graph, second), None
        relu = graph.made_by.get(inner[0]) if inner else None
        first = graph.made_by.get(relu.input[0]) if relu is not None and relu.op_type == "Relu" else None
        outer = _around(graph, first) if first is not None else None
        if inner is None or outer is None or relu is None or first is None:
            continue
        how = {one.name: helper.get_attribute_value(one) for one in first.attribute}
        alone = len(takers[relu.input[0]]) == 1 and {id(one) for one in takers[inner[0]]} == {
            id(graph.made_by[name])
            for name in (*graph.made_by[second.input[0]].input, second.input[0])
            if name != inner[0]
        }
        if not alone or outer[1] != inner[1] or how.get("strides", [1, 1])[-1] != 1:
            continue
        for (maps, margin), layer, at_end in ((outer, first, True), (inner, second, False)):
            joined = graph.made_by[layer.input[0]]
            out, kept = joined.output[0], [0, 2 * margin] if at_end else [-2 * margin, np.iinfo(np.int64).max]
            names = [f"{out}_{key}" for key in ("from", "to", "axis", "continued")]
            for name, value in zip(names, (*kept, 3), strict=False):
                model.graph.initializer.append(numpy_helper.from_array(np.array([value], np.int64), name))
            parts = [maps, names[3]] if at_end else [names[3], maps]
            replaced[out] = [
                helper.make_node("Slice", [maps, *names[:3]], [names[3]], f"{joined.name}_continued"),
                helper.make_node("Concat", parts, [out], joined.name, axis=3),
            ]
    replace(model, [new for node in model.graph.node for new in replaced.get(node.output[0], [node])])
    return model


def _around(graph: Graph, layer: "onnx.NodeProto") -> tuple[str, int] | None:
    """Of a convolution of Concat(end of maps, maps, begin of maps) along the last axis: the maps, and how much."""
    from onnx import helper

    joined = graph.made_by.get(layer.input[0]) if layer.op_type == "Conv" else None
    if joined is None or joined.op_type != "Concat" or len(joined.input) != 3:
        return None
    if helper.get_attribute_value(joined.attribute[0]) != 3:
        return None
    begins, ends = (graph.made_by.get(name) for name in (joined.input[0], joined.input[2]))
    if begins is None or ends is None or begins.op_type != "Slice" or ends.op_type != "Slice":
        return None
    name = joined.input[1]
    if begins.input[0] != name or ends.input[0] != name:
        return None
    bounds = [[graph.constant(one) for one in part.input[1:]] for part in (begins, ends)]
    if any(value is None or value.size != 1 for part in bounds for value in part):
        return None
    (start, stop, axis, *_), (first, margin, other, *_) = [[int(value.item()) for value in part] for part in bounds]  # type: ignore[union-attr]
    if (axis, other, first, start) != (3, 3, 0, -margin) or stop < 2**31 - 1:  # which stands for the end
        return None
    return name, margin


REWRITES: tuple[Rewrite, ...] = (
    means_by_pooling,
    signs_by_division,
    sampled_at_once,
    axes_kept,
    norm_by_number,
    images_as_maps,
)
"""In this order"""
