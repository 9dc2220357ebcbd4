"""NAB scoring against cases computed by hand from the published definition."""

import math

import pytest

from streams.nab import LOW_FALSE_POSITIVE, STANDARD, judge, nab_score, probation_rows

ROWS = 10_000
WINDOW = (2000, 2099)  # 100 rows


def sigmoid(position: float) -> float:
    return 2 / (1 + math.exp(5 * position)) - 1


def scores(*alarms: int, windows: tuple[tuple[int, int], ...] = (WINDOW,)) -> tuple[float, float]:
    outcome = judge(ROWS, alarms, windows)
    return nab_score([outcome], STANDARD), nab_score([outcome], LOW_FALSE_POSITIVE)


def test_an_alarm_at_the_left_edge_of_every_window_scores_100() -> None:
    assert scores(2000) == pytest.approx((100, 100))


def test_a_detector_that_never_rings_scores_0() -> None:
    assert scores() == (0, 0)


@pytest.mark.parametrize(
    ("alarm", "earned"), [(2050, 0.84828 / 0.98661), (2099, sigmoid(-0.01) / 0.98661), (2025, sigmoid(-0.75) / 0.98661)]
)
def test_a_later_alarm_in_a_window_earns_less(alarm: int, earned: float) -> None:
    assert scores(alarm)[0] == pytest.approx(100 * (earned + 1) / 2, abs=0.001)


def test_only_the_first_alarm_in_a_window_counts() -> None:
    assert scores(2050, 2060, 2099) == scores(2050)
    assert judge(ROWS, [2050, 2060], [WINDOW]).false_alarms == 0


def test_a_false_alarm_before_any_window_costs_all_of_its_weight() -> None:
    assert scores(1500, 2000) == pytest.approx((100 * (2 - 0.11) / 2, 100 * (2 - 0.22) / 2))


def test_a_false_alarm_soon_after_a_window_costs_less_and_all_of_it_three_widths_later() -> None:
    weight = -sigmoid(10 / 99)  # ten rows past the last of a hundred
    assert scores(2000, 2109)[0] == pytest.approx(100 * (2 - 0.11 * weight) / 2)
    assert scores(2000, 2099 + 297)[0] == pytest.approx(100 * (2 - 0.11) / 2)
    assert judge(ROWS, [2109, 5000], [WINDOW]).weight == pytest.approx(weight + 1)


def test_a_missed_window_costs_as_much_as_a_caught_one_earns() -> None:
    assert scores(2000, windows=(WINDOW, (5000, 5099)))[0] == pytest.approx(50)


def test_the_probation_is_15_percent_of_the_rows_and_at_most_750() -> None:
    assert (probation_rows(1000), probation_rows(4999), probation_rows(5000), probation_rows(16_000)) == (
        150,
        749,
        750,
        750,
    )


def test_alarms_in_the_probation_cost_nothing_and_windows_that_end_in_it_do_not_count() -> None:
    outcome = judge(ROWS, [10, 749], [(100, 200), WINDOW])
    assert outcome.caught == (None,)
    assert outcome.false_alarms == 0


def test_of_a_window_that_reaches_out_of_the_probation_only_alarms_behind_it_count() -> None:
    assert judge(ROWS, [720], [(700, 799)]).caught == (None,)
    assert judge(ROWS, [760], [(700, 799)]).caught[0] == pytest.approx(sigmoid(-40 / 100) / sigmoid(-1))


def test_several_series_are_summed_before_they_are_scaled() -> None:
    one, two = judge(ROWS, [2000], [WINDOW]), judge(ROWS, [9000], [WINDOW, (4000, 4099)])
    assert nab_score([one, two], STANDARD) == pytest.approx(100 * (1 - 2 - 0.11 + 3) / 6)


def test_series_without_windows_cannot_be_scored() -> None:
    with pytest.raises(ValueError, match="no labelled window"):
        nab_score([judge(ROWS, [5], [])], STANDARD)
