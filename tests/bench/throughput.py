"""How fast enrich is: against the bare model, against the work as a user would first write it, and for itself."""

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from report import Figure
from rig import PATIENCE, Rig, feed, on, passage, settings_of, wait_for_shares
from tritonclient.grpc.aio import InferenceServerClient, InferInput

from models.repository import MODEL_NAME
from streams.model_inputs import Batch, distinct
from streams.settings import Settings
from streams.topics import Topics

SCRIPT = Path(__file__).parent / "first_attempt.py"
FIRST_ATTEMPTS = (
    ("shipped", "the shipped model, one text a call", 2.5, 5.0, "ONNX Runtime, both questions at once"),
    (
        "pipelines",
        "transformers.pipeline, one text a call",
        None,
        5.0,
        "torch, the same weights, a pipeline a question",
    ),
)
"""Form of `first_attempt.py`, name, floor and aim of how many times faster enrich is, and how it works."""


def against_the_bare_model(rig: Rig) -> Iterator[Figure]:
    """Triton asked for ready-made batches, and enrich from Kafka to Kafka: the same texts, in turns."""
    number, turns = (300, 1) if rig.quick else (2_000, 3)
    servers = rig.serve("kafka")
    documents, texts = rig.read_by_model(number)
    size = Settings().enrich.batch_size
    asked = [texts[start : start + size] for start in range(0, number, size)]
    batches = [batch for part in asked for batch in rig.inputs.batches(part)]
    repeated = sum(len(part) - len(distinct(part)[0]) for part in asked)
    bare, whole, ratios = [], [], []
    for turn in range(turns):
        rig.say(f"turn {turn + 1} of {turns}: the bare model")
        with on(rig.cores.rest):
            seconds = asyncio.run(_ask(servers["triton.server"], batches, Settings().triton.concurrency))
            bare.append(number / seconds)
            settings = rig.prefix(servers)
            with rig.worker("enrich", settings) as worker:
                wait_for_shares(social_topic(settings), [worker], rig.say)
                began = time.time()
                feed(settings_of(settings), documents)
                found = passage(settings_of(settings), number, [worker], rig.say)
        whole.append(found.since(began))
        ratios.append(whole[-1] / bare[-1])
    rig.found["enrich"] = statistics.median(whole)
    note = f"{number:,} tweets that it reads, median of {turns} turns; {rig.cores.words()}"
    yield Figure("bare model through Triton", statistics.median(bare), "texts/s", note=note)
    yield Figure(
        "enrich, Kafka to Kafka",
        statistics.median(whole),
        "texts/s",
        note=f"the same, from the first sent to the last out; {repeated} repeat another of their batch and are not asked again",
    )
    spread = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    yield Figure("ratio", statistics.median(ratios), "", floor=0.85, aim=0.95, note=f"turns: {spread}")


def against_a_first_attempt(rig: Rig) -> Iterator[Figure]:
    """A Kafka loop with one text a call, on one core as Triton has one, Triton idle; and how many times faster enrich is."""
    seconds = 5 if rig.quick else 30
    settings = rig.prefix(rig.serve("kafka"))
    topics = Topics(settings_of(settings).kafka)
    feed(settings_of(settings), rig.read_by_model(300 if rig.quick else 6_000)[0])
    for form, name, floor, aim, how in FIRST_ATTEMPTS:
        rig.say(name)
        arguments = [form, settings["kafka.servers"], social_topic(settings), topics.name("documents")]
        with on(rig.cores.model):
            done = subprocess.run(
                [sys.executable, str(SCRIPT), *arguments, str(seconds)], capture_output=True, text=True, check=False
            )
        if done.returncode:
            raise RuntimeError(f"{SCRIPT.name} {form}: {_last_line(done.stderr)}")
        rate = float(done.stdout.split()[-1])
        yield Figure(name, rate, "documents/s", note=f"{how}; on Triton's core, {seconds} s")
        if "enrich" in rig.found:
            yield Figure("so much faster is enrich", rig.found["enrich"] / rate, "times", floor, aim)


def with_an_instant_model(rig: Rig) -> Iterator[Figure]:
    """One worker, all its sends included; what the model does not take is what this costs."""
    number = 3_000 if rig.quick else 40_000
    settings = rig.prefix(rig.serve("kafka", instant=True))
    feed(settings_of(settings), rig.tweets[:number])
    with rig.worker("enrich", settings) as worker:
        found = passage(settings_of(settings), min(number, len(rig.tweets)), [worker], rig.say)
    note = f"{found.micros:.0f} µs of processor time each; all {len(rig.cores.all)} cores, servers included"
    yield Figure("enrich with a model that answers at once", found.steady, "documents/s", 600, 1500, note=note)


def scaling(rig: Rig) -> Iterator[Figure]:
    """1, 2 and 4 workers on as many partitions, all waiting before the documents come."""
    number = 2_000 if rig.quick else 20_000
    servers = rig.serve("kafka", instant=True)
    alone = 0.0
    for count in (1, 2) if rig.quick else (1, 2, 4):
        settings = rig.prefix(servers, news_partitions=1, social_partitions=count)
        with ExitStack() as running:
            workers = [running.enter_context(rig.worker("enrich", settings)) for _ in range(count)]
            wait_for_shares(social_topic(settings), workers, rig.say)
            feed(settings_of(settings), rig.tweets[:number])
            found = passage(settings_of(settings), min(number, len(rig.tweets)), workers, rig.say)
        alone = alone or found.steady
        note = f"{found.steady / alone:.2f} times one; {found.micros:.0f} µs of processor time each"
        name = f"{count} worker{'s' * (count > 1)} on {count} partition{'s' * (count > 1)}"
        yield Figure(name, found.steady, "documents/s", note=f"{note}; {len(rig.cores.all)} cores, servers included")


def social_topic(settings: dict[str, str]) -> str:
    """Its full name: where tweets go."""
    return Topics(settings_of(settings).kafka).inputs["social"][0]


async def _ask(address: str, batches: Sequence[Batch], concurrency: int) -> float:
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


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no word of why"])[-1]
