"""The embedded classifier: the exported model on ONNX Runtime, in this process, without torch."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from processors.enrichment import Classification, ModelIdentity, classification_of
from processors.errors import ModelError, TocsinError
from processors.labels import SENTIMENTS, TOPICS
from processors.model_input import model_hash

TOKENS_PER_BATCH = 2048
"""A batch holds about so many tokens, padding included: more gains nothing on a CPU and costs memory."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one padded length: their places in the request, and the two inputs, int64 [rows, length]."""

    places: tuple[int, ...]
    input_ids: NDArray[np.int64]
    attention_mask: NDArray[np.int64]


def length_batches(encodings: Sequence[Encoding], lengths: Sequence[int]) -> Iterator[Batch]:
    """`encodings` in batches of one padded length each, from `lengths` (ascending); longest texts must fit the last.

    Texts of like length stand together, so that little is computed on padding.
    """
    by_length: dict[int, list[int]] = {}
    for place, encoding in enumerate(encodings):
        length = next(length for length in lengths if len(encoding.ids) <= length)
        by_length.setdefault(length, []).append(place)
    for length, places in sorted(by_length.items()):
        rows = max(1, TOKENS_PER_BATCH // length)
        for start in range(0, len(places), rows):
            chunk = tuple(places[start : start + rows])
            input_ids = np.zeros((len(chunk), length), dtype=np.int64)
            attention_mask = np.zeros((len(chunk), length), dtype=np.int64)
            for row, place in enumerate(chunk):
                ids = encodings[place].ids
                input_ids[row, : len(ids)] = ids
                attention_mask[row, : len(ids)] = 1
            yield Batch(chunk, input_ids, attention_mask)


class EmbeddedClassifier:
    """Labels texts with the model in `folder` (model.onnx, tokenizer.json, model.json).

    Raises ModelError, naming the file, where one is missing, damaged, or of another contract.
    """

    def __init__(self, folder: Path, threads: int = 0) -> None:
        self._description = _read_description(folder)
        self.lengths: list[int] = self._description["lengths"]
        try:
            network, tokenizer = (folder / "model.onnx").read_bytes(), (folder / "tokenizer.json").read_bytes()
            if model_hash(network, tokenizer) != self._description["hash"]:
                raise ModelError(
                    f"the files of the model in {folder} are not those that model.json names: install it again"
                )
            self._tokenizer = Tokenizer.from_buffer(tokenizer)
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            options.log_severity_level = 3
            self._session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
        except TocsinError:
            raise
        except Exception as error:  # both libraries raise bare Exceptions of their own
            raise ModelError(f"cannot load the model in {folder}: {error}; install it again") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.lengths[-1])

    @property
    def model(self) -> ModelIdentity:
        """Name, version, content hash and languages, as the model's files state them."""
        d = self._description
        return ModelIdentity(d["name"], d["version"], d["hash"], frozenset(d["languages"]))

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """The tokens of each text, cut to what the model reads."""
        return self._tokenizer.encode_batch_fast(list(texts))

    def run(self, batch: Batch) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The model's outputs for one batch: float32 [rows, 3] and [rows, 20], softmax applied."""
        inputs = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
        p_sentiment, p_topic = self._session.run(["p_sentiment", "p_topic"], inputs)
        return p_sentiment, p_topic

    def classify(self, texts: Sequence[str]) -> list[Classification]:
        """One classification per model text, in order."""
        answers: dict[int, Classification] = {}
        for batch in length_batches(self.encode(texts), self.lengths):
            rows = zip(batch.places, *self.run(batch), strict=True)
            answers.update((place, classification_of(s.tolist(), t.tolist())) for place, s, t in rows)
        return [answers[place] for place in range(len(texts))]


def _read_description(folder: Path) -> dict[str, Any]:
    try:
        description: dict[str, Any] = json.loads((folder / "model.json").read_bytes())
        expected = {"sentiments": list(SENTIMENTS), "topics": list(TOPICS)}
        for name, labels in expected.items():
            if description[name] != labels:
                raise ModelError(f"the model in {folder} has other {name} than this release: install a matching model")
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"cannot read {folder / 'model.json'}: {error!r}; install the model again") from error
    return description
