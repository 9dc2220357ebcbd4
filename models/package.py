"""A packaged model: the folder that classifier and Triton load."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import onnx
from tokenizers import Tokenizer

from models.config import TrainingConfig
from models.export import export_onnx, store_weights_as_int8
from models.network import Network, longest_input
from models.onnx_model import content_hash

LENGTHS: Final = (16, 32, 64, 128, 256)
"""Padded input lengths in tokens, as far as the encoder knows so many places; the last is the longest input that is read."""


def write_package(
    network: Network, tokenizer: Tokenizer, config: TrainingConfig, temperatures: Mapping[str, float], folder: Path
) -> dict[str, Any]:
    """Write ``model.onnx`` (int8 weights), ``tokenizer.json`` and ``model.json`` into `folder`; return the last."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    export_onnx(network, config.heads, temperatures, path)
    onnx.save(store_weights_as_int8(onnx.load(path)), path)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(folder / "tokenizer.json"))
    exported = [head for head in config.heads if head.exported]
    labels = {head.name: list(head.labels) for head in exported}
    description: dict[str, Any] = {
        "name": config.name,
        "version": config.version,
        "hash": content_hash(folder),
        "licence": config.licence,
        "languages": list(config.languages),
        "lengths": [length for length in LENGTHS if length <= longest_input(network.encoder)],
        "sentiments": labels.get("sentiment"),
        "topics": labels.get("topic"),
        "heads": [
            {
                "name": head.name,
                "output": f"p_{head.name}",
                "labels": list(head.labels),
                **({"several": True} if head.several else {}),
                "temperature": temperatures.get(head.name, 1.0),
            }
            for head in exported
        ],
        "encoder": config.encoder.path,
        "training_data": [source.file for source in config.data],
    }
    (folder / "model.json").write_text(json.dumps(description, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return description
