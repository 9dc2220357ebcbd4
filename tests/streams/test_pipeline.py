"""The pipeline: a fault that nobody foresaw costs the record that brought it out, and no other."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from processors.detector import Detector
from processors.enrichment import Classification, Enricher
from processors.errors import InvariantError, ModelError, RetryableError
from processors.messages import DeadLetter, Document
from streams.codec import decode_document
from streams.observer import Observer, Watching
from streams.outputs import Summary
from streams.pipeline import ModelLabeller
from streams.replay import make_pipeline, with_ticks
from streams.settings import Settings
from streams.testkit import WordClassifier

START = datetime(2020, 3, 2, 14, tzinfo=UTC)
COUNT = 10
BAD = "feed/7"


class Letters(Observer):
    """Keeps the dead letters."""

    def __init__(self) -> None:
        self.kept: list[DeadLetter] = []

    def dead_letters(self, batch: Any) -> None:
        """Keep."""
        self.kept += batch


def run(classifier: WordClassifier | None = None) -> tuple[Summary, list[DeadLetter]]:
    documents = [
        Document(str(n), "feed", "social", START + timedelta(minutes=n), text=f"$AAPL falls {n}") for n in range(COUNT)
    ]
    summary, letters = Summary(), Letters()
    labeller = ModelLabeller(classifier or WordClassifier())
    make_pipeline(Settings(), labeller, Watching(summary, letters)).run(with_ticks([*documents, documents[7]]))
    return summary, letters.kept


def break_at(monkeypatch: pytest.MonkeyPatch, owner: type, method: str, error: Exception) -> None:
    """Let `method` raise `error` for what belongs to the document `BAD`."""
    original: Callable[..., Any] = getattr(owner, method)

    def broken(self: Any, item: Any, *more: Any) -> Any:
        if getattr(getattr(item, "document", item), "identity", "") == BAD:
            raise error
        return original(self, item, *more)

    monkeypatch.setattr(owner, method, broken)


@pytest.mark.parametrize("step", ["prepare", "assemble"])
def test_a_document_that_enrichment_trips_over_is_refused_and_stands_in_one_place(
    monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    break_at(monkeypatch, Enricher, step, ValueError("odd"))

    summary, [letter] = run()

    assert (summary.documents_read, summary.refused, summary.duplicate) == (COUNT - 1, 1, 1)
    assert summary.mention_count == COUNT - 1
    assert (letter.stage, letter.reason, letter.message) == ("enrich", "internal-error", "ValueError: odd")
    assert (letter.origin.place, letter.origin.offset) == ("input", 7)
    assert decode_document(base64.b64decode(letter.original)).identity == BAD


def test_a_record_that_detection_trips_over_is_a_dead_letter_and_its_document_indexed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    break_at(monkeypatch, Detector, "apply", KeyError("odd"))

    summary, letters = run()

    assert (summary.documents_read, summary.refused, summary.duplicate) == (COUNT, 0, 1)
    assert [(x.stage, x.reason, x.message, x.origin.place, x.origin.offset) for x in letters] == [
        ("detect", "internal-error", "KeyError: 'odd'", place, 7) for place in ("mentions", "wide")
    ]


@pytest.mark.parametrize("error", [InvariantError("x"), RetryableError("x"), MemoryError()])
@pytest.mark.parametrize(("owner", "step"), [(Enricher, "prepare"), (Enricher, "assemble"), (Detector, "apply")])
def test_what_is_not_the_fault_of_one_record_ends_the_run(
    monkeypatch: pytest.MonkeyPatch, owner: type, step: str, error: Exception
) -> None:
    break_at(monkeypatch, owner, step, error)
    with pytest.raises(type(error)):
        run()


def test_a_model_that_fails_ends_the_run_with_a_clear_line() -> None:
    class Broken(WordClassifier):
        def classify(self, texts: Any, names: Any = ()) -> list[Classification]:
            raise RuntimeError("no such kernel")

    with pytest.raises(ModelError, match=rf"words 1 failed on {COUNT} texts: RuntimeError: no such kernel"):
        run(Broken())
