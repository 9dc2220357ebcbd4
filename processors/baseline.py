"""What is normal for a series: levels with exponential forgetting, shrunk towards what is pooled over its kind."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, NamedTuple, Self

from processors.detection import DetectionSettings
from processors.surprise import HOURS_PER_YEAR

_SHAPE_LIMITS: Final = (0.1, 50.0)
_CONCENTRATION_LIMITS: Final = (10.0, 500.0)
_DISPERSION_LIMITS: Final = (0.05, 10.0)
_CORRELATION_LIMITS: Final = (0.002, 0.5)
_DISPERSION_PRIOR: Final = (1.0, 20.0)  # value, and the Σ m² that it weighs
_CORRELATION_PRIOR: Final = (0.03, 50.0)  # value, and the Σ n(n − 1)p(1 − p) that it weighs


@dataclass(slots=True)
class Baseline:
    """Decayed sums over the days before `day` (days since 1970 UTC).

    `exposure`: hours, weighted by the profile, without the feed's gaps. `share_*` count since the present model
    only (`epoch` numbers models). The `*_excess` and `*_square` are the moments of daily dispersion:
    Σ (n − m)² − n and Σ m² for counts with expectation m, Σ (x − np)² − np(1 − p) and Σ n(n − 1)p(1 − p) for shares.
    """

    day: int
    exposure: float = 0.0
    negatives: float = 0.0
    stories: float = 0.0
    epoch: int = 0
    share_negatives: float = 0.0
    share_stories: float = 0.0
    negatives_excess: float = 0.0
    negatives_square: float = 0.0
    stories_excess: float = 0.0
    stories_square: float = 0.0
    share_excess: float = 0.0
    share_square: float = 0.0

    def fold(self, day: "Day", expected: "Expectation", decay: float) -> None:
        """Take in one more day; what is already in is multiplied by `decay` first."""
        self.day += 1
        if day.epoch != self.epoch:
            self.epoch = day.epoch
            self.share_negatives = self.share_stories = self.share_excess = self.share_square = 0.0
        weight, negatives, stories = day.weight, day.negatives, day.stories
        mean, stories_mean = expected.rate * day.exposure, expected.stories_rate * day.exposure
        self.exposure = self.exposure * decay + weight * day.exposure
        self.negatives = self.negatives * decay + weight * negatives
        self.stories = self.stories * decay + weight * stories
        self.negatives_excess = self.negatives_excess * decay + weight * ((negatives - mean) ** 2 - negatives)
        self.negatives_square = self.negatives_square * decay + weight * mean * mean
        self.stories_excess = self.stories_excess * decay + weight * ((stories - stories_mean) ** 2 - stories)
        self.stories_square = self.stories_square * decay + weight * stories_mean * stories_mean
        self.share_negatives = self.share_negatives * decay + weight * negatives
        self.share_stories = self.share_stories * decay + weight * stories
        share = expected.share
        variance = share * (1 - share)
        excess = (negatives - stories * share) ** 2 - stories * variance
        self.share_excess = self.share_excess * decay + weight * excess
        self.share_square = self.share_square * decay + weight * stories * (stories - 1) * variance

    def copy(self) -> Self:
        """A copy."""
        return replace(self)

    def pack(self) -> Any:
        """JSON-ready content."""
        return [getattr(self, f.name) for f in fields(self)]

    @classmethod
    def unpack(cls, packed: Any) -> Self:
        """The baseline whose `pack()` this is."""
        return cls(*packed)


class Day(NamedTuple):
    """One day of one series, to be folded into its baseline."""

    exposure: float
    negatives: int
    stories: int
    weight: float
    epoch: int


class Prior(NamedTuple):
    """What is believed of a series before its own data: rates per weighted hour and the share of negatives."""

    rate: float
    stories_rate: float
    share: float


class Expectation(NamedTuple):
    """What is believed of a series: the predictive distributions of `processors.surprise` follow from it.

    `rate`, `stories_rate`: novel negatives and novel stories per weighted hour. `shape` and `stories_shape`: of
    their negative binomials. `share` of negatives; `concentration` α + β of the beta of a window's share.
    `tested`: whether there are enough stories of the present model for shares to be tested.
    """

    rate: float
    shape: float
    stories_rate: float
    stories_shape: float
    share: float
    concentration: float
    tested: bool

    @property
    def per_year(self) -> float:
        """Expected novel negatives a year."""
        return self.rate * HOURS_PER_YEAR


@dataclass(slots=True)
class Pool:
    """What the series of one kind have in common; `*s` by group (sector, or topic for company-topic series).

    Levels: `rate`, `stories_rate`, `share`; how far series differ from them: gamma `shape`, beta `concentration`;
    how lively days are: `dispersion` and `stories_dispersion` (variance m + dispersion·m²), `correlation` of
    the sentiments of one day. `tested` stories of the present model (`epoch`) are behind the shares.
    """

    rate: float = 0.003  # before anything is pooled: half a story a week
    stories_rate: float = 0.003
    share: float = 0.1
    rates: dict[str, float] = field(default_factory=dict)
    stories_rates: dict[str, float] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)
    shape: float = 1.0
    concentration: float = 50.0
    dispersion: float = _DISPERSION_PRIOR[0]
    stories_dispersion: float = _DISPERSION_PRIOR[0]
    correlation: float = _CORRELATION_PRIOR[0]
    tested: float = 0.0
    epoch: int = 0

    def prior(self, group: str) -> Prior:
        """The prior of a member of `group`; that of all when the group is unknown."""
        return Prior(
            self.rates.get(group, self.rate),
            self.stories_rates.get(group, self.stories_rate),
            self.shares.get(group, self.share),
        )

    def copy(self) -> Self:
        """A copy that shares nothing mutable."""
        return replace(self, rates={**self.rates}, stories_rates={**self.stories_rates}, shares={**self.shares})

    def pack(self) -> Any:
        """JSON-ready content."""
        return [getattr(self, f.name) for f in fields(self)]

    @classmethod
    def unpack(cls, packed: Any) -> Self:
        """The pool whose `pack()` this is."""
        return cls(*packed)


def expectation(baseline: Baseline, prior: Prior, pool: Pool, settings: DetectionSettings) -> Expectation:
    """The posterior of a series: its own sums, shrunk to `prior` as strongly as its kind is alike.

    Gamma-Poisson for levels: shape a = a₀ + count, rate a / (a₀ / prior + exposure). A window's count multiplies
    the level (relative variance 1/a) by the day's liveliness (relative variance d): negative binomial of shape
    1 / (1/a + d + d/a). Beta-binomial for the share: concentration c of what is known of the mean, correlation ρ
    of a day's sentiments: 1 / (1 + concentration) = 1/(c + 1) + ρ·c/(c + 1). Empirical Bayes: Robbins 1956;
    Gelman et al., Bayesian Data Analysis, 2.6 and 5.3.
    """
    level = pool.shape + baseline.negatives
    stories_level = pool.shape + baseline.stories
    dispersion = _shrunk(
        baseline.negatives_excess, baseline.negatives_square, pool.dispersion, _DISPERSION_PRIOR[1], _DISPERSION_LIMITS
    )
    stories_dispersion = _shrunk(
        baseline.stories_excess,
        baseline.stories_square,
        pool.stories_dispersion,
        _DISPERSION_PRIOR[1],
        _DISPERSION_LIMITS,
    )
    known = baseline if baseline.epoch == pool.epoch else Baseline(baseline.day)
    correlation = _shrunk(
        known.share_excess, known.share_square, pool.correlation, _CORRELATION_PRIOR[1], _CORRELATION_LIMITS
    )
    certainty = pool.concentration + known.share_stories
    spread = (1 + correlation * certainty) / (certainty + 1)
    return Expectation(
        rate=level / (pool.shape / prior.rate + baseline.exposure),
        shape=1 / (1 / level + dispersion + dispersion / level),
        stories_rate=stories_level / (pool.shape / prior.stories_rate + baseline.exposure),
        stories_shape=1 / (1 / stories_level + stories_dispersion + stories_dispersion / stories_level),
        share=(pool.concentration * prior.share + known.share_negatives) / certainty,
        concentration=1 / spread - 1,
        tested=pool.tested >= settings.share_minimum,
    )


class Member(NamedTuple):
    """A series as its pool sees it: its group, its baseline, and the rates that it leans on besides the group's
    (those of the company for a company-topic series, 1 otherwise), in which the pool's rates are then measured."""

    group: str
    baseline: Baseline
    rate: float = 1.0
    stories_rate: float = 1.0


def pooled(members: Iterable[Member], epoch: int, settings: DetectionSettings) -> Pool:
    """The pool of `members` (in a fixed order: sums of floats depend on it), by the method of moments.

    A group's level is the mean of its members' rates, shrunk to that of all as if `group_prior` further members
    had it. Differences between members: relative variance v = Σ ((x − m)² − x) / Σ m², gamma shape 1/v.
    """
    members = list(members)
    pool = Pool(epoch=epoch)
    seen = [m for m in members if m.baseline.exposure > 0]
    pool.rate = _level((m.baseline.negatives, m.baseline.exposure * m.rate) for m in seen)
    pool.stories_rate = _level((m.baseline.stories, m.baseline.exposure * m.stories_rate) for m in seen)
    present = [m for m in members if m.baseline.epoch == epoch]
    pool.tested = sum(m.baseline.share_stories for m in present)
    pool.share = _share(((m.baseline.share_negatives, m.baseline.share_stories) for m in present), 0.1, 20.0)
    for group in sorted({m.group for m in members}):
        inside = [m for m in seen if m.group == group]
        if inside:
            weight = settings.group_prior / (len(inside) + settings.group_prior)
            own = _level((m.baseline.negatives, m.baseline.exposure * m.rate) for m in inside)
            own_stories = _level((m.baseline.stories, m.baseline.exposure * m.stories_rate) for m in inside)
            pool.rates[group] = pool.rate**weight * own ** (1 - weight)
            pool.stories_rates[group] = pool.stories_rate**weight * own_stories ** (1 - weight)
        pool.shares[group] = _share(
            ((m.baseline.share_negatives, m.baseline.share_stories) for m in present if m.group == group),
            pool.share,
            100.0,
        )
    pool.shape = _between(
        (m.baseline.stories, pool.prior(m.group).stories_rate * m.stories_rate * m.baseline.exposure) for m in seen
    )
    pool.concentration = _concentration(
        (m.baseline.share_negatives, m.baseline.share_stories, pool.prior(m.group).share) for m in present
    )
    pool.dispersion = _shrunk(
        sum(m.baseline.negatives_excess for m in seen),
        sum(m.baseline.negatives_square for m in seen),
        *_DISPERSION_PRIOR,
        _DISPERSION_LIMITS,
    )
    pool.stories_dispersion = _shrunk(
        sum(m.baseline.stories_excess for m in seen),
        sum(m.baseline.stories_square for m in seen),
        *_DISPERSION_PRIOR,
        _DISPERSION_LIMITS,
    )
    pool.correlation = _shrunk(
        sum(m.baseline.share_excess for m in present),
        sum(m.baseline.share_square for m in present),
        *_CORRELATION_PRIOR,
        _CORRELATION_LIMITS,
    )
    return pool


def _level(pairs: Iterable[tuple[float, float]]) -> float:
    """Events per exposure with half an event in a week added, so that nothing is impossible."""
    count, exposure = 0.5, 168.0
    for x, e in pairs:
        count += x
        exposure += e
    return count / exposure


def _share(pairs: Iterable[tuple[float, float]], prior: float, weight: float) -> float:
    negatives, stories = prior * weight, weight
    for x, n in pairs:
        negatives += x
        stories += n
    return negatives / stories


def _shrunk(excess: float, square: float, prior: float, weight: float, limits: tuple[float, float]) -> float:
    return min(max((excess + prior * weight) / (square + weight), limits[0]), limits[1])


def _between(pairs: Iterable[tuple[float, float]]) -> float:
    excess, square = 1.0, 1.0
    for x, m in pairs:
        excess += (x - m) ** 2 - x
        square += m * m
    return min(max(square / max(excess, 1e-9), _SHAPE_LIMITS[0]), _SHAPE_LIMITS[1])


def _concentration(triples: Iterable[tuple[float, float, float]]) -> float:
    excess, square = 0.0, 1.0
    for x, n, p in triples:
        excess += (x - n * p) ** 2 - n * p * (1 - p)
        square += n * max(n - 1, 0.0) * p * (1 - p)
    correlation = max(excess / square, 1e-9)
    return min(max(1 / correlation - 1, _CONCENTRATION_LIMITS[0]), _CONCENTRATION_LIMITS[1])
