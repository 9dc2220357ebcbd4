"""The Faust application of enrich: one agent over both input topics, whose events a line acknowledges.

One agent and one instance of it: Faust's committer goes past an unacknowledged record when later ones of its partition
are acknowledged first, so one place alone may acknowledge.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final

import faust
from mode.utils.queues import ThrowableQueue

from streams.parts import parted
from streams.service_settings import EnrichSettings, KafkaSettings
from streams.services.enrich_line import Event
from streams.services.kafka_batches import ssl_context
from streams.topics import Topics

SESSION_SECONDS: Final = 6.0
"""A worker that is silent for this long loses its partitions; brokers take no less unless told to."""

COMMIT_SECONDS: Final = 1.0
"""Between two commits of what is acknowledged: what a killed worker's successor does again."""

WAITING_BYTES: Final = 16 * 2**20
"""Records that were fetched and wait for a batch, together; Faust by itself counts records only, of up to 1 MiB each."""

TAKEN_BYTES: Final = 4 * 2**20
"""Of one batch, unless a single record has more: what a batch becomes is many times as large."""

_WEEK: Final = 7 * 86_400.0


class BoundedQueue(ThrowableQueue):  # type: ignore[type-arg]
    """Faust's queue of events, full after `maxsize` records or after `WAITING_BYTES`: a record counts as one, and as
    one more for each `WAITING_BYTES / maxsize` bytes that it has."""

    def _init(self, maxsize: int) -> None:
        super()._init(maxsize)
        self._share = max(1, WAITING_BYTES // maxsize)
        self._size = 0

    def _put(self, item: Event) -> None:
        self._size += self._units(item)
        super()._put(item)

    def _get(self) -> Event:
        event: Event = super()._get()
        self._size -= self._units(event)
        return event

    def clear(self) -> None:
        """Forget what waits."""
        super().clear()
        self._size = 0

    def qsize(self) -> int:
        """How full it is, in units of which `maxsize` fit."""
        return self._size

    def _units(self, event: Event) -> int:
        return 1 + _bytes_of(event) // self._share


class EnrichApp(faust.App):
    """Faust's application without what only tables need, whose queues are bounded in bytes too."""

    async def on_first_start(self) -> None:
        """Make no folders: there are no tables to keep in them."""

    def FlowControlQueue(self, maxsize: int | None = None, *, clear_on_resume: bool = False) -> BoundedQueue:
        """What Faust keeps the events of a channel in."""
        size = maxsize or self.conf.stream_buffer_maxsize
        return BoundedQueue(size, flow_control=self.flow_control, clear_on_resume=clear_on_resume)


def make_app(
    kafka: KafkaSettings, enrich: EnrichSettings, take: Callable[[Sequence[Event]], Awaitable[None]]
) -> EnrichApp:
    """An application whose agent gives batches of events to `take`; it acknowledges nothing itself."""
    topics = Topics(kafka)
    app = EnrichApp(
        topics.group("enrich"),
        broker=[f"aiokafka://{server}" for server in kafka.servers],
        broker_credentials=_credentials(kafka),
        broker_client_id=f"{kafka.prefix}-enrich",
        broker_session_timeout=SESSION_SECONDS,
        broker_heartbeat_interval=SESSION_SECONDS / 3,
        broker_rebalance_timeout=10.0,
        # A worker that waits for Triton asks for nothing, for hours if need be, and is none the worse for it.
        broker_max_poll_interval=_WEEK,
        broker_max_poll_records=enrich.batch_size,
        broker_commit_interval=COMMIT_SECONDS,
        consumer_auto_offset_reset="earliest",
        stream_buffer_maxsize=2 * enrich.batch_size,
        stream_wait_empty=False,  # the line is drained before the application stops
        key_serializer="raw",
        value_serializer="raw",
        autodiscover=False,
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        store="memory://",
    )
    names = [name for name, _ in topics.inputs.values()]

    async def enrich_documents(stream: Any) -> None:
        async for events in stream.noack_take(enrich.batch_size, within=enrich.linger):
            # What was read before partitions moved comes again, to whoever has them now.
            generation = app.consumer_generation_id
            fresh = [event for event in events if event.message.generation_id == generation]
            for part in batches(fresh):
                await take(part)

    app.agent(app.topic(*names, key_type=bytes, value_type=bytes), concurrency=1)(enrich_documents)
    app.finalize()
    return app


def batches(events: Sequence[Event]) -> Iterator[list[Event]]:
    """`events` in their order, in parts of at most `TAKEN_BYTES`, or of one event."""
    return parted(events, _bytes_of, len(events), TAKEN_BYTES)


def _bytes_of(event: Event) -> int:
    return len(event.message.value or b"")


def _credentials(kafka: KafkaSettings) -> Any:
    context = ssl_context(kafka)
    if kafka.security.startswith("SASL"):
        return faust.SASLCredentials(
            username=kafka.username, password=kafka.password, mechanism=kafka.sasl_mechanism, ssl_context=context
        )
    return faust.SSLCredentials(context) if context else None
