"""A log for detect to work on, workers to run and to end in any way, and what came of it, read from outside."""

import hashlib
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from processors.identity import partition_of
from processors.labels import SentimentLabel
from processors.messages import Canary, DocumentSummary, Mention, Sentiment, Tick, Topic, Versions, WideRecord
from processors.signatures import signature_of
from streams import kafka_clients
from streams.codec import encode
from streams.partition_detector import Place
from streams.services.detect import places
from streams.settings import Settings, load_settings
from streams.topics import CANARY, TICK, TYPE_HEADER, Topics
from tests.patience import PATIENCE

ROOT = Path(__file__).resolve().parent.parent.parent
START = datetime(2026, 1, 5, tzinfo=UTC)
VERSIONS = Versions("minilm", "1", "aa", "bb", "cc")
SENTIMENTS: dict[SentimentLabel, Sentiment] = {
    "negative": Sentiment("negative", 0.9, 0.06, 0.04),
    "neutral": Sentiment("neutral", 0.05, 0.9, 0.05),
}
COMPANIES = [f"C{number}" for number in range(6)]
QUICK = {
    "detection.warm_up_days": "1",
    "detection.share_minimum": "5",
    "detection.quarantine_hours": "24",
    "detection.windows_hours": "1,3,24",
}
"""Settings by which a few days of history are enough for the bell to ring: from the fourth on."""


def document(name: str, hours: float, label: SentimentLabel = "neutral") -> DocumentSummary:
    """A document of its own words, published `hours` after START."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    excerpt = " ".join(f"w{digest[i : i + 5]}" for i in range(0, 60, 5))
    return DocumentSummary(
        identity=f"twitter/{name}",
        source="twitter",
        kind="social",
        published_at=START + timedelta(hours=hours),
        sentiment=SENTIMENTS[label],
        topic=Topic("earnings", 0.9),
        excerpt=excerpt,
        signature=signature_of(excerpt),
        author=f"author of {name}",
        reach=300,
        repost_of=None,
        url=None,
        language="en",
        late=False,
        versions=VERSIONS,
    )


def both(document: DocumentSummary, company: str) -> tuple[Mention, WideRecord]:
    """What enrich makes of a document that names one company."""
    return (
        Mention(company, "Technology", "America/New_York", 1, document),
        WideRecord((company,), ("Technology",), document),
    )


def days(first: int, last: int, daily: int = 3, name: str = "calm") -> Iterator[Mention | WideRecord]:
    """Ordinary days of every company, the first story of each day negative."""
    for day in range(first, last):
        for company in COMPANIES:
            for i in range(daily):
                label: SentimentLabel = "negative" if i == 0 else "neutral"
                hours = 24 * day + 24 * (i * 7 % daily + 0.5) / daily
                yield from both(document(f"{name}-{company}-{day}-{i}", hours, label), company)


def storm(company: str, hours: float, stories: int = 8) -> Iterator[Mention | WideRecord]:
    """Bad news of one company within two hours."""
    for i in range(stories):
        yield from both(document(f"storm-{company}-{hours}-{i}", hours + 2 * i / stories, "negative"), company)


class Log:
    """The mentions and wide logs of one prefix."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.topics = Topics(settings.kafka)
        self._producer: KafkaProducer = kafka_clients.producer(settings.kafka, linger_ms=20, batch_size=256 * 1024)
        self._watcher: KafkaConsumer = kafka_clients.consumer(
            settings.kafka, group=self.topics.group("detect"), isolation="read_uncommitted"
        )

    def tick(self, hours: float, origins: Iterable[str] | None = None) -> None:
        """Every origin, or those given, says to every partition that it has reached `hours` after START."""
        for origin in sorted(self.topics.origins if origins is None else origins):
            tick = encode(Tick(START + timedelta(hours=hours), origin))
            for place in places(self.settings):
                self.send(place, tick, TICK)

    def mention(self, mention: Mention) -> None:
        """A mention on its company's partition."""
        partition = partition_of(mention.company, self.settings.kafka.mention_partitions)
        self.send(Place("mentions", partition, self.topics.name("mentions")), encode(mention))

    def wide(self, record: WideRecord) -> None:
        """A wide record."""
        self.send(Place("wide", 0, self.topics.name("wide")), encode(record))

    def canary(self, canary: Canary) -> None:
        """A canary that came as far as the wide log."""
        self.send(Place("wide", 0, self.topics.name("wide")), encode(canary), CANARY)

    def send(self, place: Place, value: bytes | None, type_: bytes | None = None) -> Any:
        """Any record, as it is; all are stamped as published, received and labelled just now."""
        now = str(int(time.time() * 1000)).encode()
        headers = [(name, now) for name in ("published", "received", "labelled")]
        if type_ is not None:
            headers = [(TYPE_HEADER, type_)]
        return self._producer.send(place.topic, value, b"key", headers, place.partition)

    def feed(self, records: Iterable[Mention | WideRecord], every: float = 1.0) -> None:
        """Records in order of time, with ticks in between, one `every` so many hours at most."""
        reached = -1.0
        for record in sorted(records, key=lambda r: (r.document.published_at, r.document.identity)):
            hours = (record.document.published_at - START) / timedelta(hours=1)
            if hours >= reached + every:
                reached = hours - hours % every
                self.tick(reached)
            if isinstance(record, Mention):
                self.mention(record)
            else:
                self.wide(record)
        self.flush()

    def flush(self) -> None:
        """Everything sent is there."""
        self._producer.flush(timeout=PATIENCE)

    def ends(self) -> dict[TopicPartition, int]:
        """The end of every partition of the log."""
        partitions = [TopicPartition(place.topic, place.partition) for place in places(self.settings)]
        return dict(self._watcher.end_offsets(partitions))

    def wait_until_applied(self, seconds: float = PATIENCE, *, but: int = 0, by: "Worker | None" = None) -> None:
        """Until the group has committed everything, or all `but` so many; a worker that is named has to live till then."""
        deadline = time.monotonic() + seconds
        while (left := self.lag()) > but:
            assert by is None or by.poll() is None, "the worker ended"
            if time.monotonic() > deadline:
                raise TimeoutError(f"{left} records are still not applied after {seconds:.0f} s")
            time.sleep(0.1)

    def lag(self) -> int:
        """How many records of the log are not committed."""
        return sum(end - (self._watcher.committed(partition) or 0) for partition, end in self.ends().items())


def ends(settings: Settings, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    """The offsets after the last records, markers included."""
    consumer: KafkaConsumer = kafka_clients.consumer(settings.kafka, isolation="read_uncommitted")
    try:
        return dict(consumer.end_offsets(list(partitions)))
    finally:
        consumer.close()


def committed_records(settings: Settings, topic: str) -> dict[int, list[Any]]:
    """What a reader of committed records sees of a topic, by partition, in order."""
    name = Topics(settings.kafka).name(topic)
    consumer: KafkaConsumer = kafka_clients.consumer(settings.kafka)
    try:
        partitions = [TopicPartition(name, p) for p in sorted(consumer.partitions_for_topic(name))]
        reached = ends(settings, partitions)
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        found: dict[int, list[Any]] = {p.partition: [] for p in partitions}
        deadline = time.monotonic() + PATIENCE
        while any(consumer.position(p) < end for p, end in reached.items()):
            assert time.monotonic() < deadline, f"{topic} cannot be read to its end"
            for partition, records in consumer.poll(timeout_ms=200).items():
                found[partition.partition] += records
        return found
    finally:
        consumer.close()


class Worker(subprocess.Popen[bytes]):
    """A process with the port of its health and metrics."""

    def __init__(self, port: int, command: Sequence[str], **options: Any) -> None:
        super().__init__(command, **options)
        self.port = port


class Workers:
    """Detect workers as processes of their own, on ports from `first_port` on."""

    def __init__(self, settings: dict[str, str], first_port: int, folder: Path) -> None:
        self.settings = settings
        self.running: list[Worker] = []
        self.folder = folder
        self._first_port = first_port
        self._started = 0

    def start(self, *arguments: str, **more: str) -> Worker:
        """One more worker; `more` are settings of detect for this one."""
        self._started += 1
        port = self._first_port + self._started
        settings = {**self.settings, "services.detect_port": str(port)}
        settings |= {f"detect.{name}": value for name, value in more.items()}
        assignments = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
        with self.log(port).open("wb") as output:
            worker = Worker(
                port,
                [sys.executable, "-m", "streams", "run", "detect", *arguments, *assignments],
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.running.append(worker)
        return worker

    def log(self, port: int) -> Path:
        """What the worker of a port wrote."""
        return self.folder / f"detect-{port}.log"

    def last_line(self, worker: Worker) -> str:
        """The last line that a worker wrote."""
        lines = self.log(worker.port).read_text().splitlines()
        return lines[-1] if lines else ""

    def end(self, worker: Worker, number: int = signal.SIGKILL) -> int:
        """End a worker by a signal; its code."""
        worker.send_signal(number)
        code = worker.wait(PATIENCE)
        self.running.remove(worker)
        return code

    def keep(self, count: int) -> None:
        """As a supervisor does: start again what has ended, until `count` run."""
        for worker in [w for w in self.running if w.poll() is not None]:
            self.running.remove(worker)
        while len(self.running) < count:
            self.start()

    def end_all(self) -> None:
        """End them all."""
        for worker in self.running:
            worker.kill()
            worker.wait(PATIENCE)
        self.running.clear()


@contextmanager
def workers(settings: dict[str, str], first_port: int, folder: Path) -> Iterator[Workers]:
    """Workers that end with the block."""
    made = Workers(settings, first_port, folder)
    try:
        yield made
    finally:
        made.end_all()


def metrics(port: int) -> dict[str, float]:
    """The samples that a worker shows, labels in their names; empty where it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except (urllib.error.URLError, OSError):
        return {}
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def settings_of(flags: dict[str, str]) -> Settings:
    """The settings that the flags of a worker make."""
    return load_settings(None, {}, flags)
