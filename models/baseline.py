"""What a linear model of character n-grams makes of the same texts: the least that a network has to beat.

TF-IDF over all runs of one to four characters, a linear support-vector machine for each label (Fan et al. 2008): what
needs no accelerator, no pre-training and a minute or two.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

from models import evaluate
from models.config import Head, TrainingConfig
from models.datasets import Example
from models.onnx_model import OnnxModel
from models.splits import divide
from models.train import flags, truths
from processors.errors import ConfigurationError

Scores = dict[str, float]


def against_baseline(config: TrainingConfig, data: Path, model: OnnxModel | None = None) -> dict[str, Any]:
    """Train the baseline of every head of `config` on what that learns from, and measure it on what it holds out.

    With `model`, the heads that it has are measured on the same texts. Ready for JSON: by head the texts, of each
    classifier the scores with 95 % bootstrap intervals, and those of the model's lead.

    Raises:
        ConfigurationError: nothing is held out, or a head of the model has other labels.
    """
    learnt, held_out = divide(config, data)
    if not held_out:
        raise ConfigurationError("the configuration holds nothing out: there is nothing to measure on")
    result: dict[str, Any] = {}
    for head in config.heads:
        taught = [example for example in learnt if example.teaches(head.name)]
        asked = [example for example in held_out if example.teaches(head.name)]
        if not asked:
            continue
        given = baseline(taught, asked, head)
        row: dict[str, Any] = {"texts": len(asked), "learnt": len(taught), "baseline": _measured(asked, given, head)}
        if model is not None and head.name in model.heads:
            if model.heads[head.name] != head.labels:
                raise ConfigurationError(f"head {head.name!r}: the model has other labels than the configuration")
            probabilities = model.predict([example.text for example in asked])[head.name]
            found: Any = probabilities > 0.5 if head.several else probabilities.argmax(1).astype(np.int64)
            row["model"] = _measured(asked, found, head)
            row["lead_95"] = _rounded(
                evaluate.several_intervals(flags(asked, head), found, given)
                if head.several
                else evaluate.difference_intervals(truths(asked, head), found, given, len(head.labels))
            )
        result[head.name] = row
    return result


def baseline(learnt: Sequence[Example], asked: Sequence[Example], head: Head) -> Any:
    """What the baseline, trained on `learnt`, says of `asked`: the label's index for each, bool [texts, labels] where a
    text may carry several."""
    vectoriser = TfidfVectorizer(analyzer="char", ngram_range=(1, 4), min_df=2, sublinear_tf=True)
    texts = vectoriser.fit_transform([example.text for example in learnt])
    classifier = LinearSVC(random_state=0)
    if not head.several:
        classifier.fit(texts, truths(list(learnt), head))
        return classifier.predict(vectoriser.transform([example.text for example in asked]))
    each = OneVsRestClassifier(classifier).fit(texts, flags(list(learnt), head).astype(np.int64))
    return each.predict(vectoriser.transform([example.text for example in asked])).astype(np.bool_)


def _measured(asked: list[Example], given: Any, head: Head) -> dict[str, Any]:
    if head.several:
        truth = flags(asked, head)
        found, bounds = evaluate.several_scores(truth, given), evaluate.several_intervals(truth, given)
    else:
        labels, count = truths(asked, head), len(head.labels)
        found, bounds = evaluate.scores(labels, given, count), evaluate.intervals(labels, given, count)
    return {**{name: round(value, 5) for name, value in found.items()}, "interval_95": _rounded(bounds)}


def _rounded(bounds: dict[str, tuple[float, float]]) -> dict[str, list[float]]:
    return {name: [round(low, 5), round(high, 5)] for name, (low, high) in bounds.items()}
