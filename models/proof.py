"""What a packaged model is worth on labelled texts, beside another model on the same ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models import evaluate
from models.config import TrainingConfig
from models.datasets import Example
from models.evaluate import Labels, Probabilities
from models.onnx_model import OnnxModel
from models.splits import divide, near_duplicates_of
from processors.errors import ConfigurationError

WORST: Final = 25
"""Errors listed for each head."""

_FEWEST: Final = 20
"""Texts from which a slice gets scores of its own: below, its interval says nothing."""


def measured_and_learnt(
    config: TrainingConfig, learnt_by: TrainingConfig | None, data: Path
) -> tuple[list[Example], list[Example]]:
    """Return (texts to measure on, texts that the model learnt from).

    The first are the fold that `config` holds out, or all its texts where it holds out none. The second are what
    `learnt_by` trains on; where that is None, the rest of the texts of `config`.
    """
    rest, held_out = divide(config, data)
    measured, learnt = (held_out, rest) if config.split.held_out >= 0 else (rest, [])
    return measured, divide(learnt_by, data)[0] if learnt_by else learnt


def prove(
    model: OnnxModel, examples: Sequence[Example], learnt: Sequence[Example], against: OnnxModel | None = None
) -> dict[str, Any]:
    """Measure `model` on `examples`, head by head; ready for JSON. Heads that take several labels are left to
    `models.baseline`, and named under ``left_out`` where texts are labelled for them.

    `learnt` are the texts that it was trained on: near-duplicates of them are counted, and scores are given with and
    without them. With `against`, the heads that both models have are compared on the same texts.

    Raises:
        ConfigurationError: no text is labelled for any head of the model, or the two models' labels differ.
    """
    taught = [name for name in model.heads if any(example.teaches(name) for example in examples)]
    several = {head["name"] for head in model.description["heads"] if head.get("several")}
    several.update(name for example in examples for name in example.several)
    heads = {name: model.heads[name] for name in taught if name not in several}
    if taught and not heads:
        raise ConfigurationError(
            f"{', '.join(taught)}: a text may carry several of the labels, which this does not measure: "
            "`tocsin models baseline --model MODEL` does"
        )
    if not heads:
        raise ConfigurationError(f"no text is labelled for a head of the model; its heads: {', '.join(model.heads)}")
    for name, labels in heads.items():
        if against and against.heads.get(name, labels) != labels:
            raise ConfigurationError(f"head {name!r}: the two models have different labels; they cannot be compared")
    texts = [example.text for example in examples]
    near = near_duplicates_of(texts, [example.text for example in learnt])
    found, other = model.predict(texts), against.predict(texts) if against else {}
    lengths = np.array([model.padded_length(len(tokens)) for tokens in model.tokenise(texts)])
    result: dict[str, Any] = {
        "model": _identity(model),
        "against": _identity(against) if against else None,
        "texts": len(texts),
        "near_duplicates": int(near.sum()),
        "left_out": [name for name in taught if name not in heads],
        "heads": {},
    }
    for name, labels in heads.items():
        rows = np.array([row for row, example in enumerate(examples) if name in example.targets])
        truth = np.array([examples[row].targets[name] for row in rows], np.int64)
        sources = np.array([examples[row].source for row in rows])
        measured = _head(truth, found[name][rows], labels, near[rows], lengths[rows], sources)
        measured["worst"] = _worst(truth, found[name][rows], labels, [texts[row] for row in rows])
        if name in other:
            measured["against"] = _compared(truth, found[name][rows], other[name][rows], labels)
        result["heads"][name] = measured
    return result


def _identity(model: OnnxModel) -> dict[str, str]:
    return {key: model.description[key] for key in ("name", "version", "hash")}


def _head(
    truth: Labels,
    probabilities: Probabilities,
    labels: tuple[str, ...],
    near: NDArray[np.bool_],
    lengths: NDArray[np.int64],
    sources: NDArray[np.str_],
) -> dict[str, Any]:
    predicted = probabilities.argmax(1).astype(np.int64)
    logits = np.log(np.maximum(probabilities, 1e-12))
    areas = {label: evaluate.roc_auc(truth == index, probabilities[:, index]) for index, label in enumerate(labels)}
    known = [area for area in areas.values() if area is not None]
    return {
        **evaluate.report(truth, probabilities, labels),
        "roc_auc": {label: None if area is None else round(area, 5) for label, area in areas.items()},
        "macro_roc_auc": round(float(np.mean(known)), 5) if known else None,
        "roc": {
            label: [(round(x, 4), round(y, 4)) for x, y in evaluate.roc_curve(truth == index, probabilities[:, index])]
            for index, label in enumerate(labels)
            if areas[label] is not None
        },
        "reliability": evaluate.reliability(truth, probabilities),
        # 1 says that the packaged temperature suits these texts; above 1 the model is too sure of itself here.
        "remaining_temperature": round(evaluate.fit_temperature(truth, logits), 4),
        "negative_log_likelihood": round(evaluate.negative_log_likelihood(truth, logits), 5),
        "without_near_duplicates": _slice(truth[~near], predicted[~near], labels),
        "by_length": {
            f"up to {length} tokens": _slice(truth[lengths == length], predicted[lengths == length], labels)
            for length in np.unique(lengths).tolist()
        },
        "by_source": {
            source: _slice(truth[sources == source], predicted[sources == source], labels)
            for source in np.unique(sources).tolist()
        },
    }


def _slice(truth: Labels, predicted: Labels, labels: tuple[str, ...]) -> dict[str, Any]:
    """Scores with intervals of some of the texts; of too few, their number only."""
    if len(truth) < _FEWEST:
        return {"texts": len(truth)}
    measured = evaluate.scores(truth, predicted, len(labels))
    bounds = evaluate.intervals(truth, predicted, len(labels))
    return {
        "texts": len(truth),
        **{name: round(value, 5) for name, value in measured.items()},
        "interval_95": {name: [round(low, 5), round(high, 5)] for name, (low, high) in bounds.items()},
    }


def _worst(
    truth: Labels, probabilities: Probabilities, labels: tuple[str, ...], texts: Sequence[str]
) -> list[dict[str, Any]]:
    """The errors with the least probability for the true label, worst first."""
    right, predicted = probabilities[np.arange(len(truth)), truth], probabilities.argmax(1)
    wrong = sorted(np.flatnonzero(predicted != truth).tolist(), key=lambda row: float(right[row]))[:WORST]
    return [
        {
            "text": texts[row],
            "truth": labels[truth[row]],
            "predicted": labels[predicted[row]],
            "p_truth": round(float(right[row]), 4),
            "p_predicted": round(float(probabilities[row].max()), 4),
        }
        for row in wrong
    ]


def _compared(truth: Labels, ours: Probabilities, theirs: Probabilities, labels: tuple[str, ...]) -> dict[str, Any]:
    """The other model's scores, our advantage with its interval, and McNemar's test."""
    first, second = ours.argmax(1).astype(np.int64), theirs.argmax(1).astype(np.int64)
    mine, other = (evaluate.scores(truth, predicted, len(labels)) for predicted in (first, second))
    bounds = evaluate.difference_intervals(truth, first, second, len(labels))
    return {
        **{name: round(value, 5) for name, value in other.items()},
        "calibration_error": round(evaluate.calibration_error(truth, theirs), 5),
        "advantage": {
            name: {
                "value": round(mine[name] - other[name], 5),
                "interval_95": [round(bound, 5) for bound in bounds[name]],
            }
            for name in mine
        },
        "changed_labels": int((first != second).sum()),
        "mcnemar": evaluate.mcnemar(truth, first, second),
    }
