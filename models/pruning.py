"""A packaged model as a network that can be trained again; its vocabulary cut, its attention heads and neurons thinned out."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from tokenizers import Tokenizer
from torch import nn

from models.batching import EncodedSet
from models.compression import restore_weights
from models.config import Encoder, Head, TrainingConfig
from models.encoder import bert_weights, choose_tokens, tokens_of, write_encoder
from models.network import Network, load_encoder
from models.objective import batch_loss

_PREFIX = "network.encoder."


def unpackaged(
    folder: Path, config: TrainingConfig, scratch: Path, said: Iterable[str] | None = None
) -> tuple[Network, Tokenizer]:
    """The network of the packaged BERT in `folder`, with its exported heads.

    With the texts `said`, only the tokens that they need are kept (see `models.encoder.choose_tokens`). `scratch` is a folder
    for the encoder's files.
    """
    model = restore_weights(onnx.load(folder / "model.onnx"))
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    description: dict[str, Any] = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    tokens: dict[str, int] = description["model"]["vocab"]
    kept = sorted(tokens, key=tokens.__getitem__)
    if said is not None:
        kept = choose_tokens(tokens, tokens_of(Tokenizer.from_str(json.dumps(description)), said))
    write_encoder(bert_weights(_as_encoder(model)), description, kept, scratch)
    encoder, tokenizer = load_encoder(
        Encoder(path=str(scratch), max_length=config.encoder.max_length, dropout=config.encoder.dropout)
    )
    network = Network(encoder, exported_heads(config), config.encoder.dropout)
    for name, head in network.heads.items():
        head.load_state_dict(
            {part: torch.tensor(constants[f"network.heads.{name}.{part}"]) for part in ("weight", "bias")}
        )
    return network, tokenizer


def exported_heads(config: TrainingConfig) -> tuple[Head, ...]:
    """The heads that a package of `config` has."""
    return tuple(head for head in config.heads if head.exported)


def thin_out(network: Network, data: EncodedSet, config: TrainingConfig, share: float) -> None:
    """Remove that `share` of the attention heads and of the feed-forward neurons of every layer of a BERT, in place.

    Those go whose removal would change the loss on `data` least, to first order (Michel et al. 2019; Molchanov et al. 2017): the
    gradient by a factor on what a head or a neuron gives is the sum, over the weights that read it, of weight times gradient.
    """
    attention, neurons = _importances(network, data, config)
    for layer, heads, units in zip(network.encoder.encoder.layer, attention, neurons, strict=True):  # type: ignore[union-attr, arg-type]
        own = layer.attention.self
        size = own.attention_head_size
        best = _best(heads, share)
        columns = (best[:, None] * size + torch.arange(size)).flatten()
        for name in ("query", "key", "value"):
            setattr(own, name, _rows(getattr(own, name), columns))
        layer.attention.output.dense = _columns(layer.attention.output.dense, columns)
        own.num_attention_heads, own.all_head_size = len(best), len(columns)
        best = _best(units, share)
        layer.intermediate.dense = _rows(layer.intermediate.dense, best)
        layer.output.dense = _columns(layer.output.dense, best)


def _importances(
    network: Network, data: EncodedSet, config: TrainingConfig
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Of each layer, the importance of its attention heads and of its neurons: mean over batches of the gradient's size."""
    layers = list(network.encoder.encoder.layer)  # type: ignore[union-attr, arg-type]
    attention = [torch.zeros(layer.attention.self.num_attention_heads) for layer in layers]
    neurons = [torch.zeros(layer.intermediate.dense.out_features) for layer in layers]
    network.eval()
    for batch in data.in_order_of_length(8):
        network.zero_grad()
        loss = batch_loss(network, batch, config.heads, config.optimiser, {head.name: None for head in config.heads})
        loss.backward()  # type: ignore[no-untyped-call]
        for number, layer in enumerate(layers):
            heads = _by_factor(layer.attention.output.dense).view(len(attention[number]), -1).sum(1)
            attention[number] += heads.abs()
            neurons[number] += _by_factor(layer.output.dense).abs()
    network.zero_grad()
    return attention, neurons


def _by_factor(reader: nn.Linear) -> torch.Tensor:
    """The gradient by a factor on each input of `reader`."""
    assert reader.weight.grad is not None
    return (reader.weight * reader.weight.grad).sum(0).detach()


def _best(importance: torch.Tensor, share: float) -> torch.Tensor:
    count = max(1, round(len(importance) * (1 - share)))
    return importance.topk(count).indices.sort().values


def _rows(layer: nn.Linear, kept: torch.Tensor) -> nn.Linear:
    return _linear(layer.weight[kept], layer.bias[kept])


def _columns(layer: nn.Linear, kept: torch.Tensor) -> nn.Linear:
    return _linear(layer.weight[:, kept], layer.bias)


def _linear(weight: torch.Tensor, bias: torch.Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return layer


def _as_encoder(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` with the names that its encoder alone would have."""
    for tensor in model.graph.initializer:
        tensor.name = tensor.name.removeprefix(_PREFIX)
    for node in model.graph.node:
        node.name = node.name.replace("/network/encoder/", "/", 1)
        node.input[:] = [name.removeprefix(_PREFIX) for name in node.input]
    return model


def temperatures_of(folder: Path) -> dict[str, float]:
    """What each head's logits of the packaged model in `folder` are divided by."""
    heads = json.loads((folder / "model.json").read_text(encoding="utf-8"))["heads"]
    return {head["name"]: float(head["temperature"]) for head in heads}
