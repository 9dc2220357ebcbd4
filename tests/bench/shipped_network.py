"""The shipped model as transformers would hold it: full precision, in torch, one network for each question.

The project ships ONNX with int8 weights; they are restored as ONNX Runtime restores them (value times scale) and put
into the same architecture: BERT, mean pooling, one linear layer a question. So it is the same fine-tuned model at the
same size, and its answers are compared with those of the shipped file before anything is timed.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from tokenizers import Tokenizer
from torch import nn
from transformers import BertConfig, BertModel, BertPreTrainedModel, PreTrainedTokenizerFast
from transformers.modeling_outputs import SequenceClassifierOutput

PREFIX = "network."
TOLERANCE = 1e-4


class MeanPooled(BertPreTrainedModel):
    """BERT, the mean of the words' vectors, one linear layer: logits of one question."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.encoder = BertModel(config, add_pooling_layer=False)
        self.head = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    def forward(self, input_ids: Any, attention_mask: Any, **_: Any) -> SequenceClassifierOutput:
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        return SequenceClassifierOutput(logits=self.head((hidden * mask).sum(1) / mask.sum(1)))


def networks(folder: Path) -> dict[str, tuple[MeanPooled, PreTrainedTokenizerFast]]:
    """By question (``sentiment``, ``topic``): the network of the packaged model in `folder`, and its tokenizer.

    The heads' temperature is part of the last layer, so that probabilities are those of the shipped file.
    """
    description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    weights = restored(onnx.load(str(folder / "model.onnx")))
    vocabulary, width = weights["encoder.embeddings.word_embeddings.weight"].shape
    layers = {name.split(".")[3] for name in weights if name.startswith("encoder.encoder.layer.")}
    found = {}
    for head in description["heads"]:
        config = BertConfig(
            vocab_size=vocabulary,
            hidden_size=width,
            num_hidden_layers=len(layers),
            num_attention_heads=12,
            intermediate_size=len(weights["encoder.encoder.layer.0.intermediate.dense.bias"]),
            max_position_embeddings=len(weights["encoder.embeddings.position_embeddings.weight"]),
            id2label=dict(enumerate(head["labels"])),
        )
        network = MeanPooled(config).eval()
        own = {name: value for name, value in weights.items() if name.startswith("encoder.")}
        for part in ("weight", "bias"):
            own[f"head.{part}"] = weights[f"heads.{head['name']}.{part}"] / np.float32(head["temperature"])
        left = network.load_state_dict(
            {name: torch.from_numpy(value.copy()) for name, value in own.items()}, strict=False
        )
        missing = [name for name in left.missing_keys if not name.endswith("position_ids")]
        if missing or left.unexpected_keys:
            raise ValueError(f"{folder} does not fit the network: missing {missing}, unknown {left.unexpected_keys}")
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_file=str(folder / "tokenizer.json"),
            pad_token="[PAD]",
            model_max_length=description["lengths"][-1],
        )
        found[head["name"]] = network, tokenizer
    return found


def restored(model: onnx.ModelProto) -> dict[str, NDArray[np.float32]]:
    """The weights of the exported network by the names of its modules, in full precision."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}

    def full(name: str) -> NDArray[np.float32]:
        name = name.removesuffix("_restored")
        if name in constants:
            return np.asarray(constants[name], np.float32)
        return np.asarray(constants[f"{name}_int8"].astype(np.float32) * constants[f"{name}_scale"], np.float32)

    names = {name.removesuffix("_int8").removesuffix("_scale") for name in constants if name.startswith(PREFIX)}
    weights = {name.removeprefix(PREFIX): full(name) for name in names}
    for node in model.graph.node:
        path = node.name.removeprefix("/").replace("/", ".")
        if node.op_type == "MatMul" and path.endswith(".MatMul") and node.input[1].endswith("_restored"):
            weights[path.removeprefix(PREFIX).removesuffix("MatMul") + "weight"] = full(node.input[1]).T
    return weights


def check_equal(folder: Path, texts: Sequence[str]) -> float:
    """The greatest difference between a probability of the rebuilt networks and of the shipped file, text by text.

    Raises ValueError where it is more than `TOLERANCE`: then it would be another model that is timed.
    """
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    greatest = 0.0
    for name, (network, _) in networks(folder).items():
        for text in texts:
            encoding = tokenizer.encode(text)
            inputs = {"input_ids": np.array([encoding.ids]), "attention_mask": np.array([encoding.attention_mask])}
            [shipped] = session.run([f"p_{name}"], inputs)
            with torch.inference_mode():
                ours = network(**{key: torch.from_numpy(value) for key, value in inputs.items()}).logits.softmax(-1)
            greatest = max(greatest, float(np.abs(shipped - ours.numpy()).max()))
    if greatest > TOLERANCE:
        raise ValueError(f"the rebuilt network differs by {greatest:.1e} from the shipped file, {folder}")
    return greatest
