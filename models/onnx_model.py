"""A packaged model, run by ONNX Runtime alone: for proofs and figures (services have their own batching)."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from models.evaluate import Probabilities
from processors.errors import ModelError
from processors.model_input import model_hash

DEFAULT_MODEL = Path(__file__).parent / "default"


class OnnxModel:
    """Probabilities of every exported head for prepared texts (see `processors.model_input`)."""

    def __init__(self, folder: Path = DEFAULT_MODEL, threads: int = 0) -> None:
        try:
            self.description: dict[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
            self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            self.session = onnxruntime.InferenceSession(
                str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise ModelError(f"{folder}: not a packaged model ({error})") from error
        self.lengths: list[int] = self.description["lengths"]
        self.tokenizer.enable_truncation(self.lengths[-1])
        self.tokenizer.no_padding()

    @property
    def heads(self) -> dict[str, tuple[str, ...]]:
        """Labels of each head, in the order of its outputs."""
        return {head["name"]: tuple(head["labels"]) for head in self.description["heads"]}

    def tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, cut to the model's longest input."""
        return [encoding.ids for encoding in self.tokenizer.encode_batch(list(texts))]

    def padded_length(self, tokens: int) -> int:
        """The padded length for a text of so many tokens."""
        return next(length for length in self.lengths if tokens <= length)

    def run(self, tokens: Sequence[Sequence[int]], length: int) -> dict[str, NDArray[np.float32]]:
        """Run one batch, padded to `length`: ``{head: float32 [batch, labels]}``."""
        names = [head["name"] for head in self.description["heads"]]
        outputs = self.session.run([f"p_{name}" for name in names], inputs_of(tokens, length))
        return dict(zip(names, outputs, strict=True))

    def predict(self, texts: Sequence[str], batch_size: int = 32) -> dict[str, Probabilities]:
        """Probabilities of each head, float64 [texts, labels], in the order of `texts`; batches by length."""
        tokens = self.tokenise(texts)
        order = sorted(range(len(texts)), key=lambda row: len(tokens[row]))
        results = {name: np.zeros((len(texts), len(labels))) for name, labels in self.heads.items()}
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            batch = [tokens[row] for row in rows]
            for name, values in self.run(batch, self.padded_length(max(map(len, batch)))).items():
                results[name][rows] = values
        return results


def inputs_of(tokens: Sequence[Sequence[int]], length: int) -> dict[str, NDArray[np.int64]]:
    """The inputs of a batch of token ids, padded to `length`."""
    ids = np.zeros((len(tokens), length), np.int64)
    mask = np.zeros((len(tokens), length), np.int64)
    for row, values in enumerate(tokens):
        ids[row, : len(values)] = values
        mask[row, : len(values)] = 1
    return {"input_ids": ids, "attention_mask": mask}


def row_dependence(model: OnnxModel, texts: Sequence[str], batch_size: int = 16) -> dict[str, float]:
    """How far a text's probabilities depend on its neighbours and its padding.

    Each text is run alone at its own padded length; then in batches of mixed lengths, at every padded length that holds the
    batch. Returns the largest difference of a probability and the number of changed labels over all heads.
    """
    tokens = model.tokenise(texts)
    alone = [model.run([row], model.padded_length(len(row))) for row in tokens]
    largest, flips = 0.0, 0
    for start in range(0, len(tokens), batch_size):
        batch = tokens[start : start + batch_size]
        for length in (length for length in model.lengths if length >= max(map(len, batch))):
            for name, together in model.run(batch, length).items():
                single = np.concatenate([result[name] for result in alone[start : start + batch_size]])
                largest = max(largest, float(np.abs(single - together).max()))
                flips += int((single.argmax(1) != together.argmax(1)).sum())
    return {"largest_difference": largest, "changed_labels": flips}


def content_hash(folder: Path) -> str:
    """The hash by which the model in `folder` is known."""
    return model_hash((folder / "model.onnx").read_bytes(), (folder / "tokenizer.json").read_bytes())
