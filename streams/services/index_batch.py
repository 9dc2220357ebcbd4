"""One batch of index: records of the topics read, what is to be written of them, and what became of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from processors.errors import PoisonError
from processors.messages import Alert, DeadLetter, LabelledDocument, Origin, SeriesPoint
from streams.codec import decode
from streams.deadletters import dead_letter, refusal_of
from streams.elastic_bulk import Action, Result
from streams.elastic_indices import IndexKind, Indices
from streams.elastic_writes import Message, action_of

MESSAGES: Final[Mapping[IndexKind, type[Message]]] = {
    "documents": LabelledDocument,
    "series": SeriesPoint,
    "alerts": Alert,
    "deadletters": DeadLetter,
}
"""What each topic carries; topics and index kinds have the same names."""

REFUSED: Final = "refused-by-index"
"""The reason of a dead letter whose record Elasticsearch refused."""

_WAITS: Final = Result("retry", "not sent yet")


@dataclass(slots=True)
class Entry:
    """One record: what writes it, `action`, or why nothing can, `error`; and what became of it."""

    kind: IndexKind
    record: Any
    action: Action | None = None
    error: PoisonError | None = None
    result: Result = _WAITS

    @property
    def received(self) -> int | None:
        """When the broker received the input document, in milliseconds since 1970; of documents only."""
        if self.kind != "documents":
            return None
        value = next((value for name, value in self.record.headers if name == "received"), b"")
        return int(value) if value.isdigit() else None

    def letter(self) -> DeadLetter | None:
        """What tells of a refused record. One that is a dead letter itself stays where it is: nothing is gained by
        refusing it again, and again."""
        if self.error is None or self.kind == "deadletters":
            return None
        origin = Origin(self.record.topic, self.record.partition, self.record.offset)
        return dead_letter("index", self.error, origin, self.record.value or b"")


def read(kind: IndexKind, record: Any, indices: Indices) -> Entry:
    """The entry of a record of the topic `kind`; one that is no such message is refused."""
    try:
        return Entry(kind, record, action_of(decode(MESSAGES[kind], record.value or b""), indices))
    except Exception as error:  # noqa: BLE001 - whatever it is, it costs one record
        refusal = refusal_of(error)
        return Entry(kind, record, error=refusal, result=Result("refused", str(refusal)))


def settle(entries: Sequence[Entry], results: Sequence[Result]) -> list[Entry]:
    """Note what became of `entries`; gives those that have to be sent again, in their order."""
    for entry, result in zip(entries, results, strict=True):
        entry.result = result
        if result.outcome == "refused":
            entry.error = PoisonError(REFUSED, result.why)
    return [entry for entry in entries if entry.result.outcome == "retry"]
