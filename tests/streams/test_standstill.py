"""A consumer that brings nothing though records wait ends its service; one that is behind, busy or idle does not."""

import pytest
from kafka import TopicPartition

from processors.errors import RetryableError
from streams.services.standstill import JOIN_SECONDS, STANDSTILL_SECONDS, Standstill

ALERTS, SERIES = TopicPartition("tocsin.alerts", 0), TopicPartition("tocsin.series", 0)
ENDS = {ALERTS: 10, SERIES: 10}


def looks(
    standstill: Standstill,
    positions: dict[TopicPartition, int],
    begin: float,
    seconds: float,
    *,
    joining: bool = False,
) -> None:
    for now in range(int(begin), int(begin + seconds) + 1, 5):
        standstill.look(now, positions, ENDS, joining=joining)


def test_records_that_wait_and_do_not_come_end_the_service_with_a_word() -> None:
    standstill = Standstill()
    looks(standstill, {ALERTS: 10, SERIES: 7}, 0, STANDSTILL_SECONDS)
    with pytest.raises(RetryableError, match=r"3 records wait in tocsin\.series, partition 0, .* for 125 s"):
        looks(standstill, {ALERTS: 10, SERIES: 7}, STANDSTILL_SECONDS + 5, 5)


def test_nothing_to_read_is_no_standstill() -> None:
    looks(Standstill(), ENDS, 0, 10 * STANDSTILL_SECONDS)


def test_whoever_gets_on_however_slowly_is_let_be() -> None:
    standstill = Standstill()
    for position in range(9):
        looks(standstill, {ALERTS: position, SERIES: 10}, position * STANDSTILL_SECONDS, STANDSTILL_SECONDS - 5)


def test_what_stood_still_while_the_service_was_busy_elsewhere_is_watched_afresh() -> None:
    standstill = Standstill()
    looks(standstill, {ALERTS: 3, SERIES: 10}, 0, 100)
    looks(standstill, {ALERTS: 3, SERIES: 10}, 1000, 100)


def test_a_group_that_waits_for_a_busy_member_is_let_be_as_long_as_a_broker_waits() -> None:
    standstill, positions = Standstill(), {ALERTS: 3, SERIES: 10}
    looks(standstill, positions, 0, 100)
    looks(standstill, positions, 105, 300, joining=True)
    looks(standstill, positions, 410, 100)
    looks(standstill, positions, 515, JOIN_SECONDS, joining=True)
    with pytest.raises(RetryableError, match="7 records wait"):
        looks(standstill, positions, 520 + JOIN_SECONDS, 5, joining=True)


def test_a_look_tells_whether_reading_gets_on() -> None:
    standstill = Standstill()
    assert standstill.look(0, {ALERTS: 3, SERIES: 10}, ENDS)
    assert not standstill.look(5, {ALERTS: 3, SERIES: 10}, ENDS)
    assert standstill.look(10, {ALERTS: 4, SERIES: 10}, ENDS)
