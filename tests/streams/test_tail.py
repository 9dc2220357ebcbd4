"""Alerts are told as they are committed: never one that was aborted."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sample_messages import alert

from processors.errors import ConfigurationError
from processors.messages import Alert
from streams.codec import decode
from streams.stack.kafka import Kafka
from streams.tail import tail_alerts, tier_of
from tests.services.kafka_client import Prefix, new_prefix

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)


def rung(prefix: Prefix, *ids: str, partition: int = 0, commit: bool = True, **more: Any) -> None:
    prefix.ring(*(alert(id=id, **more) for id in ids), partition=partition, commit=commit)


def tailed(prefix: Prefix, **options: Any) -> Iterator[Alert]:
    chosen = {"from_beginning": True, "least": "watch", "unreadable": lambda what: None} | options
    return tail_alerts(prefix.settings, **chosen)


def test_from_the_beginning_alerts_come_by_time_over_all_partitions_and_without_the_aborted(kafka: Kafka) -> None:
    prefix = new_prefix(kafka)
    rung(prefix, "alert-2", at=NOON + timedelta(hours=1))
    rung(prefix, "alert-x", commit=False)
    rung(prefix, "alert-3", at=NOON + timedelta(hours=2))
    rung(prefix, "alert-1", partition=1, at=NOON)
    alerts = tailed(prefix)
    assert [next(alerts).id for _ in range(3)] == ["alert-1", "alert-2", "alert-3"]
    rung(prefix, "alert-y", commit=False)
    rung(prefix, "alert-4", partition=1, at=NOON)
    assert next(alerts).id == "alert-4", "what rings now comes as it rings"
    alerts.close()  # type: ignore[attr-defined]


def test_only_the_tiers_asked_for_are_told_and_what_cannot_be_read_is_said(kafka: Kafka) -> None:
    prefix = new_prefix(kafka)
    told: list[str] = []
    for tier in ("watch", "urgent", "flash"):
        rung(prefix, f"alert-{tier}", tier=tier, at=NOON)
    prefix.send("alerts", b"no alert", partition=1)
    alerts = tailed(prefix, least="urgent", unreadable=told.append)
    assert {next(alerts).tier for _ in range(2)} == {"urgent", "flash"}
    assert ["partition 1, offset 0 is no alert" in line for line in told] == [True]
    with pytest.raises(ConfigurationError, match="watch, urgent, flash"):
        tier_of("loud")


def command(prefix: Prefix, *arguments: str) -> list[str]:
    return [
        sys.executable,
        "-c",
        "from streams.cli import main; main()",
        "alerts",
        "tail",
        *arguments,
        *prefix.arguments,
    ]


@pytest.mark.parametrize("arguments", [["--json"], []])
def test_the_command_prints_alerts_and_hostile_text_safely(kafka: Kafka, arguments: list[str]) -> None:
    prefix = new_prefix(kafka)
    hostile = "\x1b[31mred\x1b[0m [bold]news[/bold] \u202eback\r\n"
    rung(prefix, "alert-77bb", reason=hostile)
    tail = subprocess.Popen(
        command(prefix, "--from-beginning", *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    ended = threading.Timer(60, tail.kill)
    ended.start()
    try:
        assert tail.stdout is not None and tail.stderr is not None
        assert tail.stderr.readline() == b"waiting for alarms from now on; Ctrl-C ends\n"
        first = tail.stdout.readline()
        while not first.strip():
            first = tail.stdout.readline()
        if arguments:
            assert decode(Alert, first).reason == hostile
        else:
            second = tail.stdout.readline()
            assert b"77bb" in first
            assert b"[bold]news[/bold]" in second, "markup of strangers is text"
        assert b"\x1b" not in first
    finally:
        tail.kill()
        tail.wait()
        ended.cancel()
