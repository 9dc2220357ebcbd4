"""What an alarm shows: its leading documents, its leading terms, and its reason in a sentence."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from processors.messages import Alert, DocumentSummary, EvidenceDocument, SentimentLabel, Term
from processors.parameters import parameter
from processors.stories import Story


@dataclass(frozen=True, slots=True)
class EvidenceSettings:
    """How much evidence an alarm carries."""

    documents: int = parameter(5, "most documents shown with an alarm")
    terms: int = parameter(8, "most leading terms shown with an alarm")


def leading_documents(
    candidates: Iterable[tuple[DocumentSummary, Story]], polarity: SentimentLabel, settings: EvidenceSettings
) -> tuple[EvidenceDocument, ...]:
    """The best candidates, one a story, best first; the order of `candidates` does not matter."""
    raise NotImplementedError


class TermBackground:
    """How often an owner's texts usually use each term: bounded, decayed counts."""

    def __init__(self) -> None:
        raise NotImplementedError

    def add(self, text: str, at: datetime) -> None:
        """Counts the terms of one novel text published `at`."""
        raise NotImplementedError

    def piece(self) -> Any:
        """The whole state as one JSON-ready value ≤ 64 KiB in canonical JSON."""
        raise NotImplementedError

    @classmethod
    def restore(cls, piece: Any) -> "TermBackground":
        """The background whose `piece()` this is."""
        raise NotImplementedError


def leading_terms(
    texts: Sequence[str], background: Mapping[str, float], settings: EvidenceSettings
) -> tuple[Term, ...]:
    """The terms that set `texts` (excerpts of the window's novel documents) apart from `background`, strongest first."""
    raise NotImplementedError


def reason_of(alert: Alert, name: str) -> str:
    """The alarm's reason as one or two plain English sentences: a pure function of the alert's numbers, fields
    `id` and `reason` apart. `name` is what people call the series (a company's name, a topic, a source)."""
    raise NotImplementedError
