"""Measures of a classifier, as pure functions of arrays."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]
Probabilities = NDArray[np.float64]


def confusion(truth: Labels, predicted: Labels, classes: int) -> Labels:
    """Counts [truth, predicted], [classes, classes]."""
    return np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def per_class(matrix: Labels) -> dict[str, Probabilities]:
    """Precision, recall, F1 and support of each class; 0 where undefined."""
    hits = np.diag(matrix).astype(np.float64)
    support, found = matrix.sum(1).astype(np.float64), matrix.sum(0).astype(np.float64)
    precision = np.divide(hits, found, out=np.zeros_like(hits), where=found > 0)
    recall = np.divide(hits, support, out=np.zeros_like(hits), where=support > 0)
    total = support + found
    f1 = np.divide(2 * hits, total, out=np.zeros_like(hits), where=total > 0)
    return {"precision": precision, "recall": recall, "f1": f1, "support": support}


def scores(truth: Labels, predicted: Labels, classes: int) -> dict[str, float]:
    """Accuracy, weighted F1 (by support) and macro F1 (over classes that occur in truth or prediction)."""
    matrix = confusion(truth, predicted, classes)
    table = per_class(matrix)
    seen = (matrix.sum(0) + matrix.sum(1)) > 0
    return {
        "accuracy": float(np.diag(matrix).sum() / matrix.sum()),
        "weighted_f1": float(np.average(table["f1"], weights=table["support"])),
        "macro_f1": float(table["f1"][seen].mean()),
    }


def intervals(
    truth: Labels, predicted: Labels, classes: int, resamples: int = 1000, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """95 % percentile bootstrap interval of each of `scores` (Efron and Tibshirani 1993), over texts."""
    generator = np.random.default_rng(seed)
    drawn: list[dict[str, float]] = []
    for _ in range(resamples):
        rows = generator.integers(0, len(truth), len(truth))
        drawn.append(scores(truth[rows], predicted[rows], classes))
    return {
        name: (
            float(np.quantile([draw[name] for draw in drawn], 0.025)),
            float(np.quantile([draw[name] for draw in drawn], 0.975)),
        )
        for name in drawn[0]
    }


def calibration_error(truth: Labels, probabilities: Probabilities, bins: int = 15) -> float:
    """Expected calibration error of the winning class over equal-width bins (Guo et al. 2017)."""
    confidence = probabilities.max(1)
    correct = probabilities.argmax(1) == truth
    index = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gaps = [
        np.sum(index == n) * abs(float(confidence[index == n].mean()) - float(correct[index == n].mean()))
        for n in np.unique(index)
    ]
    return float(np.sum(gaps) / len(truth))


def negative_log_likelihood(truth: Labels, logits: Probabilities, temperature: float = 1.0) -> float:
    """Mean negative log-likelihood of `truth` under ``softmax(logits / temperature)``, in nats."""
    scaled = logits / temperature
    scaled = scaled - scaled.max(1, keepdims=True)
    normaliser = np.log(np.exp(scaled).sum(1))
    return float((normaliser - scaled[np.arange(len(truth)), truth]).mean())


def fit_temperature(truth: Labels, logits: Probabilities) -> float:
    """The temperature of least negative log-likelihood (Guo et al. 2017), by golden-section search in [1/4, 4]."""
    low, high = np.log(0.25), np.log(4.0)
    ratio = (np.sqrt(5) - 1) / 2
    for _ in range(40):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if negative_log_likelihood(truth, logits, np.exp(left)) < negative_log_likelihood(truth, logits, np.exp(right)):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def softmax(logits: Probabilities, temperature: float = 1.0) -> Probabilities:
    """Probabilities of each row."""
    scaled = logits / temperature
    raised = np.exp(scaled - scaled.max(1, keepdims=True))
    result: Probabilities = raised / raised.sum(1, keepdims=True)
    return result


def report(truth: Labels, probabilities: Probabilities, labels: tuple[str, ...]) -> dict[str, Any]:
    """Everything a model card states about one head, ready for JSON."""
    predicted = probabilities.argmax(1).astype(np.int64)
    matrix = confusion(truth, predicted, len(labels))
    table = per_class(matrix)
    return {
        "texts": len(truth),
        **{name: round(value, 5) for name, value in scores(truth, predicted, len(labels)).items()},
        "interval_95": {
            name: [round(low, 5), round(high, 5)]
            for name, (low, high) in intervals(truth, predicted, len(labels)).items()
        },
        "calibration_error": round(calibration_error(truth, probabilities), 5),
        "classes": {
            label: {name: round(float(values[index]), 4) for name, values in table.items()}
            for index, label in enumerate(labels)
        },
        "confusion": matrix.tolist(),
    }
