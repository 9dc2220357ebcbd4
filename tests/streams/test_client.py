"""Programs read alerts: what was committed, each once, from a time, an incident or where they left off."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_messages import NOON, alert

from processors.clock import EPOCH
from processors.errors import ConfigurationError, RetryableError
from streams.client import Alerts, PositionError, parsed
from streams.service_settings import KafkaSettings
from streams.stack.kafka import Kafka
from tests.services.kafka_client import Prefix, new_prefix

HOUR = timedelta(hours=1)


@pytest.fixture
def prefix(kafka: Kafka) -> Iterator[Prefix]:
    return new_prefix(kafka)


def ids(alerts: Any, count: int) -> list[str]:
    return [one.id for one in islice(alerts, count)]


def test_without_more_it_gives_what_rings_from_now_on_and_never_what_was_aborted(prefix: Prefix) -> None:
    prefix.ring(alert("alert-old"))
    with Alerts(prefix.settings.kafka) as alerts:
        assert alerts.poll(0.5) is None and alerts.kept() == []
        prefix.ring(alert("alert-x"), commit=False)
        prefix.ring(alert("alert-1"), alert("alert-2"))
        assert ids(alerts, 2) == ["alert-1", "alert-2"]
        assert alerts.poll(0.5) is None


def test_from_a_time_on_by_when_it_rang_and_what_is_kept_comes_by_time(prefix: Prefix) -> None:
    prefix.ring(alert("alert-2", at=NOON + 2 * HOUR), alert("alert-0"))
    prefix.ring(alert("alert-1", at=NOON + HOUR), partition=1)
    with Alerts(prefix.settings.kafka, since=NOON + HOUR) as alerts:
        prefix.ring(alert("alert-3", at=NOON + 3 * HOUR))
        assert [one.id for one in alerts.kept()] == ["alert-1", "alert-2"]
        assert ids(alerts, 1) == ["alert-3"]
    with Alerts(prefix.settings.kafka, since=EPOCH) as alerts:
        assert {one.id for one in alerts.kept()} == {f"alert-{n}" for n in range(4)}
    with Alerts(prefix.settings.kafka, since=datetime(2100, 1, 1, tzinfo=UTC)) as alerts:
        assert alerts.kept() == []


def test_an_incident_from_its_first_event_to_its_close(prefix: Prefix) -> None:
    prefix.ring(alert("alert-a0", incident="incident-a"), alert("alert-b0", incident="incident-b"))
    with Alerts(prefix.settings.kafka, incident="incident-a") as alerts:
        assert next(alerts).id == "alert-a0"
        prefix.ring(alert("alert-a1", incident="incident-a", sequence=1, event="escalate"))
        prefix.ring(alert("alert-b1", incident="incident-b", sequence=1, event="close"))
        prefix.ring(alert("alert-a2", incident="incident-a", sequence=2, event="close"))
        assert [one.id for one in alerts] == ["alert-a1", "alert-a2"], "its close is the end"
        assert alerts.poll(60) is None, "at once"


def test_where_one_reader_left_off_another_goes_on(prefix: Prefix) -> None:
    with Alerts(prefix.settings.kafka) as first:
        begin = first.position
        prefix.ring(*(alert(f"alert-{n}") for n in range(5)))
        prefix.ring(alert("alert-other"), partition=1)
        seen = ids(first, 3)
        position = first.position
    with Alerts(prefix.settings.kafka, position=position) as second:
        assert {*seen, *ids(second, 3)} == {*(f"alert-{n}" for n in range(5)), "alert-other"}
    with Alerts(prefix.settings.kafka, position=begin) as third:
        assert len(third.kept()) == 6
    with pytest.raises(PositionError, match="no position in 2 partitions"):
        Alerts(prefix.settings.kafka, position="0:1").__enter__()


def test_a_loop_that_is_left_goes_on_with_the_next_alert(prefix: Prefix) -> None:
    with Alerts(prefix.settings.kafka) as alerts:
        prefix.ring(*(alert(f"alert-{n}") for n in range(4)))
        for one in alerts:
            assert one.id == "alert-0"
            break
        assert ids(alerts, 3) == ["alert-1", "alert-2", "alert-3"]


def test_what_comes_twice_is_given_once_and_what_is_no_alert_is_told(prefix: Prefix) -> None:
    told: list[str] = []
    with Alerts(prefix.settings.kafka, unreadable=told.append) as alerts:
        prefix.ring(alert("alert-1"))
        prefix.ring(alert("alert-1"), alert("alert-2"))
        prefix.send("alerts", b"no alert")
        prefix.send("alerts", b'{"schema": 2}')
        prefix.ring(alert("alert-3"))
        assert ids(alerts, 3) == ["alert-1", "alert-2", "alert-3"]
    assert [line.split(": ")[0].rpartition(" is ")[2] for line in told] == ["no alert", "no alert"]


def test_a_prefix_without_topics_and_a_broker_that_is_away_are_told(kafka: Kafka) -> None:
    with pytest.raises(ConfigurationError, match=r"no topic nowhere\.alerts"):
        Alerts(KafkaSettings(servers=(kafka.address,), prefix="nowhere")).__enter__()
    with pytest.raises(RetryableError, match="127"):
        Alerts(KafkaSettings(servers=("127.0.0.1:1",))).__enter__()


def test_a_broker_that_goes_away_is_waited_for(kafka: Kafka, prefix: Prefix) -> None:
    with Alerts(prefix.settings.kafka) as alerts:
        prefix.ring(alert("alert-1"))
        assert ids(alerts, 1) == ["alert-1"]
        kafka.kill()
        try:
            assert alerts.poll(2) is None
        finally:
            kafka.start()
        prefix.ring(alert("alert-2"))
        assert ids(alerts, 1) == ["alert-2"]


@given(st.text(max_size=30) | st.from_regex(r"[0-9]{1,3}:[0-9]{1,20}(,-?[0-9]{1,3}:-?[0-9]{1,9}){0,3}", fullmatch=True))
def test_whatever_is_given_as_a_position_is_one_or_is_refused(text: str) -> None:
    try:
        offsets = parsed(text, 2)
    except PositionError:
        return
    assert sorted(offsets) == [0, 1] and min(offsets.values()) >= 0
