"""How well companies are linked on the hand-labelled texts that no rule was made by."""

import gzip
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from processors.companies import CompanyMaster
from processors.linking import Linker
from processors.normalise import normalise

ROOT = Path(__file__).parents[2]
LABELS = ROOT / "tests" / "data" / "linking_labels.jsonl"


@dataclass(frozen=True)
class Counts:
    """One text's links: right, wrong, missed."""

    right: int
    wrong: int
    missed: int


def precision_and_recall(texts: Iterable[Counts]) -> dict[str, tuple[float, float, float]]:
    """Precision and recall over all links, each with its 95 % Wilson interval, links taken as independent.

    Wilson (1927) and no bootstrap: resampling a set without a mistake would claim that there is never one.
    """
    counts = list(texts)
    right, wrong, missed = (sum(getattr(text, part) for text in counts) for part in ("right", "wrong", "missed"))
    return {"precision": _wilson(right, right + wrong), "recall": _wilson(right, right + missed)}


def _wilson(hits: int, total: int) -> tuple[float, float, float]:
    """The rate hits/total and its 95 % interval; 0 with the whole range when there is nothing to rate."""
    if total == 0:
        return 0.0, 0.0, 1.0
    z, rate = 1.96, hits / total
    centre = (rate + z * z / (2 * total)) / (1 + z * z / total)
    margin = z * math.sqrt(rate * (1 - rate) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return rate, max(0.0, centre - margin), min(1.0, centre + margin)


def test_precision_and_recall_are_rates_of_links_with_wilsons_interval() -> None:
    rates = precision_and_recall([Counts(2, 1, 0), Counts(7, 0, 1)])
    assert rates["precision"] == pytest.approx((0.9, 0.5958, 0.9821), abs=1e-4)
    assert rates["recall"] == pytest.approx((0.9, 0.5958, 0.9821), abs=1e-4)
    assert precision_and_recall([Counts(10, 0, 0)])["recall"] == pytest.approx((1.0, 0.7225, 1.0), abs=1e-4)


@pytest.mark.data
def test_companies_are_linked_with_the_promised_precision_and_recall(data_dir: Path) -> None:
    labels = [json.loads(line) for line in LABELS.read_text("utf-8").splitlines()]
    report = {(label["source"], label["id"]): label for label in labels if label["part"] == "report"}
    linker = Linker(CompanyMaster.parse((ROOT / "processors" / "company_master.json").read_bytes()))
    plain, ambiguous, strata = [], [], dict[str, list[Counts]]()
    for name in ("tweets-2014", "reuters-1987-spring"):
        with gzip.open(data_dir / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            for document in map(json.loads, lines):
                label = report.get((document["source"], document["id"]))
                if label is None:
                    continue
                text = normalise(f"{document.get('title', '')}\n{document['text']}")
                published_at = datetime.fromisoformat(document["published_at"])
                links = linker.link(text, published_at, document.get("symbols") or ())
                found, named = {link.company for link in links}, set(label["companies"])
                in_question = set(label["ambiguous"])
                plain.append(_counts(found - in_question, named - in_question))
                ambiguous.append(_counts(found & in_question, named & in_question))
                strata.setdefault(label["stratum"], []).append(_counts(found, named))
    assert len(plain) == len(report) >= 250
    groups = {"all but ambiguous": plain, "ambiguous": ambiguous} | {f"stratum {name}": strata[name] for name in strata}
    for group, counts in groups.items():
        rates = precision_and_recall(counts)
        print(f"{group}: {_total(counts)}", {name: [round(x, 3) for x in rate] for name, rate in rates.items()})
    for counts in (plain, ambiguous):
        rates = precision_and_recall(counts)
        assert rates["precision"][0] >= 0.95
        assert rates["recall"][0] >= 0.90


def _counts(found: set[str], named: set[str]) -> Counts:
    return Counts(len(found & named), len(found - named), len(named - found))


def _total(counts: list[Counts]) -> str:
    right, wrong, missed = (sum(getattr(text, part) for text in counts) for part in ("right", "wrong", "missed"))
    return f"{right} right, {wrong} wrong, {missed} missed"
