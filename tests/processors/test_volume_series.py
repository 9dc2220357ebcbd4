"""Volume series: causal, calm on noise of any shape, one alarm for an event, and nothing that makes it fall apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from null_volumes import ROWS_PER_DAY, false_alarms, instants, null_values

from processors.volume_series import ALARM, HOUR, VolumeSettings, volume_scores

DAYS = 30
EVENT = 20 * ROWS_PER_DAY


def calm(level: float = 20.0, days: int = DAYS, seed: int = 5) -> np.ndarray:
    return null_values("seasonal", level, days, np.random.default_rng(seed))


def alarms(values: np.ndarray, seconds: np.ndarray | None = None) -> list[int]:
    at = instants(len(values) / ROWS_PER_DAY) if seconds is None else seconds
    return np.flatnonzero(volume_scores(at, values) >= ALARM).tolist()


@given(
    seed=st.integers(0, 10_000),
    cut=st.integers(1, 10 * ROWS_PER_DAY - 1),
    level=st.sampled_from([0.1, 2.0, 60.0]),
    later=st.sampled_from([0.0, 1.0, 5000.0]),
)
@settings(max_examples=40)
def test_a_score_depends_on_nothing_that_comes_later(seed: int, cut: int, level: float, later: float) -> None:
    rng = np.random.default_rng(seed)
    seconds = np.cumsum(rng.choice([60.0, 300.0, 300.0, 40_000.0], 10 * ROWS_PER_DAY, p=[0.2, 0.4, 0.395, 0.005]))
    values = rng.poisson(level * rng.gamma(0.3, 1 / 0.3, len(seconds))).astype(float)
    other = np.where(np.arange(len(values)) < cut, values, later)
    longer = volume_scores(seconds, values)
    assert np.array_equal(longer[:cut], volume_scores(seconds[:cut], values[:cut]))
    assert np.array_equal(longer[:cut], volume_scores(seconds, other)[:cut])


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 1.0, 300.0, 86_400.0, 4e7]), st.floats(0, 1e12) | st.just(0.0)), max_size=120
    ),
    st.floats(0.01, 1000),
)
@settings(max_examples=300)
def test_any_rows_give_scores_from_0_to_1(rows: list[tuple[float, float]], rate: float) -> None:
    seconds = np.cumsum([step for step, _ in rows]) if rows else np.zeros(0)
    scores = volume_scores(seconds, np.array([value for _, value in rows]), VolumeSettings(alarms_per_year=rate))
    assert len(scores) == len(rows)
    assert np.all((scores >= 0) & (scores < 1))


@pytest.mark.parametrize("level", [0.3, 3.0, 50.0])
@pytest.mark.parametrize("shape", ["flat", "lively", "overdispersed", "lively overdispersed", "wandering"])
def test_noise_of_any_shape_rings_no_more_often_than_stated(shape: str, level: float) -> None:
    _, upper = false_alarms(shape, level, series=45, days=55, seed=11)
    assert upper <= VolumeSettings().alarms_per_year


@pytest.mark.parametrize("level", [0.05, 1.0, 20.0, 2000.0])
def test_a_surge_rings_within_its_first_hour_at_any_level(level: float) -> None:
    values = calm(level)
    values[EVENT : EVENT + 36] += np.ceil(20 * level + 5)
    found = alarms(values)
    assert any(EVENT <= row < EVENT + 12 for row in found)


def test_one_event_rings_once_and_a_lasting_one_once_a_day() -> None:
    short, lasting = calm(), calm()
    short[EVENT : EVENT + 60] += 600
    lasting[EVENT : EVENT + 2 * ROWS_PER_DAY] += 600
    assert [row for row in alarms(short) if row >= EVENT][:1] == [row for row in alarms(short) if row >= EVENT]
    found = [row for row in alarms(lasting) if row >= EVENT]
    assert len(found) == 2
    assert found[1] - found[0] == ROWS_PER_DAY + 1


def test_inside_an_incident_the_score_still_tells_what_goes_on() -> None:
    values = calm()
    values[EVENT : EVENT + 60] += 600
    scores = volume_scores(instants(DAYS), values)
    rang = next(row for row in alarms(values) if row >= EVENT)
    inside = scores[rang + 1 : rang + 30]
    assert inside.max() < ALARM
    assert inside.max() > 0.3


def test_a_new_level_is_adopted_and_rings_no_longer() -> None:
    values = calm(days=60)
    values[EVENT:] *= 4
    found = [row for row in alarms(values) if row >= EVENT]
    assert found
    assert max(found) < EVENT + 7 * ROWS_PER_DAY
    assert len(found) <= 5


def test_a_gap_rings_nothing_when_the_rows_go_on_as_before() -> None:
    values, seconds = calm(days=40), instants(40)
    kept = (seconds < EVENT * 300) | (seconds >= EVENT * 300 + 5 * 24 * HOUR)
    assert [row for row in alarms(values[kept], seconds[kept]) if EVENT <= row < EVENT + ROWS_PER_DAY] == []


def test_an_outage_told_as_zeros_rings_nothing_when_it_ends() -> None:
    values = calm(days=40)
    values[EVENT : EVENT + ROWS_PER_DAY] = 0
    assert [row for row in alarms(values) if EVENT <= row < EVENT + 3 * ROWS_PER_DAY] == []


@pytest.mark.parametrize("value", [0.0, 1.0, 1e9])
def test_a_constant_series_never_rings(value: float) -> None:
    assert alarms(np.full(DAYS * ROWS_PER_DAY, value)) == []


def test_a_single_document_in_a_silent_series_is_no_alarm_and_ten_are() -> None:
    one, ten = np.zeros((2, DAYS * ROWS_PER_DAY))
    one[EVENT], ten[EVENT] = 1, 10
    assert alarms(one) == []
    assert alarms(ten) == [EVENT]


def test_a_file_shorter_than_the_warm_up_scores_0() -> None:
    values = calm(days=2)
    values[-5:] = 10_000
    assert volume_scores(instants(2), values).tolist() == [0.0] * len(values)
