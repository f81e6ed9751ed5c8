"""Writes the trained judge as an ONNX network with eight-bit weights."""

import tempfile
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from guards.embedded.training.encoder.tutor import Judge

OPSET = 20
_NEVER = 1e4


class _Graph:
    """Nodes and constants in the order they are added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, kind: str, inputs: list[str], name: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def linear(self, name: str, source: str, weight: NDArray[np.float32], bias: str | None) -> str:
        product = self.add(
            "MatMul", [source, self.constant(f"{name}.weight", weight.T)], f"{name}.product"
        )
        return product if bias is None else self.add("Add", [product, bias], f"{name}.sum")


def export(judge: Judge) -> bytes:
    """The network; inputs ``words`` (batch, tokens, width) and ``mask`` (batch, tokens), outputs
    ``logits`` (batch, columns) and ``marks`` (batch, tokens), all float32."""
    model = _network(judge)
    onnx.checker.check_model(model)
    with tempfile.TemporaryDirectory() as folder:
        plain, small = Path(folder, "plain.onnx"), Path(folder, "small.onnx")
        onnx.save(model, plain)
        quantize_dynamic(
            plain,
            small,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[
                node.name
                for node in model.graph.node
                if node.name.startswith(("evidence", "attention.", "mark"))
            ],
            extra_options={"MatMulConstBOnly": True},
        )
        return small.read_bytes()


def _network(judge: Judge) -> onnx.ModelProto:
    values = {
        name: tensor.detach().float().numpy().astype(np.float32)
        for name, tensor in judge.state_dict().items()
    }
    graph = _Graph()
    width = values["encoder.norm.weight"].shape[0]
    hidden = _embedded(graph, values)
    ones = graph.constant("one", np.array(1.0, np.float32))
    absent = graph.add("Sub", [ones, "mask"], "absent")
    never = graph.constant("never", np.array(-_NEVER, np.float32))
    unseen = graph.add("Mul", [absent, never], "unseen")
    keys = graph.add(
        "Unsqueeze", [unseen, graph.constant("key_axes", np.array([1, 2], np.int64))], "keys"
    )
    for number, layer in enumerate(judge.encoder.layers):
        hidden = _layer(graph, values, f"encoder.layers.{number}", hidden, keys, layer.heads)
    _heads(graph, values, hidden, unseen)
    floats = TensorProto.FLOAT
    columns = values["evidence.bias"].shape[0]
    return helper.make_model(
        helper.make_graph(
            graph.nodes,
            "judge",
            [
                helper.make_tensor_value_info("words", floats, ["batch", "tokens", width]),
                helper.make_tensor_value_info("mask", floats, ["batch", "tokens"]),
            ],
            [
                helper.make_tensor_value_info("logits", floats, ["batch", columns]),
                helper.make_tensor_value_info("marks", floats, ["batch", "tokens"]),
            ],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=10,
    )


def _norm(
    graph: _Graph, values: dict[str, NDArray[np.float32]], name: str, source: str, eps: float
) -> str:
    scale = graph.constant(f"{name}.weight", values[f"{name}.weight"])
    bias = graph.constant(f"{name}.bias", values[f"{name}.bias"])
    return graph.add(
        "LayerNormalization", [source, scale, bias], f"{name}.out", axis=-1, epsilon=eps
    )


def _embedded(graph: _Graph, values: dict[str, NDArray[np.float32]]) -> str:
    positions = graph.constant("positions", values["encoder.positions"])
    shape = graph.add("Shape", ["words"], "tokens_count", start=1, end=2)
    zero = graph.constant("zero", np.array([0], np.int64))
    used = graph.add("Slice", [positions, zero, shape, zero], "positions.used")
    summed = graph.add("Add", ["words", used], "embedded")
    return _norm(graph, values, "encoder.norm", summed, 1e-12)


def _layer(
    graph: _Graph,
    values: dict[str, NDArray[np.float32]],
    name: str,
    hidden: str,
    keys: str,
    heads: int,
) -> str:
    width = values[f"{name}.out.bias"].shape[0]
    weight, bias = values[f"{name}.qkv.weight"], values[f"{name}.qkv.bias"]
    split = graph.constant(f"{name}.split", np.array([0, 0, heads, width // heads], np.int64))
    parts = []
    for part, letter in enumerate("qkv"):
        rows = slice(part * width, (part + 1) * width)
        # The scores are scaled by way of the query's weights.
        factor = np.float32((width // heads) ** -0.5 if letter == "q" else 1.0)
        line = graph.linear(
            f"{name}.{letter}",
            hidden,
            weight[rows] * factor,
            graph.constant(f"{name}.{letter}.bias", bias[rows] * factor),
        )
        shaped = graph.add("Reshape", [line, split], f"{name}.{letter}.heads")
        order = [0, 2, 3, 1] if letter == "k" else [0, 2, 1, 3]
        parts.append(graph.add("Transpose", [shaped], f"{name}.{letter}.turned", perm=order))
    scores = graph.add("MatMul", [parts[0], parts[1]], f"{name}.scores")
    masked = graph.add("Add", [scores, keys], f"{name}.masked")
    weights = graph.add("Softmax", [masked], f"{name}.attention", axis=-1)
    mixed = graph.add("MatMul", [weights, parts[2]], f"{name}.mixed")
    turned = graph.add("Transpose", [mixed], f"{name}.turned", perm=[0, 2, 1, 3])
    flat = graph.constant(f"{name}.flat", np.array([0, 0, width], np.int64))
    joined = graph.add("Reshape", [turned, flat], f"{name}.joined")
    out = _dense(graph, values, f"{name}.out", joined)
    added = graph.add("Add", [hidden, out], f"{name}.first")
    hidden = _norm(graph, values, f"{name}.attention_norm", added, 1e-12)
    grown = graph.add("Gelu", [_dense(graph, values, f"{name}.grow", hidden)], f"{name}.gelu")
    shrunk = _dense(graph, values, f"{name}.shrink", grown)
    added = graph.add("Add", [hidden, shrunk], f"{name}.second")
    return _norm(graph, values, f"{name}.norm", added, 1e-12)


def _dense(graph: _Graph, values: dict[str, NDArray[np.float32]], name: str, source: str) -> str:
    bias = graph.constant(f"{name}.bias", values[f"{name}.bias"])
    return graph.linear(name, source, values[f"{name}.weight"], bias)


def _heads(graph: _Graph, values: dict[str, NDArray[np.float32]], hidden: str, unseen: str) -> None:
    evidence = _dense(graph, values, "evidence", hidden)
    looked = graph.linear("attention", hidden, values["attention.weight"], None)
    last = graph.constant("last_axis", np.array([2], np.int64))
    masked = graph.add(
        "Add", [looked, graph.add("Unsqueeze", [unseen, last], "unseen.column")], "looked.masked"
    )
    weights = graph.add("Softmax", [masked], "looked.weights", axis=1)
    weighted = graph.add("Mul", [weights, evidence], "weighted")
    middle = graph.constant("token_axis", np.array([1], np.int64))
    graph.add("ReduceSum", [weighted, middle], "logits", keepdims=0)
    marks = _dense(graph, values, "mark", hidden)
    graph.add("Squeeze", [marks, last], "marks")
