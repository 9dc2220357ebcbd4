"""What is counted: series, and their buckets, closed and open, in enough detail for windows that slide."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from processors.labels import SENTIMENTS, SentimentLabel
from processors.seasons import HOUR
from processors.state import Changes, fitted, sealed

_LISTED: Final = 100  # stories of an hour that are listed one by one; the rest of a busier hour is only counted


class Told(NamedTuple):
    """A novel story that leans towards the polarity that is watched: second, document key, origin, whether coordinated,
    and its weight.

    The origin is what counts once in a window: the author of a social text, the document itself otherwise. The weight
    is the probability of the polarity in hundredths: a whole number, so that sums do not depend on an order.
    """

    second: int
    key: str
    origin: str
    coordinated: bool
    weight: int


class Bucket(NamedTuple):
    """One hour of one series: documents by sentiment, novel stories, those that lean towards the polarity and the sum
    of their weights.

    `told` lists the latter and `others` the seconds of the rest, both in order, each up to a number.
    `revision` counts the changes since the hour closed. Immutable.
    """

    negative: int = 0
    neutral: int = 0
    positive: int = 0
    stories: int = 0
    leaning: int = 0
    weight: int = 0
    revision: int = 0
    told: tuple[Told, ...] = ()
    others: tuple[int, ...] = ()

    @property
    def squares(self) -> int:
        """The sum of the squares of the weights; those of what is not listed by their mean."""
        listed = sum(told.weight * told.weight for told in self.told)
        more, weight, _ = _unlisted(self)
        return listed + int(weight * weight / more if more else 0)

    @property
    def negatives(self) -> float:
        """Novel negative stories, each counted by its probability."""
        return self.weight / 100


EMPTY: Final = Bucket()


class Window(NamedTuple):
    """What lies in (start, end], in seconds: `negatives` is the sum of the probabilities of the novel stories that lean
    towards the polarity, an origin counted once, at its surest; `origins` how many these are; `stories` all novel ones."""

    start: int
    end: int
    negatives: float
    origins: int
    stories: int


class Buckets:
    """The buckets of all series that are not folded into baselines yet. A piece is one bucket: ``bucket/SERIES/HOUR``."""

    prefix: Final = "bucket"

    def __init__(self, changes: Changes) -> None:
        """No buckets."""
        self._changes = changes
        self._series: dict[str, dict[int, Bucket]] = {}
        self._hours: dict[int, set[str]] = {}  # hour → series; entries may be outdated, never missing

    def rebuild(self) -> None:
        """Derives the index by hours: after a restore, and after changes were taken back."""
        self._hours = {}
        for series, hours in self._series.items():
            for hour in hours:
                self._hours.setdefault(hour, set()).add(series)

    def leaning(self, series: str, start: int, end: int) -> int:
        """At least as many stories as lean towards the polarity in (start, end], seconds: those of every hour it touches."""
        first, last = start // HOUR, end // HOUR
        return sum([bucket.leaning for hour, bucket in self.of(series).items() if first <= hour <= last])

    def of(self, series: str) -> dict[int, Bucket]:
        """A series' buckets by hour since 1970, for reading only."""
        return self._series.get(series, {})

    def put(self, series: str, hour: int, bucket: Bucket) -> None:
        """Replaces a bucket."""
        hours = self._series.get(series)
        if hours is None:
            hours = self._series[series] = {}
        if hour not in hours:
            self._hours.setdefault(hour, set()).add(series)
        self._changes.put(hours, hour, bucket)
        self._changes.mark(f"bucket/{series}/{hour}")

    def pop(self, series: str, hour: int) -> Bucket:
        """Takes a bucket out."""
        hours = self._series[series]
        bucket = hours[hour]
        self._changes.drop(hours, hour)
        if not hours:
            self._changes.drop(self._series, series)
        self._changes.mark(f"bucket/{series}/{hour}")
        return bucket

    def add(self, series: str, second: int, label: SentimentLabel, novel: bool, told: Told | None) -> Told | None:
        """Counts one document, which is a story's first when `novel`; `told` when it also leans towards the polarity.
        Gives what the hour is too busy to list any longer: an earlier entry, `told` itself, or None."""
        hour, out = second // HOUR, None
        bucket = self.of(series).get(hour, EMPTY)
        negative, neutral, positive, stories, leaning, weight, revision, listed, others = bucket
        if label == SENTIMENTS[0]:
            negative += 1
        elif label == SENTIMENTS[1]:
            neutral += 1
        else:
            positive += 1
        if novel:
            stories += 1
            if told is not None:
                leaning += 1
                weight += told.weight
                if len(listed) == _LISTED:
                    out = max(listed[-1], told)
                listed = _with(listed, told)
            else:
                others = _with(others, second)
        bucket = Bucket(negative, neutral, positive, stories, leaning, weight, revision, listed, others)
        self.put(series, hour, bucket)
        return out

    def tally(self, series: str, second: int) -> None:
        """Counts one document of a series that is only tallied, and whose windows nobody asks for."""
        hour = second // HOUR
        self.put(series, hour, Bucket(0, 0, 0, self.of(series).get(hour, EMPTY).stories + 1))

    def displace(self, series: str, second: int, key: str, weight: int) -> bool:
        """Takes back a story that is no longer novel (`weight` 0 when it did not lean towards the polarity); False when
        its bucket is gone (folded into the baseline)."""
        bucket = self.of(series).get(second // HOUR)
        if bucket is None:
            return False
        told, others = bucket.told, bucket.others
        if weight:
            told = tuple(entry for entry in told if entry.key != key)
        elif second in others:
            index = others.index(second)
            others = others[:index] + others[index + 1 :]
        bucket = bucket._replace(
            stories=bucket.stories - 1,
            leaning=bucket.leaning - (weight > 0),
            weight=bucket.weight - weight,
            told=told,
            others=others,
        )
        self.put(series, second // HOUR, bucket)
        return True

    def mark(self, series: str, second: int, key: str, coordinated: bool) -> bool:
        """Notes whether a story is coordinated; False when that was known, or its bucket is gone."""
        bucket = self.of(series).get(second // HOUR, EMPTY)
        told = tuple(t._replace(coordinated=coordinated) if t.key == key else t for t in bucket.told)
        if told == bucket.told:
            return False
        self.put(series, second // HOUR, bucket._replace(told=told))
        return True

    def within(self, series: str, start: int, end: int) -> list[Told]:
        """The listed stories in (start, end] that lean towards the polarity, coordinated ones too, in order."""
        buckets = self.of(series)
        return [
            told
            for hour in range((start + 1) // HOUR, end // HOUR + 1)
            if hour in buckets
            for told in buckets[hour].told
            if start < told.second <= end
        ]

    def windows(self, series: str, starts: Sequence[int], end: int) -> list[Window]:
        """What lies in (start, end] for each of `starts`, latest start first; coordinated stories left out.

        Of an hour too busy to be listed, the unlisted part counts in proportion to the time in the window, and
        without regard to origins.
        """
        buckets = self.of(series)
        surest: dict[str, int] = {}  # of the whole hours so far, like the sums
        others = unlisted = unlisted_weight = unlisted_others = 0.0
        found: list[Window] = []
        earliest, latest = (starts[-1] + 1) // HOUR, end // HOUR
        for hour in sorted((hour for hour in buckets if earliest <= hour <= latest), reverse=True):
            bucket, begin = buckets[hour], hour * HOUR
            if hour < latest and starts[len(found)] < begin and _is_listed(bucket):
                _take(surest, bucket.told, begin - 1, end)
                others += len(bucket.others)
                continue
            last = min(end, begin + HOUR - 1)
            more, more_weight, more_others = _unlisted(bucket)
            while len(found) < len(starts) and starts[len(found)] >= begin:
                start = starts[len(found)]
                part = max(last - start, 0) / HOUR
                inside = surest
                if start < last:
                    inside = dict(surest)
                    _take(inside, bucket.told, start, end)
                rest = _between(bucket.others, start, end)
                found.append(
                    _window(
                        start,
                        end,
                        inside,
                        unlisted + part * more,
                        unlisted_weight + part * more_weight,
                        others + rest + unlisted_others + part * more_others,
                    )
                )
            if bucket.stories:
                part = (last + 1 - begin) / HOUR
                _take(surest, bucket.told, begin - 1, end)
                others += len(bucket.others) if part == 1.0 else bisect_right(bucket.others, end)
                unlisted += part * more
                unlisted_weight += part * more_weight
                unlisted_others += part * more_others
        for start in starts[len(found) :]:  # those that begin with an hour, or before all of them
            found.append(_window(start, end, surest, unlisted, unlisted_weight, others + unlisted_others))
        return found

    def latest_told(self, series: str, second: int) -> int:
        """The second of the latest listed story that leans towards the polarity at or after `second`, which it is for want of one."""
        first = second // HOUR
        hours = [hour for hour, bucket in self.of(series).items() if hour >= first and bucket.told]
        return self.of(series)[max(hours)].told[-1].second if hours else second

    def names(self) -> list[str]:
        """The names of all buckets, sorted."""
        return sorted(f"{series}/{hour}" for series, hours in self._series.items() for hour in hours)

    def at(self, hour: int) -> list[str]:
        """The series that have a bucket at `hour`, in no particular order."""
        return [series for series in self._hours.get(hour, ()) if hour in self.of(series)]

    def before(self, hour: int) -> list[str]:
        """The series that have buckets before `hour`, sorted."""
        found: set[str] = set()
        for then in [then for then in self._hours if then < hour]:
            there = self.at(then)
            found.update(there)
            if not there:
                del self._hours[then]
        return sorted(found)

    def read(self, name: str) -> bytes | None:
        """One bucket as JSON; None when there is none."""
        series, _, hour = name.rpartition("/")
        bucket = self.of(series).get(int(hour))
        return None if bucket is None else sealed(self.prefix, bucket)

    def write(self, name: str, content: bytes) -> None:
        """Puts a restored bucket. Raises InvariantError when it does not fit."""
        series, _, hour = name.rpartition("/")
        self._series.setdefault(series, {})[int(hour)] = fitted(f"bucket/{name}", content, _unpacked)


def _is_listed(bucket: Bucket) -> bool:
    return bucket.stories == len(bucket.told) + len(bucket.others)


def _unlisted(bucket: Bucket) -> tuple[int, float, int]:
    """What a bucket does not list: stories that lean towards the polarity, their weight, and other stories."""
    leaning, others = bucket.leaning - len(bucket.told), bucket.stories - bucket.leaning - len(bucket.others)
    if not leaning:
        return 0, 0.0, others
    return leaning, float(bucket.weight - sum(told.weight for told in bucket.told)), others


def _between(seconds: Sequence[int], start: int, end: int) -> int:
    """How many of `seconds`, in order, lie in (start, end]."""
    return max(bisect_right(seconds, end) - bisect_right(seconds, start), 0)


def _take(surest: dict[str, int], told: Sequence[Told], start: int, end: int) -> None:
    """Notes the surest story of each origin in (start, end]."""
    for second, _, origin, coordinated, weight in told:
        if start < second <= end and not coordinated and weight > surest.get(origin, 0):
            surest[origin] = weight


def _window(start: int, end: int, surest: dict[str, int], unlisted: float, weight: float, others: float) -> Window:
    negatives = (sum(surest.values()) + int(weight)) / 100
    origins = len(surest) + int(unlisted)
    return Window(start, end, negatives, origins, origins + int(others))


def _unpacked(packed: Any) -> Bucket:
    bucket = Bucket(*packed)
    return bucket._replace(told=tuple(Told(*entry) for entry in bucket.told), others=tuple(bucket.others))


def _with(entries: Any, entry: Any) -> Any:
    """A sorted tuple with one more entry; without its latest where that is one too many, so that which entries stay
    does not depend on the order of arrival."""
    if not entries or entry >= entries[-1]:
        return entries if len(entries) == _LISTED else (*entries, entry)
    return tuple(sorted((*entries, entry)))[:_LISTED]
