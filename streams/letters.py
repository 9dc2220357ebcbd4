"""Dead letters on their topic, as an inbox: found, told how to mend, their originals sent again, each once.

A replay is recorded on the same topic: the letter once more, first with a header that says where its original is about to
go, then, when that is acknowledged, with one that says when and where it went. A replay that ended between the two is
found by the next, which looks whether the original is there. The letter has its id in each, so whoever keeps letters by
id keeps one. Of a message that did not arrive that record is the replay itself: deliver reads it.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from processors.errors import ConfigurationError, PoisonError
from processors.identity import format_instant, partition_of
from processors.messages import DeadLetter, Kind
from streams.codec import decode, decode_document, encode
from streams.deliver.delivery import UNDELIVERED
from streams.kafka_clients import broker_errors, lone_consumer, producer
from streams.log_reader import bounds, header_of, read_range
from streams.settings import Settings
from streams.topics import Topics
from streams.topics_admin import check_topics

REPLAYED_HEADER: Final = "replayed"
"""Of a letter that was replayed: when and where to. Of the record that was sent again: the id of the letter."""

BEGUN_HEADER: Final = "replaying"
"""Of a letter that is about to be replayed: topic, partition and the offset from which its original is to be looked for."""


_SECONDS: Final = 60
"""Longest wait for one acknowledgement."""


@dataclass(frozen=True, slots=True)
class KeptLetter:
    """A dead letter on its topic: when it came there (UTC), and what was recorded of its latest replay. `begun` is where the
    original of a replay that did not come to its end may be: topic, partition, first offset to look at."""

    letter: DeadLetter
    came: datetime
    replayed: str = ""
    begun: tuple[str, int, int] | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one letter that was to be replayed; `refusal` says why it was not."""

    letter: DeadLetter
    where: str = ""
    refusal: str = ""


def read_letters(settings: Settings, reason: str | None = None, stage: str | None = None) -> list[KeptLetter]:
    """Every dead letter that is kept, oldest first, each once; only those refused for `reason` and at `stage` where
    these are given.

    Raises ConfigurationError where the topics are not as they should be, RetryableError where no broker answers.
    """
    check_topics(settings)
    place = TopicPartition(Topics(settings.kafka).name("deadletters"), 0)
    found: dict[str, KeptLetter] = {}
    with lone_consumer(settings.kafka) as reader, broker_errors(settings.kafka, "reading the dead letters"):
        for record in read_range(reader, place, *bounds(reader, place)):
            try:
                letter = decode(DeadLetter, record.value or b"")
            except PoisonError:
                continue  # index tells of it
            came = datetime.fromtimestamp(record.timestamp / 1000, UTC)
            kept = found.setdefault(letter.id, KeptLetter(letter, came))
            if (replayed := header_of(record, REPLAYED_HEADER)) is not None:
                found[letter.id] = replace(kept, replayed=replayed.decode("utf-8", "replace"), begun=None)
            elif (begun := header_of(record, BEGUN_HEADER)) is not None:
                found[letter.id] = replace(kept, begun=_spot_of(begun))
    return [
        kept
        for kept in found.values()
        if (reason is None or kept.letter.reason == reason) and (stage is None or kept.letter.stage == stage)
    ]


def is_note(record: ConsumerRecord) -> bool:
    """Whether a record of the topic only says what became of a letter that stands there already."""
    return header_of(record, REPLAYED_HEADER) is not None or header_of(record, BEGUN_HEADER) is not None


def find_letter(letters: Iterable[KeptLetter], prefix: str) -> KeptLetter:
    """The letter whose id, with or without its leading ``dead-``, begins with `prefix`.

    Raises ConfigurationError where none or more than one does.
    """
    found = [kept for kept in letters if kept.letter.id.startswith((prefix, f"dead-{prefix}"))]
    if len(found) != 1:
        many = f"{len(found)} dead letters begin" if found else "no dead letter begins"
        raise ConfigurationError(f"{many} with {prefix!a}: `tocsin deadletters list` prints all")
    return found[0]


def original_of(letter: DeadLetter) -> bytes:
    """The bytes that are kept of the refused record: all of it, or its first 64 KiB."""
    try:
        return base64.b64decode(letter.original, validate=True)
    except binascii.Error:
        return b""


def refusal_of_replay(letter: DeadLetter, topics: Topics) -> str:
    """Why the original cannot be sent again; empty where it can: to the topic it came from, or, a message, to whom it was
    for."""
    if letter.reason not in UNDELIVERED and letter.origin.place not in _targets(letter, topics):
        place = f"{letter.origin.place}, line or offset {letter.origin.offset}"
        return f"it did not come from an input topic of this prefix but from {place}: mend it there"
    original = original_of(letter)
    if len(original) != letter.length:
        return f"only {len(original):,} of its {letter.length:,} bytes are kept: send it again from its source"
    if hashlib.sha256(original).hexdigest() != letter.sha256:
        return "what is kept is not what was refused: send it again from its source"
    return ""


def mend_of(letter: DeadLetter, topics: Topics) -> str:
    """What to do about `letter`, in a sentence or two."""
    if letter.stage == "detect":
        return (
            "detection left this record of the log out. If that is Tocsin's fault, report it with this letter; after an "
            "update `tocsin run detect --rebuild` applies the log again."
        )
    refusal = refusal_of_replay(letter, topics)
    if refusal:
        return f"It cannot be sent again from here: {refusal}."
    if letter.stage == "index":
        return "Mend what Elasticsearch complains of, then replay it: index writes it again, and only once."
    if letter.reason in UNDELIVERED:
        return "Mend the channel, then replay it: deliver sends it again."
    if letter.reason == "model-refused":
        return "See what Triton logged of it. When the model is mended, replay it."
    try:
        decode_document(original_of(letter), _kind_of(letter, topics))
    except PoisonError as error:
        return f"This release refuses it still ({error}). Mend it at its source and send it again under the same id."
    if letter.reason == "future-timestamp":
        return "Set the source's clock right; or replay it once its time has come."
    return "This release reads it: replay it."


def replay_letters(settings: Settings, letters: Sequence[KeptLetter], *, again: bool = False) -> list[Replayed]:
    """Send the originals of `letters` to where they came from, or were for, again, each once, acknowledged and recorded in
    turn.

    What was replayed before is not sent, unless `again`. Two at the same moment, by two operators, may send one twice: an
    identity counts once. Raises RetryableError where Kafka fails; the next replay knows how far this one came.
    """
    topics = Topics(settings.kafka)
    done = []
    with broker_errors(settings.kafka, "replaying dead letters"), lone_consumer(settings.kafka) as reader:
        sender = producer(settings.kafka, metrics_enabled=False)
        try:
            for kept in letters:
                refusal = refusal_of_replay(kept.letter, topics)
                if kept.replayed and not kept.begun and not again:
                    refusal = f"it was replayed already, {kept.replayed}: --again sends it once more"
                where = "" if refusal else _replay(sender, reader, topics, kept)
                done.append(Replayed(kept.letter, where, refusal))
        finally:
            sender.close(timeout=10)
    return done


def _replay(sender: KafkaProducer, reader: KafkaConsumer, topics: Topics, kept: KeptLetter) -> str:
    """Send one original, unless a replay that was cut off has sent it; where it stands."""
    letter = kept.letter

    def note(header: str, value: str) -> None:
        headers = [(header, value.encode())]
        sender.send(topics.name("deadletters"), encode(letter), letter.id.encode(), headers, 0).get(_SECONDS)

    def sent() -> str:
        topic, original = letter.origin.place, original_of(letter)
        key, partition = _key_of(letter, original, topics)
        offset = None
        if kept.begun:
            topic, partition, first = kept.begun
            offset = _found(reader, letter, TopicPartition(topic, partition), first)
        if offset is None:
            # 1. Say where it goes, so that whoever comes after a crash knows where to look.
            _, end = bounds(reader, TopicPartition(topic, partition))
            note(BEGUN_HEADER, f"{topic} {partition} {end}")
            # 2. Send it.
            headers = [(REPLAYED_HEADER, letter.id.encode())]
            offset = sender.send(topic, original, key.encode(), headers, partition).get(_SECONDS).offset
        return f"{topic}, partition {partition}, offset {offset}"

    where = "whom it was for, by deliver" if letter.reason in UNDELIVERED else sent()
    # 3. Say that it is there.
    note(REPLAYED_HEADER, f"{format_instant(datetime.now(UTC).replace(microsecond=0))} to {where}")
    return where


def _found(reader: KafkaConsumer, letter: DeadLetter, place: TopicPartition, first: int) -> int | None:
    """The offset, from `first` on, of the original that a replay before has sent; None where it did not come so far."""
    start, end = bounds(reader, place)
    for record in read_range(reader, place, max(start, first), end):
        if header_of(record, REPLAYED_HEADER) == letter.id.encode():
            return int(record.offset)
    return None


def _targets(letter: DeadLetter, topics: Topics) -> frozenset[str]:
    """The topics that an original of this stage may be sent to again."""
    if letter.stage == "index":
        return frozenset([topics.name("documents")])
    return frozenset(name for name, _ in topics.inputs.values())


def _kind_of(letter: DeadLetter, topics: Topics) -> Kind | None:
    return next((kind for kind, (name, _) in topics.inputs.items() if name == letter.origin.place), None)


def _key_of(letter: DeadLetter, original: bytes, topics: Topics) -> tuple[str, int]:
    """Key and partition: those of the identity if it is a document by now, as after an update of Tocsin or once its time
    has come."""
    kind = _kind_of(letter, topics)
    if kind is None:
        return letter.id, letter.origin.partition
    try:
        identity = decode_document(original, kind).identity
    except PoisonError:
        return letter.id, letter.origin.partition
    return identity, partition_of(identity, topics.inputs[kind][1])


def _spot_of(header: bytes) -> tuple[str, int, int] | None:
    try:
        topic, partition, offset = header.decode().rsplit(" ", 2)
        return topic, int(partition), int(offset)
    except ValueError:
        return None
