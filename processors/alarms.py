"""The bell: opens, escalates, updates, revises and closes the incidents of a partition's series."""

import math
from collections.abc import Iterator
from typing import Final

from processors.counts import Buckets
from processors.detection import DetectionSettings, DetectorSettings
from processors.evidence import leading_documents
from processors.history import History
from processors.incidents import (
    Assessment,
    Incident,
    Watch,
    alert_of,
    assess,
    assess_window,
    higher_tier,
    incident_id,
    louder,
    loudest,
    opens_at,
    rung_of,
    tier_of,
)
from processors.labels import TOPICS
from processors.messages import Alert, IncidentEvent, IncidentKind, Tier, Versions
from processors.owners import Owners
from processors.past import Series
from processors.seasons import DAY, HOUR
from processors.series import company_series_of, owner_of
from processors.state import Table
from processors.surprise import HOURS_PER_YEAR, count_tail

_SILENCE: Final = "no-data/"  # watches of a source's silence, beside that of the same source's surges
_REGULAR: Final = 20.0  # stories that a source's baseline needs before its silence means anything
_UNUSUAL: Final = 1.0  # incidents at this rung weigh less in baselines; commoner ones are part of what is usual
_SHOWN: Final = 100  # latest stories of a window among which evidence is chosen
_TOLD_AT_ONCE: Final = 2.0  # growth since an incident was last told that is told without waiting
_SPANS_KEPT: Final = 20


class Alarms:
    """The incidents of one partition. Its methods give the alerts that they raise, in order."""

    def __init__(
        self,
        settings: DetectorSettings,
        series: Table[Series],
        buckets: Buckets,
        watches: Table[Watch],
        history: History,
        owners: Owners,
    ) -> None:
        """Over the detector's own state; nothing is rung yet."""
        self._evidence = settings.evidence
        self._settings = settings.detection
        self._series = series
        self._buckets = buckets
        self._watches = watches
        self._history = history
        self._owners = owners
        self._open: set[str] = set()

    def rebuild(self) -> None:
        """Derives what is open: after a restore, and after changes were taken back."""
        self._open = {name for name in self._watches.names() if self._watches[name].open is not None}

    def is_open(self, series: str) -> bool:
        """Whether an incident of `series` is open, of a surge or of silence."""
        return series in self._open or _SILENCE + series in self._open

    def listen(self, series: str, second: int, at: int, versions: Versions, model: str) -> Iterator[Alert]:
        """After a novel story of the polarity, published at `second` and labelled by `model`, was counted in `series`:
        opens, escalates or updates what it rings. `at` is when that became known, `versions` the document's."""
        if not self._history.is_warm:
            return
        watch = self._watches.get(series) or Watch()
        company = self._watches.get(company_series_of(series)) or watch
        since = max(watch.used, company.used)
        expected, exposure = self._history.expect(series), self._history.exposure(series)
        # A late story completes windows that end at itself, and those that end at the newest.
        ends = sorted({second, max(self._buckets.latest_told(series, second), second)})
        found = [
            assessment
            for end in ends
            for assessment in assess(
                self._buckets, series, expected, exposure, self._alike(series), end, since, self._settings
            )
        ]
        if not self._history.era.knows(model):
            found = [assessment._replace(by_share=None, share_chance=None, is_higher=False) for assessment in found]
        incident = watch.open
        kind: IncidentKind = "sentiment"
        told = loudest(found, kind)
        if not _rings(told, kind, self._settings.rungs[0]) and not (incident and incident.kind == kind):
            kind = "volume"
            told = loudest(found, kind)
        if told is None:
            return
        if incident is not None and incident.kind == kind:
            if _rings(told, kind, self._settings.leave_chance):
                yield from self._continue(series, told, at, versions)
        elif _rings(told, kind, opens_at(kind, self._settings)) and (
            company is watch or not _tells(company.open, kind)
        ):
            # A company's topic rings only while its company does not tell the same thing.
            yield from self._start(series, kind, told, at, versions)

    def revise(self, series: str, second: int | None, at: int, versions: Versions) -> Iterator[Alert]:
        """After stories of `series` were taken back (merged, coordinated), or one of `second` came late: tells when what
        was told is no longer so; more than was told only from `update_growth` on. Judged by what is listed, since
        what is only counted is placed by estimate."""
        watch = self._watches.get(series)
        incident = watch.open if watch is not None else None
        if incident is None or (second is not None and not incident.told.start < second < incident.told.end):
            return
        before = incident.told
        if not self._is_kept(before, at):
            return
        listed = self._listed(series, before)
        if not (listed < incident.listed or listed >= incident.listed * (1 + self._settings.update_growth)):
            return
        told = self._again(series, before)
        incident = self._touch(series)
        if incident.peak == before:
            incident.peak = told
        elif self._is_kept(incident.peak, at):
            incident.peak = self._again(series, incident.peak)
        incident.peak = louder(incident.peak, told, incident.kind)
        chance = incident.peak.chance(incident.kind)
        if chance is not None:
            incident.tier = tier_of(incident.kind, chance, incident.peak, self._settings)
        yield self._raise(series, incident, "revise", told, at, versions)

    def _is_kept(self, told: Assessment, at: int) -> bool:
        """Whether no hour of a window can have been folded into the baseline."""
        return (told.start + 1) // HOUR >= at // HOUR - self._settings.quarantine_hours

    def _again(self, series: str, before: Assessment) -> Assessment:
        """What a window says now; its share only where that was asked before."""
        expected, exposure = self._history.expect(series), self._history.exposure(series)
        window = self._buckets.windows(series, [before.start], before.end)[0]
        alike, settings = self._alike(series), self._settings
        told = assess_window(before.hours, window, expected, exposure, alike, settings, before.looks)
        if before.by_share is None or told.by_share is None:
            told = told._replace(by_share=before.by_share, share_chance=before.share_chance, is_higher=before.is_higher)
        return told

    def _alike(self, series: str) -> float:
        """How many series are asked alike, so that the chance told is that any of them rings: all topics of a company."""
        return len(TOPICS) if series.startswith("company-topic:") else 1

    def _listed(self, series: str, told: Assessment) -> int:
        """How many origins a window lists."""
        return len({t.origin for t in self._buckets.within(series, told.start, told.end) if not t.coordinated})

    def settle(self, now: int, versions: Versions) -> Iterator[Alert]:
        """Closes the incidents that have been quiet for long enough."""
        for series in sorted(self._open):
            incident = self._watches[series].open
            if incident is None or incident.kind == "no-data":
                continue
            if now >= incident.closes_at:
                watch = self._watches.edit(series)
                watch.used = max(watch.used, incident.loud_at)  # what was loud opens nothing again
                yield self._close(series, now, versions)

    def forget(self, series: str) -> None:
        """Drops what is known of the incidents of a series that is dropped."""
        self._watches.drop(series)
        self._watches.drop(_SILENCE + series)

    def miss(self, series: str, now: int, versions: Versions) -> Iterator[Alert]:
        """Opens or escalates a no-data incident of a source whose silence is too long for chance.

        Each document begins a gap, so Λ·P(no further document in the gap) gaps a year are this long by chance;
        the probability is under the size-biased rate, as in `processors.surprise`.
        """
        latest = self._series[series].latest
        if now - latest < self._settings.silence_hours * HOUR or not self._history.is_warm:
            return
        if self._history.known_stories(series) < _REGULAR:
            return
        told = self._silence(series, latest, now)
        rung = rung_of(told.by_count, self._settings)
        watch = self._watches.get(_SILENCE + series)
        incident = watch.open if watch is not None else None
        if rung is None or (incident is not None and rung >= incident.rung):
            return
        if incident is None:
            self._watches.edit(_SILENCE + series, Watch).open = _incident(series, "no-data", told, now, rung)
            self._open.add(_SILENCE + series)
        incident = self._touch(_SILENCE + series)
        event: IncidentEvent = "open" if incident.sequence == 0 else "escalate"
        incident.rung = rung
        yield self._raise(series, incident, event, told, now, versions)

    def hear(self, series: str, at: int, versions: Versions) -> Iterator[Alert]:
        """Closes the no-data incident of a source that is heard again, and tells how long it was silent."""
        if _SILENCE + series in self._open:
            incident = self._touch(_SILENCE + series)
            incident.peak = self._silence(series, incident.told.start, at)
            yield self._close(_SILENCE + series, at, versions)

    def _silence(self, series: str, start: int, end: int) -> Assessment:
        expected = self._history.expect(series)
        mean = expected.stories_rate * self._history.exposure(series)(start, end)
        per_year, shape = expected.stories_rate * HOURS_PER_YEAR, expected.stories_shape
        chance = per_year * (1 - count_tail(1, mean * (shape + 1) / shape, shape + 1))
        return Assessment(
            hours=(end - start) // HOUR,
            start=start,
            end=end,
            negatives=0,
            origins=0,
            stories=0,
            mean=mean,
            shape=shape,
            unit=1.0,
            alpha=1.0,
            beta=1.0,
            per_year=per_year,
            by_count=chance,
            by_share=None,
            looks=1.0,
            share_chance=None,
            is_higher=False,
        )

    def _start(self, series: str, kind: IncidentKind, told: Assessment, at: int, versions: Versions) -> Iterator[Alert]:
        topics = f"company-topic:{series.partition(':')[2]}/"
        watch = self._watches.edit(series, Watch)
        opened = _incident(series, kind, told, at, self._settings.rungs[0], _closes_at(told, self._settings))
        ending = [name for name in sorted(self._open) if name.startswith(topics) and series.startswith("company:")]
        ending = [name for name in ending if (topic := self._watches[name].open) and _tells(opened, topic.kind)]
        if series in self._open:
            ending.append(series)  # of another kind: a volume incident whose share rings too goes on as sentiment
        for name in ending:
            yield self._close(name, at, versions, continued_by=opened.id)
        chance = told.chance(kind)
        rung = rung_of(chance, self._settings) if chance is not None else None
        opened.rung = rung or opened.rung
        watch.open = opened
        self._open.add(series)
        self._set_aside(watch, at)
        yield self._raise(series, opened, "open", told, at, versions)

    def _continue(self, series: str, told: Assessment, at: int, versions: Versions) -> Iterator[Alert]:
        incident = self._touch(series)
        incident.loud_at = max(incident.loud_at, told.end)
        incident.closes_at = max(incident.closes_at, _closes_at(told, self._settings))
        incident.peak = louder(incident.peak, told, incident.kind)
        chance = told.chance(incident.kind)
        rung = rung_of(chance, self._settings) if chance is not None else None
        escalates = (rung is not None and rung < incident.rung) or self._tier(incident, told) != incident.tier
        if rung is not None:
            incident.rung = min(rung, incident.rung)
        self._set_aside(self._watches.edit(series, Watch), at)
        growth, waited = told.negatives / max(incident.told.negatives, 1.0), at - incident.told_at
        is_due = growth >= 1 + self._settings.update_growth and waited >= self._settings.update_hours * HOUR
        if escalates:
            yield self._raise(series, incident, "escalate", told, at, versions)
        elif is_due or growth >= _TOLD_AT_ONCE:
            yield self._raise(series, incident, "update", told, at, versions)

    def _close(self, name: str, at: int, versions: Versions, continued_by: str | None = None) -> Alert:
        """Closes what is open under a watch's name, telling it at its height, and which incident goes on with it."""
        incident = self._touch(name)
        self._watches.edit(name).open = None
        self._open.discard(name)
        return self._raise(name.removeprefix(_SILENCE), incident, "close", incident.peak, at, versions, continued_by)

    def _raise(
        self,
        series: str,
        incident: Incident,
        event: IncidentEvent,
        told: Assessment,
        at: int,
        versions: Versions,
        continued_by: str | None = None,
    ) -> Alert:
        """The alert for `event`; the incident notes what it tells."""
        chance = told.chance(incident.kind)
        incident.told, incident.told_at = told, at
        incident.listed = 0 if incident.kind == "no-data" else self._listed(series, told)
        incident.chance = incident.chance if chance is None else chance
        incident.tier = self._tier(incident, told)
        owner = owner_of(series)
        within = [] if incident.kind == "no-data" else self._buckets.within(series, told.start, told.end)
        shown = self._owners.evidence(owner, ((t.second, t.key) for t in within[-_SHOWN:])) if within else []
        by = {document.versions for document, _ in shown} or {versions}
        return alert_of(
            series,
            self._series[series].sector,
            incident,
            event,
            at,
            evidence=leading_documents(shown, self._settings.polarity, self._evidence),
            terms=self._owners.terms(owner, [document.excerpt for document, _ in shown]),
            versions=tuple(sorted(by, key=lambda v: (v.model, v.model_version, v.model_hash, v.dictionary_hash))),
            coordinated=any(told.coordinated for told in within),
            continued_by=continued_by,
            settings=self._settings,
        )

    def _tier(self, incident: Incident, told: Assessment) -> Tier:
        """The tier to tell: once reached, it stays until it is revised."""
        chance = told.chance(incident.kind)
        if chance is None:
            return incident.tier
        return higher_tier(incident.tier, tier_of(incident.kind, chance, told, self._settings))

    def _touch(self, name: str) -> Incident:
        incident = self._watches.edit(name, Watch).open
        assert incident is not None
        return incident

    def _set_aside(self, watch: Watch, at: int) -> None:
        """Marks the days of a rare incident, of which only those still in quarantine can weigh less."""
        incident = watch.open
        if incident is None or incident.rung > _UNUSUAL:
            return
        today, opened = at // (DAY * HOUR), incident.opened_at // (DAY * HOUR)
        first = max(incident.told.start // (DAY * HOUR), today - math.ceil(self._settings.quarantine_hours / DAY))
        last = min(today, opened + self._settings.incident_days - 1)
        if first > last:
            return
        if watch.unusual and watch.unusual[-1][1] >= first - 1:
            watch.unusual[-1][1] = max(watch.unusual[-1][1], last)
        else:
            watch.unusual = [*watch.unusual[1 - _SPANS_KEPT :], [first, last]]


def _rings(told: Assessment | None, kind: IncidentKind, level: float) -> bool:
    if told is None or (kind == "sentiment" and not told.is_higher):
        return False
    chance = told.chance(kind)
    return chance is not None and chance <= level


def _tells(company: Incident | None, kind: IncidentKind) -> bool:
    """Whether a company's incident says what one of `kind` of its topic would."""
    return company is not None and company.kind in ("sentiment", kind)


def _incident(series: str, kind: IncidentKind, told: Assessment, at: int, rung: float, closes_at: int = 0) -> Incident:
    return Incident(incident_id(kind, series, at), kind, at, rung, told.by_count, told, at, told.end, closes_at, told)


def _closes_at(told: Assessment, settings: DetectionSettings) -> int:
    """When an incident closes that is loud for the last time: what builds slowly also pauses for long."""
    return told.end + max(settings.quiet_hours, told.hours) * HOUR
