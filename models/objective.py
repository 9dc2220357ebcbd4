"""What a training minimises, on the machine that it has."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

import numpy as np
import torch
from torch.nn import functional

from models.batching import IGNORED, Batch
from models.config import Head, Optimiser
from models.network import Network

ClassWeights = Mapping[str, torch.Tensor | None]
"""Of each head, the factor of every label's loss; None: all weigh the same."""


def device() -> torch.device:
    """The accelerator where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def mixed_precision() -> AbstractContextManager[None]:
    """bfloat16 where the machine computes in it; full precision elsewhere."""
    kind = device().type
    fast = torch.cuda.is_bf16_supported() if kind == "cuda" else bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=fast)


def class_weights(head: Head, targets: Sequence[int]) -> torch.Tensor | None:
    """The factor of each label's loss, float32 [labels], with mean 1 over the texts of `targets`; None: all weigh the same.

    A label with the share s of the texts weighs ``s ** -balance``, times what `class_weights` of the head says.
    """
    if not head.balance and not head.class_weights:
        return None
    known = [target for target in targets if target != IGNORED]
    shares = np.bincount(known, minlength=len(head.labels)) / max(1, len(known))
    factors = np.array([head.class_weights.get(label, 1.0) for label in head.labels])
    weights = np.where(shares > 0, factors * np.maximum(shares, 1e-9) ** -head.balance, 0.0)  # absent: nothing to weigh
    return torch.tensor(weights / (weights * shares).sum(), dtype=torch.float32, device=device())


def batch_loss(
    network: Network, batch: Batch, heads: tuple[Head, ...], settings: Optimiser, weights: ClassWeights
) -> torch.Tensor:
    """Sum over heads of the cross-entropy of the texts labelled for it, weighted, per text of the batch; of a head that takes
    several labels, the sum of the labels' own.

    Divided by all texts rather than by those labelled for the head, so that a labelled text weighs the same whatever
    batch it falls into. With `consistency`, each text is read twice, under two dropouts, and for every head half the
    symmetric Kullback-Leibler divergence of its two readings is added: also where the text has no label for it. So is, times
    `distillation`, the divergence from what a teacher says.
    """
    passes = 2 if settings.consistency else 1
    with mixed_precision():
        outputs = network(
            batch.input_ids.repeat(passes, 1).to(device()), batch.attention_mask.repeat(passes, 1).to(device())
        )
    total = torch.zeros((), device=device())
    for head in heads:
        logits = outputs[head.name].float()
        targets = torch.cat([batch.targets[head.name]] * passes).to(device())
        if head.several:
            entropies = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
            cross_entropy = entropies[targets != IGNORED].sum()
        else:
            cross_entropy = functional.cross_entropy(
                logits,
                targets,
                weight=weights[head.name],
                ignore_index=IGNORED,
                label_smoothing=settings.label_smoothing,
                reduction="sum",
            )
        total = total + head.weight * cross_entropy / len(logits)
        if head.name in batch.soft:
            taught = batch.soft[head.name].repeat(passes, 1).to(device())
            total = total + head.weight * settings.distillation * _lesson(logits, taught, several=head.several)
        if settings.consistency:
            total = total + head.weight * settings.consistency * _inconsistency(logits, several=head.several)
    return total


def _lesson(logits: torch.Tensor, taught: torch.Tensor, *, several: bool) -> torch.Tensor:
    """The mean divergence from what is `taught`, probabilities [texts, labels]; for several labels their cross-entropies, which
    differ from it by what no weight changes."""
    if several:
        return functional.binary_cross_entropy_with_logits(logits, taught, reduction="sum") / len(logits)
    return functional.kl_div(functional.log_softmax(logits, -1), taught, reduction="batchmean")


def _inconsistency(logits: torch.Tensor, *, several: bool) -> torch.Tensor:
    """Half the symmetric Kullback-Leibler divergence of the two readings of each text, its mean."""
    first, second = logits.chunk(2)
    if several:  # of each label's two outcomes, whose log-odds are the logits
        return ((first.sigmoid() - second.sigmoid()) * (first - second)).sum(-1).mean() / 2
    first, second = functional.log_softmax(first, -1), functional.log_softmax(second, -1)
    return ((first.exp() - second.exp()) * (first - second)).sum(-1).mean() / 2
