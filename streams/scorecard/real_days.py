"""Real days: well-known negative events, listed before the detector was run on them, and whether it rang."""

import tomllib
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any, Final

from processors.seasons import DAY, HOUR
from streams.scorecard.background import Story
from streams.scorecard.measures import Period, rate
from streams.scorecard.runs import Course, alarms

ENOUGH: Final = 5
"""Novel negative documents of a day from which the feed can be said to have told the event."""

_BEFORE: Final = 12 * HOUR  # how long before the news an alarm may have rung, if it is still open: news leaks


@dataclass(frozen=True, slots=True)
class Event:
    """A company's bad news: out at `start`, to the hour; it counts for 24 hours from then on."""

    company: str
    start: datetime
    reason: str


def events() -> list[Event]:
    """The list, as it was written down, in order of time."""
    listed = tomllib.loads(files("streams.scorecard").joinpath("real_days.toml").read_text(encoding="utf-8"))
    return [Event(event["company"], event["from"], event["reason"]) for event in listed["event"]]


def judged(
    listed: Sequence[Event], courses: Sequence[Course], stories: Mapping[str, Sequence[Story]], threshold: float
) -> list[dict[str, Any]]:
    """Each event with the number of novel negative documents in its 24 hours, and the alarm that tells it, if any: one
    that rang in them, or at most 12 hours before and was still open."""
    found = alarms(courses, threshold)
    rows = []
    for event in listed:
        start = int(event.start.timestamp())
        end = start + DAY * HOUR
        told = stories.get(event.company, ())
        first, last = (bisect_left(told, (second,)) for second in (start, end))
        rung = [
            alarm
            for alarm in found
            if alarm.company == event.company and start - _BEFORE <= alarm.second < end and alarm.until > start
        ]
        rows.append(
            {
                "company": event.company,
                "from": event.start.isoformat(),
                "reason": event.reason,
                "negatives": sum(story.negative for story in told[first:last]),
                "rang": datetime.fromtimestamp(rung[0].second, event.start.tzinfo).isoformat() if rung else None,
                "chance_per_year": min(alarm.chance for alarm in rung) if rung else None,
            }
        )
    return rows


def summary(rows: Sequence[Mapping[str, Any]], period: Period | None = None) -> dict[str, Any]:
    """How many of the events rang, of all and of those with `ENOUGH` negatives; of one period, if asked."""
    within = [r for r in rows if period is None or period.start <= datetime.fromisoformat(r["from"]) < period.end]
    enough = [row for row in within if row["negatives"] >= ENOUGH]
    return {
        "all": rate(sum(row["rang"] is not None for row in within), len(within)),
        "enough": rate(sum(row["rang"] is not None for row in enough), len(enough)),
    }
