"""How many records a second one detect worker applies on a real broker, and how long it takes to take over.

Run: ``.venv/bin/python tests/bench/bench_detect.py [documents]``. The log is that of `bench_detector`'s documents: a mention
and a wide record each, a round of ticks an hour; 17 days of thin history first, by which the bell is warm, then five dense
days that are measured. Records a second of processor time say what a worker of a core of its own does, where others work on the
machine too.
"""

import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

from bench_detector import later, mentions

from processors.messages import Mention, WideRecord
from streams.stack.stack import Stack
from streams.topics_admin import create_topics

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "services"), str(TESTS.parent)]
from detect_log import Log, Workers, committed_records, metrics, settings_of
from detect_log import workers as running_workers

_HISTORY: Final = 3_000
_DAYS: Final = 5


def both(found: list[Mention]) -> Iterator[Mention | WideRecord]:
    """Each mention, and the wide record of its document."""
    for mention in found:
        yield mention
        yield WideRecord((mention.company,), (mention.sector,), mention.document)


def applied(sample: dict[str, float]) -> float:
    """Records, ticks included, that a worker says it has applied; one that it held counts once."""
    counts = {name: value for name, value in sample.items() if name.startswith("tocsin_detect_records_total")}
    return sum(value for name, value in counts.items() if "released" not in name and "early" not in name)


def quantile(sample: dict[str, float], share: float) -> float:
    """A bound for the seconds that `share` of the transactions took no longer than."""
    count = sample["tocsin_transaction_seconds_count"]
    bounds = sorted(
        (float(name.partition('le="')[2].partition('"')[0]), value)
        for name, value in sample.items()
        if name.startswith("tocsin_transaction_seconds_bucket")
    )
    return next(bound for bound, value in bounds if value >= share * count)


def main() -> None:
    """Print records a second, transactions, taking over, memory."""
    documents = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name, Stack(Path(name) / "stack") as stack:
        stack.up({"kafka"})
        # As with a clock that keeps up, nothing waits for it: with a round of ticks an hour, that takes an hour.
        flags = {"kafka.servers": stack.kafka.address, "kafka.prefix": "bench", "detection.ahead_seconds": "3600"}
        settings = settings_of(flags)
        create_topics(settings)
        log = Log(settings)
        history = mentions(_HISTORY, 24 * 17, seed=2)
        records = later(mentions(documents, 24 * _DAYS, seed=1), timedelta(days=17))
        with running_workers(flags, stack.ports.triton_http, Path(name)) as workers:
            log.feed(both(history), every=1)
            workers.start()
            log.wait_until_applied(1800)
            workers.end(workers.running[0], signal.SIGTERM)
            log.feed(both(records), every=1)
            measure(log, workers)


def measure(log: Log, workers: Workers) -> None:
    """Apply what is there with one worker, then kill it and let another take over."""
    worker = workers.start()
    while not applied(first := metrics(worker.port)):
        time.sleep(0.1)
    started = time.perf_counter()
    while log.lag() > 0:
        time.sleep(0.2)
    last, wall = metrics(worker.port), time.perf_counter() - started
    grown = {name: value - first.get(name, 0) for name, value in last.items()}
    done, cpu = applied(last) - applied(first), grown["process_cpu_seconds_total"]
    print(
        f"{done:,.0f} records (ticks included) in {wall:.1f} s: {done / wall:,.0f} a second, "
        f"{done / cpu:,.0f} a second of processor time; {grown['tocsin_series_points_total'] / done:.2f} points and "
        f"{grown['tocsin_state_bytes_total'] / done:,.0f} bytes of state a record"
    )
    print(
        f"applying and publishing took {grown['tocsin_transaction_seconds_sum']:.1f} s, saving the state "
        f"{grown['tocsin_save_seconds_count']:.0f} times {grown['tocsin_save_seconds_sum']:.1f} s"
    )
    size = last["tocsin_batch_records_sum"] / last["tocsin_batch_records_count"]
    print(
        f"transactions of {size:.0f} records on average: p50 at most {1000 * quantile(last, 0.5):.0f} ms, "
        f"p99 at most {1000 * quantile(last, 0.99):.0f} ms, applying included"
    )
    print(f"memory of the worker: {last['process_resident_memory_bytes'] / 2**20:.0f} MiB")
    other = workers.start()
    time.sleep(5)
    workers.end(worker, signal.SIGKILL)
    killed = time.perf_counter()
    log.tick(24 * (18 + _DAYS))
    log.flush()
    while log.lag() > 0:
        time.sleep(0.05)
    took = time.perf_counter() - killed
    restored = {k: v for k, v in metrics(other.port).items() if k.startswith("tocsin_restore_seconds")}
    states = sum(map(len, committed_records(log.settings, "state").values()))
    print(
        f"taken over {took:.1f} s after kill -9 (session {log.settings.detect.session:g} s); "
        f"restoring took {', '.join(f'{seconds:.1f}' for seconds in restored.values())} s for each partition, "
        f"{states:,} records of state"
    )


if __name__ == "__main__":
    main()
