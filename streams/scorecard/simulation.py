"""Simulated series in which nothing ever happens, as lively, seasonal and uneven as real ones."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np

from processors.labels import SentimentLabel
from processors.messages import DocumentSummary, Mention, Sentiment, Topic, Versions
from processors.seasons import DAY, HOUR

COMPANIES: Final = 84
YEARS: Final = 2
_START: Final = 16_071  # 2014-01-01 in days since 1970, a Wednesday
_WARM_UP_DAYS: Final = 60

SINCE: Final = (_START + _WARM_UP_DAYS) * DAY * HOUR
"""The second from which incidents count: the detector warms up before."""

COUNTED_YEARS: Final = YEARS - _WARM_UP_DAYS / 365.25
"""Years that count, of each series."""

_LIVELINESS: Final = 0.6  # variance of a day's level, relative to its mean
_CORRELATION: Final = 0.03  # of the sentiments of one company's day
_TOPICS: Final = ("stock-commentary", "stock-movement", "company-product-news", "earnings", "markets")
_SECTORS: Final = ("Technology", "Services", "Financial", "Healthcare", "Industrial Goods", "Utilities")


def simulated(seed: int, sentiments: Mapping[SentimentLabel, Sequence[Sentiment]], versions: Versions) -> list[Mention]:
    """`YEARS` of mentions of `COMPANIES` whose levels never change, in order of time.

    Volumes are log-uniform from 10 to 3,000 documents a year and shares of negatives vary by company (mean 7 %); a
    day's level is gamma and its share beta distributed; hours follow a working week. Every document is novel
    and has an author of its own. Sentiments are drawn from `sentiments`, as the model gave them to real texts.
    """
    rng = np.random.default_rng(seed)
    hours = np.array([0.3 + 1.7 * (12 <= hour < 22) for hour in range(24)])
    week = [1.25, 1.25, 1.25, 1.25, 1.1, 0.4, 0.5]
    found: list[tuple[float, int, str, SentimentLabel]] = []
    topics: list[str] = []
    for company in range(COMPANIES):
        daily = 10.0 ** rng.uniform(1, np.log10(3000)) / 365.25
        share = rng.beta(3, 40)
        mix = rng.dirichlet(np.ones(len(_TOPICS)))
        concentration = 1 / _CORRELATION - 1
        for day in range(_START, _START + round(365.25 * YEARS)):
            level = daily * week[(day + 3) % 7] * rng.gamma(1 / _LIVELINESS, _LIVELINESS)
            number = rng.poisson(level)
            if not number:
                continue
            negative = rng.random(number) < rng.beta(share * concentration, (1 - share) * concentration)
            at = rng.choice(24, number, p=hours / hours.sum()) + rng.random(number)
            for hour, is_negative, topic in zip(at, negative, rng.choice(len(_TOPICS), number, p=mix), strict=True):
                label: SentimentLabel = "negative" if is_negative else "neutral" if rng.random() < 0.85 else "positive"
                found.append((day * DAY * HOUR + hour * HOUR, company, f"C{company:03}", label))
                topics.append(_TOPICS[topic])
    order = sorted(range(len(found)), key=lambda number: found[number])
    return [_mention(seed, number, found[number], topics[number], sentiments, versions, rng) for number in order]


def _mention(
    seed: int,
    number: int,
    told: tuple[float, int, str, SentimentLabel],
    topic: str,
    sentiments: Mapping[SentimentLabel, Sequence[Sentiment]],
    versions: Versions,
    rng: np.random.Generator,
) -> Mention:
    second, company, name, label = told
    key = hashlib.shake_256(f"{seed}/{number}".encode()).hexdigest(64)
    drawn = sentiments[label]
    document = DocumentSummary(
        identity=f"simulated/{key[:16]}",
        source="simulated",
        kind="social",
        published_at=datetime.fromtimestamp(int(second), UTC),
        sentiment=drawn[int(rng.integers(len(drawn)))],
        topic=Topic(topic, 0.9),  # type: ignore[arg-type]
        excerpt="",
        signature=key,
        author=key[:16],
        reach=int(2 ** rng.uniform(3, 14)),
        repost_of=None,
        url=None,
        language="en",
        late=False,
        versions=versions,
    )
    return Mention(name, _SECTORS[company % len(_SECTORS)], "America/New_York", 1, document)
