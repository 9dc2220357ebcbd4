"""What is expected of a series: its own past, leant on what is usual of its kind."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.baseline import Baseline, Day, Pool, Prior, expectation
from processors.detection import DetectionSettings
from processors.pools import Columns
from processors.pools import pooled as pooled_columns

SETTINGS = DetectionSettings()
PRIOR = Prior(stories_rate=0.05, share=0.07)
POOL = Pool(stories_rate=0.05, share=0.07, unit=0.7, shape=0.4, concentration=300.0, tested=1000.0)


def pooled(baseline: Baseline, epoch: int, before: Pool) -> Pool:
    """The pool of a single series."""
    return pooled_columns(Columns([baseline]), ["Tech"], np.ones(1), epoch, before, SETTINGS)


def of(**sums: float) -> Baseline:
    """A baseline with these sums."""
    return replace(Baseline(10), **sums)


def test_a_company_with_few_negatives_is_known_by_its_stories() -> None:
    quiet = expectation(of(exposure=960.0, stories=25.0, labelled=25.0, negatives=0.0), PRIOR, POOL, SETTINGS)
    busy = expectation(of(exposure=960.0, stories=250.0, labelled=250.0, negatives=0.0), PRIOR, POOL, SETTINGS)
    assert quiet.rate == pytest.approx(25 / 960 * 0.06, rel=0.2)
    assert busy.rate > 5 * quiet.rate, "ten times the stories bring more negatives, even if none was seen yet"
    assert busy.shape > quiet.shape, "and are known better"


def test_what_is_known_of_nothing_is_the_prior() -> None:
    nothing = expectation(of(), PRIOR, POOL, SETTINGS)
    assert (nothing.stories_rate, nothing.share) == (pytest.approx(0.05), pytest.approx(0.07))
    assert nothing.rate == pytest.approx(0.0035)


def test_shares_under_a_former_model_say_nothing_of_the_present_one() -> None:
    former = of(exposure=960.0, stories=200.0, labelled=200.0, negatives=100.0, epoch=1)
    assert expectation(former, PRIOR, replace(POOL, epoch=2), SETTINGS).share == pytest.approx(0.07)
    assert expectation(former, PRIOR, replace(POOL, epoch=1), SETTINGS).share > 0.2


def test_a_new_model_starts_from_the_share_under_the_former_one() -> None:
    member = of(exposure=900.0, stories=300.0, labelled=300.0, negatives=60.0, squares=40.0, epoch=1)
    before = pooled(member, 1, Pool())
    after = pooled(member, 2, before)
    assert after.share == pytest.approx(before.share) and after.tested == 0
    assert pooled(member, 2, after).share == pytest.approx(after.share)


def test_the_unit_of_weights_is_what_they_weigh_by_themselves() -> None:
    sure = of(exposure=900.0, stories=9000.0, labelled=9000.0, negatives=900.0, squares=855.0)
    unsure = of(exposure=900.0, stories=9000.0, labelled=9000.0, negatives=900.0, squares=360.0)
    assert pooled(sure, 0, Pool()).unit == pytest.approx(0.95, abs=0.01)
    assert pooled(unsure, 0, Pool()).unit == pytest.approx(0.41, abs=0.01)


def test_what_is_pooled_is_plain_numbers_as_it_is_after_a_restore() -> None:
    pool = pooled(of(exposure=900.0, stories=300.0, labelled=300.0, negatives=60.0, squares=40.0), 0, Pool())
    numbers = [*pool.stories_rates.values(), *pool.shares.values(), pool.stories_rate, pool.share, pool.shape]
    numbers += [pool.unit, pool.concentration, pool.dispersion, pool.stories_dispersion, pool.correlation, pool.tested]
    assert {type(number) for number in numbers} == {float}


def test_a_surge_does_not_make_days_seem_lively() -> None:
    expected = expectation(of(exposure=960.0, stories=100.0, labelled=100.0, negatives=7.0), PRIOR, POOL, SETTINGS)

    def dispersion(negatives: float) -> float:
        baseline = of(exposure=960.0, stories=100.0, labelled=100.0, negatives=7.0)
        baseline.fold(Day(24.0, negatives, 0.8 * negatives, 60, 1.0, 0), expected, 1.0)
        return baseline.negatives_excess

    assert dispersion(50.0) == dispersion(12.0), "beyond three standard deviations it does not matter how far"
    assert dispersion(50.0) > dispersion(1.0)


@given(
    exposure=st.floats(0, 1e5),
    stories=st.floats(0, 1e5),
    share=st.floats(0, 1),
    excess=st.floats(-1e6, 1e6),
    square=st.floats(0, 1e6),
)
def test_every_expectation_is_a_law(
    exposure: float, stories: float, share: float, excess: float, square: float
) -> None:
    baseline = of(
        exposure=exposure,
        stories=stories,
        labelled=stories,
        negatives=share * stories,
        negatives_excess=excess,
        negatives_square=square,
        stories_excess=excess,
        stories_square=square,
        share_excess=excess,
        share_square=square,
    )
    found = expectation(baseline, PRIOR, POOL, SETTINGS)
    assert all(math.isfinite(x) and x > 0 for x in (found.rate, found.shape, found.stories_rate, found.stories_shape))
    assert 0 < found.share <= 1 and found.concentration > 0
    assert found.rate <= found.stories_rate * (1 + 1e-9)
