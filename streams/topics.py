"""The topics of one prefix: what they are called, how many partitions each has, how long it keeps what.

A key's partition is always `processors.identity.partition_of`. What a detect worker writes about partition p of the
mentions it writes to partition p of alerts, series and state; the wide topic, which has one partition, is the last of
these. So the order of one detector's alerts is the order of their partition.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from processors.messages import Kind
from streams.codec import MAX_MESSAGE_BYTES, MAX_RECORD_BYTES
from streams.service_settings import KafkaSettings

TYPE_HEADER: Final = "type"
"""Of a record that is not its topic's ordinary message: the header names what it is instead."""

TICK: Final = b"tick"
"""Its type on news, social, mentions and wide: the value is a `processors.messages.Tick`."""

CANARY: Final = b"canary"
"""Its type on wide: the value is a `processors.messages.Canary`."""

UNLABELLED: Final = b"unlabelled"
"""Its type on mentions and wide: the value is a `processors.messages.Unlabelled`."""

CANARY_SOURCE: Final = "tocsin-canary"
"""The source of canary documents: they are labelled and indexed like any other, and feed no series."""

ALWAYS: Final = "no setting: it is the same for every prefix"

FEED_HEADER: Final = "feed"
"""Of a record that `tocsin feed` wrote: which files, when the feed began (ms since 1970), which step of it."""

COLLECT_HEADER: Final = "collected"
"""Of a record that collect wrote: the mark by which it knows it again, and the name of the source (`collect.ledger`)."""

OVERHEAD_BYTES: Final = 64 * 1024
"""Key, headers and framing around the largest value."""

_DAY_MS: Final = 24 * 60 * 60 * 1000

_COMPACTED: Final = {
    "cleanup.policy": "compact",
    # What a restore reads is the live state, what may lie uncompacted beside it, and the segment being written: small.
    "segment.bytes": str(16 * 1024 * 1024),
    "segment.ms": str(60 * 60 * 1000),
    "min.cleanable.dirty.ratio": "0.2",
    "delete.retention.ms": str(60 * 60 * 1000),
}


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic as it has to be. `counted_by` says what sets the number of partitions; `days` is None where
    compaction, not age, decides what is kept."""

    name: str
    partitions: int
    counted_by: str
    days: int | None
    max_bytes: int

    @property
    def configuration(self) -> dict[str, str]:
        """The broker's settings of the topic."""
        kept = _COMPACTED if self.days is None else _kept_for(self.days)
        return {
            **kept,
            "message.timestamp.type": "LogAppendTime",
            "max.message.bytes": str(self.max_bytes + OVERHEAD_BYTES),
        }


def _kept_for(days: int) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(days * _DAY_MS)}


@dataclass(frozen=True, slots=True)
class Topics:
    """The names of the topics of one prefix, and their specifications."""

    settings: KafkaSettings

    def name(self, topic: str) -> str:
        """The full name: ``tocsin.alerts`` for ``alerts``."""
        return f"{self.settings.prefix}.{topic}"

    def group(self, service: str) -> str:
        """The consumer group of a service."""
        return f"{self.settings.prefix}-{service}"

    @property
    def inputs(self) -> dict[Kind, tuple[str, int]]:
        """Full name and number of partitions of the input topic of each kind."""
        settings = self.settings
        return {
            "news": (self.name("news"), settings.news_partitions),
            "social": (self.name("social"), settings.social_partitions),
        }

    @property
    def origins(self) -> frozenset[str]:
        """Who ticks: every partition of the inputs, as ``news/0``. A detector's clock is the minimum over them."""
        return frozenset(f"{kind}/{p}" for kind, (_, count) in self.inputs.items() for p in range(count))

    @property
    def wide_output(self) -> int:
        """The partition of alerts, series and state that belongs to the wide topic."""
        return self.settings.mention_partitions

    def specs(self) -> Iterator[TopicSpec]:
        """Every topic of the prefix."""
        settings = self.settings
        results, record, message = settings.result_days, MAX_RECORD_BYTES, MAX_MESSAGE_BYTES
        mentions, by_mentions = settings.mention_partitions, "kafka.mention_partitions"
        outputs, by_outputs = mentions + 1, f"{by_mentions} and 1 more for wide"
        for kind, (name, partitions) in self.inputs.items():
            yield TopicSpec(name, partitions, f"kafka.{kind}_partitions", settings.input_days, record)
        yield TopicSpec(self.name("documents"), mentions, by_mentions, results, message)
        yield TopicSpec(self.name("mentions"), mentions, by_mentions, results, message)
        yield TopicSpec(self.name("wide"), 1, ALWAYS, results, message)
        yield TopicSpec(self.name("series"), outputs, by_outputs, results, record)
        yield TopicSpec(self.name("alerts"), outputs, by_outputs, settings.alert_days, record)
        yield TopicSpec(self.name("state"), outputs, by_outputs, None, record)
        yield TopicSpec(self.name("deadletters"), 1, ALWAYS, results, record)
        yield TopicSpec(self.name("canary"), 1, ALWAYS, settings.input_days, record)
        yield TopicSpec(self.name("deliveries"), 1, ALWAYS, None, record)
        yield TopicSpec(self.name("feedback"), 1, ALWAYS, settings.alert_days, record)
        yield TopicSpec(self.name("collect"), 1, ALWAYS, None, record)
