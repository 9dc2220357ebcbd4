"""What is counted of one series: closed and open buckets, and the latest stories for windows that slide."""

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Self

from processors.labels import SENTIMENTS, SentimentLabel
from processors.seasons import HOUR

_NEGATIVES_KEPT: Final = 400
_OTHERS_KEPT: Final = 1500


class Told(NamedTuple):
    """A novel story of the polarity that is watched: second, document key, origin, and whether coordinated.

    The origin is what counts once in a window: the author of a social text, the document itself otherwise.
    """

    second: int
    key: str
    origin: str
    coordinated: bool


@dataclass(slots=True)
class Bucket:
    """One hour of one series: documents by sentiment, novel stories, novel stories of the polarity.

    `revision` counts the changes since it closed.
    """

    documents: list[int] = field(default_factory=lambda: [0] * len(SENTIMENTS))
    stories: int = 0
    negatives: int = 0
    revision: int = 0


class Window(NamedTuple):
    """What lies in (start, end], in seconds: distinct origins of novel negatives, and novel stories with them."""

    start: int
    end: int
    negatives: int
    stories: int


@dataclass(slots=True)
class SeriesCounts:
    """The recent past of one series.

    `sector` and `time_zone` are the company's ("" and UTC for wide series); `latest` is the second of the latest
    document. Stories since `covered` are all in the lists; a series so busy that its lists overflow is counted
    by whole buckets further back, without regard to authors.
    """

    sector: str
    time_zone: str
    latest: int
    covered: int = 0
    buckets: dict[int, Bucket] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    others: list[int] = field(default_factory=list)

    def bucket(self, second: int) -> Bucket:
        """The bucket that `second` falls into, made when missing."""
        hour = second // HOUR
        bucket = self.buckets.get(hour)
        if bucket is None:
            bucket = self.buckets[hour] = Bucket()
        return bucket

    def add_document(self, second: int, label: SentimentLabel) -> None:
        """Counts one document."""
        self.bucket(second).documents[SENTIMENTS.index(label)] += 1
        self.latest = max(self.latest, second)

    def add_story(self, second: int, told: Told | None) -> None:
        """Counts one novel story; `told` when it is of the polarity."""
        bucket = self.bucket(second)
        bucket.stories += 1
        bucket.negatives += told is not None
        if second < self.covered:
            return
        if told is not None:
            insort(self.told, told)
            if len(self.told) > _NEGATIVES_KEPT:
                self._forget(self.told[len(self.told) - _NEGATIVES_KEPT].second)
        else:
            insort(self.others, second)
            if len(self.others) > _OTHERS_KEPT:
                self._forget(self.others[len(self.others) - _OTHERS_KEPT])

    def remove_story(self, second: int, key: str, negative: bool) -> bool:
        """Takes back a story that is no longer novel; False when its bucket is gone (folded into the baseline)."""
        bucket = self.buckets.get(second // HOUR)
        if bucket is None:
            return False
        bucket.stories -= 1
        bucket.negatives -= negative
        if negative:
            self.told = [told for told in self.told if told.key != key]
        else:
            index = bisect_left(self.others, second)
            if index < len(self.others) and self.others[index] == second:
                del self.others[index]
        return True

    def mark(self, key: str, coordinated: bool) -> None:
        """Notes that a story is, or is no longer, coordinated."""
        self.told = [told._replace(coordinated=coordinated) if told.key == key else told for told in self.told]

    def is_marked(self, key: str) -> bool:
        """Whether a listed story is noted as coordinated."""
        return any(told.key == key and told.coordinated for told in self.told)

    def window(self, start: int, end: int) -> Window:
        """What lies in (start, end]; coordinated stories left out, an origin once among the negatives."""
        if start + 1 < self.covered:
            hours = range(-(-(start + 1) // HOUR), end // HOUR + 1)
            buckets = [self.buckets[hour] for hour in hours if hour in self.buckets]
            return Window(
                hours.start * HOUR - 1, end, sum(b.negatives for b in buckets), sum(b.stories for b in buckets)
            )
        origins = {told.origin for told in self.within(start, end) if not told.coordinated}
        others = bisect_right(self.others, end) - bisect_right(self.others, start)
        return Window(start, end, len(origins), len(origins) + others)

    def within(self, start: int, end: int) -> list[Told]:
        """The novel negatives in (start, end] that are still listed, coordinated ones too, in order."""
        told = self.told
        first = bisect_left(told, (start + 1,))
        return told[first : bisect_left(told, (end + 1,))]

    def listed_before(self, second: int) -> bool:
        """Whether stories before `second` are listed."""
        return bool(self.told and self.told[0].second < second) or bool(self.others and self.others[0] < second)

    def trim(self, second: int) -> None:
        """Forgets listed stories before `second`."""
        self._forget(second)

    def _forget(self, second: int) -> None:
        self.covered = max(self.covered, second)
        del self.told[: bisect_left(self.told, (second,))]
        del self.others[: bisect_left(self.others, second)]

    def copy(self) -> Self:
        """A copy that shares nothing mutable."""
        buckets = {hour: Bucket(b.documents[:], b.stories, b.negatives, b.revision) for hour, b in self.buckets.items()}
        return type(self)(self.sector, self.time_zone, self.latest, self.covered, buckets, self.told[:], self.others[:])

    def pack(self) -> Any:
        """JSON-ready content."""
        buckets = [[h, *b.documents, b.stories, b.negatives, b.revision] for h, b in sorted(self.buckets.items())]
        return [self.sector, self.time_zone, self.latest, self.covered, buckets, self.told, self.others]

    @classmethod
    def unpack(cls, packed: Any) -> Self:
        """The counts whose `pack()` this is."""
        sector, time_zone, latest, covered, buckets, told, others = packed
        return cls(
            sector,
            time_zone,
            latest,
            covered,
            {
                hour: Bucket([*documents], stories, negatives, revision)
                for hour, *documents, stories, negatives, revision in buckets
            },
            [Told(*entry) for entry in told],
            others,
        )
