"""Files become history on the topics: in order, with ticks, once, whatever interrupts the feed."""

import base64
import gzip
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from processors.clock import bucket_start
from processors.errors import ConfigurationError
from processors.identity import partition_of
from processors.messages import DeadLetter, Tick
from streams import cli
from streams.codec import MAX_RECORD_BYTES, decode, encode
from streams.feed import Mark, Pace, feed_files
from streams.feed_lease import FeedLease, GivenUpError
from streams.feed_plan import QUIET_INTERVAL, Line, Step, with_rounds
from streams.files import ordered
from streams.log_reader import tick_of
from streams.replay import TICK_INTERVAL
from streams.settings import Settings
from streams.stack.kafka import Kafka
from streams.topics import TICK, TYPE_HEADER
from tests.patience import PATIENCE
from tests.services.kafka_client import Prefix, new_prefix

START = datetime(2024, 5, 6, 12, tzinfo=UTC)


def line(number: int, seconds: float | None = None, **more: Any) -> bytes:
    at = START + timedelta(seconds=7 * number if seconds is None else seconds)
    record = {
        "id": str(number),
        "source": "wire",
        "kind": "news" if number % 2 else "social",
        "published_at": at.isoformat().replace("+00:00", "Z"),
        "text": f"text {number}",
        **more,
    }
    return json.dumps(record).encode()


def write(path: Path, lines: Iterable[bytes]) -> Path:
    content = b"".join(line + b"\n" for line in lines)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def fed(prefix: Prefix) -> dict[tuple[str, int], list[Any]]:
    """The records of each input partition."""
    return {
        (topic, partition): records
        for topic in ("news", "social")
        for partition, records in prefix.records(topic).items()
    }


def values(prefix: Prefix) -> Counter[bytes]:
    """What was fed beside ticks."""
    return Counter(record.value for records in fed(prefix).values() for record in records if not tick_of(record))


def steps_of(prefix: Prefix) -> list[tuple[tuple[str, int], int]]:
    marks = ((place, Mark.of(record)) for place, records in fed(prefix).items() for record in records)
    return [(place, mark.step) for place, mark in marks if mark]


def check_order(records: Iterable[Any]) -> None:
    """Ticks go forward, and nothing after one was published before it."""
    reached = None
    for record in records:
        if tick := tick_of(record):
            assert reached is None or tick.at > reached
            reached = tick.at
        elif (at := _published(record.value)) is not None:
            assert reached is not None and at >= reached, record


def _published(raw: bytes) -> datetime | None:
    try:
        return datetime.fromisoformat(json.loads(raw)["published_at"])
    except (ValueError, KeyError):
        return None


def run(*arguments: str | Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from streams.cli import main; main()", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def wait_for(feeding: subprocess.Popen[bytes], what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert feeding.poll() is None, feeding.communicate()[0].decode()
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_every_line_comes_once_as_it_stands_on_its_partition_with_ticks_in_order(kafka: Kafka, tmp_path: Path) -> None:
    prefix = new_prefix(kafka)
    lines = [line(number) for number in range(300)]
    first, second = write(tmp_path / "a.jsonl.gz", lines[::2]), write(tmp_path / "b.jsonl", lines[1::2])
    summary = feed_files([first, second], prefix.settings)
    assert (summary.lines, summary.unreadable, summary.present, summary.refused) == (300, 0, 0, [])
    assert values(prefix) == Counter(lines)
    for (topic, partition), records in fed(prefix).items():
        check_order(records)
        assert tick_of(records[0]) == Tick(START)
        assert max(tick.at for record in records if (tick := tick_of(record))) == bucket_start(
            START + timedelta(seconds=7 * 299), TICK_INTERVAL
        ), "the last tick says no more than the last document did"
        for record in records:
            if not tick_of(record):
                document = json.loads(record.value)
                identity = f"wire/{document['id']}"
                assert (record.key.decode(), document["kind"]) == (identity, topic)
                assert partition == partition_of(identity, 2)


def test_a_feed_that_is_killed_again_and_again_neither_loses_nor_doubles_a_record(kafka: Kafka, tmp_path: Path) -> None:
    prefix = new_prefix(kafka)
    lines = [line(number) if number % 50 else b"no json %d" % number for number in range(6000)]
    file = write(tmp_path / "history.jsonl", [*lines, b"x" * (MAX_RECORD_BYTES + 1)])
    for after in (60, 700, 2500):
        feeding = run("feed", file, "--max-rate", "300", *prefix.arguments)
        wait_for(feeding, lambda least=after: values(prefix).total() >= least)
        feeding.send_signal(signal.SIGKILL)
        feeding.wait()
    assert after <= values(prefix).total() < 6000, "it was killed in the middle"
    summary = feed_files([file], prefix.settings)
    assert summary.lines + summary.present == 6000
    assert summary.present >= after
    assert values(prefix) == Counter(lines)
    for records in fed(prefix).values():
        check_order(records)
    assert [count for count in Counter(steps_of(prefix)).values() if count != 1] == [], "a step came twice"
    assert len(prefix.records("deadletters")[0]) == 1
    again = feed_files([file], prefix.settings)
    assert (again.lines, again.ticks, again.present) == (0, 0, 6000)
    assert len(prefix.records("deadletters")[0]) == 1


def test_a_second_feed_is_refused_while_one_lives_and_goes_on_once_it_was_killed(kafka: Kafka, tmp_path: Path) -> None:
    prefix = new_prefix(kafka)
    lines = [line(number) for number in range(2000)]
    file, other = write(tmp_path / "a.jsonl", lines), write(tmp_path / "b.jsonl", [line(5000)])
    feeding = run("feed", file, "--max-rate", "20", *prefix.arguments)
    wait_for(feeding, lambda: values(prefix).total() > 20)
    for again in (file, other):
        with pytest.raises(ConfigurationError, match="another feed is writing to the prefix"):
            feed_files([again], prefix.settings)
    assert feeding.poll() is None, "the first goes on"
    feeding.kill()
    feeding.wait()
    summary = feed_files([file], prefix.settings)
    assert summary.lines + summary.present == 2000
    assert values(prefix) == Counter(lines)
    assert [count for count in Counter(steps_of(prefix)).values() if count != 1] == [], "a step came twice"


def test_of_feeds_that_begin_at_the_same_moment_one_feeds(kafka: Kafka, tmp_path: Path) -> None:
    prefix = new_prefix(kafka)
    lines = [line(number) for number in range(500)]
    file = write(tmp_path / "a.jsonl", lines)
    feeds = [run("feed", file, "--max-rate", "30", *prefix.arguments) for _ in range(3)]
    outputs = [feeding.communicate(timeout=PATIENCE)[0].decode() for feeding in feeds]
    assert sorted(feeding.returncode for feeding in feeds) == [0, 2, 2], outputs
    assert sum("another feed is writing" in output for output in outputs) == 2, outputs
    assert values(prefix) == Counter(lines)
    assert [count for count in Counter(steps_of(prefix)).values() if count != 1] == [], "a step came twice"


def test_a_feed_that_was_frozen_and_given_up_finds_what_another_did_meanwhile(kafka: Kafka, tmp_path: Path) -> None:
    prefix = new_prefix(kafka)
    lines = [line(number) for number in range(1500)]
    file = write(tmp_path / "a.jsonl", lines)
    frozen = run("feed", file, "--max-rate", "50", *prefix.arguments)
    wait_for(frozen, lambda: values(prefix).total() > 20)
    frozen.send_signal(signal.SIGSTOP)
    summary = feed_files([file], prefix.settings)
    assert summary.lines + summary.present == 1500
    frozen.send_signal(signal.SIGCONT)
    output = frozen.communicate(timeout=PATIENCE)[0].decode()
    assert frozen.returncode == 0 and "it goes on where it stood" in output and "1,500 lines" in output, output
    assert set(values(prefix)) == set(lines)
    assert values(prefix).total() < 1500 + 50, output


@pytest.mark.parametrize("command", ["feed", "bootstrap"])
def test_what_is_given_up_goes_on_by_itself_and_the_summary_is_of_all_attempts(
    kafka: Kafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    prefix = new_prefix(kafka)
    lines = [line(number) if number % 50 else b"no json %d" % number for number in range(3000)]
    file = write(tmp_path / "a.jsonl", lines)
    gives_up = iter([*20 * [False], True, False, True])

    def keep(lease: FeedLease, silent: float) -> None:
        if next(gives_up, False):
            raise GivenUpError("given up")

    monkeypatch.setattr("streams.feed._KEEP_SECONDS", 0.02)
    monkeypatch.setattr(FeedLease, "keep", keep)
    with pytest.raises(GivenUpError):
        feed_files([file], prefix.settings, Pace(max_rate=2000), silent=command == "bootstrap")
    time.sleep(1)  # what was under way has come, or never will
    present = values(prefix).total()
    unreadable = sum(value.startswith(b"no json") for value in values(prefix))
    result = CliRunner().invoke(cli.app, [command, str(file), *prefix.arguments])
    assert result.exit_code == 0, result.output
    assert "it goes on where it stood" in result.output
    assert values(prefix) == Counter(lines)
    assert f"{3000 - present:,} lines and" in result.output
    assert f"{present:,} lines were there already" in result.output
    assert f"{60 - unreadable} of them are no documents" in result.output


def test_the_broker_may_be_killed_in_the_middle(kafka: Kafka, tmp_path: Path) -> None:
    prefix = new_prefix(kafka)
    lines = [line(number) for number in range(4000)]
    feeding = run("feed", write(tmp_path / "history.jsonl", lines), "--max-rate", "800", *prefix.arguments)
    wait_for(feeding, lambda: values(prefix).total() >= 300)
    kafka.kill()
    kafka.start()
    assert feeding.wait(PATIENCE) == 0, feeding.communicate()[0].decode()
    assert values(prefix) == Counter(lines)
    assert [count for count in Counter(steps_of(prefix)).values() if count != 1] == []


def test_what_is_no_document_is_sent_as_it_is_and_what_is_too_long_is_a_dead_letter(
    kafka: Kafka, tmp_path: Path
) -> None:
    prefix = new_prefix(kafka)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    bad = [b"{", b"[1]", b"\xff\xfe", line(3, kind="news", more=1), line(4, published_at=tomorrow), b"y" * 70_000]
    long = b"z" * (MAX_RECORD_BYTES + 5)
    kindless = json.dumps({k: v for k, v in json.loads(line(5)).items() if k != "kind"}).encode()
    file = write(tmp_path / "mixed.jsonl", [line(1), *bad, long, kindless, line(2)])
    result = CliRunner().invoke(cli.app, ["feed", str(file), *prefix.arguments])
    assert result.exit_code == 0, result.output
    assert values(prefix) == Counter([line(1), *bad, line(2)])
    assert max(
        tick.at for records in fed(prefix).values() for r in records if (tick := tick_of(r))
    ) < START + timedelta(minutes=1), "a document from the future is no clock"
    letters = [decode(DeadLetter, record.value) for record in prefix.records("deadletters")[0]]
    assert [(letter.reason, letter.origin.offset) for letter in letters] == [("too-large", 7), ("missing-field", 8)]
    assert letters[0].length == len(long)
    assert base64.b64decode(letters[1].original) == kindless
    assert "6 of them are no documents" in result.output
    assert "mixed.jsonl, line 8: too-large" in result.output


def test_beside_a_running_clock_nothing_is_fed(kafka: Kafka, tmp_path: Path) -> None:
    prefix = new_prefix(kafka)
    prefix.send("social", encode(Tick(datetime.now(UTC))), partition=1, headers=[(TYPE_HEADER, TICK)])
    with pytest.raises(ConfigurationError, match="a clock is running on the prefix"):
        feed_files([write(tmp_path / "a.jsonl", [line(1)])], prefix.settings)
    assert values(prefix).total() == 0


def test_older_files_are_refused_where_time_is_past_them_and_newer_ones_taken(kafka: Kafka, tmp_path: Path) -> None:
    prefix = new_prefix(kafka)
    may, june = (write(tmp_path / f"{name}.jsonl", [line(n, s)]) for name, n, s in (("may", 1, 0), ("june", 2, 3e6)))
    feed_files([may], prefix.settings)
    feed_files([june], prefix.settings)
    with pytest.raises(ConfigurationError, match="has already reached 2024-06-10"):
        feed_files([may], prefix.settings)
    with pytest.raises(ConfigurationError, match="has already reached 2024-06-10"):
        feed_files([write(tmp_path / "april.jsonl", [line(3, -3e6)])], prefix.settings)
    assert values(prefix).total() == 2


def test_history_is_learnt_only_before_time_runs_and_by_one_bootstrap(kafka: Kafka, tmp_path: Path) -> None:
    file = write(tmp_path / "june.jsonl", [line(1, 3e6)])
    ticked, learnt = new_prefix(kafka), new_prefix(kafka)
    feed_files([write(tmp_path / "may.jsonl", [line(2)])], ticked.settings)
    feed_files([file], learnt.settings, silent=True, until=START + timedelta(days=40))
    assert feed_files([file], learnt.settings, silent=True, until=START + timedelta(days=40)).present == 1
    for prefix, until in ((ticked, None), (learnt, None), (learnt, START + timedelta(days=50))):
        sent = sum(map(len, fed(prefix).values()))
        with pytest.raises(ConfigurationError, match="time already runs on the prefix .* the same --until"):
            feed_files([file], prefix.settings, silent=True, until=until)
        assert sum(map(len, fed(prefix).values())) == sent


def test_silence_until_an_instant_that_is_yet_to_come_is_refused(tmp_path: Path) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    with pytest.raises(ConfigurationError, match="is yet to come"):
        feed_files([write(tmp_path / "a.jsonl", [line(1)])], Settings(), silent=True, until=tomorrow)


def test_nothing_is_sent_of_files_of_which_one_is_damaged_or_missing(kafka: Kafka, tmp_path: Path) -> None:
    prefix = new_prefix(kafka)
    good, cut = write(tmp_path / "a.jsonl", [line(1)]), write(tmp_path / "b.jsonl.gz", [line(n) for n in range(99)])
    cut.write_bytes(cut.read_bytes()[:-30])
    with pytest.raises(ConfigurationError, match=r"b.jsonl.gz: damaged after line"):
        feed_files([good, cut], prefix.settings)
    with pytest.raises(ConfigurationError, match=r"none.jsonl: no such file"):
        feed_files([good, tmp_path / "none.jsonl"], prefix.settings)
    assert sum(map(len, fed(prefix).values())) == 0


@pytest.mark.parametrize(("pace", "least"), [(Pace(max_rate=20), 0.95), (Pace(speed=140), 0.95)])
def test_a_pace_is_kept(kafka: Kafka, tmp_path: Path, pace: Pace, least: float) -> None:
    prefix = new_prefix(kafka)
    feed_files([write(tmp_path / "a.jsonl", [line(n) for n in range(20)])], prefix.settings, pace)
    came = [record.timestamp for records in fed(prefix).values() for record in records if not tick_of(record)]
    assert (max(came) - min(came)) / 1000 >= least * 0.9


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--speed", "fast"], "60x"),
        (["--speed", "-1x"], "60x"),
        (["--max-rate", "0"], "above 0"),
        (["--speed", "2x", "--max-rate", "9"], "not both"),
    ],
)
def test_a_pace_that_cannot_be_meant_is_refused(tmp_path: Path, arguments: list[str], told: str) -> None:
    result = CliRunner().invoke(cli.app, ["feed", str(write(tmp_path / "a.jsonl", [])), *arguments])
    assert isinstance(result.exception, ConfigurationError)
    assert told in str(result.exception)


instants = st.lists(st.integers(0, 40_000), max_size=60).map(sorted)


@given(instants, st.integers(1, 9))
def test_ticks_are_true_close_buckets_in_time_and_hardly_outnumber_documents(seconds: list[int], count: int) -> None:
    lines = [Line("news", str(i), START + timedelta(seconds=s), b"") for i, s in enumerate(seconds)]
    plan = list(with_rounds(lines, count))
    assert [step for step in plan if isinstance(step, Line)] == lines
    assert list(_violations(plan, count)) == []
    rounds = sum(isinstance(step, Tick) for step in plan)
    hours = len({bucket_start(line.published_at, QUIET_INTERVAL) for line in lines if line.published_at})
    assert rounds <= len(lines) / count + hours + 1
    if lines:
        last = lines[-1].published_at
        assert last is not None
        assert max(step.at for step in plan if isinstance(step, Tick)) == bucket_start(last, TICK_INTERVAL)


@given(instants, st.integers(1, 9), st.integers(0, 50_000))
def test_of_history_to_learn_from_every_tick_says_until_when_to_be_silent_and_the_last_that_it_is_reached(
    seconds: list[int], count: int, until: int
) -> None:
    lines = [Line("news", str(i), START + timedelta(seconds=s), b"") for i, s in enumerate(seconds)]
    silent_until = bucket_start(START + timedelta(seconds=until), TICK_INTERVAL)
    plan = list(with_rounds(lines, count, silent_until))
    ticks = [step for step in plan if isinstance(step, Tick)]
    assert {tick.silent_until for tick in ticks} == {silent_until}
    told = [step.at for step in with_rounds(lines, count) if isinstance(step, Tick)]
    assert [tick.at for tick in ticks[:-1]] == told[: len(ticks) - 1], "the last says what comes after all documents"
    assert max(tick.at for tick in ticks) == max([*told, silent_until])


def _violations(plan: Iterable[Step], count: int) -> Iterator[str]:
    reached: datetime | None = None
    since = 0
    for step in plan:
        if isinstance(step, Tick):
            if reached is not None and step.at <= reached:
                yield f"{step} is not later"
            reached, since = step.at, 0
        elif isinstance(step, Line) and step.published_at is not None:
            since += 1
            if reached is None or step.published_at < reached:
                yield f"{step} was published before {reached}"
            elif bucket_start(step.published_at, QUIET_INTERVAL) > bucket_start(reached, QUIET_INTERVAL):
                yield f"{step} begins an hour that was not ticked"
            elif since > count and step.published_at >= reached + TICK_INTERVAL and since > 2 * count:
                yield f"time stands {since} documents behind {step}"


@pytest.mark.data
def test_a_year_of_tweets_takes_fewer_than_two_ticks_a_document(data_dir: Path) -> None:
    documents = list(ordered([data_dir / "tweets-2014.jsonl.gz"]))
    lines = [Line("social", d.identity, d.published_at, b"") for d in documents if not isinstance(d, DeadLetter)]
    kinds = Counter(type(step).__name__ for step in with_rounds(lines, 8))
    assert kinds["Line"] == 41_877
    assert 8 * kinds["Tick"] < 2 * kinds["Line"]
