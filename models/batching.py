"""Token batches of like length, so that little is padded."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from tokenizers import Tokenizer

from models.config import Head
from models.datasets import Example
from models.evaluate import Probabilities

IGNORED = -100
"""The target of a text without a label for a head; torch's cross-entropy skips it. Of a head that takes several labels,
each label's."""

_POOL = 40


@dataclass(frozen=True, slots=True)
class Batch:
    """Tensors of one batch; `rows` are the positions of its texts in the encoded set.

    `targets` of a head are int64 [texts], or float32 [texts, labels] of 0 and 1 where it takes several labels.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    targets: dict[str, torch.Tensor]
    soft: dict[str, torch.Tensor]
    """A teacher's probabilities of its heads, float32 [batch, labels]."""
    rows: list[int]


class EncodedSet:
    """Texts as token ids, with their targets and what a teacher says of them (probabilities [texts, labels] by head)."""

    def __init__(
        self,
        examples: Sequence[Example],
        heads: Sequence[Head],
        tokenizer: Tokenizer,
        length: int,
        soft: Mapping[str, Probabilities] | None = None,
    ) -> None:
        self.tokens = encode(tokenizer, [example.text for example in examples], length)
        self.targets = {head.name: _targets(examples, head) for head in heads}
        self.soft = {name: torch.tensor(values, dtype=torch.float32) for name, values in (soft or {}).items()}
        self.padding = padding_id(tokenizer)

    def __len__(self) -> int:
        return len(self.tokens)

    def shuffled(self, batch_size: int, seed: int) -> Iterator[Batch]:
        """All texts in random batches of like length."""
        lengths = list(map(len, self.tokens))
        for rows in shuffled_rows(range(len(self)), lengths, batch_size, np.random.default_rng(seed)):
            yield self.batch(rows)

    def in_order_of_length(self, batch_size: int) -> Iterator[Batch]:
        """All texts once, sorted by length: the fastest way to evaluate."""
        order = sorted(range(len(self)), key=lambda row: len(self.tokens[row]))
        for start in range(0, len(order), batch_size):
            yield self.batch(order[start : start + batch_size])

    def batch(self, rows: list[int]) -> Batch:
        """Pad the texts at `rows` to their longest."""
        ids, mask = pad([self.tokens[row] for row in rows], self.padding)
        targets = {name: values[rows] for name, values in self.targets.items()}
        return Batch(ids, mask, targets, {name: values[rows] for name, values in self.soft.items()}, rows)


def shuffled_rows(
    rows: Sequence[int], lengths: Sequence[int], batch_size: int, generator: np.random.Generator
) -> Iterator[list[int]]:
    """All `rows` once, in random batches; only rows of one pool of neighbours are sorted by their `lengths`."""
    order = generator.permutation(np.array(rows)).tolist()
    pool = batch_size * _POOL
    pools = [sorted(order[start : start + pool], key=lengths.__getitem__) for start in range(0, len(order), pool)]
    batches = [rows[start : start + batch_size] for rows in pools for start in range(0, len(rows), batch_size)]
    for index in generator.permutation(len(batches)).tolist():
        yield batches[index]


def _targets(examples: Sequence[Example], head: Head) -> torch.Tensor:
    if not head.several:
        return torch.tensor([example.targets.get(head.name, IGNORED) for example in examples])
    targets = torch.full((len(examples), len(head.labels)), float(IGNORED))
    for row, example in enumerate(examples):
        if head.name in example.several:
            targets[row] = 0
            targets[row, list(example.several[head.name])] = 1
    return targets


def encode(tokenizer: Tokenizer, texts: Sequence[str], length: int) -> list[list[int]]:
    """Token ids of each text, special ones included, cut to `length`."""
    tokenizer.enable_truncation(length)
    tokenizer.no_padding()
    chunks = (texts[start : start + 4096] for start in range(0, len(texts), 4096))
    return [encoding.ids for encoding in chain.from_iterable(map(tokenizer.encode_batch, map(list, chunks)))]


def pad(tokens: Sequence[Sequence[int]], padding: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids and attention mask, int64 [batch, longest]."""
    longest = max(map(len, tokens))
    ids = torch.full((len(tokens), longest), padding, dtype=torch.int64)
    mask = torch.zeros((len(tokens), longest), dtype=torch.int64)
    for row, values in enumerate(tokens):
        ids[row, : len(values)] = torch.tensor(values)
        mask[row, : len(values)] = 1
    return ids, mask


def padding_id(tokenizer: Tokenizer) -> int:
    """The id of the padding token; 0 where the tokenizer names none (masked anyway)."""
    for token in ("[PAD]", "<pad>"):
        identity = tokenizer.token_to_id(token)
        if identity is not None:
            return int(identity)
    return 0
