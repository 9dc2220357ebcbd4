"""What a replay leaves behind: one folder with everything that the services would have published, and a summary."""

import gzip
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

from processors.errors import ConfigurationError, PoisonError
from processors.identity import format_instant
from processors.messages import (
    TIERS,
    Alert,
    DeadLetter,
    Document,
    IncidentKind,
    LabelledDocument,
    Mention,
    SeriesPoint,
    Tier,
    WideRecord,
)
from streams.codec import encode
from streams.observer import Observer
from streams.replacing import replaced

ALERTS = "alerts.jsonl"
DEAD_LETTERS = "deadletters.jsonl"
DOCUMENTS = "documents.jsonl.gz"
MENTIONS = "mentions.jsonl.gz"
SERIES = "series.jsonl.gz"
SUMMARY = "summary.json"
WIDE = "wide.jsonl.gz"


class OutputFolder(Observer):
    """Writes each message as a line of canonical JSON to the file of its topic; a context manager.

    Equal runs give equal bytes, compressed files included. What stood in the folder under these names is
    replaced at a clean end, all together, and stays as it was at any other. Raises ConfigurationError where the
    folder cannot be made or written to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Self:
        names = (ALERTS, DEAD_LETTERS, DOCUMENTS, MENTIONS, SERIES, WIDE)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with ExitStack() as stack:
                # Left in reverse: every file is closed before the first takes its name.
                parts = {name: stack.enter_context(replaced(self.folder / name)) for name in names}
                self._files = {name: _opened(stack, name, part) for name, part in parts.items()}
                self._stack = stack.pop_all()
        except OSError as error:
            raise ConfigurationError(
                f"cannot write to {self.folder}: {error.strerror or error}; choose another folder with --out"
            ) from None
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.__exit__(error_type, error, traceback)

    def documents(self, batch: Sequence[LabelledDocument]) -> None:
        """To documents.jsonl.gz."""
        self._write(DOCUMENTS, batch)

    def mentions(self, batch: Sequence[Mention]) -> None:
        """To mentions.jsonl.gz."""
        self._write(MENTIONS, batch)

    def wide(self, batch: Sequence[WideRecord]) -> None:
        """To wide.jsonl.gz."""
        self._write(WIDE, batch)

    def alerts(self, batch: Sequence[Alert]) -> None:
        """To alerts.jsonl."""
        self._write(ALERTS, batch)

    def points(self, batch: Sequence[SeriesPoint]) -> None:
        """To series.jsonl.gz."""
        self._write(SERIES, batch)

    def dead_letters(self, batch: Sequence[DeadLetter]) -> None:
        """To deadletters.jsonl."""
        self._write(DEAD_LETTERS, batch)

    def _write(self, name: str, messages: Iterable[Any]) -> None:
        self._files[name].writelines(encode(message) + b"\n" for message in messages)


@dataclass
class Summary(Observer):
    """Counts a run. Every input record is in exactly one of `documents`, `duplicate` and `refused`
    (dead letters of the stage enrich), of which `first_refused` is the first; `dead_letters` counts by reason, all
    stages."""

    documents_read: int = 0
    duplicate: int = 0
    refused: int = 0
    first_refused: DeadLetter | None = None
    late: int = 0
    status: Counter[str] = field(default_factory=Counter)
    language: Counter[str] = field(default_factory=Counter)
    sentiment: Counter[str] = field(default_factory=Counter)
    topic: Counter[str] = field(default_factory=Counter)
    mention_count: int = 0
    buckets: int = 0
    highest: dict[str, tuple[IncidentKind, Tier]] = field(default_factory=dict)
    alert_events: Counter[str] = field(default_factory=Counter)
    dead_letter_reasons: Counter[str] = field(default_factory=Counter)
    first: datetime | None = None
    last: datetime | None = None

    def documents(self, batch: Sequence[LabelledDocument]) -> None:
        """Count by status, language, sentiment, topic."""
        self.documents_read += len(batch)
        for document in batch:
            self.late += document.late
            self.status[document.status] += 1
            self.language[document.language] += 1
            if document.sentiment and document.topic:
                self.sentiment[document.sentiment.label] += 1
                self.topic[document.topic.label] += 1
            self.first = min(self.first or document.published_at, document.published_at)
            self.last = max(self.last or document.published_at, document.published_at)

    def duplicates(self, batch: Sequence[Document]) -> None:
        """Count."""
        self.duplicate += len(batch)

    def mentions(self, batch: Sequence[Mention]) -> None:
        """Count."""
        self.mention_count += len(batch)

    def points(self, batch: Sequence[SeriesPoint]) -> None:
        """Count."""
        self.buckets += len(batch)

    def alerts(self, batch: Sequence[Alert]) -> None:
        """Count events, and note the highest tier that each incident reached."""
        for alert in batch:
            self.alert_events[alert.event] += 1
            _, reached = self.highest.get(alert.incident, (alert.kind, alert.tier))
            self.highest[alert.incident] = alert.kind, max(reached, alert.tier, key=TIERS.index)

    @property
    def incidents(self) -> Counter[str]:
        """Incidents by kind and the highest tier that they reached: ``sentiment urgent`` …"""
        return Counter(f"{kind} {tier}" for kind, tier in self.highest.values())

    def dead_letters(self, batch: Sequence[DeadLetter]) -> None:
        """Count by reason."""
        for letter in batch:
            if letter.stage == "enrich":
                self.refused += 1
                self.first_refused = self.first_refused or letter
            self.dead_letter_reasons[letter.reason] += 1

    def check_read(self) -> None:
        """Raises PoisonError where lines were read and none of them is a document: it says why the first was refused."""
        first = self.first_refused
        if first and not self.documents_read + self.duplicate:
            raise PoisonError(
                first.reason,
                f"no line is a document: {first.origin.place}:{first.origin.offset + 1}: {first.reason}: {first.message}; "
                "`tocsin schema input` says what a line is",
            )

    def as_dict(self) -> dict[str, Any]:
        """Plain values, instants in RFC 3339, counters by falling count."""
        return {
            "documents": self.documents_read,
            "duplicates": self.duplicate,
            "refused": self.refused,
            "late": self.late,
            "first_published_at": self.first and format_instant(self.first),
            "last_published_at": self.last and format_instant(self.last),
            "status": dict(self.status.most_common()),
            "language": dict(self.language.most_common()),
            "sentiment": dict(self.sentiment.most_common()),
            "topic": dict(self.topic.most_common()),
            "mentions": self.mention_count,
            "buckets": self.buckets,
            "incidents": dict(self.incidents.most_common()),
            "alert_events": dict(self.alert_events.most_common()),
            "dead_letters": dict(self.dead_letter_reasons.most_common()),
        }

    def write(self, folder: Path, **more: Any) -> None:
        """Write summary.json into `folder`, with `more` (how it was made, how long it took) beside the counts."""
        text = json.dumps({**self.as_dict(), **more}, indent=2, ensure_ascii=False)
        (folder / SUMMARY).write_text(text + "\n", encoding="utf-8")


def _opened(stack: ExitStack, name: str, part: Path) -> IO[bytes]:
    file = stack.enter_context(part.open("wb"))
    if not name.endswith(".gz"):
        return file
    # No name and no time in the header: equal content, equal bytes.
    compressed = gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=6, mtime=0)
    return cast("IO[bytes]", stack.enter_context(compressed))
