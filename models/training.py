"""The fine-tuning loop: multi-task batches, AdamW with layer-wise rates, resumable at every epoch."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn
from torch.nn import functional

from models.batching import IGNORED, Batch, EncodedSet
from models.config import Head, Optimiser
from models.evaluate import Probabilities
from models.network import Network

_LAYER = re.compile(r"\blayers?\.(\d+)\.")


def device() -> torch.device:
    """The accelerator where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def mixed_precision() -> AbstractContextManager[None]:
    """bfloat16 where the machine computes in it; full precision elsewhere."""
    kind = device().type
    fast = kind == "cuda" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=fast)


def progress() -> Progress:
    """The progress bar of all training stages."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )


def fine_tune(
    network: Network, data: EncodedSet, heads: tuple[Head, ...], settings: Optimiser, seed: int, checkpoint: Path
) -> None:
    """Train `network` in place on `data`; continue from `checkpoint` where that file exists.

    Each epoch draws from its own seed, so that a run that was killed and resumed ends with the same weights as one
    that was not.
    """
    network.to(device())
    optimiser = torch.optim.AdamW(parameter_groups(network, settings), weight_decay=settings.weight_decay, fused=True)
    epoch_steps = -(-len(data) // settings.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, warm_up_and_decay(settings, epoch_steps))
    average = {name: value.detach().clone() for name, value in network.named_parameters()}
    first = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device(), weights_only=True)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        schedule.load_state_dict(state["schedule"])
        average = state["average"]
        first = int(state["epoch"]) + 1
    with progress() as bars:
        for epoch in range(first, settings.epochs):
            bar = bars.add_task(f"epoch {epoch + 1}/{settings.epochs}", total=epoch_steps, note="")
            torch.manual_seed(seed * 1009 + epoch)
            network.train()
            running, started = 0.0, time.monotonic()
            for batch in data.shuffled(settings.batch_size, seed * 1009 + epoch):
                loss = batch_loss(network, batch, heads, settings)
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                optimiser.step()
                schedule.step()
                optimiser.zero_grad()
                follow(average, network, settings.average_decay)
                running = 0.98 * running + 0.02 * loss.item() if running else loss.item()
                bars.update(bar, advance=1, note=f"loss {running:.4f}")
            bars.console.print(f"epoch {epoch + 1}: loss {running:.4f}, {time.monotonic() - started:.0f} s")
            save_atomically(
                {
                    "network": network.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "schedule": schedule.state_dict(),
                    "average": average,
                    "epoch": epoch,
                },
                checkpoint,
            )
    network.load_state_dict({**network.state_dict(), **average})


def batch_loss(network: Network, batch: Batch, heads: tuple[Head, ...], settings: Optimiser) -> torch.Tensor:
    """Sum over heads of the cross-entropy of the texts labelled for it, weighted, per text of the batch.

    Divided by all texts rather than by those labelled for the head, so that a labelled text weighs the same whatever
    batch it falls into. With `consistency`, each text is read twice, under two dropouts, and for every head half the
    symmetric Kullback-Leibler divergence of its two readings is added: also where the text has no label for it.
    """
    passes = 2 if settings.consistency else 1
    with mixed_precision():
        outputs = network(
            batch.input_ids.repeat(passes, 1).to(device()), batch.attention_mask.repeat(passes, 1).to(device())
        )
    total = torch.zeros((), device=device())
    for head in heads:
        logits = outputs[head.name].float()
        cross_entropy = functional.cross_entropy(
            logits,
            batch.targets[head.name].repeat(passes).to(device()),
            ignore_index=IGNORED,
            label_smoothing=settings.label_smoothing,
            reduction="sum",
        )
        total = total + head.weight * cross_entropy / len(logits)
        if settings.consistency:
            first, second = functional.log_softmax(logits, -1).chunk(2)
            divergence = ((first.exp() - second.exp()) * (first - second)).sum(-1).mean() / 2
            total = total + head.weight * settings.consistency * divergence
    return total


def predict(network: Network, data: EncodedSet, batch_size: int = 64) -> dict[str, Probabilities]:
    """Full-precision logits of every head, float64 [texts, labels], in the order of the set."""
    network.to(device()).eval()
    results: dict[str, Probabilities] = {}
    with torch.no_grad():
        for batch in data.in_order_of_length(batch_size):
            for name, logits in network(batch.input_ids.to(device()), batch.attention_mask.to(device())).items():
                table = results.setdefault(name, np.zeros((len(data), logits.shape[1])))
                table[batch.rows] = logits.double().cpu().numpy()
    return results


def parameter_groups(network: Network, settings: Optimiser) -> Iterator[dict[str, object]]:
    """One group per layer and kind: rates fall by `layer_decay` from the top layer down; biases and norms undecayed."""
    layers = {
        name: int(found[1]) if (found := _LAYER.search(name)) else -1  # -1: the embeddings, below the first layer
        for name, _ in network.encoder.named_parameters(prefix="encoder")
    }
    top = max(layers.values())
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        rate = settings.head_learning_rate
        if name in layers:
            rate = settings.learning_rate * settings.layer_decay ** (top - layers[name])
        groups.setdefault((rate, parameter.ndim > 1), []).append(parameter)
    for (rate, decayed), parameters in groups.items():
        group: dict[str, object] = {"params": parameters, "lr": rate}
        yield group if decayed else {**group, "weight_decay": 0.0}


@torch.no_grad()
def follow(average: dict[str, torch.Tensor], network: Network, decay: float) -> None:
    """Move the moving `average` in place towards the weights of `network`."""
    for name, value in network.named_parameters():
        average[name].lerp_(value, 1 - decay)


def warm_up_and_decay(settings: Optimiser, epoch_steps: int) -> Callable[[int], float]:
    """Factor of the rates at each step: linear from 0 to 1 over the warm-up, then linear to 0 at the last step."""
    steps = settings.epochs * epoch_steps
    warm = max(1, round(settings.warmup * steps))
    return lambda step: min((step + 1) / warm, max(0.0, (steps - step) / max(1, steps - warm)))


def save_atomically(state: dict[str, object], path: Path) -> None:
    """Write a checkpoint so that a kill leaves the former one whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)
