"""From a trained network to an ONNX file with int8 weights and full-precision arithmetic.

Why not int8 arithmetic: dynamic quantisation takes activation scales over the whole batch, so that a text's label
depends on its neighbours. Here only the storage is int8 (one scale per output channel, and per row of the embedding
table); ONNX Runtime restores the matrices once, at load, and computes as the full-precision model does.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from models.config import Head
from models.network import Network

OPSET = 17
_SMALLEST = 1 << 14
"""Matrices with fewer values stay in full precision: they cost nothing."""


class _Exported(nn.Module):
    """Calibrated probabilities of the exported heads, in their order."""

    def __init__(self, network: Network, heads: tuple[Head, ...], temperatures: Mapping[str, float]) -> None:
        super().__init__()
        self.network, self.heads, self.temperatures = network, heads, temperatures

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, ...]:
        logits = self.network(input_ids, attention_mask)
        scaled = [logits[head.name] / self.temperatures.get(head.name, 1.0) for head in self.heads]
        return tuple(
            values.sigmoid() if head.several else values.softmax(-1)
            for head, values in zip(self.heads, scaled, strict=True)
        )


def export_onnx(network: Network, heads: tuple[Head, ...], temperatures: Mapping[str, float], path: Path) -> None:
    """Write the full-precision model to `path`.

    Inputs ``input_ids`` and ``attention_mask``, int64 [batch, length]; for each exported head an output ``p_<name>``,
    float32 [batch, labels], the softmax of the logits over the head's temperature, or their sigmoid where a text may carry
    several of the labels.
    """
    exported = tuple(head for head in heads if head.exported)
    module = _Exported(network.cpu(), exported, temperatures).eval()
    ids = torch.ones((2, 16), dtype=torch.int64)
    mask = torch.ones_like(ids)
    mask[1, 9:] = 0
    outputs = [f"p_{head.name}" for head in exported]
    with warnings.catch_warnings():
        # The tracing exporter is the one that needs no further package; its deprecation and tracing notes are known.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (ids, mask),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=["input_ids", "attention_mask"],
            output_names=outputs,
            dynamic_axes={
                "input_ids": {0: "batch", 1: "length"},
                "attention_mask": {0: "batch", 1: "length"},
                **{name: {0: "batch"} for name in outputs},
            },
        )


def store_weights_as_int8(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return `model` with the constant matrices of its MatMul and Gather nodes stored as int8.

    A MatMul reads ``Cast(int8) * scale``, which ONNX Runtime folds into a constant when it loads the model. A Gather
    takes int8 rows and their scales, and multiplies what it took, so that the table stays small in memory too.
    """
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    stored: dict[str, str] = {}
    for node in graph.node:
        name = node.input[1] if node.op_type == "MatMul" else node.input[0] if node.op_type == "Gather" else ""
        if name not in constants or not _is_large_matrix(constants[name]):
            nodes.append(node)
        elif node.op_type == "MatMul":
            if name not in stored:
                _store(graph, name, numpy_helper.to_array(constants[name]), axis=0)
                stored[name] = f"{name}_restored"
                nodes.append(helper.make_node("Cast", [f"{name}_int8"], [f"{name}_float"], to=TensorProto.FLOAT))
                nodes.append(helper.make_node("Mul", [f"{name}_float", f"{name}_scale"], [stored[name]]))
            node.input[1] = stored[name]
            nodes.append(node)
        else:
            if name not in stored:
                _store(graph, name, numpy_helper.to_array(constants[name]), axis=1)
                stored[name] = name
            indices, output = node.input[1], node.output[0]
            nodes += [
                helper.make_node("Gather", [f"{name}_int8", indices], [f"{output}_int8"]),
                helper.make_node("Cast", [f"{output}_int8"], [f"{output}_float"], to=TensorProto.FLOAT),
                helper.make_node("Gather", [f"{name}_scale", indices], [f"{output}_scale"]),
                helper.make_node("Mul", [f"{output}_float", f"{output}_scale"], [output]),
            ]
    del graph.node[:]
    graph.node.extend(nodes)
    kept = [tensor for tensor in graph.initializer if tensor.name not in stored]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    onnx.checker.check_model(model)
    return model


def quantise(matrix: NDArray[np.float32], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Symmetric int8 values and the scales along `axis` (kept as an axis of length 1)."""
    scale = np.maximum(np.abs(matrix).max(axis, keepdims=True), 1e-12).astype(np.float32) / np.float32(127)
    return np.rint(matrix / scale).astype(np.int8), scale


def _is_large_matrix(tensor: onnx.TensorProto) -> bool:
    return tensor.data_type == TensorProto.FLOAT and len(tensor.dims) == 2 and np.prod(tensor.dims) >= _SMALLEST


def _store(graph: onnx.GraphProto, name: str, matrix: NDArray[np.float32], axis: int) -> None:
    values, scale = quantise(matrix, axis)
    graph.initializer.append(numpy_helper.from_array(values, f"{name}_int8"))
    graph.initializer.append(numpy_helper.from_array(scale, f"{name}_scale"))
