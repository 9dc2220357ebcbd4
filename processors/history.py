"""What a partition remembers of its past: the week's shape, levels, pools and gaps; it says what is to be expected."""

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from processors.baseline import Baseline, Day, Expectation, Level, Pool, Prior, expectation
from processors.counts import Buckets
from processors.detection import DetectionSettings
from processors.incidents import Watch
from processors.past import Activity, Era, Models, Series
from processors.pools import Columns, Kind, beneath, pooled, priors
from processors.seasons import DAY, FLAT, HOUR, Profile, slot_of, utc_offset
from processors.series import company_series_of
from processors.state import Changes, Table

FEED: Final = "feed:all"  # the partition's own activity, counted like a series: it tells outage from calm
_ERA: Final = "era"
_GAP_EXPECTED: Final = 12.0  # documents expected in a silence that counts as a gap: e⁻¹² for a Poisson feed
_CATCH_UP_DAYS: Final = 7  # idle baselines are written this often; in between they are caught up when asked
_PROFILE_POOLS: Final = {"company": "companies", "company-topic": "companies"}


class History:
    """Baselines of all series of a partition, folded day by day (UTC) once a day has left the quarantine.

    Everything here changes at the end of a day only (but for series seen for the first time), so what is expected
    of a series is a pure function of the state all day long and is kept at hand.
    """

    def __init__(
        self,
        settings: DetectionSettings,
        changes: Changes,
        series: Table[Series],
        buckets: Buckets,
        watches: Table[Watch],
    ) -> None:
        """An empty history over the detector's own series, buckets and watches; it folds the buckets."""
        self._settings = settings
        self._changes = changes
        self._series = series
        self._buckets = buckets
        self._watches = watches
        self._decay = 0.5 ** (1 / settings.half_life_days)
        self._profile_decay = 0.5 ** (1 / settings.profile_half_life_days)
        self.baselines: Table[Baseline] = Table("baseline", Baseline, changes)
        self.activities: Table[Activity] = Table("profile", Activity, changes)
        self.pools: Table[Pool] = Table("pool", Pool, changes)
        self.eras: Table[Era] = Table("history", Era, changes)
        self.models: Table[Models] = Table("models", Models, changes)
        self._expectations: dict[str, Expectation] = {}
        self._caught_up: dict[str, Baseline] = {}
        self._profiles: dict[str, Profile] = {}
        self._exposures: dict[tuple[str, int], float] = {}
        self._integrals: dict[str, Callable[[int, int], float]] = {}

    def tables(self) -> tuple[Table[Any], ...]:
        """All of the history's state."""
        return self.baselines, self.activities, self.pools, self.eras, self.models

    @property
    def era(self) -> Era:
        """Where the partition stands; for reading."""
        return self.eras.get(_ERA) or Era()

    @property
    def is_warm(self) -> bool:
        """Whether there is enough history for anything to ring."""
        return self.era.live_days >= self._settings.warm_up_days

    def warm_day(self, first: int) -> int:
        """The day (since the epoch) before which it cannot be warm: documents on every day from now on, each folded when
        it has left the quarantine. Before the first day was folded, `first` is where the history begins."""
        day = first if self.era.day is None else self.era.day
        return day + self._settings.warm_up_days - self.era.live_days + math.ceil(self._settings.quarantine_hours / DAY)

    def forget_derived(self) -> None:
        """Drops what is kept at hand: after a restore, and when what it derives from changed."""
        self._forget_levels()
        self._profiles.clear()
        self._exposures.clear()
        self._integrals.clear()

    def _forget_levels(self) -> None:
        self._expectations.clear()
        self._caught_up.clear()

    def begin(self, series: str, second: int) -> None:
        """Starts the baseline of a series first seen at `second`. A company's topic has been watched as long as
        the company, so it starts with the company's exposure and no stories."""
        if self.baselines.get(series) is not None:
            return
        day = self.era.day
        baseline = Baseline(second // (DAY * HOUR) if day is None else day, epoch=self.era.epoch)
        company = company_series_of(series)
        if company != series and self.baselines.get(company) is not None:
            baseline.exposure = self._caught(company).exposure
        self.baselines.replace(series, baseline)

    def observe_model(self, day: int, model: str) -> None:
        """Counts a document that `model` labelled (see `processors.past.model_of`)."""
        name = str(day)
        documents = (self.models.get(name) or self.models.edit(name, Models)).documents
        self._changes.put(documents, model, documents.get(model, 0) + 1)
        self._changes.mark(f"models/{name}")

    def expect(self, series: str) -> Expectation:
        """What is to be expected of a series that was begun."""
        known = self._expectations.get(series)
        if known is None:
            known = self._expectations[series] = self._expect(series, self._caught(series))
        return known

    def prior(self, series: str) -> Prior:
        """What is believed of a series besides its own data."""
        return self._leaning(series)[0]

    def known_stories(self, series: str) -> float:
        """The decayed number of stories behind what is expected of a series."""
        return self._caught(series).stories

    def exposure(self, series: str) -> Callable[[int, int], float]:
        """The integral of a series' profile between two seconds, in weighted hours."""
        known = self._integrals.get(series)
        if known is None:
            profile, time_zone = self._profile(series), self._series[series].time_zone

            def known(start: int, end: int) -> float:
                return profile.exposure(start, end, utc_offset(time_zone, end // HOUR))

            self._integrals[series] = known
        return known

    def close_day(self, today: int) -> None:
        """Folds every day that has left the quarantine when day `today` begins, and pools anew.

        The first call sets where folding begins.
        """
        era = self.eras.edit(_ERA, Era)
        if era.day is None:
            era.day = min((self.baselines[name].day for name in self.baselines.names()), default=today)
        last = today - 1 - math.ceil(self._settings.quarantine_hours / DAY)
        if era.day > last:
            return
        while era.day <= last:
            if not self._unfolded(last):
                self._skip(era, last)
                break
            self._fold(era, today)
        self._catch_up_all(era.day)
        self._pool()
        self._forget_levels()

    def forget(self, series: str) -> None:
        """Drops a series."""
        self.baselines.drop(series)
        self.activities.drop(series)
        self.forget_derived()

    def _unfolded(self, day: int) -> list[str]:
        return self._buckets.before((day + 1) * DAY)

    def _skip(self, era: Era, last: int) -> None:
        """Passes days on which no series has anything: baselines catch up when they are next asked."""
        assert era.day is not None
        while era.day <= last:
            self._note_gaps(era, era.day, (last + 1) * DAY)
            era.day += 1
        self.forget_derived()

    def _fold(self, era: Era, today: int) -> None:
        day = era.day
        assert day is not None
        # All that the folding is judged by is taken before anything changes: nothing depends on an order.
        before = [(name, self.expect(name), self._caught(name).copy()) for name in self._unfolded(day)]
        self._note_gaps(era, day, today * DAY)
        exposures = {name: self._exposure_of_day(name, day) for name, _, _ in before}
        models = self.models.get(str(day))
        if models is not None:
            era.follow(models.documents)
            self.models.drop(str(day))
        era.live_days += any(hour // DAY == day for hour in self._buckets.of(FEED))
        for series, expected, baseline in before:
            negatives, squares, stories = self._take_buckets(series, day)
            weight = self._weight(series, day)
            taken = Day(exposures[series], negatives, squares, stories, weight, era.epoch)
            baseline.fold(taken, expected, self._decay)
            baseline.day = day + 1
            self.baselines.replace(series, baseline)
        era.day = day + 1
        self.forget_derived()

    def _take_buckets(self, series: str, day: int) -> tuple[float, float, int]:
        """Takes the buckets of `day` out, into the series' and its pool's profile; gives the sum of the weights, of their
        squares, and stories."""
        time_zone = self._series[series].time_zone
        stories = weight = squares = 0
        activities = (
            [self.activities.edit(series, lambda: Activity(day))] if company_series_of(series) == series else []
        )
        if activities and series != FEED:
            activities.append(self.activities.edit(_profile_pool(series), lambda: Activity(day)))
        for activity in activities:
            self._age(activity, day)
        for hour in sorted(hour for hour in self._buckets.of(series) if hour < (day + 1) * DAY):
            bucket = self._buckets.pop(series, hour)
            stories += bucket.stories
            weight += bucket.weight
            squares += bucket.squares
            slot = slot_of(hour * HOUR, utc_offset(time_zone, hour))
            for activity in activities:
                activity.counts[slot] += bucket.stories
        return weight / 100, squares / 10_000, stories

    def _catch_up(self, series: str, baseline: Baseline, until: int) -> None:
        """Folds the days before `until` on which nothing was counted."""
        if baseline.day >= until:
            return
        expected, epoch = self._expect(series, baseline), self.era.epoch
        while baseline.day < until:
            day = baseline.day
            exposure = self._exposure_of_day(series, day)
            baseline.fold(Day(exposure, 0, 0, 0, self._weight(series, day), epoch), expected, self._decay)

    def _caught(self, series: str) -> Baseline:
        """The baseline with all days folded, on which nothing was counted."""
        baseline = self._caught_up.get(series)
        if baseline is None:
            baseline = self.baselines[series]
            day = self.era.day
            if day is not None and baseline.day < day:
                baseline = baseline.copy()
                self._catch_up(series, baseline, day)
            self._caught_up[series] = baseline
        return baseline

    def _weight(self, series: str, day: int) -> float:
        for name in (series, company_series_of(series)):
            watch = self._watches.get(name)
            if watch is not None and watch.unusual and watch.is_unusual(day):
                return self._settings.incident_weight
        return 1.0

    def _exposure_of_day(self, series: str, day: int) -> float:
        """The weighted hours of a UTC day outside of the feed's gaps; a company's topics share the company's."""
        place = company_series_of(series), day
        known = self._exposures.get(place)
        if known is None:
            exposure, start, end = self.exposure(series), day * DAY, (day + 1) * DAY
            known = exposure(start * HOUR, end * HOUR)
            for first, last in self.era.gaps:
                if first < end and last > start:
                    known -= exposure(max(first, start) * HOUR, min(last, end) * HOUR)
            known = self._exposures[place] = max(known, 0.0)
        return known

    def _note_gaps(self, era: Era, day: int, now: int) -> None:
        """Finds the hours of `day` that lie in a silence of the feed which chance does not explain."""
        feed = self._buckets.of(FEED)
        if era.heard is None:
            era.heard = max((hour for hour in feed if hour < (day + 1) * DAY), default=None)
            return
        start, end = day * DAY, (day + 1) * DAY
        heard = [era.heard, *sorted(hour for hour in feed if hour > era.heard), now]
        exposure, rate = self.exposure(FEED), self.expect(FEED).stories_rate
        for before, after in pairwise(heard):
            first, last = max(before + 1, start), min(after, end)
            if first < last and rate * exposure((before + 1) * HOUR, after * HOUR) >= _GAP_EXPECTED:
                era.gaps.append([first, last])
        era.heard = max(hour for hour in heard if hour < end)
        oldest = end - self._settings.forget_days * DAY
        era.gaps = [gap for gap in era.gaps if gap[1] > oldest]

    def _kinds(self) -> Iterator[Kind]:
        """The series of each kind with all days folded, companies before their topics; a pool that is replaced between
        two kinds holds for the second."""
        names: dict[str, list[str]] = {}
        for series in self.baselines.names():
            names.setdefault(series.partition(":")[0], []).append(series)
        companies: Kind | None = None
        for name in sorted(names):
            kind = self._kind(name, names[name], companies if name == "company-topic" else None)
            yield kind
            if name == "company":
                companies = kind

    def _kind(self, name: str, series: list[str], companies: Kind | None) -> Kind:
        columns = Columns(self.baselines[one] for one in series)
        if companies is None:
            groups, above = [self._series[one].sector for one in series], np.arange(len(series))
        else:
            rows = {company: row for row, company in enumerate(companies.series)}
            groups = [one.partition("/")[2] for one in series]
            above = np.array([rows[company_series_of(one)] for one in series])
        kind = Kind(name, series, groups, columns, above, companies)
        self._pass_days(kind)
        return kind

    def _levels(self, kind: Kind, rows: NDArray[np.int64]) -> Level:
        """What is believed of these rows of a kind by its present pool."""
        pool = self.pools.get(kind.name) or Pool()
        prior = priors(pool, [kind.groups[row] for row in rows])
        if kind.companies is not None:
            company = self._levels(kind.companies, kind.above[rows])
            prior = beneath(prior, company.stories_rate, company.share, pool)
        return kind.columns.levels(rows, prior, pool)

    def _pass_days(self, kind: Kind) -> None:
        """Folds the days on which nothing was counted, up to the day that is folded next."""
        today, epoch = self.era.day, self.era.epoch
        if today is None:
            return
        behind = today - kind.columns.day
        late = np.flatnonzero(behind > 0)
        if not len(late):
            return
        level = self._levels(kind, late)
        owners = kind.series if kind.companies is None else kind.companies.series
        marked = {name for name in self._watches.names() if self._watches[name].unusual}
        for back in range(int(behind.max()), 0, -1):
            chosen = behind[late] >= back
            rows, day = late[chosen], today - back
            exposures = np.zeros(len(owners))
            for owner in np.unique(kind.above[rows]):
                exposures[owner] = self._exposure_of_day(owners[owner], day)
            weights = np.ones(len(rows))
            if marked:
                for place, row in enumerate(rows):
                    series = kind.series[row]
                    if series in marked or owners[kind.above[row]] in marked:
                        weights[place] = self._weight(series, day)
            ahead = Level(*(column[chosen] for column in level))
            kind.columns.pass_day(rows, exposures[kind.above[rows]], weights, ahead, epoch, self._decay)

    def _catch_up_all(self, today: int) -> None:
        """Writes the baselines that have idled for long."""
        for kind in self._kinds():
            for row, series in enumerate(kind.series):
                if today - self.baselines[series].day >= _CATCH_UP_DAYS:
                    self.baselines.replace(series, kind.columns.baseline(row))

    def _pool(self) -> None:
        """Pools every kind anew; topics of companies are measured in their company's rates."""
        for kind in self._kinds():
            rates = np.ones(len(kind.series))
            if kind.companies is not None:
                rates = self._levels(kind.companies, kind.above).stories_rate
            before = self.pools.get(kind.name) or Pool()
            pool = pooled(kind.columns, kind.groups, rates, self.era.epoch, before, self._settings)
            self.pools.replace(kind.name, pool)

    def _expect(self, series: str, baseline: Baseline) -> Expectation:
        return expectation(baseline, *self._leaning(series), self._settings)

    def _leaning(self, series: str) -> tuple[Prior, Pool]:
        """What a series leans on: the level of its group, or of its company and topic, and its kind's pool."""
        kind, _, name = series.partition(":")
        pool = self.pools.get(kind) or Pool()
        if kind != "company-topic":
            return pool.prior(self._series[series].sector), pool
        company = self.expect(company_series_of(series))
        return beneath(pool.prior(name.partition("/")[2]), company.stories_rate, company.share, pool), pool

    def _profile(self, series: str) -> Profile:
        owner = company_series_of(series)
        profile = self._profiles.get(owner)
        if profile is None:
            profile = FLAT if owner in (FEED, _profile_pool(owner)) else self._profile(_profile_pool(owner))
            activity = self.activities.get(owner)
            if activity is not None:
                decay = self._profile_decay ** ((self.era.day or activity.day) - activity.day)
                profile = profile.refined(np.array(activity.counts) * decay, self._settings.profile_prior)
            self._profiles[owner] = profile
        return profile

    def _age(self, activity: Activity, day: int) -> None:
        if day > activity.day:
            decay = self._profile_decay ** (day - activity.day)
            activity.counts = [count * decay for count in activity.counts]
            activity.day = day


def _profile_pool(series: str) -> str:
    kind = series.partition(":")[0]
    return _PROFILE_POOLS.get(kind, "wide")
