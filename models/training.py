"""The fine-tuning loop: multi-task batches, AdamW with layer-wise rates, resumed after a kill where the last checkpoint is."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from torch import nn

from models.batching import IGNORED, Batch, EncodedSet
from models.config import Head, Optimiser, TrainingConfig
from models.evaluate import Probabilities, negative_log_likelihood, scores, several_scores
from models.network import Network
from models.objective import batch_loss, class_weights, device
from models.tracking import Record, unrecorded
from models.tuning import RankAllocation, layer_of, trainable_and_all
from processors.errors import ConfigurationError

CHECKPOINT: Final = "checkpoint.pt"
"""Where a run keeps what it goes on from."""

CHECKPOINT_SECONDS: Final = 600.0
"""Longest stretch of training that a kill costs, beside the end of an epoch."""

Weights = dict[str, torch.Tensor]


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
    network: Network,
    data: EncodedSet,
    config: TrainingConfig,
    checkpoint: Path,
    held_out: EncodedSet | None = None,
    record: Record = unrecorded,
) -> dict[str, Any]:
    """Train what is trainable in `network`, in place, on `data`; go on from `checkpoint` where that file exists.

    Every epoch draws from its own seed, and a checkpoint keeps the place in it, so that a run that was killed and resumed ends
    with the same weights as one that was not. With patience, the score on `held_out` decides when to end and which
    epoch's weights are kept. Returns what it took: epochs, parameters, processor seconds.
    """
    return FineTuning(network, data, config, held_out, record).run(checkpoint)


class FineTuning:
    """One training with all that a checkpoint keeps of it."""

    def __init__(
        self,
        network: Network,
        data: EncodedSet,
        config: TrainingConfig,
        held_out: EncodedSet | None = None,
        record: Record = unrecorded,
    ) -> None:
        self.network, self.data, self.config = network.to(device()), data, config
        self.settings, self.held_out, self.record = config.optimiser, held_out, record
        self.weights = {head.name: class_weights(head, data.targets[head.name].tolist()) for head in config.heads}
        self.trained = {name: value for name, value in network.named_parameters() if value.requires_grad}
        self.optimiser = torch.optim.AdamW(
            parameter_groups(network, self.settings), weight_decay=self.settings.weight_decay, fused=True
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimiser, warm_up_and_decay(self.settings.warmup, steps_of(self.settings, len(data)))
        )
        self.allocation = RankAllocation(network) if config.tuning.method == "adalora" else None
        self.average: Weights = {name: value.detach().clone() for name, value in self.trained.items()}
        self.batches = -(-len(data) // self.settings.batch_size)
        self.epoch, self.batch, self.step = 0, 0, 0
        """Whole epochs, batches of the one that is begun, and steps of all that lie behind."""
        self.loss, self.seconds = 0.0, 0.0
        self.best: Weights = {}
        self.best_epoch, self.best_score = -1, -1.0

    def run(self, checkpoint: Path) -> dict[str, Any]:
        """Train to the end, from `checkpoint` on where that file exists; return what it took."""
        if checkpoint.exists():
            self.restore(torch.load(checkpoint, map_location=device(), weights_only=True))
        with progress() as bars:
            while not self.is_over:
                self.run_epoch(bars, checkpoint)
        return self.finish()

    def loss_of(self, batch: Batch) -> torch.Tensor:
        """What is minimised, of one batch."""
        return batch_loss(self.network, batch, self.config.heads, self.settings, self.weights)

    @property
    def is_over(self) -> bool:
        """Whether all epochs are done, or the last ones brought nothing better."""
        patience = self.settings.patience
        return self.epoch >= self.settings.epochs or bool(patience and self.epoch - 1 - self.best_epoch >= patience)

    def run_epoch(self, bars: Progress, checkpoint: Path) -> None:
        """Train to the end of the epoch, score it where there is patience, and save."""
        title = f"epoch {self.epoch + 1}/{self.settings.epochs}"
        bar = bars.add_task(title, total=self.batches, completed=self.batch, note="")
        seed = self.config.seed * 1009 + self.epoch
        if not self.batch:
            torch.manual_seed(seed)
        self.network.train()
        self._run_batches(seed, bars, bar, checkpoint)
        self.epoch, self.batch = self.epoch + 1, 0
        score = self._score() if self.settings.patience else ""
        bars.console.print(
            f"epoch {self.epoch}: loss {self.loss:.4f}{score}, {self.seconds:.0f} s of processor time so far"
        )
        save_atomically(self.state(), checkpoint)

    def _run_batches(self, seed: int, bars: Progress, bar: TaskID, checkpoint: Path) -> None:
        saved, begun = time.monotonic(), time.process_time()
        for batch in islice(self.data.shuffled(self.settings.batch_size, seed), self.batch, None):
            loss = self.loss_of(batch)
            if self.allocation:
                loss = loss + self.allocation.penalty()
            (loss / self.settings.accumulation).backward()  # type: ignore[no-untyped-call]
            self.loss = 0.98 * self.loss + 0.02 * loss.item() if self.loss else loss.item()
            self.batch += 1
            bars.update(bar, completed=self.batch, note=f"loss {self.loss:.4f}")
            if self.batch % self.settings.accumulation and self.batch < self.batches:
                continue
            self._step()
            self.seconds, begun = self.seconds + time.process_time() - begun, time.process_time()
            if time.monotonic() - saved >= CHECKPOINT_SECONDS and self.batch < self.batches:
                save_atomically(self.state(), checkpoint)
                saved = time.monotonic()

    def _step(self) -> None:
        nn.utils.clip_grad_norm_(self.trained.values(), 1.0)
        self.optimiser.step()
        self.step += 1
        if self.allocation:
            self.allocation.after_step(self.step)
        self.record({"loss": self.loss, "rate": max(map(float, self.schedule.get_last_lr()))}, self.step)
        self.schedule.step()
        self.optimiser.zero_grad()
        follow(self.average, self.trained, self.settings.average_decay)

    def _score(self) -> str:
        """Score the averaged weights on what is held out, keep them if they are the best; return what to print."""
        assert self.held_out
        with weights_in(self.trained, self.average):
            found = held_out_scores(self.network, self.held_out, self.config.heads)
        self.record({f"held out/{name}": value for name, value in found.items()}, self.step)
        if found["score"] > self.best_score:
            self.best = {name: value.clone() for name, value in self.average.items()}
            self.best_epoch, self.best_score = self.epoch - 1, found["score"]
        return f", held out {found['score']:.4f} (best {self.best_score:.4f} after epoch {self.best_epoch + 1})"

    def finish(self) -> dict[str, Any]:
        """Put the weights that become the model into the network; return what the training took."""
        copy_into(self.trained, self.best or self.average)
        trained, everything = trainable_and_all(self.network)
        return {
            "epochs": self.epoch,
            "kept_epoch": self.best_epoch + 1 if self.best else self.epoch,
            "steps": self.step,
            "trained_parameters": trained,
            "parameters": everything,
            "processor_seconds": round(self.seconds, 1),
        }

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "average": self.average,
            "best": self.best,
            "allocation": self.allocation.state() if self.allocation else None,
            "random": torch.get_rng_state(),
            "place": {name: getattr(self, name) for name in _PLACE},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken."""
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.average, self.best = state["average"], state["best"]
        if self.allocation:
            self.allocation.restore(state["allocation"])
        torch.set_rng_state(state["random"].cpu())
        for name, value in state["place"].items():
            setattr(self, name, value)


_PLACE: Final = ("epoch", "batch", "step", "loss", "seconds", "best_epoch", "best_score")


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


def held_out_scores(network: Network, data: EncodedSet, heads: tuple[Head, ...]) -> dict[str, float]:
    """Weighted F1 and negative log-likelihood of each exported head that texts are labelled for (micro F1 where it takes several
    labels), and ``score``: the mean of the F1, heads weighing as in the loss.

    Raises:
        ConfigurationError: no text is labelled for an exported head.
    """
    found: dict[str, float] = {}
    logits = predict(network, data)
    total = weight = 0.0
    for head in heads:
        truth = data.targets[head.name].numpy().astype(np.int64)
        known = (truth != IGNORED).reshape(len(truth), -1).all(1)
        if head.exported and known.any():
            said = logits[head.name][known]
            if head.several:
                f1 = several_scores(truth[known] > 0, said > 0)["micro_f1"]
                found[f"{head.name} micro F1"] = f1
            else:
                f1 = scores(truth[known], said.argmax(1).astype(np.int64), len(head.labels))["weighted_f1"]
                found[f"{head.name} weighted F1"] = f1
                found[f"{head.name} nats"] = negative_log_likelihood(truth[known], said)
            total, weight = total + head.weight * f1, weight + head.weight
    if not weight:
        raise ConfigurationError(
            "no text that is held out is labelled for an exported head: patience has nothing to score"
        )
    return {**found, "score": total / weight}


def parameter_groups(network: Network, settings: Optimiser) -> Iterator[dict[str, object]]:
    """One group per layer and kind of what is trainable: rates fall by `layer_decay` from the top layer down, the embeddings
    lie below the first; biases and norms are not decayed."""
    layers = {name: layer_of(name) for name, _ in network.encoder.named_parameters(prefix="encoder")}
    top = max(layers.values())
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        rate = settings.head_learning_rate
        if name in layers:
            rate = settings.learning_rate * settings.layer_decay ** (top - layers[name])
        if parameter.requires_grad:
            groups.setdefault((rate, parameter.ndim > 1), []).append(parameter)
    for (rate, decayed), parameters in groups.items():
        group: dict[str, object] = {"params": parameters, "lr": rate}
        yield group if decayed else {**group, "weight_decay": 0.0}


@torch.no_grad()
def follow(average: Weights, trained: Mapping[str, nn.Parameter], decay: float) -> None:
    """Move the moving `average` in place towards what is `trained`."""
    for name, value in trained.items():
        average[name].lerp_(value, 1 - decay)


@torch.no_grad()
def copy_into(trained: Mapping[str, nn.Parameter], weights: Weights) -> None:
    """Overwrite what is `trained` by `weights`."""
    for name, value in trained.items():
        value.copy_(weights[name])


@contextmanager
def weights_in(trained: Mapping[str, nn.Parameter], weights: Weights) -> Iterator[None]:
    """Let the network have `weights` inside."""
    own = {name: value.detach().clone() for name, value in trained.items()}
    copy_into(trained, weights)
    try:
        yield
    finally:
        copy_into(trained, own)


def steps_of(settings: Optimiser, texts: int) -> int:
    """Steps of a whole training on so many texts."""
    return settings.epochs * -(-texts // (settings.batch_size * settings.accumulation))


def warm_up_and_decay(share: float, steps: int) -> Callable[[int], float]:
    """Factor of the rates at each step: linear from 0 to 1 over the `share` that is warm-up, then linear to 0 at the last step."""
    warm = max(1, round(share * steps))
    return lambda step: min((step + 1) / warm, max(0.0, (steps - step) / max(1, steps - warm)))


def save_atomically(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint so that a kill leaves the former one whole. Raises OSError where there is no room for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        torch.save(state, file)
    partial.replace(path)
