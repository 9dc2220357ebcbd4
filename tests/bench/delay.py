"""From a document's publishing to its alarm, on the whole service at half of what enrich can do; and its memory.

The invented scenario: three weeks of history first, then five days on which things happen, at a steady rate. Each alarm
carries when the broker received the document that rang it (a feed sends within 5 ms of publishing), when it was
labelled and when it rang; a reader of its own notes when it could first be read. All clocks are this machine's.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from report import Figure
from rig import PATIENCE, ROOT, Rig, Worker, on, settings_of

from streams.demo.scenario import START, make_scenario
from streams.demo.scenes import HISTORY_DAYS
from streams.kafka_clients import admin, consumer
from streams.lag import lags
from streams.log_reader import header_of, partitions_of
from streams.settings import Settings
from streams.topics import Topics

SERVICES = ("enrich", "detect", "index")
BOUNDARY = START + timedelta(days=HISTORY_DAYS)


@dataclass(frozen=True, slots=True)
class Heard:
    """When an alarm reached each stage, in ms since 1970."""

    received: int
    labelled: int
    rang: int
    seen: int


def publish_to_alarm(rig: Rig) -> Iterator[Figure]:
    """The delay by stage, and the memory of each service at the end."""
    if "enrich" not in rig.found:
        raise RuntimeError("half load is half of enrich's rate, which was not measured: see above")
    rate = rig.found["enrich"] / 2
    servers = rig.serve("kafka", "elasticsearch")
    settings = rig.prefix({**servers, **({"detection.warm_up_days": "3"} if rig.quick else {})})
    history, live = _files(rig)
    with on(rig.cores.rest), ExitStack() as running:
        workers = [running.enter_context(rig.worker(name, settings)) for name in SERVICES]
        clock = running.enter_context(rig.worker("clock", rig.prefix(servers)))  # a feed is a clock itself
        _feed(rig, settings, history)
        _settle(rig, settings, workers, "history")
        listener = running.enter_context(Listener(settings_of(settings)))
        began = time.time() * 1000
        _feed(rig, settings, live, "--max-rate", f"{rate:.3f}")
        _settle(rig, settings, workers, "the rest")
        time.sleep(2)
        memory = {worker.service: worker.memory for worker in (*workers, clock)}
        heard = [alarm for alarm in listener.heard if alarm.received >= began]
    if not heard:
        raise RuntimeError("no document rang: there is nothing to measure")
    yield from _delays(heard, rate, rig)
    for service, size in memory.items():
        note = "its state: the scenario's companies, topics and sources" if service == "detect" else ""
        yield Figure(f"memory of {service}", size / 1e6, "MB", aim=300, at_most=True, note=note)


def _delays(heard: Sequence[Heard], rate: float, rig: Rig) -> Iterator[Figure]:
    note = f"{len(heard)} alarms at {rate:.0f} documents/s; {rig.cores.words()}"
    whole = [alarm.seen - alarm.received for alarm in heard]
    yield Figure("publish to alarm, p50", quantile(whole, 0.5), "s", aim=1, at_most=True, note=note)
    yield Figure("publish to alarm, p99", quantile(whole, 0.99), "s", aim=3, at_most=True, note="until it can be read")
    for name, stage in (
        ("of it: waiting and labelling (enrich)", [alarm.labelled - alarm.received for alarm in heard]),
        ("of it: publishing and judging (detect)", [alarm.rang - alarm.labelled for alarm in heard]),
        ("of it: committing and reading", [alarm.seen - alarm.rang for alarm in heard]),
    ):
        yield Figure(name, quantile(stage, 0.5), "s", note=f"p50; p99 {quantile(stage, 0.99):.2f} s")


def quantile(milliseconds: Sequence[int], share: float) -> float:
    """The nearest-rank quantile, in seconds."""
    return sorted(milliseconds)[min(len(milliseconds) - 1, int(share * len(milliseconds)))] / 1000


class Listener:
    """Hears alarms from now on, in a thread of its own, until its block ends."""

    def __init__(self, settings: Settings) -> None:
        self.heard: list[Heard] = []
        self._reader = consumer(settings.kafka)
        places = partitions_of(Topics(settings.kafka).name("alerts"), settings.kafka.mention_partitions + 1)
        self._reader.assign(places)
        self._reader.seek_to_end(*places)
        for place in places:
            self._reader.position(place)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._listen)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._reader.close()

    def _listen(self) -> None:
        while not self._done.is_set():
            for records in self._reader.poll(timeout_ms=100).values():
                seen = int(time.time() * 1000)
                for record in records:
                    stages = [header_of(record, name) for name in ("received", "labelled", "rang")]
                    if None not in stages:  # a tick rang the others: silence, and incidents that end
                        self.heard.append(Heard(*(int(stage or 0) for stage in stages), seen))


def _files(rig: Rig) -> tuple[Path, Path]:
    """The scenario's documents before and after the boundary, by when they were published."""
    sides: tuple[list[bytes], list[bytes]] = ([], [])
    for arrival in make_scenario().arrivals:
        try:
            published = datetime.fromisoformat(json.loads(arrival.raw)["published_at"])
            late = published >= BOUNDARY
        except (ValueError, KeyError, TypeError):  # a broken record
            late = arrival.at >= BOUNDARY
        sides[late].append(arrival.raw.replace(b"\n", b" ") + b"\n")
    history, live = (sides[0][-1_500:], sides[1][:1_600]) if rig.quick else sides
    paths = rig.folder / "history.jsonl", rig.folder / "live.jsonl"
    for path, lines in zip(paths, (history, live), strict=True):
        path.write_bytes(b"".join(lines))
    return paths


def _feed(rig: Rig, settings: dict[str, str], file: Path, *options: str) -> None:
    """`tocsin feed`, to its end."""
    flags = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    began = time.monotonic()
    with (rig.folder / "feed.log").open("a+", encoding="utf-8") as log:
        command = [sys.executable, "-m", "streams", "feed", str(file), *options, *flags]
        with subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log) as process:
            while process.poll() is None:
                rig.say(f"feeding {file.stem} {' '.join(options)}, {time.monotonic() - began:.0f} s")
                time.sleep(0.5)
        if process.returncode:
            log.seek(0)
            raise RuntimeError(f"tocsin feed: {log.read().strip()}")


def _settle(rig: Rig, settings: dict[str, str], workers: Sequence[Worker], what: str) -> None:
    """Until nothing waits any more."""
    topics = Topics(settings_of(settings).kafka)
    deadline = time.monotonic() + PATIENCE
    calm = 0
    with admin(topics.settings) as client:
        while calm < 2:
            for worker in workers:
                worker.check()
            waiting = sum(one.lag for one in lags(client, topics) if one.service in SERVICES)
            calm = calm + 1 if waiting == 0 else 0
            rig.say(f"{what}: {waiting:,} records wait")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{waiting:,} records still wait after {PATIENCE:.0f} s")
            time.sleep(0.5)
