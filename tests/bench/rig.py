"""What the benchmarks stand on: pinned cores, real servers, workers as processes, documents, and who counts them."""

import gzip
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import IO, Self

import psutil
from kafka import TopicPartition

from models.repository import MODEL_NAME, write_repository
from processors.enrichment import Enricher
from processors.identity import partition_of
from processors.messages import Document
from streams.codec import decode_document, encode
from streams.demo.scenario import make_scenario
from streams.kafka_clients import consumer, producer
from streams.model_inputs import ModelInputs, load_model
from streams.settings import DEFAULT_MODEL, Settings, load_master, load_settings, settings_hash
from streams.stack.ports import HOST
from streams.stack.stack import Stack
from streams.topics import Topics
from streams.topics_admin import create_topics

ROOT = Path(__file__).resolve().parent.parent.parent
INSTANT_MODEL = ROOT / "tests" / "services" / "instant_model.py"
PATIENCE = 600.0
"""Seconds for one measurement on a busy machine."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Cores:
    """Triton's core, and those of everything else; one and the same where there is one only."""

    model: frozenset[int]
    rest: frozenset[int]

    @classmethod
    def at_hand(cls) -> "Cores":
        """The first core for Triton."""
        first, *others = sorted(os.sched_getaffinity(0))
        return cls(frozenset({first}), frozenset(others or {first}))

    @property
    def all(self) -> frozenset[int]:
        """Both."""
        return self.model | self.rest

    def words(self) -> str:
        """For a note."""
        return f"Triton on 1 core, all else on {len(self.rest)}"


@contextmanager
def on(cores: frozenset[int]) -> Iterator[None]:
    """Whatever is started within runs on `cores` only: processes and threads inherit them."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Worker:
    """One service as a process; a context manager that ends it."""

    def __init__(self, service: str, settings: dict[str, str], port: int, log: IO[bytes]) -> None:
        self.service, self.port = service, port
        values = {**settings, f"services.{service}_port": str(port)}
        flags = [word for name, value in values.items() for word in ("--set", f"{name}={value}")]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streams", "run", service, *flags], cwd=ROOT, stdout=log, stderr=log
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def check(self) -> None:
        """Raises RuntimeError where it has ended."""
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.service} ended with {self.process.returncode}")

    @property
    def cpu(self) -> float:
        """Processor seconds so far."""
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system

    @property
    def memory(self) -> int:
        """Resident bytes."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def samples(self) -> dict[str, float]:
        """The metrics that it shows, labels in their names; empty where it does not answer yet."""
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            lines = (line.rpartition(" ") for line in answer.read().decode().splitlines() if not line.startswith("#"))
            return {name: float(value) for name, _, value in lines}
        return {}


@dataclass
class Rig:
    """Servers, documents and processes of one run, all in `folder`. Figures that later parts need stand in `found`."""

    folder: Path
    quick: bool
    say: Say
    cores: Cores = field(default_factory=Cores.at_hand)
    found: dict[str, float] = field(default_factory=dict)
    _prefixes: int = 0
    _stacks: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stacks.close()

    @cached_property
    def stack(self) -> Stack:
        """The servers, Triton with the shipped model on one thread; none of them started."""
        write_repository(self.folder / "shipped", DEFAULT_MODEL, "python", "cpu", threads=1)
        return self._stacks.enter_context(Stack(self.folder / "stack", models=self.folder / "shipped"))

    @cached_property
    def instant(self) -> Stack:
        """For its Triton alone, whose model answers at once."""
        write_repository(self.folder / "instant", DEFAULT_MODEL, "python", "cpu", threads=1)
        for version in (self.folder / "instant" / MODEL_NAME).glob("*/model.py"):
            shutil.copy(INSTANT_MODEL, version)
        return self._stacks.enter_context(Stack(self.folder / "instant-stack", models=self.folder / "instant"))

    def serve(self, *servers: str, instant: bool = False) -> dict[str, str]:
        """Start what does not run; Triton on a core of its own. The settings that lead there."""
        self.say(f"starting {', '.join((*servers, 'triton'))}")
        with on(self.cores.rest):
            self.stack.up(set(servers))
        triton = self.instant if instant else self.stack
        with on(self.cores.model):
            triton.up({"triton"})
        return {**self.stack.settings, "triton.server": triton.triton.address}

    def down(self) -> None:
        """Stop every server, for parts that bring their own."""
        for name in ("stack", "instant"):
            if name in self.__dict__:  # made before
                self.say("stopping the servers")
                getattr(self, name).down()

    def prefix(self, settings: dict[str, str], **kafka: int) -> dict[str, str]:
        """`settings` for topics of their own, which are made; `kafka` are settings of that section."""
        self._prefixes += 1
        name = f"bench{self._prefixes}"
        values = {**settings, "kafka.prefix": name, "elasticsearch.prefix": name}
        values |= {f"kafka.{key}": str(value) for key, value in kafka.items()}
        create_topics(settings_of(values))
        return values

    def worker(self, service: str, settings: dict[str, str]) -> Worker:
        """Start one, which ends with its block."""
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port = int(probe.getsockname()[1])
        with (self.folder / f"{service}.log").open("ab") as log:
            return Worker(service, settings, port, log)

    @cached_property
    def inputs(self) -> ModelInputs:
        """The tokenizer of the shipped model."""
        return load_model(DEFAULT_MODEL)[0]

    @cached_property
    def tweets(self) -> list[Document]:
        """Texts to work on: the tweets of 2014 where the data are at hand, else those of the invented scenario."""
        path = Path(os.environ.get("TOCSIN_DATA", ROOT.parent / "shared" / "data")) / "tweets-2014.jsonl.gz"
        if path.exists():
            with gzip.open(path) as file:
                return [decode_document(line) for line in islice(file, 42_000)]
        documents = []
        for arrival in make_scenario().arrivals:
            with suppress(Exception):  # it sends broken records, too
                documents.append(decode_document(arrival.raw))
        return documents

    def read_by_model(self, number: int) -> tuple[list[Document], list[str]]:
        """So many documents that the model is asked about, and what it reads of each."""
        settings = Settings()
        enricher = Enricher(load_master(settings), [self.inputs.model], settings_hash(settings), timedelta(days=1))
        prepared = (enricher.prepare(document, None) for document in self.tweets)
        chosen = list(islice((one for one in prepared if one.model_text), number))
        return [one.document for one in chosen], [one.model_text for one in chosen]


def settings_of(values: dict[str, str]) -> Settings:
    """The settings that a worker's flags make."""
    return load_settings(None, {}, values)


def feed(settings: Settings, documents: Sequence[Document]) -> None:
    """All documents into their input topics, as fast as Kafka takes them."""
    inputs, writer = Topics(settings.kafka).inputs, producer(settings.kafka)
    for document in documents:
        name, partitions = inputs[document.kind]
        writer.send(name, encode(document), partition=partition_of(document.identity, partitions))
    writer.flush()
    writer.close()


@dataclass(frozen=True, slots=True)
class Passage:
    """When documents came out of enrich (ms since 1970, ascending), and the workers' processor time for each, in µs."""

    times: Sequence[int]
    micros: float

    def since(self, began: float) -> float:
        """Documents a second, all of them, from `began` (seconds since 1970) to the last."""
        return len(self.times) / (self.times[-1] / 1000 - began)

    @property
    def steady(self) -> float:
        """Documents a second between the first tenth and the last: no start, no end, whole batches in hand at both."""
        first, last = len(self.times) // 10, len(self.times) * 9 // 10
        return (last - first) / max(0.001, (self.times[last] - self.times[first]) / 1000)


def passage(settings: Settings, number: int, workers: Sequence[Worker], say: Say) -> Passage:
    """Wait until `number` documents came out of `workers`; their times are the broker's."""
    name = Topics(settings.kafka).name("documents")
    reader = consumer(settings.kafka)
    reader.assign([TopicPartition(name, p) for p in range(settings.kafka.mention_partitions)])
    times: list[int] = []
    before: tuple[int, float] | None = None
    deadline = time.monotonic() + PATIENCE
    try:
        while len(times) < number:
            for worker in workers:
                worker.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"only {len(times)} of {number} documents came out within {PATIENCE:.0f} s")
            times += [record.timestamp for records in reader.poll(timeout_ms=200).values() for record in records]
            if times and before is None:
                before = len(times), sum(worker.cpu for worker in workers)
            say(f"{len(times):,} of {number:,} documents")
        counted, spent = before or (0, 0.0)
        spent = sum(worker.cpu for worker in workers) - spent
    finally:
        reader.close()
    return Passage(sorted(times), spent / (number - counted) * 1e6 if number > counted else float("nan"))


def wait_for_shares(topic: str, workers: Sequence[Worker], say: Say) -> None:
    """Until each of `workers` has partitions of the `topic`."""
    deadline = time.monotonic() + PATIENCE
    named = f'topic="{topic}"'
    while True:
        shares = [
            sum(name.startswith("tocsin_lag_records{") and named in name for name in w.samples()) for w in workers
        ]
        if all(shares):
            return
        for worker in workers:
            worker.check()
        if time.monotonic() > deadline:
            raise TimeoutError(f"the workers did not share {topic}: {shares} partitions each")
        say("waiting until each worker has its partitions")
        time.sleep(0.5)
