"""Incidents: what a window's test says, how an incident lives, and the alert that tells an event of its life."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Self

from processors.baseline import Expectation
from processors.counts import Buckets, Window
from processors.detection import DetectionSettings
from processors.identity import content_id
from processors.messages import (
    TIERS,
    Alert,
    EvidenceDocument,
    IncidentEvent,
    IncidentKind,
    Measure,
    Term,
    Tier,
    Versions,
)
from processors.reasons import reason_of
from processors.seasons import HOUR
from processors.series import kind_of_series
from processors.surprise import (
    HOURS_PER_YEAR,
    count_chance,
    count_interval,
    count_tail,
    share_interval,
    share_tail,
)

_MOST_TENTHS: Final = 10_000_000


class Assessment(NamedTuple):
    """What a window says: `negatives` (by weight) from so many `origins` among `stories` novel stories in (start, end]
    (seconds), against a negative binomial of `mean` and `shape` and a beta of the share, both in units of weight.

    `per_year`: stories of the polarity a year, in units, in all series that are asked alike. `by_count`: how often a year
    chance brings so many. `by_share`: the probability of such a share or a higher one, None when it was not asked, and
    `looks` how often the surge asked it; `share_chance`: how often a year chance brings both; `is_higher`: whether the
    share is.
    """

    hours: int
    start: int
    end: int
    negatives: float
    origins: int
    stories: int
    mean: float
    shape: float
    unit: float
    alpha: float
    beta: float
    per_year: float
    by_count: float
    by_share: float | None
    looks: float
    share_chance: float | None
    is_higher: bool

    def chance(self, kind: IncidentKind) -> float | None:
        """How often a year chance is this loud; None when the question was not asked. Where the share is not higher
        than expected there is no surge of sentiment: the chance is then that of a surge in every hour of the year."""
        if kind != "sentiment":
            return self.by_count
        if self.by_share is None or self.share_chance is None:
            return None
        return max(self.by_count, self.share_chance if self.is_higher else self.by_share * self.looks * HOURS_PER_YEAR)


def assess_window(
    hours: int,
    window: Window,
    expected: Expectation,
    exposure: Callable[[int, int], float],
    alike: float,
    settings: DetectionSettings,
    looks: float = 1.0,
) -> Assessment:
    """Asks both questions of one window; `exposure` integrates the series' profile between two seconds, `alike` series are
    asked, and the share at least `looks` times."""
    mean, unit = expected.rate * exposure(window.start, window.end), expected.unit
    alpha = expected.share * expected.concentration
    beta = expected.concentration - alpha
    per_year = expected.per_year * alike
    by_count = count_chance(window.negatives / unit, mean / unit, expected.shape, per_year, settings.count_looks)
    by_share = None
    if expected.tested and by_count <= settings.leave_chance:
        by_share = share_tail(window.negatives / unit, window.stories / unit, alpha, beta)
    assessment = Assessment(
        hours,
        window.start,
        window.end,
        window.negatives,
        window.origins,
        window.stories,
        mean,
        expected.shape,
        unit,
        alpha,
        beta,
        per_year,
        by_count,
        by_share,
        looks,
        None,
        False,
    )
    return _looked(assessment, max(looks, window.negatives / unit), settings)


def _looked(assessment: Assessment, looks: float, settings: DetectionSettings) -> Assessment:
    """The assessment of a share that was asked so often."""
    if assessment.by_share is None:
        return assessment._replace(looks=looks)
    chance, is_higher = _share_chance(assessment.by_share, looks, settings)
    return assessment._replace(looks=looks, share_chance=chance, is_higher=is_higher)


def _share_chance(by_share: float, looks: float, settings: DetectionSettings) -> tuple[float, bool]:
    """How often a year chance brings a share of that probability at one of its `looks` in a surge, which are as many a year
    as incidents open by count; and whether that share is higher than expected."""
    chance = by_share * looks
    return chance * settings.rungs[0], chance <= settings.share_significance


def assess(
    buckets: Buckets,
    series: str,
    expected: Expectation,
    exposure: Callable[[int, int], float],
    alike: float,
    end: int,
    since: int,
    settings: DetectionSettings,
) -> list[Assessment]:
    """The windows that end at `end`, hold enough evidence and are loud enough for an incident to stay open; nothing at
    or before `since` counts. They are one surge: every negative of the longest was a look at the share of each."""
    starts = [max(end - hours * HOUR, since) for hours in settings.windows_hours]
    found: list[Assessment] = []
    if buckets.leaning(series, starts[-1], end) < settings.minimum_stories:
        return found  # spares the rest for most stories
    for hours, window in zip(settings.windows_hours, buckets.windows(series, starts, end), strict=True):
        if window.origins >= settings.minimum_stories and window.negatives >= settings.minimum_negatives:
            assessment = assess_window(hours, window, expected, exposure, alike, settings)
            if assessment.negatives > assessment.mean and assessment.by_count <= settings.leave_chance:
                found.append(assessment)
    looks = max((assessment.looks for assessment in found), default=1.0)
    return [_looked(assessment, looks, settings) for assessment in found]


def loudest(assessments: list[Assessment], kind: IncidentKind) -> Assessment | None:
    """The least likely window; of equals (so unlikely that floats do not tell) that with most negatives."""
    asked = [(chance, -a.negatives, a.hours, a) for a in assessments if (chance := a.chance(kind)) is not None]
    return min(asked)[3] if asked else None


def louder(one: Assessment, other: Assessment, kind: IncidentKind) -> Assessment:
    """The less likely of two windows; of equally unlikely ones that with more negatives, then `one`."""
    return min((one, other), key=lambda a: (math.inf if (c := a.chance(kind)) is None else c, -a.negatives))


def opens_at(kind: IncidentKind, settings: DetectionSettings) -> float:
    """The chance a year at which an incident of a surge opens."""
    return settings.volume_chance if kind == "volume" else settings.rungs[0]


def rung_of(chance: float, settings: DetectionSettings) -> float | None:
    """The lowest rung that `chance` reaches; None above them all."""
    return min((rung for rung in settings.rungs if chance <= rung), default=None)


def tier_of(kind: IncidentKind, chance: float, told: Assessment, settings: DetectionSettings) -> Tier:
    """How urgent: by chance, breadth (distinct authors) and pace (window). Volume never exceeds watch."""
    if kind == "no-data":
        return "urgent" if chance <= settings.urgent_chance else "watch"
    if kind == "volume":
        return "watch"
    if (
        chance <= settings.flash_chance
        and told.origins >= settings.flash_authors
        and told.hours <= settings.flash_hours
    ):
        return "flash"
    if chance <= settings.urgent_chance and told.origins >= settings.urgent_authors:
        return "urgent"
    return "watch"


def higher_tier(one: Tier, other: Tier) -> Tier:
    """The more urgent of two tiers."""
    return max(one, other, key=TIERS.index)


@dataclass(slots=True)
class Incident:
    """An open incident: seconds since 1970; `told` is what its latest event said, in `tier`, of which `listed` stories
    are listed one by one; `peak` is the loudest window so far, and `sequence` the next event's number. `loud_at` is when
    it was loud last, and it closes at `closes_at` if it does not get loud again."""

    id: str
    kind: IncidentKind
    opened_at: int
    rung: float
    chance: float
    told: Assessment
    told_at: int
    loud_at: int
    closes_at: int
    peak: Assessment
    tier: Tier = "watch"
    listed: int = 0
    sequence: int = 0


@dataclass(slots=True)
class Watch:
    """The incidents of a series: the open one, through which second evidence has been used up by closed ones, and
    the days (first, last since 1970) that weigh less in baselines."""

    open: Incident | None = None
    used: int = -1
    unusual: list[list[int]] = field(default_factory=list)

    def copy(self) -> Self:
        """A copy that shares nothing mutable."""
        return type(self)(self.open and replace(self.open), self.used, [span[:] for span in self.unusual])

    def pack(self) -> Any:
        """JSON-ready content."""
        incident = self.open and [getattr(self.open, f.name) for f in fields(self.open)]
        return [incident, self.used, self.unusual]

    @classmethod
    def unpack(cls, packed: Any) -> Self:
        """The watch whose `pack()` this is."""
        incident, used, unusual = packed
        if incident is not None:
            incident = Incident(*incident)
            incident.told, incident.peak = Assessment(*incident.told), Assessment(*incident.peak)
        return cls(incident, used, unusual)

    def is_unusual(self, day: int) -> bool:
        """Whether `day` lies in an incident that weighs less."""
        return any(first <= day <= last for first, last in self.unusual)


def incident_id(kind: IncidentKind, series: str, opened_at: int) -> str:
    """An incident's id: of its kind, its series and the second in which it opened."""
    return content_id("incident", series, kind, opened_at)


def alert_of(
    series: str,
    sector: str,
    incident: Incident,
    event: IncidentEvent,
    at: int,
    evidence: tuple[EvidenceDocument, ...],
    terms: tuple[Term, ...],
    versions: tuple[Versions, ...],
    coordinated: bool,
    continued_by: str | None,
    settings: DetectionSettings,
) -> Alert:
    """The alert for `event`, as `incident` stands; takes the incident's next sequence number."""
    kind, told = incident.kind, incident.told
    series_kind = kind_of_series(series)
    name = series.partition(":")[2]
    company, _, topic = name.partition("/")
    sequence = incident.sequence
    incident.sequence += 1
    alert = Alert(
        id=content_id("alert", incident.id, sequence),
        incident=incident.id,
        continued_by=continued_by,
        sequence=sequence,
        event=event,
        kind=kind,
        tier=incident.tier,
        series=series,
        series_kind=series_kind,
        company=company if series_kind in ("company", "company-topic") else None,
        topic=(topic if series_kind == "company-topic" else name if series_kind == "topic" else None),  # type: ignore[arg-type]
        sector=sector or (name if series_kind == "sector" else None),
        source=name if series_kind == "source" else None,
        polarity=settings.polarity,
        at=datetime.fromtimestamp(at, UTC),
        opened_at=datetime.fromtimestamp(incident.opened_at, UTC),
        window_end=datetime.fromtimestamp(told.end, UTC),
        window_hours=(told.end - told.start) / HOUR if kind == "no-data" else told.hours,
        count=_count_measure(told, kind),
        share=_share_measure(told) if kind != "no-data" and told.by_share is not None else None,
        chance_per_year=incident.chance,
        rung=incident.rung,
        silent_below=0 if kind == "no-data" else silent_below(told, kind, settings),
        coordinated=coordinated,
        reason="",
        evidence=evidence,
        terms=terms,
        versions=versions,
    )
    return replace(alert, reason=reason_of(alert, name.replace("/", ", ")))


def silent_below(told: Assessment, kind: IncidentKind, settings: DetectionSettings) -> float:
    """The least sum of weights in this window that would have rung, in tenths, all else in it unchanged."""
    stories, unit = told.stories / told.unit, told.unit

    def rings(tenths: int) -> bool:
        negatives = tenths / 10 / unit
        chance = count_chance(negatives, told.mean / unit, told.shape, told.per_year, settings.count_looks)
        if kind == "sentiment":
            by_share = share_tail(negatives, stories, told.alpha, told.beta)
            share_chance, is_higher = _share_chance(by_share, max(told.looks, negatives), settings)
            if not is_higher:
                return False
            chance = max(chance, share_chance)
        return chance <= opens_at(kind, settings)

    silent = math.ceil(10 * settings.minimum_negatives) - 1
    ringing = max(math.ceil(10 * told.negatives), silent + 1)
    while not rings(ringing) and ringing < _MOST_TENTHS:  # after a revision the window may hold too little
        silent, ringing = ringing, 2 * ringing
    while ringing - silent > 1:
        middle = (silent + ringing) // 2
        silent, ringing = (silent, middle) if rings(middle) else (middle, ringing)
    return ringing / 10


def _count_measure(told: Assessment, kind: IncidentKind) -> Measure:
    mean = told.mean / told.unit
    low, high = count_interval(mean, told.shape)
    chance = 1 - count_tail(1, mean, told.shape)
    if kind != "no-data":
        chance = count_tail(told.negatives / told.unit, mean, told.shape)
    return Measure(told.negatives, told.stories, told.mean, low * told.unit, high * told.unit, chance)


def _share_measure(told: Assessment) -> Measure:
    stories = told.stories / told.unit
    low, high = share_interval(stories, told.alpha, told.beta)
    mean = told.stories * told.alpha / (told.alpha + told.beta)
    chance = share_tail(told.negatives / told.unit, stories, told.alpha, told.beta)
    return Measure(told.negatives, told.stories, mean, low * told.unit, high * told.unit, chance)
