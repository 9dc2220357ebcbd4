"""The background: a year of documents as labelled mentions, and what is novel among them."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from processors.detection import DetectorSettings
from processors.enrichment import Enricher
from processors.errors import PoisonError
from processors.messages import Document, Mention
from processors.state import Changes
from processors.stories import StoryMemory
from streams.files import ordered
from streams.pipeline import Labeller
from streams.settings import Settings, load_master, settings_hash

TWEETS: Final = "tweets-2014.jsonl.gz"
_PRESENT: Final = datetime(2015, 1, 2, tzinfo=UTC)
_BATCH: Final = 256


def mentions_of(data: Path, settings: Settings, labeller: Labeller, told: Callable[[int, int], None]) -> list[Mention]:
    """The mentions of the year's tweets in `data`, in order of time, as a replay makes them. `told` hears how many of
    how many documents are done. Raises ConfigurationError where the file is missing or damaged, PoisonError where a text
    is not the one whose labels were recorded."""
    documents = ordered([data / TWEETS], now=_PRESENT)
    lateness = timedelta(hours=settings.detection.lateness_hours)
    enricher = Enricher(load_master(settings), labeller.models, settings_hash(settings), lateness)
    seen: set[str] = set()
    found: list[Mention] = []
    read = iter(documents)
    done = 0
    while batch := list(islice(read, _BATCH)):
        prepared = []
        for document in batch:
            if isinstance(document, Document) and document.identity not in seen:
                seen.add(document.identity)
                prepared.append(enricher.prepare(document, None))
        for item, answer in zip(prepared, labeller.label(prepared), strict=True):
            if isinstance(answer, PoisonError):
                raise answer
            found += enricher.assemble(item, answer).mentions
        done += len(batch)
        told(done, len(documents))
    return found


class Story(NamedTuple):
    """A novel document of one company, as any detector may count it: `author` counts once in a window."""

    second: int
    negative: bool
    author: str


def story_of(mention: Mention, polarity: str) -> Story:
    """What a simple detector sees of a mention."""
    document = mention.document
    author = document.author if document.author is not None and document.kind == "social" else document.identity
    return Story(int(document.published_at.timestamp()), document.sentiment.label == polarity, author)


def novel_stories(mentions: Iterable[Mention], settings: DetectorSettings) -> dict[str, list[Story]]:
    """For each company its documents that were novel when they came, in order of time; lists of cashtags left out."""
    lateness = timedelta(hours=settings.detection.lateness_hours)
    memories: dict[str, StoryMemory] = {}
    found: dict[str, list[Story]] = {}
    for mention in mentions:
        if mention.companies_in_document > settings.detection.max_companies:
            continue
        memory = memories.get(mention.company)
        if memory is None:
            memory = StoryMemory(settings.stories, settings.campaigns, lateness, "story", Changes())
            memories[mention.company] = memory
        memory.expire(mention.document.published_at)
        if memory.add(mention.document).is_first:
            found.setdefault(mention.company, []).append(story_of(mention, settings.detection.polarity))
    return found


def live_days(mentions: Sequence[Mention]) -> frozenset[int]:
    """The days since 1970 on which anything was published."""
    return frozenset(int(mention.document.published_at.timestamp()) // 86_400 for mention in mentions)
