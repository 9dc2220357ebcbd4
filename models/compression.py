"""Other forms of a packaged model's network: full precision, and int8 as ONNX Runtime's own tools make it."""

import json
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.calibrate import CalibrationDataReader
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

from models.export import store_weights_as_int8
from models.onnx_model import OnnxModel, content_hash

CALIBRATION_TEXTS: Final = 96
"""Texts that static quantisation takes its ranges from."""

_PROBED: Final = 32
_OUTLYING: Final = 4.0


def restore_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Undo `models.export.store_weights_as_int8`, in place: the same numbers as constants in full precision."""
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    full: dict[str, onnx.TensorProto] = {}
    instead: dict[str, str] = {}
    rows: dict[str, onnx.NodeProto] = {}

    def restored(stored: str, scale: str) -> str:
        name = stored.removesuffix("_int8")
        matrix = numpy_helper.to_array(constants[stored]) * numpy_helper.to_array(constants[scale])
        full[name] = numpy_helper.from_array(matrix.astype(np.float32), name)
        return name

    for node in graph.node:
        cast = makers.get(node.input[0]) if node.op_type == "Mul" else None
        if cast is None or cast.op_type != "Cast":
            continue
        taken, scales = makers.get(cast.input[0]), makers.get(node.input[1])
        if _is_int8(constants.get(cast.input[0])) and node.input[1] in constants:
            instead[node.output[0]] = restored(cast.input[0], node.input[1])
        elif taken and scales and taken.op_type == "Gather" and _is_int8(constants.get(taken.input[0])):
            table = restored(taken.input[0], scales.input[0])
            rows[node.output[0]] = helper.make_node("Gather", [table, taken.input[1]], [node.output[0]])
    nodes = [rows.get(node.output[0], node) for node in graph.node if node.output[0] not in instead]
    for node in nodes:
        node.input[:] = [instead.get(name, name) for name in node.input]
    _replace(graph, nodes, [*graph.initializer, *full.values()])
    onnx.checker.check_model(model)
    return model


def _is_int8(tensor: onnx.TensorProto | None) -> bool:
    return tensor is not None and tensor.data_type == onnx.TensorProto.INT8


def _replace(graph: onnx.GraphProto, nodes: Sequence[onnx.NodeProto], constants: Sequence[onnx.TensorProto]) -> None:
    """Let `graph` hold those of `nodes` and `constants` that lead to its outputs."""
    needed, kept = {output.name for output in graph.output}, []
    for node in reversed(nodes):
        if needed & set(node.output):
            needed |= set(node.input)
            kept.append(node)
    used = [tensor for tensor in constants if tensor.name in needed]
    del graph.node[:]
    graph.node.extend(reversed(kept))
    del graph.initializer[:]
    graph.initializer.extend(used)


def dynamic_int8(model: onnx.ModelProto) -> onnx.ModelProto:
    """int8 arithmetic with scales taken from each batch: fast, but a text's label depends on its neighbours."""

    def quantise(before: Path, after: Path) -> None:
        quantize_dynamic(before, after, op_types_to_quantize=["MatMul"])

    return store_weights_as_int8(_through_files(model, quantise))


def static_int8(
    model: onnx.ModelProto, batches: Sequence[Mapping[str, NDArray[np.int64]]], spared: Collection[str] = ()
) -> onnx.ModelProto:
    """int8 arithmetic with scales found on `batches` beforehand; embeddings stored as int8.

    Weights have a scale for each channel and 7 bits of the 8, so that no processor's sums overflow. The MatMul nodes
    named in `spared` are stored as int8 and computed in full precision.
    """

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rest = iter(batches)

        def get_next(self) -> Any:
            return next(self.rest, None)

    def quantise(before: Path, after: Path) -> None:
        quantize_static(
            before,
            after,
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["MatMul"],
            nodes_to_exclude=list(spared),
            per_channel=True,
            reduce_range=True,  # processors without VNNI add pairs of products in 16 bits
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True},
        )

    return store_weights_as_int8(_through_files(model, quantise))


def outlying(model: onnx.ModelProto, batches: Sequence[Mapping[str, NDArray[np.int64]]]) -> list[str]:
    """Names of the MatMul nodes that one scale for all they read does not suit, on `batches`.

    They lead back from the wide inner layer of a feed-forward block, and the largest value there is more than `_OUTLYING` times
    the 99.9th percentile: a scale for it leaves the others no resolution.
    """
    rows = {tensor.name: tensor.dims[0] - tensor.dims[1] for tensor in model.graph.initializer if len(tensor.dims) == 2}
    inputs = {
        node.input[0]: node.name
        for node in model.graph.node
        if node.op_type == "MatMul" and rows.get(node.input[1], 0) > 0
    }
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    probe.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in inputs)
    session = onnxruntime.InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
    read = [session.run(list(inputs), dict(batch)) for batch in batches]
    found = []
    for column, node in enumerate(inputs.values()):
        values = np.concatenate([np.abs(row[column]).ravel() for row in read])
        if values.max() > _OUTLYING * np.quantile(values, 0.999):
            found.append(node)
    return found


def weight_only_int8(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights in blocks of 32 int8 values with a scale each, multiplied with activations in int8 that are scaled by
    block too (MatMulNBits); embeddings stored as int8."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    quantiser = MatMulNBitsQuantizer(copy, bits=8, block_size=32, is_symmetric=True, accuracy_level=4)
    quantiser.process()
    return store_weights_as_int8(quantiser.model.model)


def calibration_batches(model: OnnxModel, texts: Sequence[str]) -> list[dict[str, NDArray[np.int64]]]:
    """Inputs of one text each, all cut to the median length: padding would widen the ranges, and the tool that cuts off what
    is rare takes inputs of one length only."""
    tokens = model.tokenise(texts)
    length = int(np.median([len(row) for row in tokens]))
    rows = [row[:length] for row in tokens if len(row) >= length][:CALIBRATION_TEXTS]
    return [{"input_ids": np.array([row], np.int64), "attention_mask": np.ones((1, length), np.int64)} for row in rows]


def write_form(network: onnx.ModelProto, original: Path, form: str, folder: Path) -> Path:
    """Write `network` as a packaged model beside its `original`: what a label rests on differs, all else is the same."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(network, folder / "model.onnx")
    shutil.copyfile(original / "tokenizer.json", folder / "tokenizer.json")
    description = json.loads((original / "model.json").read_text(encoding="utf-8"))
    description |= {"version": f"{description['version']}+{form}", "hash": content_hash(folder)}
    (folder / "model.json").write_text(json.dumps(description, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return folder


def onnx_forms(model: Path, calibration: Sequence[str], out: Path) -> Iterator[tuple[str, Path]]:
    """Write the forms that need no training into folders of `out`: yield the name and the folder of each.

    ``calibration`` are prepared texts that the model learnt from.
    """
    full = restore_weights(onnx.load(model / "model.onnx"))
    batches = calibration_batches(OnnxModel(model), calibration[:CALIBRATION_TEXTS])
    forms: dict[str, Callable[[], onnx.ModelProto]] = {
        "float32": lambda: full,
        "dynamic-int8": lambda: dynamic_int8(full),
        "static-int8": lambda: static_int8(full, batches),
        "static-int8-spared": lambda: static_int8(full, batches, outlying(full, batches[:_PROBED])),
        "weight-only-int8": lambda: weight_only_int8(full),
    }
    for name, make in forms.items():
        folder = out / name
        if not (folder / "model.json").exists():
            write_form(make(), model, name, folder)
        yield name, folder


def _through_files(model: onnx.ModelProto, change: Callable[[Path, Path], object]) -> onnx.ModelProto:
    """ONNX Runtime's quantisers read and write files."""
    with TemporaryDirectory(prefix="tocsin-quantise-") as scratch:
        before, after = Path(scratch) / "before.onnx", Path(scratch) / "after.onnx"
        onnx.save(model, before)
        change(before, after)
        return onnx.load(after)
