"""Driving the detector: one partition's background, its incidents as they go, and branches off it for a few days.

A branch is a detector restored from the state that the background had reached; what is injected into it is gone with it.
So no burst leaves a trace in a baseline that another burst is judged by, and none weighs on the background's own alarms.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, NamedTuple

from processors.clock import Clock
from processors.detection import DetectorSettings
from processors.detector import Detector, Outcomes
from processors.identity import partition_of
from processors.incidents import Watch
from processors.messages import Alert, IncidentKind, Mention, Tick
from processors.seasons import DAY, HOUR
from processors.series import company_series_of
from processors.state import fitted
from streams.service_settings import KafkaSettings

PARTITIONS: Final = KafkaSettings().mention_partitions
"""Companies are divided as the service divides them: what is pooled is pooled over a partition."""

_ORIGIN: Final = frozenset({""})
_INCIDENT: Final = "incident/company"


class Step(NamedTuple):
    """The second at which an incident became as unlikely as `chance`, a year."""

    second: int
    chance: float


@dataclass(slots=True)
class Course:
    """How an incident went: falling chances with the seconds at which they were reached; `closed` is None while open.
    `alert` is the one of its `events` alerts that told the lowest chance; None where it opened before it was followed."""

    company: str
    series: str
    kind: IncidentKind
    opened: int
    steps: list[Step] = field(default_factory=list)
    events: int = 0
    closed: int | None = None
    alert: Alert | None = None

    @property
    def chance(self) -> float:
        """The lowest reached."""
        return self.steps[-1].chance

    def reached(self, chance: float) -> int | None:
        """The second at which it was at most `chance`; None if never."""
        return next((step.second for step in self.steps if step.chance <= chance), None)


class Drive:
    """A detector with its clock, and the course of every company's incidents."""

    def __init__(self, settings: DetectorSettings, pieces: Mapping[str, bytes] | None = None, second: int = 0) -> None:
        """An empty detector, or the one whose `pieces` these are, at `second`.

        Points of series are published for no longer than needed: they cost time and no judgement depends on them.
        """
        quick = replace(settings, detection=replace(settings.detection, point_trail_hours=0))
        self._detector = Detector(quick) if pieces is None else Detector.restore(quick, pieces)
        self._clock = Clock(_ORIGIN)
        self._hour = -1
        self.courses: dict[str, Course] = {}
        self._open: dict[str, str] = {}
        if pieces is not None:
            self._hour = second // HOUR
            self._clock = self._clock.advance("", datetime.fromtimestamp(self._hour * HOUR, UTC))
            self._note(frozenset(key for key in pieces if key.startswith(_INCIDENT)), second)

    def apply(self, mention: Mention) -> None:
        """Counts a mention; the clock follows it by the hour, as ticks in between would change nothing."""
        second = int(mention.document.published_at.timestamp())
        self.reach(second)
        self._take(self._detector.apply(mention, self._clock), second)

    def reach(self, second: int) -> None:
        """Lets time pass up to the full hour before `second`."""
        if second // HOUR > self._hour:
            self._hour = second // HOUR
            at = datetime.fromtimestamp(self._hour * HOUR, UTC)
            self._clock = self._clock.advance("", at)
            self._take(self._detector.apply(Tick(at), self._clock), self._hour * HOUR)

    def pieces(self) -> dict[str, bytes]:
        """The state."""
        return {key: content for key, content in self._detector.pieces() if content is not None}

    def _take(self, outcomes: Outcomes, second: int) -> None:
        for alert in outcomes.alerts:
            course = self.courses.get(alert.incident)
            if course is None:
                if alert.company is None:
                    continue
                course = Course(alert.company, alert.series, alert.kind, second)
                course.steps.append(Step(second, alert.chance_per_year))
                self.courses[alert.incident] = course
                self._open[alert.series] = alert.incident
            course.events += 1
            if course.alert is None or alert.chance_per_year < course.alert.chance_per_year:
                course.alert = alert
            if alert.event == "close":
                course.closed = second
                if self._open.get(alert.series) == alert.incident:
                    del self._open[alert.series]
        changed = frozenset(key for key in outcomes.changed if key.startswith(_INCIDENT))
        if changed:
            self._note(changed, second)

    def _note(self, keys: frozenset[str], second: int) -> None:
        """Notes how unlikely the incidents of these pieces of state have become: alerts tell that at their rungs only."""
        for key, content in self._detector.pieces(keys):
            if content is None:
                continue
            incident = fitted(key, content, Watch.unpack).open
            if incident is None or incident.kind == "no-data":
                continue
            course = self.courses.get(incident.id)
            if course is None:  # it was open already where this branch begins
                series = key.partition("/")[2]
                company = company_series_of(series).partition(":")[2]
                course = self.courses[incident.id] = Course(company, series, incident.kind, incident.opened_at)
            chance = incident.peak.chance(incident.kind)
            if chance is not None and (not course.steps or chance < course.steps[-1].chance):
                course.steps.append(Step(second, chance))


class Alarm(NamedTuple):
    """Incidents of one company, of itself or its topics, that were open at the same time or followed each other at
    once: what its reader takes for one. `second` is when the first of them reached the threshold."""

    company: str
    second: int
    chance: float
    until: int
    courses: tuple[Course, ...]

    @property
    def events(self) -> int:
        """How many alerts told of it."""
        return sum(course.events for course in self.courses)

    @property
    def opened(self) -> int:
        """The second at which the first of its incidents opened."""
        return min(course.opened for course in self.courses)


def alarms(courses: Iterable[Course], threshold: float, kind: IncidentKind = "sentiment") -> list[Alarm]:
    """The alarms among `courses` at a threshold of chance a year, in order of time.

    A company's incident and those of its topics that overlap are one alarm: a reader of the company hears one event.
    """
    found: list[Alarm] = []
    last: dict[str, int] = {}
    never = 1 << 62
    for course in sorted(courses, key=lambda course: (course.opened, course.series)):
        if course.kind != kind or not course.steps or (reached := course.reached(threshold)) is None:
            continue
        until = never if course.closed is None else course.closed
        alarm = Alarm(course.company, reached, course.chance, until, (course,))
        place = last.get(course.company)
        if place is not None and course.opened <= found[place].until:
            before = found[place]
            found[place] = Alarm(
                course.company,
                min(before.second, reached),
                min(before.chance, course.chance),
                max(before.until, until),
                (*before.courses, course),
            )
        else:
            last[course.company] = len(found)
            found.append(alarm)
    return sorted(found, key=lambda alarm: (alarm.second, alarm.company))


@dataclass(frozen=True, slots=True)
class Branch:
    """What is injected into the background of one partition from the beginning of `day` (since 1970) on: mentions in
    order of time, about `companies`; it ends with second `until`."""

    day: int
    until: int
    companies: frozenset[str]
    mentions: tuple[Mention, ...]


def divided(mentions: Iterable[Mention]) -> list[list[Mention]]:
    """The mentions of each partition, in order."""
    parts: list[list[Mention]] = [[] for _ in range(PARTITIONS)]
    for mention in mentions:
        parts[partition_of(mention.company, PARTITIONS)].append(mention)
    return parts


def background(
    settings: DetectorSettings, mentions: Sequence[Mention], branches: Sequence[Branch] = ()
) -> tuple[list[Course], list[list[Course]]]:
    """Drives one partition's `mentions` (in order of time), and every branch from the day on which it begins.

    Gives the courses of the background, and for each branch those of its companies.
    """
    due: dict[int, list[int]] = {}
    for number, branch in enumerate(branches):
        due.setdefault(branch.day, []).append(number)
    days = sorted(due, reverse=True)
    drive = Drive(settings)
    found: list[list[Course]] = [[] for _ in branches]

    def branch_off(until: int | None, place: int) -> None:
        while days and (until is None or days[-1] <= until):
            day = days.pop()
            drive.reach(day * DAY * HOUR)
            pieces = drive.pieces()
            for number in due[day]:
                found[number] = _branch(settings, pieces, mentions, place, branches[number])

    for place, mention in enumerate(mentions):
        branch_off(int(mention.document.published_at.timestamp()) // (DAY * HOUR), place)
        drive.apply(mention)
    branch_off(None, len(mentions))
    return list(drive.courses.values()), found


def _branch(
    settings: DetectorSettings, pieces: Mapping[str, bytes], mentions: Sequence[Mention], place: int, branch: Branch
) -> list[Course]:
    drive = Drive(settings, pieces, branch.day * DAY * HOUR)
    for mention in _merged(mentions, place, branch):
        drive.apply(mention)
    drive.reach(branch.until)
    return [course for course in drive.courses.values() if course.company in branch.companies and course.steps]


def _merged(mentions: Sequence[Mention], place: int, branch: Branch) -> Iterator[Mention]:
    end = datetime.fromtimestamp(branch.until, UTC)
    injected = iter(branch.mentions)
    following = next(injected, None)
    for number in range(place, len(mentions)):
        mention = mentions[number]
        at = mention.document.published_at
        while following is not None and following.document.published_at <= min(at, end):
            yield following
            following = next(injected, None)
        if at > end:
            break
        yield mention
    while following is not None:
        yield following
        following = next(injected, None)
