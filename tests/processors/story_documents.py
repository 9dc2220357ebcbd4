"""Documents for tests of stories, and a memory to tell them to: what stories look at is given, the rest is plain."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from processors.detection import CampaignSettings, StorySettings
from processors.messages import DocumentSummary, Kind, Sentiment, Topic, Versions
from processors.normalise import normalise
from processors.signatures import signature_of
from processors.state import Changes
from processors.stories import Sighting, StoryMemory

START = datetime(2014, 5, 21, 3, 0, tzinfo=UTC)
PREFIX = "story/company:ACME"


class Stories(StoryMemory):
    """A memory with changes of its own, of which each addition is one event."""

    def __init__(self) -> None:
        self.changes = Changes()
        self._seen: set[str] = set()
        super().__init__(StorySettings(), CampaignSettings(), timedelta(hours=24), PREFIX, self.changes)

    def add(self, document: DocumentSummary) -> Sighting:
        """Counts a document; what was done before is final then."""
        self._commit()
        return super().add(document)

    def undo(self) -> None:
        """Takes the latest addition back."""
        self.changes.rollback()

    def changed(self) -> set[str]:
        """Keys of the pieces that changed, appeared or vanished since the last call."""
        self._commit()
        changed, self._seen = self._seen, set()
        return changed

    def pieces(self, keys: Iterable[str] | None = None) -> dict[str, Any]:
        """The pieces of `keys`, or all; None for one that is gone."""
        return {key: self.piece(key) for key in (self.names() if keys is None else keys)}

    def _commit(self) -> None:
        self._seen |= {key.removeprefix(f"{PREFIX}/") for key in self.changes.commit()}


def document(
    name: str,
    text: str,
    hours: float = 0.0,
    *,
    author: str | None = "someone",
    source: str = "twitter",
    kind: Kind = "social",
    reach: int | None = 300,
    repost_of: str | None = None,
    negative: float = 0.2,
) -> DocumentSummary:
    """The document `source/name`, published `hours` after START; `repost_of` names one of the same source."""
    normalised = normalise(text)
    return DocumentSummary(
        identity=f"{source}/{name}",
        source=source,
        kind=kind,
        published_at=START + timedelta(hours=hours),
        sentiment=Sentiment("negative" if negative > 0.5 else "neutral", negative, 1 - negative, 0.0),
        topic=Topic("company-product-news", 0.9),
        excerpt=normalised[:500],
        signature=signature_of(normalised),
        author=author,
        reach=reach,
        repost_of=None if repost_of is None else f"{source}/{repost_of}",
        url=None,
        language="en",
        late=False,
        versions=Versions("minilm", "1", "aa", "bb", "cc"),
    )
