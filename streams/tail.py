"""`tocsin alerts tail`: the alerts of a running service, as they are committed."""

from collections.abc import Callable, Iterator

from kafka.consumer.fetcher import ConsumerRecord

from processors.errors import ConfigurationError, PoisonError
from processors.messages import TIERS, Alert, Tier
from streams.codec import decode
from streams.kafka_clients import broker_errors, lone_consumer
from streams.log_reader import bounds, partitions_of, read_range
from streams.settings import Settings
from streams.topics import Topics
from streams.topics_admin import check_topics


def tier_of(name: str) -> Tier:
    """The tier called `name`. Raises ConfigurationError for a name that is none."""
    if name not in TIERS:
        raise ConfigurationError(f"there is no tier {name!r}: choose one of {', '.join(TIERS)}")
    return name


def tail_alerts(
    settings: Settings, *, from_beginning: bool, least: Tier, unreadable: Callable[[str], None]
) -> Iterator[Alert]:
    """Every alert of tier `least` and above from now on, without end; first, if asked, all that are kept, by time.

    What was aborted is never seen. A record that is no alert, or one of a newer version, is told to `unreadable` and
    passed over. Raises ConfigurationError where the topics are not as they should be, RetryableError where no broker
    answers at the start; later a broker that is away is waited for.
    """
    check_topics(settings)
    topics = Topics(settings.kafka)
    places = partitions_of(topics.name("alerts"), topics.wide_output + 1)
    with lone_consumer(settings.kafka) as reader, broker_errors(settings.kafka, "reading the alerts"):
        kept = {place: bounds(reader, place) for place in places}
        if from_beginning:
            past = [
                alert
                for place, (begin, end) in kept.items()
                for record in read_range(reader, place, begin, end)
                if (alert := _alert(record, least, unreadable))
            ]
            yield from sorted(past, key=lambda alert: (alert.at, alert.incident, alert.sequence))
        reader.assign(places)
        for place, (_, end) in kept.items():
            reader.seek(place, end)
        while True:
            for records in reader.poll(timeout_ms=500).values():
                for record in records:
                    if alert := _alert(record, least, unreadable):
                        yield alert


def _alert(record: ConsumerRecord, least: Tier, unreadable: Callable[[str], None]) -> Alert | None:
    try:
        alert = decode(Alert, record.value or b"")
    except PoisonError as error:
        unreadable(f"{record.topic}, partition {record.partition}, offset {record.offset} is no alert: {error}")
        return None
    return alert if TIERS.index(alert.tier) >= TIERS.index(least) else None
