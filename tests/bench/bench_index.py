"""How many documents a second one index worker takes from Kafka into Elasticsearch, and what memory it needs.

Run: ``.venv/bin/python tests/bench/bench_index.py [--documents N]``. The documents are the tweets of TOCSIN_DATA with
labels of an even mix (invented ones where the data are absent), written to the topic first, so that the worker never
waits for them. Time counts from the first acknowledged record to the last; the worker, both servers and this script
share the machine.
"""

import argparse
import gzip
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import psutil
from elasticsearch import Elasticsearch
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from processors.identity import partition_of
from processors.labels import SENTIMENTS, TOPICS
from processors.messages import CompanyLink, LabelledDocument, Sentiment, Topic, Versions
from streams.codec import decode_document, encode
from streams.settings import Settings, load_settings
from streams.stack.stack import Stack
from streams.topics import Topics
from streams.topics_admin import create_topics

ROOT = Path(__file__).resolve().parent.parent.parent
VERSIONS = Versions("minilm", "1", "0123456789abcdef", "fedcba9876543210", "0011223344556677")


def raw_documents() -> Iterator[bytes]:
    """Input documents: real ones if there are any."""
    tweets = Path(os.environ.get("TOCSIN_DATA", ROOT.parent / "shared" / "data")) / "tweets-2014.jsonl.gz"
    if tweets.exists():
        with gzip.open(tweets) as file:
            yield from file
    for number in itertools.count():
        text = f"$C{number % 88} trades lower again, desk {number} sees sellers only http://example.org/{number}"
        yield json.dumps(
            {"id": str(number), "source": "bench", "kind": "social", "text": text, "author": f"a{number % 900}"}
            | {"published_at": f"2014-{1 + number // 40_000 % 12:02}-03T10:00:00Z", "language": "en", "reach": number}
        ).encode()


def labelled(raw: bytes, number: int) -> LabelledDocument:
    """The document as enrich publishes it."""
    document = decode_document(raw)
    fields = {name: getattr(document, name) for name in LabelledDocument.__slots__ if hasattr(document, name)}
    companies = tuple(CompanyLink(symbol, f"${symbol}", 0, "cashtag") for symbol in document.symbols[:3])
    label = SENTIMENTS[number % 3]
    return LabelledDocument(
        **fields
        | {
            "language": "en",
            "status": "labelled",
            "late": False,
            "companies": companies,
            "sentiment": Sentiment(label, 0.123456, 0.654321, 0.222223),
            "topic": Topic(TOPICS[number % len(TOPICS)], 0.765432),
            "versions": VERSIONS,
        }
    )


def fill(settings: Settings, documents: int) -> None:
    """Write the documents to their topic."""
    topic, count = Topics(settings.kafka).name("documents"), settings.kafka.mention_partitions
    producer = KafkaProducer(bootstrap_servers=list(settings.kafka.servers), linger_ms=20, batch_size=256 * 1024)
    size = 0
    for number, raw in enumerate(itertools.islice(raw_documents(), documents)):
        document = labelled(raw, number)
        value = encode(document)
        size += len(value)
        producer.send(topic, value, document.identity.encode(), partition=partition_of(document.identity, count))
    producer.flush()
    producer.close()
    print(f"{documents:,} documents of {size / documents:,.0f} bytes on {count} partitions", flush=True)


def cpu_seconds(pid: int) -> float:
    """What a process and those that it started have used."""
    process = psutil.Process(pid)
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return sum(time.user + time.system for time in times)


def measure(settings: Settings, arguments: list[str], documents: int, server: int) -> None:
    """Run one worker until it has acknowledged all of them, and print the figures; `server` is Elasticsearch's pid."""
    topics = Topics(settings.kafka)
    places = [TopicPartition(topics.name("documents"), p) for p in range(settings.kafka.mention_partitions)]
    watcher = KafkaConsumer(bootstrap_servers=list(settings.kafka.servers), group_id=topics.group("index"))
    tocsin = Path(sys.executable).parent / "tocsin"
    worker = subprocess.Popen([str(tocsin), "run", "index", *arguments])
    process = psutil.Process(worker.pid)
    first, done, begun, memory = 0, 0, 0.0, 0
    used = (0.0, 0.0)
    try:
        while done < documents:
            time.sleep(0.2)
            if worker.poll() is not None:
                raise SystemExit("the worker ended: see above")
            done = sum(watcher.committed(place) or 0 for place in places)
            memory = max(memory, process.memory_info().rss)
            if done and not begun:
                first, begun, used = done, time.monotonic(), (cpu_seconds(worker.pid), cpu_seconds(server))
        seconds = time.monotonic() - begun
        spent = [after - before for after, before in zip(map(cpu_seconds, (worker.pid, server)), used, strict=True)]
    finally:
        worker.terminate()
        worker.wait()
        watcher.close()
    with Elasticsearch(list(settings.elasticsearch.servers)) as client:
        alias = f"{settings.elasticsearch.prefix}-documents"
        client.indices.refresh(index=alias)
        held = client.count(index=alias)["count"]
    measured = documents - first
    worker_us, server_us = (1e6 * part / measured for part in spent)
    print(
        f"{measured / seconds:,.0f} documents/s (floor 3,000) over {seconds:.1f} s; a document takes {worker_us:.0f} µs of "
        f"the worker's core and {server_us:.0f} µs of Elasticsearch's; {memory / 1e6:,.0f} MB; {held:,} in the index"
    )


def main() -> None:
    """Fill a broker of its own, index, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=60_000)
    documents = parser.parse_args().documents
    folder = Path(mkdtemp(prefix="tocsin-bench-"))
    folder.chmod(0o755)  # Elasticsearch of root's runs as another user
    try:
        with Stack(folder) as stack:
            stack.up({"kafka", "elasticsearch"})
            flags = dict(stack.settings)
            settings = load_settings(None, {}, flags)
            create_topics(settings)
            fill(settings, documents)
            measure(
                settings, [f"--set={name}={value}" for name, value in flags.items()], documents, stack.elasticsearch.pid
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
