"""How fast one enrich worker is on the real Kafka and Triton.

With a model that answers at once: documents a second with all their sends. With the shipped model, Triton on one core
with one thread and everything else on the other: what end-to-end keeps of the bare model's rate through Triton, the
same texts in the same batches, in turns.

    python tests/bench/bench_enrich.py DOCUMENTS.jsonl[.gz] [--documents 6000] [--turns 3]
"""

import argparse
import asyncio
import gzip
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from kafka import TopicPartition
from tritonclient.grpc.aio import InferenceServerClient, InferInput

from models.repository import MODEL_NAME, write_repository
from processors.identity import partition_of
from processors.messages import Document
from processors.model_input import model_text
from processors.normalise import normalise
from streams.codec import decode_document, encode
from streams.kafka_clients import consumer, producer
from streams.model_inputs import Batch, load_model
from streams.settings import DEFAULT_MODEL, Settings, load_settings
from streams.stack.ports import Ports
from streams.stack.stack import Stack
from streams.topics import Topics
from streams.topics_admin import create_topics

INSTANT_MODEL = Path(__file__).parent.parent / "services" / "instant_model.py"
PATIENCE = 600
"""Seconds for one run on a busy machine."""


def main() -> None:
    """Print the rate with an instant model, then one line for each turn with the shipped one and the median ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--documents", type=int, default=6000)
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    opened = gzip.open if arguments.file.suffix == ".gz" else open
    with opened(arguments.file, "rb") as file:
        documents = [decode_document(line) for line in islice(file, arguments.documents)]

    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        instant(Path(folder) / "instant", documents)
        shipped(Path(folder) / "shipped", documents[: arguments.documents // 4], arguments.turns)


def instant(folder: Path, documents: Sequence[Document]) -> None:
    """The worker's own rate."""
    write_repository(folder / "models", DEFAULT_MODEL, "python", "cpu")
    for version in (folder / "models" / MODEL_NAME).glob("*/model.py"):
        shutil.copy(INSTANT_MODEL, version)
    with serving(folder) as stack:
        rate, cpu = enrich(stack, documents, "instant", None)
        print(
            f"enrich with a model that answers at once {rate:7.0f} documents/s a worker, "
            f"{cpu / len(documents) * 1e6:.0f} us of processor each (floor 600/s, aim 1,500/s)"
        )


def shipped(folder: Path, documents: Sequence[Document], turns: int) -> None:
    """What is kept of the bare model's rate."""
    write_repository(folder / "models", DEFAULT_MODEL, "python", "cpu", threads=1)
    inputs, _ = load_model(DEFAULT_MODEL)
    texts = [model_text(normalise(d.title), normalise(d.text)) for d in documents]
    size = Settings().enrich.batch_size
    batches = [batch for start in range(0, len(texts), size) for batch in inputs.batches(texts[start : start + size])]
    first, *others = sorted(os.sched_getaffinity(0))
    with serving(folder) as stack:
        if others:
            pin(stack.triton.pid, first)
            pin(stack.kafka.pid, others[0])
        ratios = []
        for turn in range(turns):
            bare = len(texts) / asyncio.run(ask(stack.triton.address, batches, Settings().triton.concurrency))
            whole, _ = enrich(stack, documents, f"shipped{turn}", others[0] if others else None)
            ratios.append(whole / bare)
            print(f"bare model through Triton {bare:6.1f} texts/s   enrich {whole:6.1f}/s   ratio {ratios[-1]:.3f}")
        print(f"median ratio {statistics.median(ratios):.3f} (floor .85, aim .95), {len(texts)} texts")


@contextmanager
def serving(folder: Path) -> Iterator[Stack]:
    """Kafka and Triton with the repository in `folder`."""
    with Stack(folder, Ports.picked(), models=folder / "models") as stack:
        stack.up({"kafka", "triton"})
        yield stack


def enrich(stack: Stack, documents: Sequence[Document], prefix: str, core: int | None) -> tuple[float, float]:
    """Documents a second, by the broker's stamps on what came out, and the worker's processor seconds."""
    values = {**stack.settings, "kafka.prefix": prefix}
    settings = load_settings(None, {}, values)
    create_topics(settings)
    feed(settings, documents)
    command = [sys.executable, "-c", "from streams.cli import main; main()", "run", "enrich"]
    command += [word for name, value in values.items() for word in ("--set", f"{name}={value}")]
    worker = subprocess.Popen(command)
    try:
        if core is not None:
            pin(worker.pid, core)
        times = arrivals(settings, len(documents), worker)
        fields = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()
        cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    finally:
        worker.terminate()
        worker.wait(30)
    batch = min(settings.enrich.batch_size, len(times) - 1)  # the first had the start before it
    return (len(times) - batch) / ((times[-1] - times[batch - 1]) / 1000), cpu


def feed(settings: Settings, documents: Sequence[Document]) -> None:
    """All of them, before the worker starts."""
    inputs, writer = Topics(settings.kafka).inputs, producer(settings.kafka)
    for document in documents:
        name, partitions = inputs[document.kind]
        writer.send(name, encode(document), partition=partition_of(document.identity, partitions))
    writer.flush()
    writer.close()


def arrivals(settings: Settings, number: int, worker: "subprocess.Popen[bytes]") -> list[int]:
    """When each of `number` documents came out, in ms, ascending."""
    name = Topics(settings.kafka).name("documents")
    reader = consumer(settings.kafka)
    reader.assign([TopicPartition(name, p) for p in range(settings.kafka.mention_partitions)])
    times: list[int] = []
    deadline = time.monotonic() + PATIENCE
    while len(times) < number:
        if worker.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"only {len(times)} of {number} documents came out")
        times += [record.timestamp for records in reader.poll(timeout_ms=500).values() for record in records]
    reader.close()
    return sorted(times)


async def ask(address: str, batches: Sequence[Batch], concurrency: int) -> float:
    """Seconds that the server takes for `batches`, so many at once."""
    places = asyncio.Semaphore(concurrency)

    async def one(client: Any, batch: Batch) -> None:
        tensors = []
        for name, values in (("input_ids", batch.input_ids), ("attention_mask", batch.attention_mask)):
            tensors.append(InferInput(name, list(values.shape), "INT64"))
            tensors[-1].set_data_from_numpy(values)
        async with places:
            await client.infer(MODEL_NAME, tensors, client_timeout=PATIENCE)

    async with InferenceServerClient(address) as client:
        await one(client, batches[0])
        started = time.perf_counter()
        await asyncio.gather(*(one(client, batch) for batch in batches))
        return time.perf_counter() - started


def pin(leader: int | None, core: int) -> None:
    """Keep every thread of a process, and of its group where it leads one, on one core."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (int(folder.name) == leader or _group(folder) == leader):
            for task in (folder / "task").iterdir():
                os.sched_setaffinity(int(task.name), {core})


def _group(process: Path) -> int | None:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[2])
    except OSError:
        return None


if __name__ == "__main__":
    main()
