"""From texts to the inputs of the model: its tokenizer and its description, for whoever runs the network."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from processors.enrichment import Classification, ModelIdentity, Span, classification_of
from processors.errors import ModelError, TocsinError
from processors.labels import SENTIMENTS, TOPICS
from processors.model_input import NAMES_OUTPUT, model_hash, tokens_in

TOKENS_PER_BATCH: Final = 2048
"""A batch holds about so many tokens, padding included: more gains nothing on a CPU and costs memory."""

OUTPUTS: Final = {"p_sentiment": len(SENTIMENTS), "p_topic": len(TOPICS)}
"""What every model answers for each text, with the number of labels."""

Tokens = tuple[int, ...]
"""The places of a name's tokens among those of its text; none where it stands beyond what the model reads."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one padded length: their places in the request, the two inputs, int64 [rows, length], and for each row the
    tokens of each name that is asked about."""

    places: tuple[int, ...]
    input_ids: NDArray[np.int64]
    attention_mask: NDArray[np.int64]
    names: tuple[tuple[Tokens, ...], ...]

    def part(self, start: int, end: int) -> Self:
        """The rows from `start` up to `end`."""
        rows = slice(start, end)
        return type(self)(self.places[rows], self.input_ids[rows], self.attention_mask[rows], self.names[rows])

    @property
    def outputs(self) -> list[str]:
        """What to ask the model for: every token's sentiment only where a name needs it."""
        return [*OUTPUTS, *([NAMES_OUTPUT] if any(self.names) else [])]

    def classifications(self, outputs: Mapping[str, NDArray[np.float32]]) -> list[Classification]:
        """What the model's `outputs` for this batch say of each row: of each text [rows, labels], of each token
        [rows, length, 3]."""
        tokens = outputs.get(NAMES_OUTPUT)
        found = []
        for row, (sentiment, topic) in enumerate(zip(*(outputs[name].tolist() for name in OUTPUTS), strict=True)):
            names = [] if tokens is None else [_mean(tokens[row], places) for places in self.names[row]]
            found.append(classification_of(sentiment, topic, names))
        return found


def _mean(p_tokens: NDArray[np.float32], tokens: Tokens) -> list[float] | None:
    return p_tokens[list(tokens)].mean(axis=0, dtype=np.float64).tolist() if tokens else None


def length_batches(
    encodings: Sequence[Encoding], lengths: Sequence[int], names: Sequence[tuple[Tokens, ...]] = ()
) -> Iterator[Batch]:
    """`encodings` in batches of one padded length each, from `lengths` (ascending); longest texts must fit the last.

    Texts of like length stand together, so that little is computed on padding. `names`: for each text the tokens of those
    asked about; left out, none.
    """
    names = names or [()] * len(encodings)
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
            yield Batch(chunk, input_ids, attention_mask, tuple(names[place] for place in chunk))


def distinct(
    texts: Sequence[str], names: Sequence[Sequence[Span]] = ()
) -> tuple[list[str], list[tuple[Span, ...]], list[int]]:
    """What to ask a model for `texts`: each text once with the `names` in it (left out, none), and for each of `texts` where
    its answer stands. So reposts, a tenth of a calm day's texts and most of a storm's, cost nothing: a text's labels do not depend on
    its neighbours."""
    places: dict[tuple[str, tuple[Span, ...]], int] = {}
    spans: list[tuple[Span, ...]] = [tuple(own) for own in names] if names else [()] * len(texts)
    found = [places.setdefault((text, own), len(places)) for text, own in zip(texts, spans, strict=True)]
    return [text for text, _ in places], [own for _, own in places], found


class ModelInputs:
    """Makes a model's inputs. `model` is its name, version, content hash and languages; `lengths` what it is padded
    to, in tokens; `tells_names` whether it says of each name in a text what the text says of that one."""

    def __init__(self, description: dict[str, Any], tokenizer: Tokenizer) -> None:
        self.lengths: tuple[int, ...] = tuple(description["lengths"])
        self.tells_names = "names" in description
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

    def batches(self, texts: Sequence[str], names: Sequence[Sequence[Span]] = ()) -> list[Batch]:
        """What to ask the network: each text's place is in exactly one batch. `names`: for each text where the names stand that
        it is asked about; left out, none."""
        encodings = self.encode(texts)
        tokens: list[tuple[Tokens, ...]] = [()] * len(texts)
        asked = [place for place, spans in enumerate(names) if spans] if self.tells_names else []
        # What is fast about the other way is that it does not tell where tokens stand.
        for place, encoding in zip(asked, self._tokenizer.encode_batch([texts[place] for place in asked]), strict=True):
            tokens[place] = tuple(tokens_in(encoding.offsets, *span) for span in names[place])
        return list(length_batches(encodings, self.lengths, tokens))


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
        if not description["languages"]:
            raise ModelError(f"the model in {folder} names no language that it reads: install a matching model")
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"cannot read {folder / 'model.json'}: {error!r}; install the model again") from error
    return description
