"""What is normal for a series: levels with exponential forgetting, shrunk towards what is pooled over its kind."""

import math
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from typing import Any, Final, NamedTuple, Self

from processors.detection import DetectionSettings
from processors.surprise import HOURS_PER_YEAR

DISPERSION_LIMITS: Final = (0.05, 10.0)
CORRELATION_LIMITS: Final = (0.002, 0.5)
DISPERSION_PRIOR: Final = (1.0, 20.0)  # value, and the Σ m² that it weighs
CORRELATION_PRIOR: Final = (0.03, 50.0)  # value, and the Σ n(n − u)p(1 − p) that it weighs
UNIT_PRIOR: Final = (0.75, 20.0)  # value, and the Σ w that it weighs
_USUAL_DEVIATIONS: Final = 3.0


@dataclass(slots=True)
class Baseline:
    """Decayed sums over the days before `day` (days since 1970 UTC).

    `exposure`: hours, weighted by the profile, without the feed's gaps; `stories` in them. Counted since the present
    model only (`epoch` numbers models): `labelled` stories, their weights as `negatives`, and the `squares` of these.
    The `*_excess` and `*_square` are the moments of daily dispersion, u being the unit of the weights:
    Σ (x − m)² − ux and Σ m² for counts with expectation m, Σ (x − np)² − unp(1 − p) and Σ n(n − u)p(1 − p) for shares.
    A day further from what was expected than three standard deviations counts as one at that distance: what is to be
    noticed is not to make itself usual.
    """

    day: int
    exposure: float = 0.0
    stories: float = 0.0
    epoch: int = 0
    labelled: float = 0.0
    negatives: float = 0.0
    squares: float = 0.0
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
            self.labelled = self.negatives = self.squares = self.share_excess = self.share_square = 0.0
        weight, stories, unit = day.weight, day.stories, expected.unit
        mean, stories_mean = expected.rate * day.exposure, expected.stories_rate * day.exposure
        negatives = _usual(day.negatives, mean, unit * mean + mean * mean / expected.shape, unit)
        usual_stories = _usual(
            stories, stories_mean, stories_mean + stories_mean * stories_mean / expected.stories_shape, 1.0
        )
        share = expected.share
        variance = unit * stories * share * (1 - share)
        spread = variance * (1 + (stories / unit - 1) / (expected.concentration + 1))
        shared = _usual(day.negatives, stories * share, spread, unit)
        self.exposure = self.exposure * decay + weight * day.exposure
        self.stories = self.stories * decay + weight * stories
        self.labelled = self.labelled * decay + weight * stories
        self.negatives = self.negatives * decay + weight * day.negatives
        self.squares = self.squares * decay + weight * day.squares
        self.negatives_excess = self.negatives_excess * decay + weight * ((negatives - mean) ** 2 - unit * negatives)
        self.negatives_square = self.negatives_square * decay + weight * mean * mean
        self.stories_excess = self.stories_excess * decay + weight * (
            (usual_stories - stories_mean) ** 2 - usual_stories
        )
        self.stories_square = self.stories_square * decay + weight * stories_mean * stories_mean
        self.share_excess = self.share_excess * decay + weight * ((shared - stories * share) ** 2 - variance)
        self.share_square = self.share_square * decay + weight * stories * (stories - unit) * share * (1 - share)

    def copy(self) -> Self:
        """A copy."""
        return type(self)(*values_of(self))

    def pack(self) -> Any:
        """JSON-ready content."""
        return list(values_of(self))

    @classmethod
    def unpack(cls, packed: Any) -> Self:
        """The baseline whose `pack()` this is."""
        return cls(*packed)


values_of: Final = attrgetter(*(f.name for f in fields(Baseline)))
"""All that a baseline holds, in the order of its fields."""


class Day(NamedTuple):
    """One day of one series, to be folded into its baseline: `negatives` is the sum of its stories' weights, `squares`
    that of their squares."""

    exposure: float
    negatives: float
    squares: float
    stories: int
    weight: float
    epoch: int


class Prior(NamedTuple):
    """What is believed of a series before its own data: stories per weighted hour and the share of negatives."""

    stories_rate: float
    share: float


class Expectation(NamedTuple):
    """What is believed of a series: the predictive distributions of `processors.surprise` follow from it.

    `rate`, `stories_rate`: novel negatives (by weight) and novel stories per weighted hour. `shape` and
    `stories_shape`: of their negative binomials. `unit`: what weight counts as one. `share` of negatives;
    `concentration` α + β of the beta of a window's share. `tested`: whether there are enough stories of the present
    model for shares to be tested.
    """

    rate: float
    shape: float
    unit: float
    stories_rate: float
    stories_shape: float
    share: float
    concentration: float
    tested: bool

    @property
    def per_year(self) -> float:
        """Expected novel negatives a year, in units."""
        return self.rate / self.unit * HOURS_PER_YEAR


@dataclass(slots=True)
class Pool:
    """What the series of one kind have in common; `*s` by group (sector, or topic for company-topic series).

    Levels: `stories_rate`, `share`; how far series differ from them: gamma `shape`, beta `concentration`; `unit`:
    Σ w² / Σ w over the weights of stories, so that their sum is in mean and variance a count of such units;
    how lively days are: `dispersion` and `stories_dispersion` (variance um + dispersion·m²), `correlation` of
    the sentiments of one day. `tested` stories of the present model (`epoch`) are behind the shares, which lean on
    `inherited`, the share under the model before.
    """

    stories_rate: float = 0.003  # before anything is pooled: half a story a week
    share: float = 0.1
    unit: float = UNIT_PRIOR[0]
    stories_rates: dict[str, float] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)
    shape: float = 1.0
    concentration: float = 50.0
    dispersion: float = DISPERSION_PRIOR[0]
    stories_dispersion: float = DISPERSION_PRIOR[0]
    correlation: float = CORRELATION_PRIOR[0]
    tested: float = 0.0
    epoch: int = 0
    inherited: float = 0.1

    def prior(self, group: str) -> Prior:
        """The prior of a member of `group`; that of all when the group is unknown."""
        return Prior(
            self.stories_rates.get(group, self.stories_rate),
            self.shares.get(group, self.share),
        )

    def copy(self) -> Self:
        """A copy that shares nothing mutable."""
        return replace(self, stories_rates={**self.stories_rates}, shares={**self.shares})

    def pack(self) -> Any:
        """JSON-ready content."""
        return [getattr(self, f.name) for f in fields(self)]

    @classmethod
    def unpack(cls, packed: Any) -> Self:
        """The pool whose `pack()` this is."""
        return cls(*packed)


class Level(NamedTuple):
    """The posterior of a series' rate and share (see `expectation`): shape of the gamma of the rate, stories per weighted
    hour, concentration and mean of the beta of the share. Numbers, or columns of them."""

    shape: Any
    stories_rate: Any
    certainty: Any
    share: Any


def level_of(stories: Any, exposure: Any, labelled: Any, negatives: Any, prior: Prior, pool: Pool) -> Level:
    """The level of a series with these sums, `labelled` and `negatives` under the present model; or the levels of many,
    where these, and the prior's, are columns."""
    shape, certainty = pool.shape + stories, pool.concentration + labelled / pool.unit
    return Level(
        shape,
        shape / (pool.shape / prior.stories_rate + exposure),
        certainty,
        (pool.concentration * prior.share + negatives / pool.unit) / certainty,
    )


def expectation(baseline: Baseline, prior: Prior, pool: Pool, settings: DetectionSettings) -> Expectation:
    """The posterior of a series: its own sums, shrunk to `prior` as strongly as its kind is alike.

    Stories: gamma-Poisson, shape a = a₀ + stories, rate a / (a₀ / prior + exposure). Share: beta-binomial of
    concentration c. Negatives come at the stories' rate times the share, so that a series with few negatives leans on
    its stories and on what share is usual; the relative variance of that level is v = 1/a + (1 − p) / p(c + 1). A window's
    count multiplies it by the day's liveliness (relative variance d): negative binomial of shape 1 / (v + d + dv).
    A window's share adds the correlation ρ of a day's sentiments: 1 / (1 + concentration) = 1/(c + 1) + ρ·c/(c + 1).
    Empirical Bayes: Robbins 1956; Gelman et al., Bayesian Data Analysis, 2.6 and 5.3.
    """
    known = baseline if baseline.epoch == pool.epoch else Baseline(baseline.day)
    stories_level, stories_rate, certainty, share = level_of(
        baseline.stories, baseline.exposure, known.labelled, known.negatives, prior, pool
    )
    dispersion = shrunk(
        baseline.negatives_excess, baseline.negatives_square, pool.dispersion, DISPERSION_PRIOR[1], DISPERSION_LIMITS
    )
    stories_dispersion = shrunk(
        baseline.stories_excess,
        baseline.stories_square,
        pool.stories_dispersion,
        DISPERSION_PRIOR[1],
        DISPERSION_LIMITS,
    )
    correlation = shrunk(
        known.share_excess, known.share_square, pool.correlation, CORRELATION_PRIOR[1], CORRELATION_LIMITS
    )
    spread = (1 + correlation * certainty) / (certainty + 1)
    uncertainty = 1 / stories_level + (1 - share) / (share * (certainty + 1))
    return Expectation(
        rate=stories_rate * share,
        shape=1 / (uncertainty + dispersion + dispersion * uncertainty),
        unit=pool.unit,
        stories_rate=stories_rate,
        stories_shape=1 / (1 / stories_level + stories_dispersion + stories_dispersion / stories_level),
        share=share,
        concentration=1 / spread - 1,
        tested=pool.tested >= settings.share_minimum,
    )


def _usual(observed: float, mean: float, variance: float, unit: float) -> float:
    """`observed`, or what lies three standard deviations and two units above `mean` where that is less."""
    return min(observed, mean + _USUAL_DEVIATIONS * math.sqrt(variance) + 2 * unit)


def shrunk(excess: float, square: float, prior: float, weight: float, limits: tuple[float, float]) -> float:
    """A ratio of moments, leant on `prior` by `weight` and held to `limits`."""
    return min(max((excess + prior * weight) / (square + weight), limits[0]), limits[1])
