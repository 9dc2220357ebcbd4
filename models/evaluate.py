"""Measures of a classifier, as pure functions of arrays."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Labels = NDArray[np.int64]
Probabilities = NDArray[np.float64]
Flags = NDArray[np.bool_]
"""[texts, labels]: which labels a text carries, where it may carry several."""


def confusion(truth: Labels, predicted: Labels, classes: int) -> Labels:
    """Counts [truth, predicted], [classes, classes]."""
    return np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def per_class(matrix: Labels) -> dict[str, Probabilities]:
    """Precision, recall, F1 and support of each class; 0 where undefined."""
    hits = np.diag(matrix).astype(np.float64)
    return _rates(hits, matrix.sum(1).astype(np.float64), matrix.sum(0).astype(np.float64))


def _rates(hits: Probabilities, support: Probabilities, found: Probabilities) -> dict[str, Probabilities]:
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
    return _bootstrap(len(truth), lambda rows: scores(truth[rows], predicted[rows], classes), resamples, seed)


def difference_intervals(
    truth: Labels, first: Labels, second: Labels, classes: int, resamples: int = 1000, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """95 % bootstrap interval of `first`'s advantage over `second` in each of `scores`; both on the same texts."""

    def advantage(rows: Labels) -> dict[str, float]:
        ours, theirs = scores(truth[rows], first[rows], classes), scores(truth[rows], second[rows], classes)
        return {name: value - theirs[name] for name, value in ours.items()}

    return _bootstrap(len(truth), advantage, resamples, seed)


def several_scores(truth: Flags, given: Flags) -> dict[str, float]:
    """Micro F1 (over all labels of all texts), macro F1 (over labels that occur) and the share of texts whose labels are
    exactly right; `truth` and `given` are [texts, labels]."""
    table = several_per_class(truth, given)
    hits, total = int((truth & given).sum()), int(truth.sum() + given.sum())
    seen = truth.any(0) | given.any(0)
    return {
        "micro_f1": 2 * hits / total if total else 1.0,
        "macro_f1": float(table["f1"][seen].mean()) if seen.any() else 1.0,
        "exact": float((truth == given).all(1).mean()),
    }


def several_per_class(truth: Flags, given: Flags) -> dict[str, Probabilities]:
    """Precision, recall, F1 and support of each label where a text may carry several; 0 where undefined."""
    hits = (truth & given).sum(0).astype(np.float64)
    support, found = truth.sum(0).astype(np.float64), given.sum(0).astype(np.float64)
    return _rates(hits, support, found)


def several_intervals(
    truth: Flags, given: Flags, other: Flags | None = None, resamples: int = 1000, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """95 % bootstrap interval of each of `several_scores`; with `other`, of its lead over that one on the same texts."""

    def measure(rows: Labels) -> dict[str, float]:
        ours = several_scores(truth[rows], given[rows])
        theirs = several_scores(truth[rows], other[rows]) if other is not None else dict.fromkeys(ours, 0.0)
        return {name: value - theirs[name] for name, value in ours.items()}

    return _bootstrap(len(truth), measure, resamples, seed)


def _bootstrap(
    texts: int, measure: Callable[[Labels], dict[str, float]], resamples: int, seed: int
) -> dict[str, tuple[float, float]]:
    generator = np.random.default_rng(seed)
    drawn = [measure(generator.integers(0, texts, texts)) for _ in range(resamples)]
    return {
        name: (
            float(np.quantile([draw[name] for draw in drawn], 0.025)),
            float(np.quantile([draw[name] for draw in drawn], 0.975)),
        )
        for name in drawn[0]
    }


def mcnemar(truth: Labels, first: Labels, second: Labels) -> dict[str, float]:
    """McNemar's exact test (1947) of two classifiers on the same texts.

    Counts the texts that only one of them labels rightly; ``p_value`` is the chance of so uneven a pair of counts, or a more
    uneven one, if both were equally good.
    """
    ours, theirs = first == truth, second == truth
    only_first, only_second = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    discordant = only_first + only_second
    p_value = float(stats.binomtest(only_first, discordant).pvalue) if discordant else 1.0
    return {"only_first": only_first, "only_second": only_second, "p_value": p_value}


def roc_auc(positive: NDArray[np.bool_], score: Probabilities) -> float | None:
    """Area under the ROC curve: the chance that a positive text scores above another, ties half (Hanley, McNeil 1982).

    None where all texts are positive, or none is.
    """
    count = int(positive.sum())
    if count in (0, len(positive)):
        return None
    ranks = stats.rankdata(score)
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(positive) - count)))


def roc_curve(positive: NDArray[np.bool_], score: Probabilities, points: int = 100) -> list[tuple[float, float]]:
    """(False positive rate, true positive rate) as the threshold falls, from (0, 0) to (1, 1), at most about `points`."""
    order = np.argsort(-score, kind="stable")
    last = np.append(np.diff(score[order]) != 0, True)  # texts of equal score pass the threshold together
    hits, misses = np.cumsum(positive[order])[last], np.cumsum(~positive[order])[last]
    curve = np.column_stack((misses / max(1, misses[-1]), hits / max(1, hits[-1])))
    thinned = np.unique(np.linspace(0, len(curve) - 1, points).astype(np.int64))
    return [(0.0, 0.0), *((float(x), float(y)) for x, y in curve[thinned])]


def reliability(truth: Labels, probabilities: Probabilities, bins: int = 15) -> list[dict[str, float]]:
    """Mean confidence, accuracy and number of texts in each of `bins` equal bins of the winner's probability.

    Bins without texts are left out.
    """
    confidence = probabilities.max(1)
    correct = probabilities.argmax(1) == truth
    index = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    return [
        {
            "confidence": float(confidence[index == n].mean()),
            "accuracy": float(correct[index == n].mean()),
            "texts": int((index == n).sum()),
        }
        for n in np.unique(index)
    ]


def calibration_error(truth: Labels, probabilities: Probabilities, bins: int = 15) -> float:
    """Expected calibration error of the winning class over equal-width bins (Guo et al. 2017)."""
    found = reliability(truth, probabilities, bins)
    return sum(entry["texts"] * abs(entry["confidence"] - entry["accuracy"]) for entry in found) / len(truth)


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


def several_report(truth: Flags, probabilities: Probabilities, labels: tuple[str, ...]) -> dict[str, Any]:
    """As `report`, for a head whose texts may carry several labels: those that are likelier than not are given."""
    given = probabilities > 0.5
    table = several_per_class(truth, given)
    return {
        "texts": len(truth),
        **{name: round(value, 5) for name, value in several_scores(truth, given).items()},
        "interval_95": {
            name: [round(low, 5), round(high, 5)] for name, (low, high) in several_intervals(truth, given).items()
        },
        "classes": {
            label: {name: round(float(values[index]), 4) for name, values in table.items()}
            for index, label in enumerate(labels)
        },
    }
