"""The detector of one partition: mentions or wide records and ticks go in; alerts and closed buckets come out."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple, Self

from processors.account import Account
from processors.alarms import Alarms
from processors.clock import Clock
from processors.counts import EMPTY, Bucket, Buckets, Told
from processors.detection import DetectorSettings
from processors.errors import InvariantError
from processors.history import FEED, History
from processors.incidents import Watch
from processors.ledger import Counted, Ledger, key_of, origin_of
from processors.messages import Alert, DocumentSummary, Mention, SeriesPoint, Tick, Unlabelled, Versions, WideRecord
from processors.owners import STORY, TERMS, Owners
from processors.past import Progress, Series, model_of
from processors.points import point_of
from processors.records import Record, record_of
from processors.seasons import DAY, HOUR, utc_offset
from processors.series import owner_of
from processors.state import Changes, Store, Table
from processors.stories import Sighting

_PROGRESS: Final = "progress"
_UTC: Final = "UTC"
_UNLABELLED: Final = "unlabelled"
"""Owns the identities whose first text nobody labelled: no other owner counts them."""


class Outcomes(NamedTuple):
    """What one event brought about. `changed` names the pieces of state that must be written with it."""

    alerts: tuple[Alert, ...] = ()
    points: tuple[SeriesPoint, ...] = ()
    changed: frozenset[str] = frozenset()


_NOTHING: Final = Outcomes()


class Detector:
    """All series of one partition.

    A partition of the mentions carries companies, each with its own identities, stories and series; the wide
    partition carries topics, sectors, sources and the market, with identities and stories in common.
    What is reported of one company does not depend on which others share its partition, except through what is
    pooled over the partition: the priors that young and thin series lean on, the feed's own silence (a gap is
    not a zero), the warm-up and the present model.

    A text that names more than `max_companies` companies is about none of them: its mentions change nothing, and its
    wide record counts in no sector.

    Deterministic: equal events in equal order give equal outcomes and equal state, also when the state was
    serialised and restored in between.
    """

    def __init__(self, settings: DetectorSettings) -> None:
        """An empty detector: it rings when it has seen `warm_up_days` of history."""
        self._settings = settings.detection
        self._changes = changes = Changes()
        self._progress: Table[Progress] = Table("detector", Progress, changes)
        self._series: Table[Series] = Table("series", Series, changes)
        self._buckets = Buckets(changes)
        self._watches: Table[Watch] = Table("incident", Watch, changes)
        self._ledger = Ledger(changes)
        self._owners = Owners(settings, changes)
        self._history = History(self._settings, changes, self._series, self._buckets, self._watches)
        self._alarms = Alarms(settings, self._series, self._buckets, self._watches, self._history, self._owners)
        stores: tuple[Store, ...] = (
            self._progress,
            self._series,
            self._buckets,
            self._watches,
            self._ledger,
            self._owners.kept,
            *self._history.tables(),
        )
        self._stores = {store.prefix: store for store in stores}
        self._awake: dict[
            str, int
        ] = {}  # series but topics of companies → second of the latest document, while they publish zeros too
        self._sources: set[str] = set()

    def apply(self, event: Mention | WideRecord | Unlabelled | Tick, clock: Clock) -> Outcomes:
        """Count one event. `clock` is the state of time after it; only ticks make time-driven work due.

        A document that is late, or whose identity its owner knows already, or that came first as a text that nobody
        labelled, changes nothing. An alert's `at` is the later of the clock and the document that rang.
        Incidents that opened up to `clock.silent_until` live like any other, but nothing is told of them.

        Raises PoisonError for a record that cannot be processed (``unknown-time-zone``, ``bad-signature``). After
        any exception the state is as before.
        """
        try:
            if isinstance(event, Tick):
                outcomes = self._tick(clock)
            elif isinstance(event, Unlabelled):
                outcomes = self._pass_over(event, clock)
            else:
                record = record_of(event, self._settings.max_companies)
                outcomes = _NOTHING if record is None else self._count(record, clock)
        except BaseException:
            self._rollback()
            raise
        silent = clock.silent_until
        if silent is None or not outcomes.alerts:
            return outcomes
        return outcomes._replace(alerts=tuple(alert for alert in outcomes.alerts if alert.opened_at > silent))

    def account(self, series: str, start: int, end: int) -> Account:
        """What is known now about the window (start, end] of `series`, in seconds; the series was seen before."""
        watch, history = self._watches.get(series), self._history
        return Account(
            tuple(self._buckets.within(series, start, end)),
            history.exposure(series)(start, end),
            history.expect(series),
            history.known_stories(series),
            history.prior(series),
            watch.open.told if watch is not None and watch.open is not None else None,
            history.is_warm,
        )

    @property
    def warm_from(self) -> datetime | None:
        """Before when (UTC) nothing rings for want of history, if there are documents on every day from now on; None where
        there is enough, or before the first tick."""
        progress = self._progress.get(_PROGRESS)
        if self._history.is_warm or progress is None or progress.open_hour is None:
            return None
        day = self._history.warm_day(progress.open_hour // DAY)
        return datetime.fromtimestamp(day * DAY * HOUR, UTC)

    def first_of(self, series: str, document: DocumentSummary) -> str | None:
        """The identity of the first of the story in which a document counts in `series`; None where that is not known."""
        return self._owners.first_of(owner_of(series), document)

    def pieces(self, keys: Iterable[str] | None = None) -> Iterator[tuple[str, bytes | None]]:
        """The state as (key, JSON) pieces of at most 64 KiB, all of them or those of `keys`; None is a tombstone.

        Floats are written so that they read back exactly (unlike in messages).
        """
        if keys is None:
            names = (f"{prefix}/{name}" for prefix, store in self._stores.items() for name in store.names())
            keys = sorted([*names, *self._owners.keys()])
        for key in keys:
            prefix, _, name = key.partition("/")
            store = self._stores.get(prefix)
            yield key, self._owners.read(key) if store is None else store.read(name)

    @classmethod
    def restore(cls, settings: DetectorSettings, pieces: Mapping[str, bytes]) -> Self:
        """The detector whose `pieces()` these are. Raises InvariantError naming a piece that does not fit."""
        detector = cls(settings)
        texts = {}
        for key in sorted(pieces):
            prefix, _, name = key.partition("/")
            if prefix in detector._stores:
                detector._stores[prefix].write(name, pieces[key])
            elif prefix in (STORY, TERMS):
                texts[key] = pieces[key]
            else:
                raise InvariantError(f"state piece {key!r} is of no known kind: it was written by another version")
        detector._owners.write(texts)
        detector._rebuild()
        return detector

    def _pass_over(self, document: Unlabelled, clock: Clock) -> Outcomes:
        """Remember an identity as long as a counted one, so that it never counts."""
        second, reached = _instants(document.published_at, clock)
        key = key_of(document.identity)
        if self._is_late(second, reached) or self._ledger.knows(key, _UNLABELLED):
            return _NOTHING
        self._ledger.add(_UNLABELLED, key, (second if reached is None else max(second, reached)) // HOUR, None)
        return Outcomes(changed=self._changes.commit())

    def _count(self, record: Record, clock: Clock) -> Outcomes:
        """Count a document that is neither late nor known."""
        document = record.document
        second, reached = _instants(document.published_at, clock)
        if document.late or self._is_late(second, reached):
            return _NOTHING
        key = key_of(document.identity)
        if self._ledger.knows(key, record.owner, _UNLABELLED):
            return _NOTHING
        utc_offset(record.time_zone, second // HOUR)  # refuses an unknown zone before anything changed

        at = second if reached is None else max(second, reached)
        model = model_of(document)
        sighting = self._owners.add(record.owner, document)
        self._begin(record, second, at, model)
        alerts: list[Alert] = []
        for series in record.series:
            if series.startswith("source:"):
                alerts += self._alarms.hear(series, at, document.versions)

        hour, weight, novel = second // HOUR, self._weight(document), sighting.is_first
        told = None
        if novel and weight:
            told = Told(second, key, origin_of(document, key), sighting.story.coordinated, weight)
        dirty = {(series, hour) for series in record.series} if self._is_closed(hour) else set()
        taken = self._displace(record.owner, sighting, dirty) if sighting.displaced else set()
        self._ledger.add(record.owner, key, at // HOUR, Counted(second, weight, record.series) if novel else None)
        for series in record.series:
            out = self._buckets.add(series, second, document.sentiment.label, novel, told)
            if out is not None and out is not told:
                self._owners.release(record.owner, out.key, out.second, series)
            if told is not None and out is not told:
                self._owners.keep(record.owner, key, second, document, series)
        if sighting.coordinated_changed or sighting.displaced:
            taken |= self._mark(record.owner, sighting)

        if told is not None:
            for series in record.series:
                alerts += self._alarms.listen(series, second, at, document.versions, model)
        if taken or told is not None:
            for series in sorted(taken.union(record.series if told is not None else ())):
                alerts += self._alarms.revise(series, None if series in taken else second, at, document.versions)
        points = self._points_again(dirty) if dirty else ()
        if novel:
            self._owners.learn(record.owner, document)
        return Outcomes(tuple(alerts), points, self._changes.commit())

    def _begin(self, record: Record, second: int, at: int, model: str) -> None:
        """Makes ready all that the record counts in, and notes that the feed is alive. A source is alive when it is
        heard, however long before that it published."""
        for name in record.series:
            heard = second
            if name.startswith("source:"):
                heard = at
                self._sources.add(name)
            self._hear(name, record.sector, record.time_zone, heard)
            if not name.startswith("company-topic:"):
                self._awake[name] = max(heard, self._awake.get(name, heard))
        self._hear(FEED, "", _UTC, second)
        self._buckets.tally(FEED, second)
        self._history.observe_model(second // (DAY * HOUR), model)
        versions = record.document.versions
        progress = self._progress.get(_PROGRESS)
        if progress is None or (progress.versions is not versions and progress.versions != versions):
            self._progress.edit(_PROGRESS, Progress).versions = versions

    def _hear(self, name: str, sector: str, time_zone: str, second: int) -> None:
        """Notes a document of a series at `second`."""
        series = self._series.get(name)
        if series is None:
            self._series.replace(name, Series(sector, time_zone, second))
            self._history.begin(name, second)
            return
        if series.latest < second and (second // HOUR > series.latest // HOUR or name.startswith("source:")):
            # Others are written once an hour: nothing looks closer.
            series = Series(series.sector, series.time_zone, second)
            self._series.replace(name, series)
        if series.sector != sector or series.time_zone != time_zone:
            series = self._series.edit(name)
            series.sector, series.time_zone = sector, time_zone
            self._history.forget_derived()

    def _weight(self, document: DocumentSummary) -> int:
        """The probability of the polarity in hundredths; 0 below what counts."""
        probability: float = getattr(document.sentiment, self._settings.polarity)
        return round(100 * probability) if probability >= self._settings.least_probability else 0

    def _displace(self, owner: str, sighting: Sighting, dirty: set[tuple[str, int]]) -> set[str]:
        """Takes back what is no longer novel; gives the series whose negatives changed."""
        changed = set()
        for first in sighting.displaced:
            key = key_of(first.identity)
            counted = self._ledger.displace(owner, key)
            if counted is None:
                continue
            for series in counted.series:
                if self._buckets.displace(series, counted.second, key, counted.weight):
                    dirty.add((series, counted.second // HOUR))
                    if counted.weight:
                        changed.add(series)
                        self._owners.release(owner, key, counted.second, series)
        return changed

    def _mark(self, owner: str, sighting: Sighting) -> set[str]:
        """Carries over whether the story is coordinated to its first; gives the series where that changed."""
        key = key_of(sighting.story.first.identity)
        counted = self._ledger.get(owner, key)
        if counted is None or not counted.weight:
            return set()
        coordinated = sighting.story.coordinated
        return {series for series in counted.series if self._buckets.mark(series, counted.second, key, coordinated)}

    def _tick(self, clock: Clock) -> Outcomes:
        now = clock.now
        if now is None:
            return _NOTHING
        reached = int(now.timestamp()) // HOUR
        progress = self._progress.get(_PROGRESS)
        if progress is not None and progress.open_hour is not None and progress.open_hour >= reached:
            return _NOTHING
        progress = self._progress.edit(_PROGRESS, Progress)
        if progress.open_hour is None:
            progress.open_hour = min(self._buckets.of(FEED), default=reached)
        alerts: list[Alert] = []
        points: list[SeriesPoint] = []
        today = None
        while progress.open_hour < reached:
            hour = progress.open_hour
            progress.open_hour += 1
            points += self._close_hour(hour)
            alerts += self._settle((hour + 1) * HOUR, progress.versions)
            if (hour + 1) % DAY == 0:
                today = (hour + 1) // DAY
                self._close_day(today)
        self._ledger.expire(reached - self._settings.identities_hours)
        if today is not None:
            # A late document's longest window reaches so far back.
            horizon = today * DAY - self._settings.windows_hours[-1] - self._settings.lateness_hours
            self._owners.expire(today * DAY * HOUR, horizon * HOUR)
        return Outcomes(tuple(alerts), tuple(points), self._changes.commit())

    def _close_hour(self, hour: int) -> Iterator[SeriesPoint]:
        """The points of a closing hour: of series with documents in it, and of those that had some not long ago."""
        trail = (hour + 1 - self._settings.point_trail_hours) * HOUR
        for series in [series for series, latest in self._awake.items() if latest < trail]:
            del self._awake[series]
        due = self._awake.keys() | self._buckets.at(hour)
        due.discard(FEED)
        for series in sorted(due):
            yield self._point(series, hour, self._buckets.of(series).get(hour, EMPTY))

    def _settle(self, now: int, versions: Versions | None) -> Iterator[Alert]:
        if versions is None:
            return
        yield from self._alarms.settle(now, versions)
        for series in sorted(self._sources):
            yield from self._alarms.miss(series, now, versions)

    def _close_day(self, today: int) -> None:
        """Folds what has left the quarantine and forgets what nothing can touch any more."""
        self._history.close_day(today)
        now = today * DAY * HOUR
        idle = now - self._settings.forget_days * DAY * HOUR
        heard = set()
        for name in self._series.names():
            idles = self._series[name].latest < idle and not self._buckets.of(name)
            if idles and name != FEED and not self._alarms.is_open(name):
                self._series.drop(name)
                self._alarms.forget(name)
                self._history.forget(name)
                self._awake.pop(name, None)
                self._sources.discard(name)
            else:
                heard.add(owner_of(name))
        self._owners.forget_all_but(heard)

    def _point(self, series: str, hour: int, bucket: Bucket) -> SeriesPoint:
        expected = self._history.expect(series)
        return point_of(series, hour, bucket, expected, self._history.exposure(series)(hour * HOUR, (hour + 1) * HOUR))

    def _is_late(self, second: int, reached: int | None) -> bool:
        return reached is not None and second < reached - self._settings.lateness_hours * HOUR

    def _is_closed(self, hour: int) -> bool:
        progress = self._progress.get(_PROGRESS)
        return progress is not None and progress.open_hour is not None and hour < progress.open_hour

    def _points_again(self, dirty: set[tuple[str, int]]) -> tuple[SeriesPoint, ...]:
        """The points of buckets that changed after they closed, as a further revision."""
        points = []
        for series, hour in sorted(dirty):
            if self._is_closed(hour):
                bucket = self._buckets.of(series)[hour]
                bucket = bucket._replace(revision=bucket.revision + 1)
                self._buckets.put(series, hour, bucket)
                points.append(self._point(series, hour, bucket))
        return tuple(points)

    def _rollback(self) -> None:
        if self._changes.rollback():
            self._rebuild()

    def _rebuild(self) -> None:
        """Derives what is kept at hand from the state."""
        self._buckets.rebuild()
        self._owners.rebuild()
        self._alarms.rebuild()
        self._history.forget_derived()
        names = [name for name in self._series.names() if name != FEED and not name.startswith("company-topic:")]
        self._awake = {name: self._series[name].latest for name in names}
        self._sources = {name for name in self._awake if name.startswith("source:")}


def _instants(published_at: datetime, clock: Clock) -> tuple[int, int | None]:
    """The second of a document, and that which the clock has reached."""
    now = clock.now
    return int(published_at.timestamp()), None if now is None else int(now.timestamp())
