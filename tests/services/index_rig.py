"""What tests of index work with: records as plain JSON, workers to run and to end in any way, and the index as a
stranger's client sees it."""

import base64
import json
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from elasticsearch import Elasticsearch, helpers
from kafka import KafkaConsumer, KafkaProducer

from processors.identity import partition_of
from streams.service_settings import ElasticsearchSettings
from streams.settings import Settings, load_settings
from streams.stack.kafka import Kafka
from streams.stack.ports import Ports
from streams.topics_admin import create_topics
from tests.patience import PATIENCE

TOCSIN = Path(sys.executable).parent / "tocsin"


def document(number: int, published_at: str = "2024-03-05T10:00:00Z", **changes: Any) -> dict[str, Any]:
    """A labelled document as enrich publishes it."""
    return {
        "identity": f"wire/{number}",
        "id": str(number),
        "source": "wire",
        "kind": "news",
        "published_at": published_at,
        "title": f"Mill number {number} halts its saws",
        "text": "The river is too low.",
        "url": None,
        "author": None,
        "language": "en",
        "symbols": [],
        "reach": None,
        "repost_of": None,
        "metadata": {},
        "status": "unlabelled",
        "late": False,
        "companies": [],
        "schema": 1,
        **changes,
    }


def point(hour: int, revision: int = 0) -> dict[str, Any]:
    """A closed bucket of one series, as detect publishes it."""
    numbers = dict.fromkeys(("negative", "neutral", "positive", "stories", "novel_negative"), revision)
    shares = dict.fromkeys(("expected", "expected_low", "expected_high", "surprise"), 0.5)
    times = {"start": f"2024-03-05T{hour:02}:00:00Z", "end": f"2024-03-05T{hour:02}:59:59Z"}
    return {
        "series": "company:MILL",
        "kind": "company",
        "revision": revision,
        "schema": 1,
        **times,
        **numbers,
        **shares,
    }


def letter(offset: int) -> dict[str, Any]:
    """A dead letter as enrich publishes it."""
    return {
        "stage": "enrich",
        "reason": "invalid-json",
        "message": "line 1: expected a value",
        "origin": {"place": "x.news", "partition": 0, "offset": offset},
        "original": base64.b64encode(b"{").decode(),
        "sha256": "00" * 32,
        "length": 1,
        "schema": 1,
    }


@dataclass(frozen=True)
class Rig:
    """One prefix on the broker and in the index."""

    flags: dict[str, str]
    client: Elasticsearch
    group: KafkaConsumer
    """Asks for the offsets of the group without being a member."""
    log: Path

    @property
    def settings(self) -> Settings:
        return load_settings(None, {}, self.flags)

    def topic(self, name: str) -> str:
        return f"{self.flags['kafka.prefix']}.{name}"

    def alias(self, kind: str) -> str:
        return f"{self.flags['elasticsearch.prefix']}-{kind}"

    def send(self, topic: str, values: Iterable[dict[str, Any] | bytes], **headers: str) -> int:
        """Write records; documents go to the partition of their identity. How many."""
        pairs = [(name, text.encode()) for name, text in headers.items()]
        producer = KafkaProducer(bootstrap_servers=self.flags["kafka.servers"], max_request_size=8_000_000, linger_ms=5)
        count = 0
        for value in values:
            raw = value if isinstance(value, bytes) else json.dumps(value).encode()
            identity = value.get("identity") if isinstance(value, dict) else None
            partition = partition_of(identity, self.settings.kafka.mention_partitions) if identity else 0
            producer.send(self.topic(topic), raw, partition=partition, headers=pairs)
            count += 1
        producer.flush()
        producer.close()
        return count

    @contextmanager
    def worker(self, **more: str) -> Iterator[subprocess.Popen[bytes]]:
        """`tocsin run index` as a process, killed at the end if it still runs."""
        flags = {**self.flags, **more}
        arguments = [f"--set={name}={value}" for name, value in flags.items()]
        with self.log.open("ab") as log:
            process = subprocess.Popen([str(TOCSIN), "run", "index", *arguments], stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def held(self, kind: str) -> dict[str, list[dict[str, Any]]]:
        """Every hit of the alias by `_id`; more than one of an id means that it is doubled."""
        if not self.client.indices.exists_alias(name=self.alias(kind)):
            return {}
        self.client.indices.refresh(index=self.alias(kind))
        found: dict[str, list[dict[str, Any]]] = {}
        for hit in helpers.scan(self.client, index=self.alias(kind), size=2000):
            found.setdefault(hit["_id"], []).append(hit)
        return found

    def has(self, kind: str, count: int) -> bool:
        return len(self.held(kind)) >= count

    def get(self, path: str, port: int | None = None) -> tuple[int, str]:
        """Status and body of a page of the worker's monitor; of another worker's with its `port`."""
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{port or self.flags['services.index_port']}{path}", timeout=5
            ) as page:
                return page.status, page.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def partitions(self, port: int) -> set[tuple[str, str]]:
        """Short topic and partition of all that the worker of a port reads, as it tells."""
        page = self.get("/metrics", port)[1]
        found = re.findall(r'^tocsin_lag_records\{partition="(\d+)",topic="([^"]+)"\}', page, re.MULTILINE)
        return {(topic.rpartition(".")[2], partition) for partition, topic in found}

    def outcomes(self) -> Counter[str]:
        """What the worker counted, by outcome."""
        counts: Counter[str] = Counter()
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith("tocsin_indexed_total{"):
                counts[line.split('outcome="')[1].split('"')[0]] += int(float(line.rsplit(" ", 1)[1]))
        return counts


@contextmanager
def new_rig(kafka: Kafka, elastic: ElasticsearchSettings, folder: Path) -> Iterator[Rig]:
    """A rig with topics and nothing in them."""
    flags = {
        "kafka.servers": kafka.address,
        "kafka.prefix": f"index-{uuid4().hex[:8]}",
        "kafka.news_partitions": "1",
        "kafka.social_partitions": "1",
        "kafka.mention_partitions": "2",
        "elasticsearch.servers": elastic.servers[0],
        "elasticsearch.prefix": elastic.prefix,
        "services.index_port": str(Ports.picked().kafka),
        "services.retry_longest": "1",
        "services.log_level": "info",  # what a test that fails leaves behind
        "index.batch_size": "100",
    }
    create_topics(load_settings(None, {}, flags))
    group = KafkaConsumer(
        bootstrap_servers=kafka.address, group_id=f"{flags['kafka.prefix']}-index", enable_auto_commit=False
    )
    with Elasticsearch(elastic.servers[0], request_timeout=60) as client:
        yield Rig(flags, client, group, folder / "index.log")
    group.close()


def until(what: Callable[[], Any], seconds: float = PATIENCE, *, every: float = 0.3) -> Any:
    """What `what` gives once it is true; fails after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(every)
    raise AssertionError(f"not within {seconds} s: {what}")


def stop(process: subprocess.Popen[bytes]) -> int:
    """Ask it to end as a supervisor does; its exit code."""
    process.send_signal(signal.SIGTERM)
    return process.wait(PATIENCE)
