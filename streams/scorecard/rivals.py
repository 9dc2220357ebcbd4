"""What a user would otherwise pick: simple detectors on the same novel stories, each with the same minimum of evidence.

Each looks at every novel negative story and gives a score; an alarm is a run of scores at or above a threshold with no
pause of more than `QUIET` seconds. Thresholds are chosen as ours are.
"""

import copy
import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from processors.seasons import DAY, HOUR
from streams.scorecard.background import Story, story_of
from streams.scorecard.bursts import Burst, Ring

QUIET: Final = 12 * HOUR
LEAST: Final = 3
"""Distinct authors of negative stories within a day below which nothing rings: that of our own detector."""

_DAY: Final = DAY * HOUR
_PAST_DAYS: Final = 28
_PAST: Final = (_PAST_DAYS + 2) * _DAY


class Look(NamedTuple):
    """A score at a second."""

    second: int
    score: float


class Rival(Protocol):
    """A detector of one company. `look` is asked at every story, in order, and may learn from it."""

    def look(self, stories: Sequence[Story], place: int) -> float:
        """The score at `stories[place]`, from that story and those before it; 0 at one that is not negative."""
        ...


class Count:
    """How many negatives in 24 hours."""

    def look(self, stories: Sequence[Story], place: int) -> float:
        """Their number."""
        return float(_negatives(stories, place, _DAY)) if stories[place].negative else 0.0


class Ratio:
    """Negatives of the last 24 hours over the daily mean of the 28 days before."""

    def look(self, stories: Sequence[Story], place: int) -> float:
        """The ratio, with half a story added to both."""
        if not stories[place].negative or (now := _negatives(stories, place, _DAY)) < LEAST:
            return 0.0
        days = _daily(stories, place)
        return (now + 0.5) / (sum(days) / len(days) + 0.5)


class ZScore:
    """Negatives of the last 24 hours in standard deviations above the mean of the 28 days before."""

    def look(self, stories: Sequence[Story], place: int) -> float:
        """The z-score; a day's standard deviation is taken to be at least a half."""
        if not stories[place].negative or (now := _negatives(stories, place, _DAY)) < LEAST:
            return 0.0
        days = _daily(stories, place)
        mean = sum(days) / len(days)
        deviation = math.sqrt(sum((day - mean) ** 2 for day in days) / (len(days) - 1))
        return max((now - mean) / max(deviation, 0.5), 0.0)


class HalfSpaceTrees:
    """Streaming half-space trees (Tan, Ting and Liu 2011) of the library river, on negatives in 3 and 24 hours and their
    share of 24 hours."""

    def __init__(self) -> None:
        """Raises ImportError where river is not installed."""
        from river.anomaly import HalfSpaceTrees as Trees

        limits: dict[Hashable, tuple[float, float]] = {"quick": (0.0, 1.0), "day": (0.0, 1.0), "share": (0.0, 1.0)}
        self._trees: Any = Trees(n_trees=15, height=6, window_size=100, limits=limits, seed=7)

    def look(self, stories: Sequence[Story], place: int) -> float:
        """The anomaly score."""
        day = _negatives(stories, place, _DAY)
        quick = _negatives(stories, place, 3 * HOUR)
        start = bisect_right(stories, stories[place].second - _DAY, key=lambda story: story.second)
        seen = {"quick": quick / (quick + 3), "day": day / (day + 5), "share": min(day / (place + 1 - start), 1.0)}
        score = float(self._trees.score_one(seen)) if stories[place].negative and day >= LEAST else 0.0
        self._trees.learn_one(seen)
        return score


RIVALS: Final[Mapping[str, Callable[[], Rival]]] = {
    "k negatives in 24 h": Count,
    "ratio of 24 h to 28 days": Ratio,
    "z-score of 24 h against 28 days": ZScore,
    "half-space trees (river)": HalfSpaceTrees,
}


def watch(
    make: Callable[[], Rival], stories: Mapping[str, Sequence[Story]], bursts: Sequence[Burst], polarity: str
) -> tuple[dict[str, list[Look]], list[list[Look]]]:
    """Shows a rival the novel stories of every company, and every burst in a copy of it: gives the looks that scored, by
    company, and for each burst those from `QUIET` before its beginning to an hour behind its end."""
    found: list[list[Look]] = [[] for _ in bursts]
    background: dict[str, list[Look]] = {}
    for company in sorted(stories.keys() | {burst.company for burst in bursts}):
        told = stories.get(company, ())
        mine = sorted((n for n, burst in enumerate(bursts) if burst.company == company), key=lambda n: bursts[n].first)
        rival, looks, done = make(), background.setdefault(company, []), 0
        for number in mine:
            burst = bursts[number]
            until = bisect_left(told, (burst.first,))
            looks += _looks(rival, told, done, until)
            done = until
            merged = _with(told, burst, polarity)
            start = bisect_left(merged, (burst.first,))
            before = [look for look in looks[-200:] if look.second >= burst.first - QUIET]
            found[number] = before + _looks(copy.deepcopy(rival), merged, start, len(merged))
        looks += _looks(rival, told, done, len(told))
    return background, found


def _looks(rival: Rival, stories: Sequence[Story], start: int, end: int) -> list[Look]:
    scores = ((stories[place].second, rival.look(stories, place)) for place in range(start, end))
    return [Look(second, score) for second, score in scores if score > 0]


def _with(told: Sequence[Story], burst: Burst, polarity: str) -> list[Story]:
    """What a rival needs of the background, up to an hour behind the burst, with the burst in it."""
    start, end = bisect_left(told, (burst.first - _PAST,)), bisect_left(told, (burst.last + HOUR,))
    return sorted([*told[start:end], *(story_of(mention, polarity) for mention in burst.mentions)])


def rivals_alarms(looks: Iterable[Look], threshold: float) -> list[tuple[int, int]]:
    """The (first, last) seconds of each alarm of one company at a threshold."""
    found: list[tuple[int, int]] = []
    for look in looks:
        if look.score >= threshold:
            if found and look.second - found[-1][1] <= QUIET:
                found[-1] = found[-1][0], look.second
            else:
                found.append((look.second, look.second))
    return found


def rivals_threshold(looks: Mapping[str, Sequence[Look]], start: int, end: int, allowed: float) -> float:
    """The lowest score at which all companies' alarms that begin in [start, end) are at most `allowed`."""
    asked = sorted({look.score for company in looks.values() for look in company})
    low, high = -1, len(asked)  # asked[low] is too low, asked[high] is not
    while high - low > 1:
        middle = (low + high) // 2
        if rivals_count(looks, asked[middle], start, end) <= allowed:
            high = middle
        else:
            low = middle
    return asked[high] if high < len(asked) else math.inf


def rivals_count(looks: Mapping[str, Sequence[Look]], threshold: float, start: int, end: int) -> int:
    """How many alarms of all companies begin in [start, end)."""
    return sum(start <= first < end for company in looks.values() for first, _ in rivals_alarms(company, threshold))


def rivals_ring(burst: Burst, looks: Sequence[Look], threshold: float) -> Ring | str | None:
    """As `bursts.ring_of`."""
    found = rivals_alarms(looks, threshold)
    if any(first < burst.first <= last + QUIET for first, last in found):
        return "before"
    rung = [first for first, _ in found if first >= burst.first]
    if not rung:
        return None
    before = sum(int(mention.document.published_at.timestamp()) < rung[0] for mention in burst.mentions)
    return Ring(before, rung[0] - burst.first, len(rung), len(rung))


def _negatives(stories: Sequence[Story], place: int, seconds: int) -> int:
    """Distinct authors of negatives in the `seconds` up to and with `stories[place]`."""
    since = stories[place].second - seconds
    authors = set()
    while place >= 0 and stories[place].second > since:
        if stories[place].negative:
            authors.add(stories[place].author)
        place -= 1
    return len(authors)


def _daily(stories: Sequence[Story], place: int) -> list[int]:
    """Negatives of each of the 28 days that ended 24 hours before `stories[place]`."""
    end = stories[place].second - _DAY
    days = [0] * _PAST_DAYS
    while place >= 0 and stories[place].second > end - _PAST_DAYS * _DAY:
        if stories[place].negative and stories[place].second <= end:
            days[(end - stories[place].second) // _DAY] += 1
        place -= 1
    return days
