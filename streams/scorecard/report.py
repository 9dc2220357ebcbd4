"""The whole scorecard: every part in turn, as one JSON-ready report."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from processors.detection import DetectorSettings
from processors.labels import SENTIMENTS, SentimentLabel
from processors.messages import Mention, Sentiment, SeriesKind
from processors.seasons import DAY, HOUR
from processors.series import kind_of_series, series_of_mention
from streams.scorecard import comparison, null, real_days, strongest, targets
from streams.scorecard.background import live_days, novel_stories
from streams.scorecard.bursts import FORMS, GROUPS, TERCILES, Burst, Content, Ring, injected, planned, ring_of, scene_of
from streams.scorecard.measures import (
    ALARMS_A_DAY,
    CHOSEN_ON,
    REPORTED_ON,
    Period,
    alarms_within,
    scored,
    threshold_for,
)
from streams.scorecard.runs import Course
from streams.scorecard.simulation import COUNTED_YEARS, SINCE, simulated
from streams.scorecard.texts import Pools

SEED: Final = 2014
CONTENTS: Final[tuple[Content, ...]] = ("negative", "perfect", "neutral", "positive")

_DAY: Final = DAY * HOUR
_KINDS: Final[tuple[SeriesKind, ...]] = ("company", "company-topic")


@dataclass(frozen=True, slots=True)
class Size:
    """How much is simulated: bursts a cell, which begin on `every` such day; those of them that rivals see; seeds of
    shuffled labels and of simulations; and whether all contents are driven together, which saves time and takes memory."""

    per_cell: int
    every: int
    together: bool
    compared: int
    shuffles: int
    simulations: int


FULL: Final = Size(per_cell=300, every=1, together=False, compared=100, shuffles=5, simulations=3)
QUICK: Final = Size(per_cell=40, every=4, together=True, compared=20, shuffles=2, simulations=1)


def report(
    settings: DetectorSettings,
    mentions: Sequence[Mention],
    pools: Pools,
    size: Size,
    workers: int,
    told: Callable[[str], None],
) -> dict[str, Any]:
    """Everything, from the labelled `mentions` of the year and the `pools` of texts. `told` hears what is being done.

    Equal arguments give an equal report, but for how long it took.
    """
    started = time.perf_counter()
    days = live_days(mentions)
    chosen, reported = (sum(_within(day, period) for day in days) for period in (CHOSEN_ON, REPORTED_ON))
    scene = scene_of(mentions, sorted(pools), *REPORTED_ON, size.every)
    courses: list[Course] = []
    rings: dict[Content, list[tuple[Burst, list[Ring | str | None]]]] = {content: [] for content in CONTENTS}
    compared: dict[Content, list[Burst]] = {content: [] for content in CONTENTS}
    thresholds: list[float] = []
    for contents in [CONTENTS] if size.together else [(content,) for content in CONTENTS]:
        told(f"bursts: {', '.join(contents)}")
        bursts = [burst for content in contents for burst in planned(scene, pools, content, size.per_cell, SEED)]
        background, found = injected(settings, mentions, bursts, workers)
        if not thresholds:
            courses = background
            most = settings.detection.rungs[0]
            thresholds = [threshold_for(courses, *CHOSEN_ON.seconds, a_day * chosen, most) for a_day in ALARMS_A_DAY]
        for burst, mine in zip(bursts, found, strict=True):
            rings[burst.content].append((burst, [ring_of(burst, mine, threshold) for threshold in thresholds]))
        for content in contents:
            mine_alone = [burst for burst in bursts if burst.content == content]
            compared[content] = comparison.sample(mine_alone, size.per_cell, size.compared)

    stories = novel_stories(mentions, settings)
    rows = real_days.judged(real_days.events(), courses, stories, thresholds[ALARMS_A_DAY.index(0.25)])
    judge, judged = strongest.judgements()
    alarms = {
        name: strongest.strongest(courses, period, judged)
        for name, period in (("reported_on", REPORTED_ON), ("chosen_on", CHOSEN_ON))
    }
    result: dict[str, Any] = {
        "seed": SEED,
        "companies": len(pools),
        "mentions": len(mentions),
        "per_cell": size.per_cell,
        "periods": {
            "chosen_on": [*(at.isoformat() for at in CHOSEN_ON), chosen],
            "reported_on": [*(at.isoformat() for at in REPORTED_ON), reported],
        },
        "thresholds": [
            {
                "alarms_a_day": a_day,
                "chance_per_year": threshold,
                "chosen": alarms_within(courses, threshold, *CHOSEN_ON.seconds),
                "reported": alarms_within(courses, threshold, *REPORTED_ON.seconds),
                "reported_a_day": round(alarms_within(courses, threshold, *REPORTED_ON.seconds) / reported, 3),
            }
            for a_day, threshold in zip(ALARMS_A_DAY, thresholds, strict=True)
        ],
        "incidents": {kind: sum(c.kind == kind for c in courses) for kind in ("sentiment", "volume")},
        "bursts": {content: _cells(found) for content, found in rings.items()},
        "classifier": _classifier(pools),
        "real_days": {
            "all": real_days.summary(rows),
            "reported_on": real_days.summary(rows, REPORTED_ON),
            "events": rows,
        },
        "strongest": {
            "judge": judge,
            **{name: {"tally": strongest.tally(rows), "alarms": rows} for name, rows in alarms.items()},
        },
        "null": {
            "shuffled": _shuffled(settings, mentions, courses, thresholds, size.shuffles, workers, told),
            "simulated": _simulated(settings, mentions, size.simulations, workers, told),
        },
        "comparison": comparison.compared(
            settings, mentions, stories, compared["negative"], compared["neutral"], chosen, reported, workers, told
        ),
    }
    result["targets"] = targets.targets(result)
    result["seconds"] = round(time.perf_counter() - started)
    return result


def _within(day: int, period: Period) -> bool:
    start, end = period.seconds
    return start <= day * _DAY < end


def _cells(found: Sequence[tuple[Burst, Sequence[Ring | str | None]]]) -> list[dict[str, Any]]:
    """A row for every form and group, and for the three terciles together; shapes apart, and steps and ramps together."""
    keys: set[tuple[int, int, str]] = {(form.documents, form.hours, form.shape) for form in FORMS}
    keys |= {(documents, hours, "any") for documents, hours, _ in keys}
    rows = []
    for documents, hours, shape in sorted(keys, key=lambda key: (key[1], key[0], key[2])):
        for group in (*GROUPS, "terciles"):
            mine = [
                reached
                for burst, reached in found
                if (burst.form.documents, burst.form.hours) == (documents, hours)
                and shape in (burst.form.shape, "any")
                and (burst.group == group or (group == "terciles" and burst.group in TERCILES))
            ]
            levels = [scored([reached[place] for reached in mine]) for place in range(len(ALARMS_A_DAY))]
            rows.append({"documents": documents, "hours": hours, "shape": shape, "group": group, "levels": levels})
    return rows


def _classifier(pools: Pools) -> dict[str, Any]:
    """How the model reads the injected texts, by what people say of them."""
    counts = {human: dict.fromkeys(SENTIMENTS, 0) for human in SENTIMENTS}
    for company in pools.values():
        for human, texts in company.items():
            for text in texts:
                counts[human][text.sentiment.label] += 1
    groups = {human: {text.group for company in pools.values() for text in company[human]} for human in SENTIMENTS}
    return {"distinct_texts": {human: len(groups[human]) for human in SENTIMENTS}, "read_as": counts}


def _shuffled(
    settings: DetectorSettings,
    mentions: Sequence[Mention],
    courses: Sequence[Course],
    thresholds: Sequence[float],
    seeds: int,
    workers: int,
    told: Callable[[str], None],
) -> dict[str, Any]:
    """Real against shuffled alarms, and the promise under shuffled labels, by what they are shuffled among."""
    periods: Mapping[str, tuple[int, int]] = {"chosen_on": CHOSEN_ON.seconds, "reported_on": REPORTED_ON.seconds}
    years = sum(_within(day, period) for day in live_days(mentions) for period in (CHOSEN_ON, REPORTED_ON)) / 365.25
    stories = null.stories_of(mentions, settings)
    found: dict[str, Any] = {}
    for within in null.WITHIN:
        runs: list[list[Course]] = []
        for seed in range(1, seeds + 1):
            told(f"shuffled labels, among {within}: {seed} of {seeds}")
            runs.append(injected(settings, null.shuffled(mentions, stories, seed, within), [], workers)[0])
        together = [course for run in runs for course in run]
        found[within] = {
            "ratios": {
                name: [null.ratio(courses, runs, threshold, *period) for threshold in thresholds]
                for name, period in periods.items()
            },
            "promise": [
                row
                for kind in _KINDS
                for row in null.promise(together, kind, _number(mentions, kind) * years * seeds, CHOSEN_ON.seconds[0])
            ],
        }
    return found


def _simulated(
    settings: DetectorSettings, mentions: Sequence[Mention], seeds: int, workers: int, told: Callable[[str], None]
) -> list[dict[str, Any]]:
    """The promise on simulated series; nothing without seeds."""
    drawn: dict[SentimentLabel, list[Sentiment]] = {label: [] for label in SENTIMENTS}
    for mention in mentions:
        drawn[mention.document.sentiment.label].append(mention.document.sentiment)
    courses: list[Course] = []
    series = dict.fromkeys(_KINDS, 0)
    for seed in range(1, seeds + 1):
        told(f"simulated series: {seed} of {seeds}")
        made = simulated(seed, drawn, mentions[0].document.versions)
        courses += injected(settings, made, [], workers)[0]
        for kind in _KINDS:
            series[kind] += _number(made, kind)
    return [row for kind in _KINDS if seeds for row in null.promise(courses, kind, series[kind] * COUNTED_YEARS, SINCE)]


def _number(mentions: Sequence[Mention], kind: str) -> int:
    """How many series of a kind the mentions count in."""
    names = {name for mention in mentions for name in series_of_mention(mention) if kind_of_series(name) == kind}
    return len(names)
