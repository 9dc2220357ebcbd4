"""The chances that alarms tell are kept: what they say rings once a year rings no more often where nothing happens."""

from datetime import timedelta

import numpy as np
import pytest
from detector_events import SENTIMENTS, START, VERSIONS, Partition, words
from null_series import CORRELATION, SHARE, Rings, rings, week
from scipy import stats

from processors.detection import DetectorSettings
from processors.labels import TOPICS
from processors.messages import DocumentSummary, Mention, Topic
from processors.surprise import count_interval, count_tail, share_interval, share_tail

NIGHT = 5 * 3600  # the null series are given in New York's time


@pytest.mark.parametrize("question", ["count", "sentiment"])
@pytest.mark.parametrize(("stories_a_year", "liveliness", "years"), [(220.0, 1.0, 400), (1000.0, 1.0, 150)])
def test_a_null_series_rings_no_more_often_than_told(
    question: str, stories_a_year: float, liveliness: float, years: int
) -> None:
    found = rings(stories_a_year, liveliness, years, question, seed=2)
    assert found.upper(12.0) <= 12.0
    assert found.upper(1.0) <= 1.0
    assert found.upper(0.1) <= 0.1


def test_counts_in_fixed_windows_have_uniform_surprise() -> None:
    rng = np.random.default_rng(3)
    values = []
    for mean, shape in zip(rng.gamma(0.7, 4, 4000), rng.uniform(0.3, 5, 4000), strict=True):
        n = int(rng.poisson(rng.gamma(shape, mean / shape)))
        above, at_least = count_tail(n + 1, mean, shape), count_tail(n, mean, shape)
        values.append(above + rng.random() * (at_least - above))
    assert stats.kstest(values, "uniform").pvalue > 0.01


def test_shares_in_fixed_windows_have_uniform_surprise() -> None:
    rng = np.random.default_rng(4)
    values = []
    for total, alpha, beta in zip(rng.integers(1, 60, 4000), rng.uniform(0.3, 9, 4000), rng.uniform(3, 90, 4000)):
        x = int(rng.binomial(total, rng.beta(alpha, beta)))
        above, at_least = share_tail(x + 1, int(total), alpha, beta), share_tail(x, int(total), alpha, beta)
        values.append(above + rng.random() * (at_least - above))
    assert stats.kstest(values, "uniform").pvalue > 0.01


@pytest.mark.parametrize(("mean", "shape"), [(0.02, 0.4), (3.0, 1.0), (40.0, 2.5), (5000.0, 30.0)])
def test_the_interval_of_a_count_is_central(mean: float, shape: float) -> None:
    low, high = count_interval(mean, shape)
    law = stats.nbinom(shape, shape / (shape + mean))
    assert (low, high) == (law.ppf(0.025), law.ppf(0.975))
    assert count_tail(7, mean, shape) == pytest.approx(law.sf(6), rel=1e-9)


@pytest.mark.parametrize(("total", "alpha", "beta"), [(1, 0.5, 4.0), (30, 2.0, 20.0), (900, 7.0, 60.0)])
def test_the_interval_of_a_share_is_central(total: int, alpha: float, beta: float) -> None:
    law = stats.betabinom(total, alpha, beta)
    assert share_interval(total, alpha, beta) == (law.ppf(0.025), law.ppf(0.975))
    for least in range(0, total + 1, max(1, total // 7)):
        assert share_tail(least, total, alpha, beta) == pytest.approx(law.sf(least - 1), rel=1e-7, abs=1e-10)


@pytest.mark.parametrize(("total", "alpha", "beta"), [(100_000, 150.0, 350.0), (5_000, 250.0, 250.0)])
def test_the_interval_of_a_share_among_very_many_is_central_too(total: int, alpha: float, beta: float) -> None:
    mean = total * alpha / (alpha + beta)
    deviation = np.sqrt(mean * beta / (alpha + beta) * (alpha + beta + total) / (alpha + beta + 1))
    low, high = share_interval(total, alpha, beta)
    assert low == pytest.approx(mean - 1.96 * deviation, rel=0.02)
    assert high == pytest.approx(mean + 1.96 * deviation, rel=0.02)
    assert share_tail(1, total, alpha, beta) == pytest.approx(1.0)


def test_a_whole_detector_that_must_learn_its_baselines_rings_no_more_often_than_told() -> None:
    companies, days = 40, 200
    partition = Partition(DetectorSettings())
    partition.feed(_nothing_happens(companies, days))
    watched = companies * (days - partition.settings.detection.warm_up_days - 3) / 365.25
    loudest: dict[str, float] = {}
    for alert in partition.alerts:
        if alert.series_kind == "company":
            loudest[alert.incident] = min(alert.chance_per_year, loudest.get(alert.incident, np.inf))
    found = Rings(watched, {rung: sum(c <= rung for c in loudest.values()) for rung in (12.0, 1.0, 0.1)})
    assert len(partition.points) > 10_000
    for rung in (12.0, 1.0):
        assert found.upper(rung) <= rung
    assert found.at[0.1] <= stats.poisson.ppf(0.95, 0.1 * watched)


def _nothing_happens(companies: int, days: int) -> list[Mention]:
    """Null series of very different volume, with seasons, lively days and correlated sentiments."""
    rng = np.random.default_rng(5)
    profile, records = week(), []
    for company, yearly in enumerate(rng.lognormal(np.log(250), 1.2, companies)):
        for day in range(days):
            hourly = profile.shape[24 * (day % 7) : 24 * (day % 7) + 24]
            number = rng.poisson(yearly / 8766 * rng.gamma(1, 1) * hourly.sum())
            share = rng.beta(SHARE * (1 / CORRELATION - 1), (1 - SHARE) * (1 / CORRELATION - 1))
            hours = rng.choice(24, number, p=hourly / hourly.sum()) + rng.random(number)
            for hour, roll in zip(hours, rng.random(number), strict=True):
                records.append((company, float(24 * day + hour), bool(roll < share)))
    return [
        Mention(
            f"C{company}",
            f"S{company % 4}",
            "America/New_York",
            1,
            DocumentSummary(
                identity=f"null/{number}",
                source="null",
                kind="social",
                published_at=START + timedelta(hours=hours, seconds=NIGHT),
                sentiment=SENTIMENTS["negative" if negative else "neutral"],
                topic=Topic(TOPICS[number % 3], 0.9),
                excerpt=words(str(number)),
                signature=rng.bytes(64).hex(),
                author=f"author {number}",
                reach=10,
                repost_of=None,
                url=None,
                language="en",
                late=False,
                versions=VERSIONS,
            ),
        )
        for number, (company, hours, negative) in enumerate(records)
    ]
