"""The Faust application of enrich: one agent over both input topics, whose events a line acknowledges.

One agent and one instance of it: Faust's committer goes past an unacknowledged record when later ones of its partition
are acknowledged first, so one place alone may acknowledge.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import faust

from streams.service_settings import EnrichSettings, KafkaSettings
from streams.services.enrich_line import Event
from streams.services.kafka_batches import ssl_context
from streams.topics import Topics

SESSION_SECONDS: Final = 6.0
"""A worker that is silent for this long loses its partitions; brokers take no less unless told to."""

COMMIT_SECONDS: Final = 1.0
"""Between two commits of what is acknowledged: what a killed worker's successor does again."""

_WEEK: Final = 7 * 86_400.0


class EnrichApp(faust.App):
    """Faust's application without what only tables need."""

    async def on_first_start(self) -> None:
        """Make no folders: there are no tables to keep in them."""


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
            if fresh:
                await take(fresh)

    app.agent(app.topic(*names, key_type=bytes, value_type=bytes), concurrency=1)(enrich_documents)
    app.finalize()
    return app


def _credentials(kafka: KafkaSettings) -> Any:
    context = ssl_context(kafka)
    if kafka.security.startswith("SASL"):
        return faust.SASLCredentials(
            username=kafka.username, password=kafka.password, mechanism=kafka.sasl_mechanism, ssl_context=context
        )
    return faust.SSLCredentials(context) if context else None
