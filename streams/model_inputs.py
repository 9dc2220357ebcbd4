"""From texts to the inputs of the model: its tokenizer and its description, for whoever runs the network."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from processors.enrichment import ModelIdentity
from processors.errors import ModelError, TocsinError
from processors.labels import SENTIMENTS, TOPICS
from processors.model_input import model_hash

TOKENS_PER_BATCH: Final = 2048
"""A batch holds about so many tokens, padding included: more gains nothing on a CPU and costs memory."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one padded length: their places in the request, and the two inputs, int64 [rows, length]."""

    places: tuple[int, ...]
    input_ids: NDArray[np.int64]
    attention_mask: NDArray[np.int64]

    def part(self, start: int, end: int) -> Self:
        """The rows from `start` up to `end`."""
        return type(self)(self.places[start:end], self.input_ids[start:end], self.attention_mask[start:end])


def length_batches(encodings: Sequence[Encoding], lengths: Sequence[int]) -> Iterator[Batch]:
    """`encodings` in batches of one padded length each, from `lengths` (ascending); longest texts must fit the last.

    Texts of like length stand together, so that little is computed on padding.
    """
    by_length: dict[int, list[int]] = {}
    for place, encoding in enumerate(encodings):
        length = next(length for length in lengths if len(encoding) <= length)
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


class ModelInputs:
    """Makes a model's inputs. `model` is its name, version, content hash and languages; `lengths` what it is padded
    to, in tokens."""

    def __init__(self, description: dict[str, Any], tokenizer: Tokenizer) -> None:
        self.lengths: tuple[int, ...] = tuple(description["lengths"])
        self.model = _identity(description)
        self._tokenizer = tokenizer
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.lengths[-1])

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """The tokens of each text, cut to what the model reads."""
        return self._tokenizer.encode_batch_fast(list(texts))

    def read(self, text: str) -> str:
        """As much of a model text as the model reads of it."""
        encoding = self._tokenizer.encode(text)
        return text[: encoding.offsets[-2][1]] if encoding.overflowing else text

    def batches(self, texts: Sequence[str]) -> list[Batch]:
        """What to ask the network: each text's place is in exactly one batch."""
        return list(length_batches(self.encode(texts), self.lengths))


def load_model(folder: Path) -> tuple[ModelInputs, bytes]:
    """The inputs and the network (ONNX) of the model in `folder` (model.onnx, tokenizer.json, model.json).

    Raises ModelError, naming the file, where one is missing, damaged, or of another contract.
    """
    description = _read_description(folder)
    try:
        network, tokenizer = (folder / "model.onnx").read_bytes(), (folder / "tokenizer.json").read_bytes()
        if model_hash(network, tokenizer) != description["hash"]:
            raise ModelError(
                f"the files of the model in {folder} are not those that model.json names: install it again"
            )
        return ModelInputs(description, Tokenizer.from_buffer(tokenizer)), network
    except TocsinError:
        raise
    except Exception as error:  # the library raises bare Exceptions of its own
        raise cannot_load(folder, error) from error


def described(folder: Path) -> ModelIdentity:
    """Who the model in `folder` says it is. Raises ModelError where there is none of this contract."""
    return _identity(_read_description(folder))


def _identity(description: dict[str, Any]) -> ModelIdentity:
    languages = frozenset(description["languages"])
    return ModelIdentity(description["name"], description["version"], description["hash"], languages)


def cannot_load(folder: Path, error: Exception) -> ModelError:
    """What to say of a model that a library could not load."""
    return ModelError(f"cannot load the model in {folder}: {error}; install it again")


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
