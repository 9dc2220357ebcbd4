"""How far a story has spread: counters that do not depend on the order in which documents and stories are joined.

Every one is a sum, a minimum or maximum, or a union cut to its smallest members; sizes are bounded. Instants
are integers: microseconds since 1970-01-01T00:00Z.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from operator import add
from typing import Any, Final, NamedTuple, Self, TypeVar

from processors.campaigns import REACH_CLASSES, SMALL_REACH, StoryStatistics, reach_class
from processors.clock import EPOCH
from processors.messages import DocumentSummary

HOUR: Final = 3_600_000_000
MOST_AUTHORS: Final = 64
_MOST_SOURCES: Final = 8
_MOST_HOURS: Final = 72  # how far back from its last document a story's pace is known
_AUTHOR_BITS: Final = 48
_MICROSECOND: Final = timedelta(microseconds=1)

_NO_REACH: Final = (0,) * REACH_CLASSES
_ONE_REACH: Final = tuple(
    tuple(int(place == chosen) for place in range(REACH_CLASSES)) for chosen in range(REACH_CLASSES)
)

T = TypeVar("T", int, str)
_Hours = tuple[tuple[int, int], ...]


class Spread(NamedTuple):
    """The counters of one story. `first` and `last` are its earliest document and its latest instant.

    `author_hashes` are the smallest hashes of (source, author), rising, by which distinct authors are counted
    (k minimum values; Bar-Yossef et al. 2002). `sources` are the alphabetically first. `reach` counts documents
    by `reach_class`, `hours` by the hour since 1970, rising.
    """

    first: tuple[int, str]
    last: int
    documents: int = 0
    reposts: int = 0
    voices: int = 0
    news: int = 0
    sources: tuple[str, ...] = ()
    author_hashes: tuple[int, ...] = ()
    reach: tuple[int, ...] = _NO_REACH
    hours: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, document: DocumentSummary) -> Self:
        """The spread of a story of one document."""
        at, reach, is_own = instant(document.published_at), document.reach, document.repost_of is None
        author = blake(f"{document.source}/{document.author or ''}", _AUTHOR_BITS // 8)
        return cls(
            (at, document.identity),
            at,
            1,
            int(not is_own),
            int(is_own and (reach is None or reach >= SMALL_REACH)),
            int(document.kind == "news"),
            (document.source,),
            (int.from_bytes(author, "big"),),
            _NO_REACH if reach is None else _ONE_REACH[reach_class(reach)],
            ((at // HOUR, 1),),
        )

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> Self:
        """The spread whose fields these are, back from JSON. Raises TypeError, KeyError or ValueError where they do not fit."""
        at, identity = fields["first"]
        hours = tuple((int(hour), int(count)) for hour, count in fields["hours"])
        lists = {name: tuple(fields[name]) for name in ("sources", "author_hashes", "reach")}
        return cls(**{**fields, **lists, "first": (at, identity), "hours": hours})

    def joined(self, other: "Spread") -> "Spread":
        """The spread of both together."""
        last = max(self.last, other.last)
        return Spread(
            first=min(self.first, other.first),
            last=last,
            documents=self.documents + other.documents,
            reposts=self.reposts + other.reposts,
            voices=self.voices + other.voices,
            news=self.news + other.news,
            sources=_smallest(self.sources + other.sources, _MOST_SOURCES),
            author_hashes=_smallest(self.author_hashes + other.author_hashes, MOST_AUTHORS),
            reach=tuple(map(add, self.reach, other.reach)),
            hours=_summed(self.hours, other.hours, last // HOUR - _MOST_HOURS),
        )

    @property
    def authors(self) -> int:
        """Distinct authors: exact below 64, beyond that an estimate with a standard error of 13 %."""
        if len(self.author_hashes) < MOST_AUTHORS:
            return len(self.author_hashes)
        return round((MOST_AUTHORS - 1) * (1 << _AUTHOR_BITS) / self.author_hashes[-1])

    def statistics(self, wordings: int) -> StoryStatistics:
        """What a campaign is judged by."""
        return StoryStatistics(
            documents=self.documents,
            reposts=self.reposts,
            voices=self.voices,
            authors=self.authors,
            sources=len(self.sources),
            news=self.news,
            wordings=wordings,
            busiest_hour=max(count for _, count in self.hours),
            reach=self.reach,
        )


def instant(at: datetime) -> int:
    """Microseconds since 1970-01-01T00:00Z. Raises TypeError for a naive datetime."""
    return (at - EPOCH) // _MICROSECOND


def moment(at: int) -> datetime:
    """The datetime, UTC, of an instant."""
    return EPOCH + timedelta(microseconds=at)


def blake(text: str, size: int) -> bytes:
    """A hash of `size` bytes that is the same everywhere, unlike Python's own."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size).digest()


def _smallest(items: tuple[T, ...], most: int) -> tuple[T, ...]:
    return tuple(sorted(set(items))[:most])


def _summed(one: _Hours, other: _Hours, oldest: int) -> _Hours:
    counts = dict(one)
    for hour, count in other:
        counts[hour] = counts.get(hour, 0) + count
    return tuple(item for item in sorted(counts.items()) if item[0] > oldest)
