"""State of the version before is read: what was counted then counts on."""

import json

import pytest

from processors.baseline import Baseline, Pool
from processors.counts import Buckets, Told
from processors.errors import InvariantError
from processors.incidents import Watch
from processors.ledger import Ledger, key_of
from processors.state import Changes, fitted


def former(content: object, version: int = 1) -> bytes:
    """A piece as the version before wrote it."""
    return json.dumps([version, content]).encode()


def test_a_story_that_was_labelled_negative_weighs_fully() -> None:
    buckets = Buckets(Changes())
    buckets.write("company:ACME/7", former([2, 1, 0, 3, 1, 4, [[25_300, "k", "author", False]], [25_201, 25_500]]))
    bucket = buckets.of("company:ACME")[7]
    assert (bucket.stories, bucket.leaning, bucket.negatives, bucket.revision) == (3, 1, 1.0, 4)
    assert bucket.told == (Told(25_300, "k", "author", False, 100),) and bucket.others == (25_201, 25_500)


def test_identities_keep_where_they_counted() -> None:
    ledger = Ledger(Changes())
    a, b, c = map(key_of, "abc")
    ledger.write(
        "company:ACME/7/0",
        former({a: [25_300, True, ["company:ACME"]], b: [25_400, False, ["company:ACME"]], c: None}),
    )
    assert ledger.knows(c, "company:ACME") and ledger.get("company:ACME", c) is None
    first, second = ledger.get("company:ACME", a), ledger.get("company:ACME", b)
    assert first is not None and second is not None and (first.weight, second.weight) == (100, 0)


def test_baselines_and_pools_keep_their_levels() -> None:
    baseline = fitted("baseline/company:ACME", former([5, 100.0, 9.0, 80.0, 2, 6.0, 60.0, *range(6)]), Baseline.unpack)
    assert (baseline.exposure, baseline.stories, baseline.epoch) == (100.0, 80.0, 2)
    assert (baseline.negatives, baseline.labelled) == (6.0, 60.0) and baseline.share_square == 5
    pool = fitted(
        "pool/company",
        former([0.1, 2.0, 0.07, {"Tech": 0.2}, {"Tech": 3.0}, {"Tech": 0.08}, 1.5, 60.0, 1.0, 0.9, 0.03, 700.0, 2]),
        Pool.unpack,
    )
    assert (pool.stories_rate, pool.share, pool.shape, pool.tested, pool.epoch) == (2.0, 0.07, 1.5, 700.0, 2)
    assert pool.prior("Tech").stories_rate == 3.0 and pool.prior("Tech").share == 0.08 and pool.inherited == 0.07


def test_an_open_incident_stays_open_and_as_loud_as_it_was() -> None:
    told = [3, 0, 10_800, 6.0, 6, 16, 0.06, 0.7, 0.75, 1.0, 20.0, 30.0, 1e-3, 2e-2, True]
    slow = [72, 0, 259_200, 6.0, 6, 16, 0.06, 0.7, 0.75, 1.0, 20.0, 30.0, 1e-3, None, False]
    incident = ["incident-1", "sentiment", 50, 0.1, 0.02, told, 60, 70, slow, "urgent", 6, 2]
    watch = fitted("incident/company:ACME", former([incident, 40, [[1, 2]]], 2), Watch.unpack)
    assert watch.open is not None and watch.used == 40 and watch.is_unusual(2)
    assert watch.open.told.negatives == 6 and watch.open.told.looks == 8 and watch.open.told.is_higher
    assert watch.open.told.chance("sentiment") == 1e-3
    assert watch.open.peak.chance("sentiment") is None and watch.open.peak.chance("volume") == 1e-3
    assert (watch.open.loud_at, watch.open.closes_at, watch.open.sequence) == (70, 70 + 12 * 3600, 2)
    assert fitted("incident/company:ACME", former([None, -1, []], 2), Watch.unpack).open is None


def test_any_other_version_is_refused_by_name() -> None:
    with pytest.raises(InvariantError, match=r"company:ACME.*version 1.*rebuild"):
        fitted("incident/company:ACME", former([None, -1, []], 1), Watch.unpack)
