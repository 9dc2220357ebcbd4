"""Points at which a service can be made to crash: between each two steps of what it must not do by halves.

A point is a function of the service and a side of it: the process kills itself before the function's n-th call, or after
that call has returned.
"""

import functools
import inspect
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, Literal

When = Literal["before", "after"]


@dataclass(frozen=True, slots=True)
class Point:
    """`function` is ``module:attribute`` or ``module:Class.attribute``; `calls` of it pass before the crash, at most: the
    seed chooses. `between` tells of the two steps."""

    service: Literal["enrich", "detect", "index"]
    function: str
    when: When
    between: str
    calls: int = 30


POINTS: Final[dict[str, Point]] = {
    # enrich, `Line._carry`
    "enrich-labelled": Point(
        "enrich", "streams.triton:TritonClassifier.classify", "after", "the labels are there, nothing is written"
    ),
    "enrich-composed": Point(
        "enrich", "streams.services.enrich_kafka:Publisher.publish", "before", "all is composed, nothing is written"
    ),
    "enrich-half-written": Point(
        "enrich", "streams.services.kafka_batches:_write", "after", "some partitions are written, others may not be", 80
    ),
    "enrich-written": Point(
        "enrich",
        "streams.services.enrich_kafka:Publisher.publish",
        "after",
        "documents or ticks are safe, not acknowledged",
    ),
    "enrich-half-acknowledged": Point(
        "enrich", "faust.events:Event.ack", "after", "some of a batch is acknowledged, the rest is not", 500
    ),
    "enrich-acknowledged": Point(
        "enrich",
        "streams.services.enrich_metrics:EnrichMetrics.batch",
        "after",
        "a batch is acknowledged, not committed",
    ),
    # detect, `Transactions._commit`, for what is published and for saved state alike
    "detect-begun": Point(
        "detect", "aiokafka:AIOKafkaProducer.begin_transaction", "after", "a transaction is begun, nothing is in it"
    ),
    "detect-half-written": Point(
        "detect", "streams.services.kafka_batches:_write", "after", "some of its partitions are written", 60
    ),
    "detect-written": Point(
        "detect", "streams.services.detect_transactions:write", "after", "its records are written, the offset is not"
    ),
    "detect-offset": Point(
        "detect", "aiokafka:AIOKafkaProducer.send_offsets_to_transaction", "after", "all is in it, not committed"
    ),
    "detect-committed": Point(
        "detect", "aiokafka:AIOKafkaProducer.commit_transaction", "after", "it is committed, the worker does not know"
    ),
    "detect-published": Point(
        "detect",
        "streams.services.detect_partition:OwnedPartition._publish",
        "after",
        "published, the state not saved",
    ),
    "detect-saving": Point(
        "detect", "streams.services.detect_partition:OwnedPartition.save", "before", "the state is due, not saved", 6
    ),
    "detect-saved": Point(
        "detect", "streams.services.detect_partition:OwnedPartition.save", "after", "the state is saved", 6
    ),
    # detect, `take_over`
    "takeover-fenced": Point(
        "detect", "streams.services.detect_takeover:Transactions", "after", "fenced, nothing read", 2
    ),
    "takeover-read": Point("detect", "streams.services.detect_takeover:start", "before", "read, not restored", 2),
    "takeover-restored": Point("detect", "streams.services.detect_takeover:start", "after", "restored, not saved", 2),
    "takeover-saved": Point("detect", "streams.services.detect:take_over", "after", "saved, nothing applied", 2),
    # index, `Worker._index` and `Writer.write`
    "index-read": Point("index", "streams.services.index:Worker._write", "before", "read, nothing written"),
    "index-claimed": Point(
        "index", "streams.elastic_writes:Writer._claim", "after", "identities are claimed, documents not written"
    ),
    "index-written": Point("index", "streams.services.index:Worker._write", "after", "written, not acknowledged"),
    "index-told": Point("index", "streams.services.index:Worker._tell", "after", "refusals told, not acknowledged"),
    "index-acknowledged": Point("index", "kafka:KafkaConsumer.commit", "after", "acknowledged to Kafka"),
}


def arm(name: str, calls: int) -> None:
    """Crash this process at the point `name`, at the call after so many."""
    point = POINTS[name]
    owner, attribute = found(point)
    left = calls

    def passed() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            print(f"crashes at {name}", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, attribute, _wrapped(getattr(owner, attribute), point.when, passed))


def found(point: Point) -> tuple[Any, str]:
    """The object that holds the function of `point`, and its name there. Raises AttributeError where there is none."""
    module, _, path = point.function.partition(":")
    *classes, attribute = path.split(".")
    owner: Any = import_module(module)
    for name in classes:
        owner = getattr(owner, name)
    getattr(owner, attribute)
    return owner, attribute


def _wrapped(function: Callable[..., Any], when: When, passed: Callable[[], None]) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def awaited(*arguments: Any, **options: Any) -> Any:
            if when == "before":
                passed()
            result = await function(*arguments, **options)
            if when == "after":
                passed()
            return result

        return awaited

    @functools.wraps(function, updated=())
    def called(*arguments: Any, **options: Any) -> Any:
        if when == "before":
            passed()
        result = function(*arguments, **options)
        if when == "after":
            passed()
        return result

    return called
