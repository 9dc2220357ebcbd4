"""The small network that tells what a text says of each name in it, from the hidden states of a trained encoder.

It reads what the encoder makes of every token, in several of its layers (the last ones say what the text as a whole says, the
lower ones what stands where), and gives a sentiment for every token. The encoder stays as it is, and with it what is said
of the text as a whole; all names of a text are answered in the row that it takes anyway.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from models.batching import shuffled_rows
from models.training import follow, warm_up_and_decay
from processors.labels import SENTIMENTS

if TYPE_CHECKING:
    from models.named_texts import NamedText

LAYERS: Final = (4, 8, 12)
"""The layers of the encoder that are read, of twelve."""

WIDTH: Final = 128
HEADS: Final = 4
DROPOUT: Final = 0.2
EPOCHS: Final = 3
BATCH: Final = 32
LEARNING_RATE: Final = 1e-3
WARM_UP: Final = 0.06
WEIGHT_DECAY: Final = 0.01
AVERAGE_DECAY: Final = 0.995
"""Decay a step of the moving average of the weights, which is what is kept."""

_MASKED: Final = -1e4


@dataclass(frozen=True)
class HiddenStates:
    """What the encoder makes of texts: `values` float16 [tokens of all texts, layers, width]; text n has those from
    `starts[n]` up to `starts[n + 1]`, and `spans[n]` are the places of its names' tokens among them."""

    values: NDArray[np.float16]
    starts: NDArray[np.int64]
    spans: Sequence[Sequence[Sequence[int]]]


class NameNetwork(nn.Module):
    """One transformer layer (pre-norm; Xiong et al. 2020) over a projection of the encoder's hidden states."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(DROPOUT)
        self.project = nn.Linear(width * len(LAYERS), WIDTH)
        self.first_norm, self.second_norm, self.last_norm = (nn.LayerNorm(WIDTH) for _ in range(3))
        self.queries_keys_values = nn.Linear(WIDTH, 3 * WIDTH)
        self.attended = nn.Linear(WIDTH, WIDTH)
        self.widen, self.narrow = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)
        self.sentiment = nn.Linear(WIDTH, len(SENTIMENTS))

    def forward(self, states: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Logits of each token, [batch, length, 3], for `states` [batch, length, layers · width] and int64 `attention_mask`."""
        values = self.project(self.dropout(states))
        values = values + self.dropout(self._attention(self.first_norm(values), attention_mask))
        widened = functional.gelu(self.widen(self.second_norm(values)))
        values = values + self.dropout(self.narrow(widened))
        logits: torch.Tensor = self.sentiment(self.dropout(self.last_norm(values)))
        return logits

    def _attention(self, values: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        batch, length = values.shape[0], values.shape[1]
        parts = self.queries_keys_values(values).view(batch, length, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        queries, keys, found = parts[0], parts[1], parts[2]
        bias = ((1 - attention_mask.to(values.dtype)) * _MASKED)[:, None, None]
        weights = (queries @ keys.transpose(-1, -2) / math.sqrt(WIDTH // HEADS) + bias).softmax(-1)
        attended: torch.Tensor = self.attended((weights @ found).transpose(1, 2).reshape(batch, length, WIDTH))
        return attended


def trained(texts: Sequence["NamedText"], states: HiddenStates, seed: int) -> NameNetwork:
    """A network that learnt from `texts`, whose `states` are given: the moving average of its weights."""
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    network = NameNetwork(states.values.shape[2])
    usable = [row for row, spans in enumerate(states.spans) if any(spans)]
    steps = EPOCHS * -(-len(usable) // BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, warm_up_and_decay(WARM_UP, steps))
    parameters = dict(network.named_parameters())
    average = {name: value.detach().clone() for name, value in parameters.items()}
    network.train()
    lengths = np.diff(states.starts).tolist()
    for _ in range(EPOCHS):
        for rows in shuffled_rows(usable, lengths, BATCH, generator):
            probabilities, labels = _names_of(network, texts, states, rows)
            functional.nll_loss((probabilities + 1e-8).log(), labels).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
            follow(average, parameters, AVERAGE_DECAY)
    network.load_state_dict(average)
    return network.eval()


def _names_of(
    network: NameNetwork, texts: Sequence["NamedText"], states: HiddenStates, rows: Sequence[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """(Probabilities [names, 3], labels [names]) of all names in the texts at `rows`."""
    lengths = [int(states.starts[row + 1] - states.starts[row]) for row in rows]
    values = np.zeros((len(rows), max(lengths), *states.values.shape[1:]), np.float16)
    mask = np.zeros((len(rows), max(lengths)), np.int64)
    for place, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        values[place, :length] = states.values[states.starts[row] : states.starts[row + 1]]
        mask[place, :length] = 1
    logits = network(torch.from_numpy(values).float().flatten(2), torch.from_numpy(mask))
    labels: list[int] = []
    name_of, tokens, weights = [], [], []
    for place, row in enumerate(rows):
        for name, span in zip(texts[row].names, states.spans[row], strict=True):
            if span:
                name_of += [len(labels)] * len(span)
                tokens += [place * max(lengths) + token for token in span]
                weights += [1 / len(span)] * len(span)
                labels.append(name.label)
    shares = logits.softmax(-1).flatten(0, 1)[tokens] * torch.tensor(weights)[:, None]
    return torch.zeros(len(labels), len(SENTIMENTS)).index_add(0, torch.tensor(name_of), shares), torch.tensor(labels)
