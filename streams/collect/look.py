"""One look at one feed: what is new goes out, and how far the feed was seen is kept."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from processors.identity import format_instant
from processors.messages import Document
from streams.collect.declared import Source
from streams.collect.feeds import Listing, document_of, read_feed
from streams.collect.fetch import Fetched, Limits, Validators, fetch
from streams.collect.ledger import Ledger, mark_of
from streams.collect.records import record_of_item
from streams.collect.sender import Outlets, Sender


@dataclass(slots=True)
class Looked:
    """What a look brought. `times` counts what was sent by where its time comes from, `delays` are seconds from an item's
    own time to its acknowledgement."""

    outcome: str
    sent: int = 0
    known: int = 0
    refused: int = 0
    undated: int = 0
    times: Counter[str] = field(default_factory=Counter)
    delays: list[float] = field(default_factory=list)
    latest: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A listing that was fetched: `before` is when the feed was read the last time, None where it never was."""

    fetched: Fetched
    listing: Listing
    now: datetime
    before: datetime | None

    def documents(self, source: Source) -> list[tuple[str, Document | None]]:
        """Each item's mark and document, oldest first; None for what nothing tells the time of."""
        items = [(item, document_of(source, item, self.now, self.before)) for item in reversed(self.listing.items)]
        return [(mark_of(f"{source.name}/{item.id}"), document) for item, document in items]

    def cursor(self) -> dict[str, Any]:
        """Where the next look goes on."""
        validators = self.fetched.validators
        return {
            "etag": validators.etag,
            "modified": validators.modified,
            "digest": _digest(self.fetched.body),
            "read": format_instant(self.now),
        }


def find(source: Source, cursor: Mapping[str, Any], limits: Limits) -> Found | None:
    """What the feed lists, None where that is what it listed at `cursor`. Raises FetchError."""
    validators = Validators(cursor.get("etag", ""), cursor.get("modified", ""))
    fetched = fetch(source.url, validators, limits, allow_private=source.allow_private)
    if fetched is None or _digest(fetched.body) == cursor.get("digest"):
        return None
    before = datetime.fromisoformat(cursor["read"]) if cursor.get("read") else None
    return Found(fetched, read_feed(fetched), datetime.now(UTC), before)


def look(source: Source, ledger: Ledger, sender: Sender, outlets: Outlets, limits: Limits) -> Looked:
    """Look at the feed of `source`, send what is new, and remember. Returns when Kafka has everything.

    Raises FetchError where the feed gives nothing, RetryableError where Kafka gave a document up.
    """
    cursor = ledger.cursor(source.name)
    found = find(source, cursor, limits)
    if found is None:
        ledger.move(source.name, {**cursor, "read": format_instant(datetime.now(UTC))})
        return Looked("unchanged")
    listed = found.documents(source)
    documents = {mark: document for mark, document in listed if document is not None}
    records = [record_of_item(outlets, source, document, found.now) for document in documents.values()]
    new = sender.deliver(source.name, records)
    ledger.move(source.name, found.cursor(), [mark for mark, _ in listed])
    looked = Looked("broken" if found.listing.broken else "read", known=len(records) - len(new))
    looked.undated = len(listed) - len(records)
    acknowledged = datetime.now(UTC)
    for record in new:
        if record.topic == outlets.letters:
            looked.refused += 1
            continue
        document = documents[record.mark]
        origin = document.metadata["collected"]["time"]
        looked.sent += 1
        looked.times[origin] += 1
        looked.latest = max(looked.latest or document.published_at, document.published_at)
        if origin != "first-seen":
            looked.delays.append(max(0.0, (acknowledged - document.published_at).total_seconds()))
    return looked


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:32]
