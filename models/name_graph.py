"""The network for names within a packaged model: reading the encoder's hidden states, and joining both into one file."""

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper
from tokenizers import Tokenizer
from torch import nn

from models.export import OPSET, store_weights_as_int8
from models.name_network import LAYERS, HiddenStates, NameNetwork
from models.named_texts import NamedText
from models.onnx_model import inputs_of
from processors.errors import ConfigurationError
from processors.labels import SENTIMENTS
from processors.model_input import NAMES_OUTPUT, tokens_in

MOST_TOKENS: Final = 128
"""Of a text to learn from."""

_LAYER_END: Final = re.compile(r"layer\.(\d+)/output/LayerNorm/LayerNormalization$")
_PREFIX: Final = "names/"
_TEXTS: Final = 64
_RESTORING: Final = ("_int8", "_float", "_scale", "_restored")


def hidden_states(folder: Path, texts: Sequence[NamedText]) -> HiddenStates:
    """What the encoder of the packaged model in `folder` makes of `texts`."""
    model = onnx.load(folder / "model.onnx")
    layers = _layer_outputs(model)
    for name in layers:
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MOST_TOKENS)
    encodings = tokenizer.encode_batch([each.text for each in texts])
    starts = np.concatenate([[0], np.cumsum([len(encoding) for encoding in encodings])])
    spans = [
        [tokens_in(encoding.offsets, name.start, name.end) for name in each.names]
        for encoding, each in zip(encodings, texts, strict=True)
    ]
    values: np.ndarray[tuple[int, int, int], np.dtype[np.float16]] | None = None
    order = sorted(range(len(texts)), key=lambda row: len(encodings[row]))
    for first in range(0, len(order), _TEXTS):
        rows = order[first : first + _TEXTS]
        inputs = inputs_of([encodings[row].ids for row in rows], len(encodings[rows[-1]]))
        found = np.stack(session.run(layers, inputs), axis=2)
        if values is None:
            values = np.zeros((int(starts[-1]), *found.shape[2:]), np.float16)
        for place, row in enumerate(rows):
            values[starts[row] : starts[row + 1]] = found[place, : len(encodings[row])]
    if values is None:
        raise ConfigurationError("there is no text with a name to learn from")
    return HiddenStates(values, starts, spans)


def with_names(model: onnx.ModelProto, network: NameNetwork, temperature: float) -> onnx.ModelProto:
    """Add the output ``p_company``, float32 [batch, length, 3], to a packaged `model`: for each token the softmax of the logits
    over `temperature`. What the file said before it says still."""
    layers = _layer_outputs(model)
    part = _exported(network, temperature)
    known = {
        "attention_mask": "attention_mask",
        NAMES_OUTPUT: NAMES_OUTPUT,
        **dict(zip(_inputs(), layers, strict=True)),
    }
    for tensor in part.graph.initializer:
        tensor.name = _PREFIX + tensor.name
        model.graph.initializer.append(tensor)
    for node in part.graph.node:
        node.name = node.name and _PREFIX + node.name
        node.input[:] = [known.get(name, name and _PREFIX + name) for name in node.input]
        node.output[:] = [known.get(name, _PREFIX + name) for name in node.output]
        model.graph.node.append(node)
    shape: list[str | int | None] = ["batch", "length", len(SENTIMENTS)]
    model.graph.output.append(helper.make_tensor_value_info(NAMES_OUTPUT, TensorProto.FLOAT, shape))
    _shorten(model)
    onnx.checker.check_model(model)
    return model


class _Calibrated(nn.Module):
    def __init__(self, network: NameNetwork, temperature: float) -> None:
        super().__init__()
        self.network, self.temperature = network, temperature

    def forward(self, attention_mask: torch.Tensor, *layers: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.network(torch.cat(layers, -1), attention_mask) / self.temperature, -1)


def _exported(network: NameNetwork, temperature: float) -> onnx.ModelProto:
    """The network as a graph of its own, weights in int8."""
    width = network.project.in_features // len(LAYERS)
    mask = torch.ones((2, 16), dtype=torch.int64)
    with TemporaryDirectory() as scratch, warnings.catch_warnings():
        path = Path(scratch) / "names.onnx"
        # As for the whole model: this exporter needs no further package, and its notes are known.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Calibrated(network.eval(), temperature),
            (mask, *(torch.zeros((2, 16, width)) for _ in LAYERS)),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=["attention_mask", *_inputs()],
            output_names=[NAMES_OUTPUT],
            dynamic_axes={name: {0: "batch", 1: "length"} for name in ("attention_mask", *_inputs(), NAMES_OUTPUT)},
        )
        return store_weights_as_int8(onnx.load(path))


def _inputs() -> list[str]:
    return [f"layer_{layer}" for layer in LAYERS]


def _layer_outputs(model: onnx.ModelProto) -> list[str]:
    """The tensors that the layers of the encoder end in, those that are read.

    Raises:
        ConfigurationError: the model has none such.
    """
    found = {int(end[1]) + 1: node.output[0] for node in model.graph.node if (end := _LAYER_END.search(node.name))}
    if missing := [layer for layer in LAYERS if layer not in found]:
        raise ConfigurationError(
            f"the model has no layers {missing}: names are told by the layers {LAYERS} of an encoder of twelve or more"
        )
    return [found[layer] for layer in LAYERS]


def _shorten(model: onnx.ModelProto) -> None:
    """Give the tensors between nodes short names: theirs repeat the path of the module twice a node. Those by which weights are
    restored (`models.compression`) keep theirs."""
    kept = {output.name for output in model.graph.output}
    outputs = [name for node in model.graph.node for name in node.output]
    restored = [name for name in outputs if name.endswith(_RESTORING)]
    kept.update(restored, (name.removesuffix("_int8") for name in restored))
    outputs = [name for name in outputs if "/" in name and name not in kept]
    short = {name: f"t{number}" for number, name in enumerate(outputs)}
    for node in model.graph.node:
        node.input[:] = [short.get(name, name) for name in node.input]
        node.output[:] = [short.get(name, name) for name in node.output]
