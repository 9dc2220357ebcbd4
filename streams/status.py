"""`tocsin status`: how everything stands, asked of Kafka and of the services themselves, each for what it knows.

What cannot be reached is part of the answer.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any, Final, TypeVar
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from kafka import TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from processors.errors import PoisonError, TocsinError
from processors.messages import DeadLetter
from streams.codec import decode
from streams.kafka_clients import admin, broker_errors, lone_consumer
from streams.lag import PartitionLag, lags
from streams.letters import is_note
from streams.log_reader import bounds, read_range
from streams.services.runner import addresses_of
from streams.settings import Settings
from streams.topics import Topics
from streams.topics_admin import check_topics

LETTERS: Final = 5_000
"""Dead letters looked at, the latest ones."""

_HTTP_SECONDS: Final = 2.0

T = TypeVar("T")

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Unknown:
    """What could not be found out, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Letters:
    """Dead letters: how many are kept, and the latest `looked_at` of them by stage and reason."""

    kept: int
    looked_at: int
    by_reason: Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class ServiceState:
    """What one service says of itself: what it waits for, and its metrics by name and labels."""

    ready: bool
    waiting_for: str | None
    metrics: Mapping[str, Mapping[Labels, float]]

    def values(self, name: str, label: str) -> dict[str, float]:
        """The metric `name` by one of its labels, summed over the others."""
        found: defaultdict[str, float] = defaultdict(float)
        for labels, value in self.metrics.get(name, {}).items():
            found[dict(labels).get(label, "")] += value
        return dict(found)

    def labels(self, name: str) -> list[dict[str, str]]:
        """The labels under which the metric `name` stands."""
        return [dict(labels) for labels in self.metrics.get(name, {})]


@dataclass(frozen=True, slots=True)
class Status:
    """Everything at one moment, for one prefix."""

    at: datetime
    prefix: str
    servers: str
    topics: str | Unknown
    lags: list[PartitionLag] | Unknown
    letters: Letters | Unknown
    services: Mapping[str, ServiceState | Unknown]

    @property
    def is_well(self) -> bool:
        """Whether Kafka has the topics, and every service is ready; a clock may be away (history brings its own time), and
        the console."""
        away = {name.partition(" ")[0] for name, state in self.services.items() if isinstance(state, Unknown)}
        ready = [state.ready for state in self.services.values() if not isinstance(state, Unknown)]
        return not isinstance(self.topics, Unknown) and away <= {"clock", "web"} and all(ready)


def read_status(settings: Settings) -> Status:
    """Ask everything at once; takes as long as the slowest answer, a few seconds where nothing answers. Never fails
    because a part does."""
    kafka, addresses = settings.kafka, addresses_of(settings)
    with ThreadPoolExecutor(max_workers=3 + len(addresses)) as pool:
        topics = pool.submit(_known, lambda: _topics(settings))
        behind = pool.submit(_known, lambda: _lags(settings))
        letters = pool.submit(_known, lambda: _letters(settings))
        services = {shown: pool.submit(_known, _asker(*where)) for shown, where in addresses.items()}
        return Status(
            datetime.now(UTC),
            kafka.prefix,
            ", ".join(kafka.servers),
            topics.result(),
            behind.result(),
            letters.result(),
            {name: state.result() for name, state in services.items()},
        )


def as_record(status: Status) -> dict[str, Any]:
    """The same for programs, ready for JSON. What could not be found out is ``{"unknown": why}``."""
    letters = status.letters
    return {
        "at": status.at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "prefix": status.prefix,
        "servers": status.servers,
        "topics": _or_unknown(status.topics, lambda said: said),
        "lag": _or_unknown(
            status.lags,
            lambda found: [
                {
                    "service": one.service,
                    "topic": one.topic,
                    "partition": one.partition,
                    "committed": one.committed,
                    "end": one.end,
                    "lag": one.lag,
                }
                for one in found
            ],
        ),
        "dead_letters": _or_unknown(
            letters,
            lambda found: {
                "kept": found.kept,
                "looked_at": found.looked_at,
                "by_reason": [
                    {"stage": stage, "reason": reason, "count": count}
                    for (stage, reason), count in found.by_reason.items()
                ],
            },
        ),
        "services": {name: _or_unknown(state, _service_record) for name, state in status.services.items()},
    }


def _service_record(state: ServiceState) -> dict[str, Any]:
    return {
        "ready": state.ready,
        "waiting_for": state.waiting_for,
        "outcomes": {
            **state.values("tocsin_documents_total", "outcome"),
            **state.values("tocsin_detect_records_total", "outcome"),
            **state.values("tocsin_indexed_total", "outcome"),
            **state.values("tocsin_source_documents_total", "outcome"),
            **state.values("tocsin_deliveries_total", "outcome"),
        },
        "seconds_since_document": state.values("tocsin_seconds_since_document", "source"),
        "held": state.values("tocsin_held_records", "partition"),
        "warm_from": state.values("tocsin_warm_from_timestamp_seconds", "partition"),
        "models": state.labels("tocsin_model_info"),
        "seconds_since_read": state.values("tocsin_source_seconds_since_read", "source"),
        "canary_seconds": state.values("tocsin_canary_seconds", "").get(""),
    }


def _or_unknown(value: T | Unknown, show: Callable[[T], Any]) -> Any:
    return {"unknown": value.why} if isinstance(value, Unknown) else show(value)


def _known(ask: Callable[[], T]) -> T | Unknown:
    try:
        return ask()
    except TocsinError as error:
        return Unknown(str(error))


def _topics(settings: Settings) -> str:
    check_topics(settings)
    return "as they should be"


def _lags(settings: Settings) -> list[PartitionLag]:
    """Of the services that there are."""
    known = {service for service, _ in addresses_of(settings).values()}
    with admin(settings.kafka) as client, broker_errors(settings.kafka, "reading the lag"):
        return [lag for lag in lags(client, Topics(settings.kafka)) if lag.service in known]


def _letters(settings: Settings) -> Letters:
    place = TopicPartition(Topics(settings.kafka).name("deadletters"), 0)
    by_reason: Counter[tuple[str, str]] = Counter()
    notes = 0
    with (
        lone_consumer(settings.kafka, fetch_max_wait_ms=50) as reader,
        broker_errors(settings.kafka, "reading the dead letters"),
    ):
        begin, end = bounds(reader, place)
        for record in read_range(reader, place, max(begin, end - LETTERS), end):
            if is_note(record):
                notes += 1
                continue
            try:
                letter = decode(DeadLetter, record.value or b"")
            except PoisonError:
                by_reason["", "no dead letter"] += 1
            else:
                by_reason[letter.stage, letter.reason] += 1
    return Letters(end - begin - notes, sum(by_reason.values()), dict(by_reason.most_common()))


def _asker(name: str, address: str) -> Callable[[], ServiceState]:
    return lambda: ask_service(name, address)


def ask_service(name: str, address: str) -> ServiceState:
    """What the service `name` at `address` (host:port) says of itself. Raises TocsinError where it does not answer."""
    try:
        health = json.loads(_get(f"http://{address}/readyz"))
        text = _get(f"http://{address}/metrics").decode()
        if health["service"] != name:
            raise TocsinError(f"{address} is {health['service']}: set services.{name}_port or services.addresses")
        metrics: dict[str, dict[Labels, float]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                metrics.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
        return ServiceState(bool(health["ready"]), health["waiting_for"], metrics)
    except (URLError, OSError, HTTPException) as error:
        raise TocsinError(f"nothing answers at {address}: {_why(error)}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise TocsinError(f"{address} answers, but is no service of Tocsin ({type(error).__name__})") from None


def _why(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    return reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason)


def _get(url: str) -> bytes:
    try:
        with urlopen(url, timeout=_HTTP_SECONDS) as answer:
            return bytes(answer.read())
    except HTTPError as error:
        if error.code == 503:  # not ready, and says why
            return error.read()
        raise
