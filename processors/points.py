"""The point of a series that a closed hour is published as."""

from datetime import UTC, datetime
from functools import lru_cache

from processors.baseline import Expectation
from processors.counts import Bucket
from processors.messages import SeriesPoint
from processors.seasons import HOUR
from processors.series import kind_of_series
from processors.surprise import count_interval, surprise


def point_of(series: str, hour: int, bucket: Bucket, expected: Expectation, exposure: float) -> SeriesPoint:
    """What `bucket` counted in the `hour` since 1970, beside what was expected in its `exposure` (weighted hours)."""
    unit, shape = expected.unit, expected.shape
    mean, negatives = expected.rate * exposure, bucket.negatives
    low, high = count_interval(mean / unit, shape)
    return SeriesPoint(
        series=series,
        kind=kind_of_series(series),
        start=_instant(hour),
        end=_instant(hour + 1),
        negative=bucket.negative,
        neutral=bucket.neutral,
        positive=bucket.positive,
        stories=bucket.stories,
        novel_negative=negatives,
        expected=mean,
        expected_low=low * unit,
        expected_high=high * unit,
        surprise=surprise(negatives / unit, mean / unit, shape) if negatives else 0.0,
        revision=bucket.revision,
    )


@lru_cache(maxsize=256)
def _instant(hour: int) -> datetime:
    return datetime.fromtimestamp(hour * HOUR, UTC)
