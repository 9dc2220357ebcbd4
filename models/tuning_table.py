"""Ways to tune one encoder, trained on the same few texts and measured on the same held-out fold: one table."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.batching import IGNORED, EncodedSet
from models.config import Head, TrainingConfig, Tuning
from models.datasets import Example
from models.evaluate import intervals, scores, softmax
from models.splits import divide
from models.train import TRAINING, trained
from models.training import predict

TRIAL: Final = Path(__file__).parent / "tuning.toml"
"""What the table is made with unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way of tuning; its rates were chosen beforehand, after its authors, and never tried out on the held-out fold."""

    tuning: Tuning
    learning_rate: float
    layer_decay: float = 1.0
    frozen: int = 0


WAYS: Final[Mapping[str, Way]] = {
    "all weights": Way(Tuning(), 1e-4, layer_decay=0.9),
    "heads only": Way(Tuning(), 1e-4, frozen=-1),
    "LoRA, rank 8": Way(Tuning(method="lora", rank=8), 1e-3),
    "AdaLoRA, mean rank 8": Way(Tuning(method="adalora", rank=8), 2e-3),
    "prefix of 16": Way(Tuning(method="prefix", rank=16), 1e-2),
    "(IA)³": Way(Tuning(method="ia3"), 1e-2),
}
"""By the names that the table calls them."""


def tuned_ways(config: TrainingConfig, data: Path, out: Path, told: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    """Train `config` in every way; measure each on the held-out fold.

    Every way is a run in a folder of its own in `out`, so that a killed table goes on where it was. Returns, by way, what
    `table` shows; `told` hears of each as it comes.
    """
    found = {}
    learnt, held_out = divide(config, data)
    for name, way in WAYS.items():
        own = replace(
            config,
            encoder=replace(config.encoder, frozen=way.frozen),
            tuning=way.tuning,
            optimiser=replace(
                config.optimiser,
                learning_rate=way.learning_rate,
                layer_decay=way.layer_decay,
                head_learning_rate=5e-4 if way.frozen >= 0 else 1e-2,
            ),
        )
        folder = out / f"{way.tuning.method}{'-heads' if way.frozen else ''}"
        found[name] = _measured(own, learnt, held_out, folder)
        told(f"{name}: {json.dumps(found[name])}")
    return found


def _measured(config: TrainingConfig, learnt: list[Example], held_out: list[Example], folder: Path) -> dict[str, Any]:
    path = folder / "held_out.json"
    network, tokenizer = trained(config, learnt, held_out, folder)
    if not path.exists():
        encoded = EncodedSet(held_out, config.heads, tokenizer, config.encoder.max_length)
        logits = predict(network, encoded)
        measured = {
            head.name: _scores(head, encoded.targets[head.name].numpy(), softmax(logits[head.name]))
            for head in config.heads
            if head.exported and not head.several
        }
        path.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    taken = json.loads((folder / TRAINING).read_text(encoding="utf-8"))
    return {**taken, "texts": len(learnt), "heads": json.loads(path.read_text(encoding="utf-8"))}


def _scores(head: Head, truth: Any, probabilities: Any) -> dict[str, Any]:
    known = truth != IGNORED
    said = probabilities[known].argmax(1).astype(np.int64)
    bounds = intervals(truth[known], said, len(head.labels))
    return {
        "texts": int(known.sum()),
        **{
            name: {"score": round(value, 5), "interval_95": [round(bound, 5) for bound in bounds[name]]}
            for name, value in scores(truth[known], said, len(head.labels)).items()
        },
    }


def table(found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The lines of a Markdown table: what share is trained, how good it became, and how much of a processor it took."""
    heads = list(next(iter(found.values()))["heads"])
    measures = ["weighted F1" if name == "sentiment" else "accuracy" for name in heads]
    titles = [f"{name}, {measure}" for name, measure in zip(heads, measures, strict=True)]
    yield f"| tuned | trained parameters | {' | '.join(titles)} | processor time |"
    yield "| --- | --- |" + " --- |" * (len(heads) + 1)
    for name, row in found.items():
        share = row["trained_parameters"] / row["parameters"]
        cells = []
        for head, measure in zip(heads, measures, strict=True):
            entry = row["heads"][head][measure.replace(" ", "_").lower()]
            low, high = entry["interval_95"]
            cells.append(f"{entry['score']:.3f} ({low:.3f} to {high:.3f})")
        yield (
            f"| {name} | {row['trained_parameters']:,} ({share:.2%}) | {' | '.join(cells)} | "
            f"{row['processor_seconds']:.0f} s |"
        )
