"""deliver on a real broker and to a real receiver: killed at any moment, its channels failing, slow, busy or gone.

Judged by the receiver's own record of what it was sent.
"""

import json
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from processors.messages import Alert, Canary, DeadLetter, Feedback
from streams import cli
from streams.codec import encode
from streams.deliver.delivery import delivery_id
from streams.letters import read_letters, replay_letters
from streams.stack.kafka import Kafka
from streams.stack.ports import Ports
from tests.deliver.receiver import SECRET, Answer, Receiver, receiver
from tests.patience import PATIENCE
from tests.services.kafka_client import Prefix, new_prefix
from tests.streams.sample_messages import alert

ROOT = Path(__file__).resolve().parent.parent.parent
CHANNELS = ("steady", "shaky", "slow", "busy")


def answers(path: str, tried: int) -> Answer:
    """How each channel of the tests is."""
    if path == "/shaky":
        return 500 if tried < 2 else 204
    if path == "/busy":
        return (429, {"Retry-After": "1"}) if tried == 0 else 204
    if path == "/slow":
        time.sleep(0.3)
    return 204


class Rig:
    """One prefix, one file of desks, and workers that deliver."""

    def __init__(self, kafka: Kafka, folder: Path, there: Receiver, desks: str, channels: tuple[str, ...]) -> None:
        self.there = there
        self.path = folder / "desks.toml"
        hooks = (
            f'[channel.{name}]\nwebhook = "{there.url(f"/{name}")}"\nsecrets = ["{SECRET}"]\nallow_private = true\n'
            for name in channels
        )
        self.path.write_text(desks + "".join(hooks))
        self.port = Ports.picked().kafka
        self.prefix: Prefix = new_prefix(
            kafka,
            **{
                "deliver.desks": str(self.path),
                "deliver.retry_longest": "2",
                "services.deliver_port": str(self.port),
                "services.log_level": "info",
            },
        )
        self.log = folder / "deliver.log"

    @contextmanager
    def worker(self, **more: str) -> Iterator[subprocess.Popen[bytes]]:
        """`tocsin run deliver` as a process, killed at the end if it still runs."""
        flags = {**self.prefix.flags, **more}
        arguments = [f"--set={name}={value}" for name, value in flags.items()]
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "streams", "run", "deliver", *arguments]
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def until(self, what: Callable[[], Any], seconds: float = PATIENCE) -> Any:
        """What `what` gives once it is true."""
        deadline = time.monotonic() + seconds
        while not (found := what()):
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(0.1)
        return found

    def metrics(self, port: int = 0) -> dict[str, float]:
        """The samples that a worker shows; empty where none answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port or self.port}/metrics", timeout=5) as page:
                text = page.read().decode()
        except OSError:
            return {}
        lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}

    def is_ready(self, port: int) -> bool:
        """Whether the worker of a port says that it makes progress, or stands by."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                return bool(json.load(answer)["ready"])
        except OSError:
            return False

    def works(self) -> bool:
        """Whether the worker has taken over and reads."""
        return any(name.startswith("tocsin_lag_records") for name in self.metrics())

    def taken(self, path: str) -> list[str]:
        """The ids that the receiver took at a path, each once, in the order in which they came first."""
        return list(dict.fromkeys(request.id for request in self.there.taken(f"/{path}")))

    def letters(self) -> list[DeadLetter]:
        return [kept.letter for kept in read_letters(self.prefix.settings)]


DESK = """
[desk.d]
companies = ["BA", "GE"]
false_alarms_a_day = 1
channels = [{channels}]
"""


def desk(*channels: str) -> str:
    return DESK.format(channels=", ".join(f'"{name}"' for name in channels))


@contextmanager
def rig_of(
    kafka: Kafka, folder: Path, *channels: str, more: str = "", how: Callable[[str, int], Answer] = answers
) -> Iterator[Rig]:
    with receiver(answers=how) as there:
        yield Rig(kafka, folder, there, desk(*channels) + more, channels)


def ids(alerts: list[Alert], channel: str) -> list[str]:
    return [delivery_id("d", channel, one.id) for one in alerts]


def test_killed_at_any_moment_it_loses_nothing_and_repeats_only_with_the_same_id(kafka: Kafka, tmp_path: Path) -> None:
    chance = random.Random(11)
    sent: list[Alert] = []
    with rig_of(kafka, tmp_path, *CHANNELS) as rig:
        with rig.worker() as worker:
            rig.until(rig.works)
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(PATIENCE) == 0
        kills = 0
        while kills < 6:
            with rig.worker() as worker:
                rig.until(lambda: rig.works() or worker.poll() is not None)
                batch = [
                    alert(f"a{len(sent) + n}", incident=f"i{(len(sent) + n) % 7}", sequence=len(sent) + n, event=event)
                    for n, event in enumerate(("open", "escalate", "update", "open", "update", "escalate"))
                ]
                before = len(rig.there.requests)
                rig.prefix.ring(*batch, partition=kills % 2)
                sent += batch
                rig.until(lambda before=before: len(rig.there.requests) > before + 1)
                time.sleep(chance.uniform(0, 0.8))
                assert worker.poll() is None, rig.log.read_text()[-2000:]
                worker.kill()
                kills += 1
        with rig.worker() as worker:
            rig.until(lambda: all(set(rig.taken(name)) == set(ids(sent, name)) for name in CHANNELS))
            time.sleep(1)
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(PATIENCE) == 0
        bodies: dict[str, bytes] = {}
        for request in rig.there.requests:
            assert bodies.setdefault(request.id, request.body) == request.body, "an id says the same each time"
        for name in CHANNELS:
            assert len(rig.taken(name)) == len(sent)
        for incident in {one.incident for one in sent}:
            of_it = [one for one in sent if one.incident == incident]
            by_partition = [one for p in (0, 1) for one in of_it if (int(one.id[1:]) // 6) % 2 == p]
            for p in (0, 1):
                order = [one.id for one in of_it if (int(one.id[1:]) // 6) % 2 == p]
                heard = [
                    i for i in rig.taken("steady") if i in ids([o for o in by_partition if o.id in order], "steady")
                ]
                assert heard == [delivery_id("d", "steady", id) for id in order], "an incident is told in its order"
        with rig.worker():
            rig.until(rig.works)
            before = len(rig.there.requests)
            time.sleep(2)
            assert len(rig.there.requests) == before, "nothing waits any more"
        assert rig.letters() == []


def test_a_first_start_rings_for_what_comes_and_not_for_what_was(kafka: Kafka, tmp_path: Path) -> None:
    with rig_of(kafka, tmp_path, "steady") as rig:
        rig.prefix.ring(alert("old", incident="old"))
        with rig.worker() as worker:
            rig.until(rig.works)
            worker.kill()
        rig.prefix.ring(alert("meanwhile", incident="meanwhile"))
        with rig.worker():
            rig.prefix.ring(alert("x"), commit=False)
            rig.prefix.ring(alert("new"), alert("other", series="company:AAPL", incident="other"))
            rig.prefix.send("alerts", b"no alert")
            rig.until(lambda: len(rig.taken("steady")) == 2)
            rig.until(lambda: len(rig.letters()) == 1)
        assert rig.taken("steady") == [delivery_id("d", "steady", id) for id in ("meanwhile", "new")]
        (letter,) = rig.letters()
        assert (letter.stage, letter.reason) == ("deliver", "invalid-json")
        done = replay_letters(rig.prefix.settings, read_letters(rig.prefix.settings))
        assert "did not come from an input topic" in done[0].refusal


def test_what_does_not_arrive_becomes_a_dead_letter_and_is_sent_again_with_its_id(kafka: Kafka, tmp_path: Path) -> None:
    mended: list[bool] = []

    def how(path: str, tried: int) -> Answer:
        return 204 if mended or path == "/steady" else 410 if path == "/gone" else 500

    with rig_of(kafka, tmp_path, "gone", "down", "steady", how=how) as rig:
        with rig.worker(**{"deliver.give_up_hours": "0.0003"}):
            rig.until(rig.works)
            rig.prefix.ring(alert("a0"), alert("a1", sequence=1, event="update"))
            letters = rig.until(lambda: found if len(found := rig.letters()) == 4 else None)
            assert {(one.stage, one.reason) for one in letters} == {
                ("deliver", "channel-gone"),
                ("deliver", "not-delivered"),
            }
            assert all("wants no more" in one.message for one in letters if one.reason == "channel-gone")
            shown = rig.metrics()
            assert shown['tocsin_dead_letters_total{reason="channel-gone",stage="deliver"}'] == 2
            assert shown['tocsin_deliveries_total{channel="steady",outcome="sent"}'] == 2
            assert shown['tocsin_deliveries_total{channel="down",outcome="given-up"}'] == 2
            assert shown['tocsin_channel_trouble{channel="gone"}'] == 1
            mended.append(True)
            refused = {request.id for request in rig.there.requests if request.path != "/steady"}
            arguments = ["deadletters", "replay", "--reason", "channel-gone", *rig.prefix.arguments]
            replayed = CliRunner().invoke(cli.app, arguments)
            assert (replayed.exit_code, "2 of 2 sent again" in replayed.output) == (0, True)
            done = replay_letters(rig.prefix.settings, [k for k in read_letters(rig.prefix.settings) if not k.replayed])
            assert [bool(one.where) for one in done] == [True, True]
            rig.until(lambda: len(rig.taken("gone")) == len(rig.taken("down")) == 2)
            assert refused <= {*rig.taken("gone"), *rig.taken("down")}, "under the ids that they had"
        assert len(rig.letters()) == 4


def test_what_waits_for_a_channel_that_is_stated_no_more_is_told_as_such(kafka: Kafka, tmp_path: Path) -> None:
    with rig_of(kafka, tmp_path, "down", how=lambda path, tried: 500) as rig:
        with rig.worker():
            rig.until(rig.works)
            rig.prefix.ring(alert("a0"))
            rig.until(lambda: rig.there.requests)
        rig.path.write_text(rig.path.read_text().replace("down", "other"))
        with rig.worker():
            (letter,) = rig.until(rig.letters)
            assert letter.reason == "no-such-channel" and "no channel down" in letter.message


def test_quiet_hours_hold_back_what_then_comes_as_one_message_though_the_worker_was_killed(
    kafka: Kafka, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    begin, end = now - timedelta(hours=1), now + timedelta(seconds=40)
    quiet = f'[desk.d.quiet]\nbegin = "{begin:%H:%M:%S}"\nend = "{end:%H:%M:%S}"\nzone = "UTC"\nthrough = "flash"\n'
    with rig_of(kafka, tmp_path, "steady", more=quiet) as rig:
        with rig.worker() as worker:
            rig.until(rig.works)
            rig.prefix.ring(
                alert("a0"), alert("b0", incident="b", series="company:GE"), alert("c0", incident="c", tier="flash")
            )
            rig.until(lambda: rig.taken("steady"))
            rig.until(lambda: rig.metrics().get("tocsin_deliveries_held") == 2)
            worker.kill()
        assert datetime.now(UTC) < end, "the machine is too busy for this test"
        with rig.worker():
            rig.prefix.ring(alert("a1", sequence=1, event="escalate"))
            rig.until(lambda: len(rig.taken("steady")) == 2)
        by_id = {
            request.id: request for request in rig.there.taken("/steady")
        }  # a kill repeats what was not struck out
        loud, late = (by_id[id] for id in rig.taken("steady"))
        assert loud.json["data"]["alert"]["id"] == "c0"
        assert late.json["type"] == "tocsin.digest"
        assert [one["alert"]["id"] for one in late.json["data"]["alerts"]] == ["b0", "a1"]
        assert late.at >= end.timestamp() - 1


def test_one_works_and_another_stands_by(kafka: Kafka, tmp_path: Path) -> None:
    with rig_of(kafka, tmp_path, "steady") as rig, rig.worker() as first:
        rig.until(rig.works)
        with rig.worker(**{"services.deliver_port": str(rig.port + 1)}) as second:
            rig.until(lambda: rig.is_ready(rig.port + 1))
            rig.prefix.ring(alert("a0"))
            rig.until(lambda: len(rig.taken("steady")) == 1)
            time.sleep(1)
            assert not any(name.startswith("tocsin_lag") for name in rig.metrics(rig.port + 1))
            first.send_signal(signal.SIGSTOP)
            rig.prefix.ring(alert("a1", incident="i1"))
            rig.until(lambda: len(rig.taken("steady")) == 2)
            first.send_signal(signal.SIGCONT)
            assert first.wait(PATIENCE) == 1, "it was given up, and says so"
            rig.prefix.ring(alert("a2", incident="i2"))
            rig.until(lambda: len(rig.taken("steady")) == 3)
            assert second.poll() is None
        assert len(rig.there.taken()) == 3


def test_a_series_that_people_muted_rings_nobody_and_a_canary_comes_this_far(kafka: Kafka, tmp_path: Path) -> None:
    with rig_of(kafka, tmp_path, "steady") as rig:
        until = datetime.now(UTC) + timedelta(hours=1)
        mute = Feedback("incident-77", "a0", "company:BA", "mute", datetime.now(UTC), "ann", until=until)
        rig.prefix.send("feedback", encode(mute))
        with rig.worker():
            rig.until(rig.works)
            rig.prefix.send("canary", encode(Canary("tocsin-canary/1", datetime.now(UTC))))
            rig.prefix.ring(alert("a0"), alert("b0", incident="b", series="company:GE"))
            rig.until(lambda: rig.taken("steady"))
            rig.until(lambda: rig.metrics()["tocsin_deliver_canary_seconds"] < 30)
        assert rig.taken("steady") == [delivery_id("d", "steady", "b0")]


def test_a_test_message_shows_at_once_whether_the_channels_work(kafka: Kafka, tmp_path: Path) -> None:
    with rig_of(kafka, tmp_path, "steady", "down", how=lambda path, tried: 204 if path == "/steady" else 500) as rig:
        done = CliRunner().invoke(cli.app, ["deliver", "test", "d", f"--set=deliver.desks={rig.path}"])
        assert (done.exit_code, done.output.splitlines()) == (
            1,
            ["steady: taken", "down: it answered 500 Internal Server Error"],
        )
        assert [request.json["type"] for request in rig.there.requests] == ["tocsin.test"] * 2
        missing = CliRunner().invoke(cli.app, ["deliver", "test", "e", f"--set=deliver.desks={rig.path}"])
        assert "no desk 'e'" in str(missing.exception)


def test_desks_that_are_not_sound_end_it_with_what_is_wrong(kafka: Kafka, tmp_path: Path) -> None:
    with rig_of(kafka, tmp_path, "steady") as rig:
        rig.path.write_text(rig.path.read_text().replace("companies", "company"))
        with rig.worker() as worker:
            assert worker.wait(PATIENCE) == 2
        assert "desk.d: there is no key 'company': did you mean companies?" in rig.log.read_text()
