"""Behaviour in small: cases written by hand, phenomenon by phenomenon, in the manner of CheckList (Ribeiro et al. 2020).

A case (a row of `CASES`) names what is expected: a label; that a label is not given; the same label as another
text (``against``) gets; or that the sentiment moves in a direction against the other text. The cases are of two hands,
neither of which had read the model's training texts or its answers, nor the second the cases of the first; no expectation was
changed afterwards. The lexicon beside the model (`models.lexicon`) is of the first hand.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from processors.errors import ConfigurationError
from processors.explanation import Ask
from processors.labels import SENTIMENTS
from processors.model_input import model_text
from processors.normalise import normalise

CASES: Final = {
    hand: Path(__file__).parent / name
    for hand, name in (("first", "behaviour.tsv"), ("second", "behaviour_second.tsv"))
}
"""The files of the cases, by who wrote them."""

COLUMNS: Final = ["phenomenon", "expected", "text", "against"]

EXPECTED: Final = (
    *SENTIMENTS,
    *(f"not-{label}" for label in SENTIMENTS),
    "same",
    *(f"{way}-{label}" for way in ("more", "less") for label in ("negative", "positive")),
)


@dataclass(frozen=True, slots=True)
class Case:
    """One row: `text` is tried, beside `against` where the expectation is a relation (empty else). `hand` wrote it."""

    phenomenon: str
    expected: str
    text: str
    against: str
    hand: str

    @property
    def is_relation(self) -> bool:
        """Whether two texts are compared."""
        return self.expected == "same" or self.expected.startswith(("more-", "less-"))


def load_cases(path: Path, hand: str) -> list[Case]:
    """The cases in a file of tab-separated rows, all of one `hand`. Raises ConfigurationError, naming the row, for
    one that says nothing sound."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: no cases can be read ({error})") from None
    if header != COLUMNS:
        raise ConfigurationError(f"{path}: the columns are {header}, expected {COLUMNS}")
    cases = []
    for number, row in enumerate(rows, start=2):
        if len(row) != len(COLUMNS) or not row[0] or not row[2] or row[1] not in EXPECTED:
            raise ConfigurationError(
                f"{path}, row {number}: expected {COLUMNS}, `expected` one of {', '.join(EXPECTED)}"
            )
        phenomenon, expected, text, against = row
        case = Case(phenomenon, expected, text, against, hand)
        if case.is_relation != bool(case.against):
            raise ConfigurationError(
                f"{path}, row {number}: `against` is for {', '.join(EXPECTED[6:])}, and needed there"
            )
        cases.append(case)
    return cases


def behaviour(cases: Sequence[Case], classifiers: Mapping[str, Ask]) -> dict[str, Any]:
    """How many cases of each phenomenon every one of `classifiers` (sentiments of model texts) passes, and which it fails.

    JSON-ready: by classifier and phenomenon ``passed``, ``cases`` and the 95 % Wilson interval of the share; the same over all,
    and the same again for each hand (``hands``).
    """
    hands = list(dict.fromkeys(case.hand for case in cases))
    result: dict[str, Any] = {"cases": len(cases), "classifiers": {}}
    for name, ask in classifiers.items():
        found, other = ask([_read(case.text) for case in cases]), ask([_read(case.against) for case in cases])
        passed = np.array([passes(*row) for row in zip(cases, found, other, strict=True)])
        result["classifiers"][name] = {
            **_counted(cases, passed),
            "hands": {
                hand: _counted(
                    [case for case in cases if case.hand == hand], passed[[case.hand == hand for case in cases]]
                )
                for hand in hands
            },
            "failed": [
                {
                    "hand": case.hand,
                    "phenomenon": case.phenomenon,
                    "expected": case.expected,
                    "text": case.text,
                    **({"against": case.against} if case.against else {}),
                    **dict(zip(SENTIMENTS, (round(float(p), 4) for p in row), strict=True)),
                }
                for case, row, fine in zip(cases, found, passed, strict=True)
                if not fine
            ],
        }
    return result


def _counted(cases: Sequence[Case], passed: NDArray[np.bool_]) -> dict[str, Any]:
    of = np.array([case.phenomenon for case in cases])
    phenomena = dict.fromkeys(of.tolist())
    return {
        "all": share(int(passed.sum()), len(cases)),
        "phenomena": {each: share(int(passed[of == each].sum()), int((of == each).sum())) for each in phenomena},
    }


def passes(case: Case, found: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Whether `found`, the probabilities of the text, are as expected; `other` are those of the text it is set against."""
    label = SENTIMENTS[int(found.argmax())]
    if case.expected == "same":
        return bool(found.argmax() == other.argmax())
    way, _, aim = case.expected.rpartition("-")
    if way in ("more", "less"):
        change = found[SENTIMENTS.index(aim)] - other[SENTIMENTS.index(aim)]
        return bool(change > 0 if way == "more" else change < 0)
    return label != aim if way == "not" else label == aim


def share(count: int, total: int) -> dict[str, Any]:
    """`count` of `total` with the 95 % Wilson interval of the share."""
    interval = stats.binomtest(count, total).proportion_ci(method="wilson")
    return {"passed": count, "cases": total, "interval_95": [round(interval.low, 4), round(interval.high, 4)]}


def _read(text: str) -> str:
    return model_text("", normalise(text))
