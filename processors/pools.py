"""What the series of one kind have in common, and what a day on which nothing was counted does to them: many baselines at
once, as columns, because nearly all series idle nearly always."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from processors.baseline import (
    CORRELATION_LIMITS,
    CORRELATION_PRIOR,
    DISPERSION_LIMITS,
    DISPERSION_PRIOR,
    UNIT_PRIOR,
    Baseline,
    Level,
    Pool,
    Prior,
    level_of,
    shrunk,
    values_of,
)
from processors.detection import DetectionSettings

_SHAPE_LIMITS: Final = (0.1, 50.0)
_CONCENTRATION_LIMITS: Final = (10.0, 500.0)
_UNIT_LIMITS: Final = (0.3, 1.0)
_SHARE_PRIOR: Final = 20.0  # stories by which the former share of a kind counts beside those of the present model
_NAMES: Final = tuple(f.name for f in fields(Baseline))
_OF_MODEL: Final = ("labelled", "negatives", "squares", "share_excess", "share_square")

Column = NDArray[np.float64]


class Columns:
    """Baselines as columns of the same names; a row is a series."""

    day: Column
    exposure: Column
    stories: Column
    epoch: Column
    labelled: Column
    negatives: Column
    squares: Column
    negatives_excess: Column
    negatives_square: Column
    stories_excess: Column
    stories_square: Column
    share_excess: Column
    share_square: Column

    def __init__(self, baselines: Iterable[Baseline]) -> None:
        """Copies of `baselines`, in their order."""
        table = np.array([values_of(baseline) for baseline in baselines], dtype=np.float64)
        for name, column in zip(_NAMES, table.reshape(-1, len(_NAMES)).T.copy(), strict=True):
            setattr(self, name, column)

    def __len__(self) -> int:
        return len(self.day)

    def baseline(self, row: int) -> Baseline:
        """A row as a baseline of its own."""
        values = {name: getattr(self, name)[row].item() for name in _NAMES}
        return Baseline(**{**values, "day": int(values["day"]), "epoch": int(values["epoch"])})

    def levels(self, rows: Any, prior: Prior, pool: Pool) -> Level:
        """What is believed of `rows` (a slice or numbers) before their next day; `prior` holds columns of that length."""
        present = self.epoch[rows] == pool.epoch
        labelled, negatives = self.labelled[rows] * present, self.negatives[rows] * present
        return level_of(self.stories[rows], self.exposure[rows], labelled, negatives, prior, pool)

    def pass_day(
        self, rows: NDArray[np.int64], exposure: Column, weight: Column, level: Level, epoch: int, decay: float
    ) -> None:
        """Folds a day without stories into `rows`: what `Baseline.fold` does to one."""
        former = rows[self.epoch[rows] != epoch]
        for name in _OF_MODEL:
            getattr(self, name)[former] = 0.0
        self.epoch[rows] = epoch
        self.day[rows] += 1
        stories_mean = level.stories_rate * exposure
        mean = level.stories_rate * level.share * exposure
        for name in ("stories", *_OF_MODEL):
            getattr(self, name)[rows] *= decay
        self.exposure[rows] = self.exposure[rows] * decay + weight * exposure
        for name, expected in (("negatives", mean), ("stories", stories_mean)):
            for moment in (f"{name}_excess", f"{name}_square"):
                column = getattr(self, moment)
                column[rows] = column[rows] * decay + weight * expected * expected


def priors(pool: Pool, groups: Sequence[str]) -> Prior:
    """The priors of series of these groups, as columns."""
    known = {group: pool.prior(group) for group in set(groups)}
    found = np.array([known[group] for group in groups], dtype=np.float64).reshape(-1, 2)
    return Prior(found[:, 0], found[:, 1])  # type: ignore[arg-type]


class Kind(NamedTuple):
    """The series of one kind: their names, groups (sector or topic) and baselines; `above`: the rows of their companies in
    `companies` where they are topics of companies, else their own."""

    name: str
    series: list[str]
    groups: list[str]
    columns: Columns
    above: NDArray[np.int64]
    companies: "Kind | None"


def beneath(prior: Prior, stories_rate: Any, share: Any, pool: Pool) -> Prior:
    """The prior of a company's topic: the topic's, in the rate and the odds of its company. Numbers, or columns of them."""
    odds = _odds(prior.share) * _odds(share) / _odds(pool.share)
    return Prior(prior.stories_rate * stories_rate, odds / (1 + odds))


def _odds(share: Any) -> Any:
    return share / (1 - share)


def pooled(
    members: Columns, groups: Sequence[str], rates: Column, epoch: int, before: Pool, settings: DetectionSettings
) -> Pool:
    """The pool of `members` (in a fixed order: sums of floats depend on it), by the method of moments; `before` is the
    pool of the day before, whose share a new model starts from.

    `groups`: the sector or topic of each; `rates`: the rate of stories that it leans on besides the group's (that of the
    company for a company-topic series, 1 otherwise), in which the pool's rates are measured.
    A group's level is the mean of its members' rates, shrunk to that of all as if `group_prior` further members
    had it. Differences between members: relative variance v = Σ ((x − m)² − x) / Σ m², gamma shape 1/v.
    """
    pool = Pool(epoch=epoch, inherited=before.inherited if before.epoch == epoch else before.share)
    seen, present = members.exposure > 0, members.epoch == epoch
    scaled = members.exposure * rates
    pool.stories_rate = _level(members.stories, scaled, seen)
    pool.tested = _total(members.labelled[present])
    pool.unit = shrunk(_total(members.squares[present]), _total(members.negatives[present]), *UNIT_PRIOR, _UNIT_LIMITS)
    pool.share = _share(members, present, pool.inherited, _SHARE_PRIOR)
    names, codes = np.unique(np.array(groups, dtype=object), return_inverse=True) if groups else ((), np.array([]))
    for code, group in enumerate(names):
        inside = codes == code
        number = int(np.count_nonzero(inside & seen))
        if number:
            weight = settings.group_prior / (number + settings.group_prior)
            level = _level(members.stories, scaled, inside & seen)
            pool.stories_rates[group] = pool.stories_rate**weight * level ** (1 - weight)
        pool.shares[group] = _share(members, inside & present, pool.share, 100.0)
    prior = priors(pool, groups)
    expected = prior.stories_rate * rates * members.exposure
    pool.shape = _between(members.stories[seen], expected[seen])
    negatives, labelled = members.negatives / pool.unit, members.labelled / pool.unit
    pool.concentration = _concentration(negatives, labelled, prior.share, present & (labelled > 1))
    pool.dispersion, pool.stories_dispersion = (
        shrunk(_total(excess[seen]), _total(square[seen]), *DISPERSION_PRIOR, DISPERSION_LIMITS)
        for excess, square in (
            (members.negatives_excess, members.negatives_square),
            (members.stories_excess, members.stories_square),
        )
    )
    pool.correlation = shrunk(
        _total(members.share_excess[present]),
        _total(members.share_square[present]),
        *CORRELATION_PRIOR,
        CORRELATION_LIMITS,
    )
    return pool


def _total(column: Column, start: float = 0.0) -> float:
    """The sum, one after the other from `start` on: the same on every machine, as pairwise sums need not be."""
    return float(np.cumsum(np.concatenate(((start,), column)))[-1])


def _level(stories: Column, exposure: Column, rows: NDArray[np.bool_]) -> float:
    """Stories per exposure with half a story in a week added, so that nothing is impossible."""
    return _total(stories[rows], 0.5) / _total(exposure[rows], 168.0)


def _share(members: Columns, rows: NDArray[np.bool_], prior: float, weight: float) -> float:
    return _total(members.negatives[rows], prior * weight) / _total(members.labelled[rows], weight)


def _between(x: Column, m: Column) -> float:
    excess, square = _total((x - m) ** 2 - x, 1.0), _total(m * m, 1.0)
    return min(max(square / max(excess, 1e-9), _SHAPE_LIMITS[0]), _SHAPE_LIMITS[1])


def _concentration(negatives: Column, stories: Column, share: Any, rows: NDArray[np.bool_]) -> float:
    """Of a beta between members: Σ (χ² − 1) / Σ (n − 1) is their correlation, every member weighing by its stories."""
    x, n, p = negatives[rows], stories[rows], share[rows]
    excess = _total((x - n * p) ** 2 / (n * p * (1 - p)) - 1)
    correlation = max(excess / _total(n - 1, 1.0), 1e-9)
    return min(max(1 / correlation - 1, _CONCENTRATION_LIMITS[0]), _CONCENTRATION_LIMITS[1])
