"""Our detector beside what a user would otherwise pick, and beside itself with one part switched off."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from processors.detection import DetectorSettings
from processors.messages import Mention
from streams.scorecard.background import Story
from streams.scorecard.bursts import GROUPS, TERCILES, Burst, Form, Ring, injected, ring_of
from streams.scorecard.measures import (
    ALARMS_A_DAY,
    CHOSEN_ON,
    REPORTED_ON,
    alarms_within,
    scored,
    threshold_for,
)
from streams.scorecard.online import RULES, decided, found_among, found_in_branch, target_for
from streams.scorecard.rivals import RIVALS, rivals_count, rivals_ring, rivals_threshold, watch
from streams.scorecard.runs import Course

FORMS: Final = (
    Form(4, 3, "step"),
    Form(8, 3, "step"),
    Form(4, 24, "step"),
    Form(8, 24, "step"),
    Form(8, 72, "trickle"),
)
"""The forms that are compared."""

WITHOUT: Final[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
    "without the share as a condition": {"detection": {"share_significance": 1e9}},
    "without the doubtful": {"detection": {"least_probability": 0.5}},
    "without novelty": {"stories": {"gap_hours": 0.0, "follow_up_hours": 0.0}},
    "without flagging campaigns": {"campaigns": {"least_authors": 1000}},
    "one window of 24 h": {"detection": {"windows_hours": (24,), "count_looks": 1.0}},
    "without hours of the week": {"detection": {"profile_prior": 1e6}},
    "without sectors": {"detection": {"group_prior": 1e6}},
    "past incidents in full weight": {"detection": {"incident_weight": 1.0}},
    "lists of cashtags counted": {"detection": {"max_companies": 1000}},
}
"""One part of the detector switched off by settings: section → setting → value."""


def varied(settings: DetectorSettings, changes: Mapping[str, Mapping[str, Any]]) -> DetectorSettings:
    """The settings with some changed. Raises TypeError for one that there is not."""
    sections = {name: replace(getattr(settings, name), **values) for name, values in changes.items()}
    return replace(settings, **sections)


def sample(bursts: Sequence[Burst], per_cell: int, number: int) -> list[Burst]:
    """The first `number` bursts of each cell of the compared forms, of `per_cell` that stand next to each other."""
    return [burst for place, burst in enumerate(bursts) if burst.form in FORMS and place % per_cell < number]


def compared(
    settings: DetectorSettings,
    mentions: Sequence[Mention],
    stories: Mapping[str, Sequence[Story]],
    negative: Sequence[Burst],
    neutral: Sequence[Burst],
    chosen: int,
    reported: int,
    workers: int,
    told: Callable[[str], None],
) -> list[dict[str, Any]]:
    """A row for each detector, ours first: thresholds chosen alike over `chosen` days, the alarms of the `reported`
    days, recall of the `negative` bursts and rings of the `neutral` ones; then ours under online control. A rival
    whose library is not here has no figures."""
    bursts = [*negative, *neutral]
    rows: list[dict[str, Any]] = []
    controlled: list[dict[str, Any]] = []
    for name, changes in {"ours": {}, **WITHOUT}.items():
        told(f"comparison: {name}")
        courses, found = injected(varied(settings, changes), mentions, bursts, workers)
        levels = []
        for a_day in ALARMS_A_DAY:
            threshold = threshold_for(courses, *CHOSEN_ON.seconds, a_day * chosen, settings.detection.rungs[0])
            rings = [ring_of(burst, mine, threshold) for burst, mine in zip(bursts, found, strict=True)]
            counts = [alarms_within(courses, threshold, *period.seconds) for period in (CHOSEN_ON, REPORTED_ON)]
            levels.append(_level(a_day, threshold, counts, (chosen, reported), bursts, rings))
        rows.append({"name": name, "ours": True, "levels": levels})
        if not changes:
            controlled = _controlled(courses, found, bursts, settings.detection.rungs[0], chosen, reported)
    rows += controlled
    for name, make in RIVALS.items():
        told(f"comparison: {name}")
        try:
            looks, seen = watch(make, stories, bursts, settings.detection.polarity)
        except ImportError as error:
            rows.append({"name": name, "ours": False, "missing": str(error), "levels": []})
            continue
        levels = []
        for a_day in ALARMS_A_DAY:
            threshold = rivals_threshold(looks, *CHOSEN_ON.seconds, a_day * chosen)
            rings = [rivals_ring(burst, mine, threshold) for burst, mine in zip(bursts, seen, strict=True)]
            counts = [rivals_count(looks, threshold, *period.seconds) for period in (CHOSEN_ON, REPORTED_ON)]
            levels.append(_level(a_day, threshold, counts, (chosen, reported), bursts, rings))
        rows.append({"name": name, "ours": False, "levels": levels})
    return rows


def _controlled(
    courses: Sequence[Course],
    branches: Sequence[Sequence[Course]],
    bursts: Sequence[Burst],
    opens_at: float,
    chosen: int,
    reported: int,
) -> list[dict[str, Any]]:
    """A row for each rule of online control over our own incidents; its threshold is the target rate of false discoveries."""
    rows = []
    for name, rule in RULES.items():
        levels = []
        for a_day in ALARMS_A_DAY:
            target = target_for(courses, rule, opens_at, *CHOSEN_ON.seconds, a_day * chosen)
            tests = decided(courses, rule, target, opens_at)
            counts = [
                alarms_within(found_among(tests), math.inf, *period.seconds) for period in (CHOSEN_ON, REPORTED_ON)
            ]
            rings = [
                ring_of(burst, found_in_branch(burst, mine, tests, rule, target, opens_at), math.inf)
                for burst, mine in zip(bursts, branches, strict=True)
            ]
            levels.append(_level(a_day, target, counts, (chosen, reported), bursts, rings))
        rows.append({"name": name, "ours": True, "levels": levels})
    return rows


def _level(
    a_day: float,
    threshold: float,
    counts: Sequence[int],
    days: Sequence[int],
    bursts: Sequence[Burst],
    rings: Sequence[Ring | str | None],
) -> dict[str, Any]:
    def cell(form: Form, content: str, groups: Sequence[str]) -> dict[str, Any]:
        mine = [
            ring
            for burst, ring in zip(bursts, rings, strict=True)
            if burst.form == form and burst.content == content and burst.group in groups
        ]
        return scored(mine)

    return {
        "alarms_a_day": a_day,
        "threshold": threshold if math.isfinite(threshold) else None,
        "chosen_a_day": round(counts[0] / days[0], 3),
        "reported_a_day": round(counts[1] / days[1], 3),
        "forms": [
            {
                "form": str(form),
                "terciles": cell(form, "negative", TERCILES),
                "busiest": cell(form, "negative", ("busiest",)),
                "neutral": cell(form, "neutral", GROUPS)["recall"],
            }
            for form in FORMS
        ],
    }
