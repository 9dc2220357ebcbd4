"""The alarms that chance explains least, with their evidence, and what a reader made of them."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, Final

from streams.scorecard.measures import Period
from streams.scorecard.runs import Course, alarms

SHOWN: Final = 25
VERDICTS: Final = ("true", "mixed", "noise")
"""Plainly about bad news of this company; that mixed with other things; neither."""

_EXCERPTS: Final = 6


def judgements() -> tuple[str, dict[tuple[str, str], Mapping[str, str]]]:
    """Who judged, and the judgements by company and day (UTC) on which the alarm's first incident opened."""
    listed = tomllib.loads(files("streams.scorecard").joinpath("judgements.toml").read_text(encoding="utf-8"))
    return listed["judge"], {(row["company"], row["opened"].isoformat()): row for row in listed.get("alarm", [])}


def strongest(
    courses: Iterable[Course], period: Period, judged: Mapping[tuple[str, str], Mapping[str, str]]
) -> list[dict[str, Any]]:
    """The `SHOWN` alarms of the period of the lowest chance, lowest first, ready for JSON. One that nobody judged yet
    has no verdict."""
    start, end = period.seconds
    found = [alarm for alarm in alarms(courses, float("inf")) if start <= alarm.opened < end]
    rows = []
    for alarm in sorted(found, key=lambda alarm: (alarm.chance, alarm.second, alarm.company))[:SHOWN]:
        course = min(alarm.courses, key=lambda course: course.chance)
        told = course.alert
        opened = datetime.fromtimestamp(alarm.opened, UTC)
        judgement = judged.get((alarm.company, opened.date().isoformat()), {})
        rows.append(
            {
                "company": alarm.company,
                "series": course.series,
                "opened": opened.isoformat(),
                "chance_per_year": alarm.chance,
                "reason": told.reason if told else "",
                "coordinated": told.coordinated if told else False,
                "evidence": [
                    {"text": document.excerpt, "p_negative": document.p_negative, "spread": document.spread}
                    for document in (told.evidence[:_EXCERPTS] if told else ())
                ],
                "verdict": judgement.get("verdict"),
                "because": judgement.get("because"),
            }
        )
    return rows


def tally(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many of each verdict, and how many without one."""
    counts = {verdict: sum(row["verdict"] == verdict for row in rows) for verdict in VERDICTS}
    return {**counts, "unjudged": len(rows) - sum(counts.values())}
