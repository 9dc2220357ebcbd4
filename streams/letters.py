"""Dead letters on their topic: found, and their originals sent again.

A replay is recorded on the same topic: the letter once more, with a header that says when, and where the original went.
It has the letter's id, so whoever keeps letters by id keeps one. Of a message that did not arrive that record is the replay
itself: deliver reads it.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from kafka import KafkaProducer, TopicPartition

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


@dataclass(frozen=True, slots=True)
class KeptLetter:
    """A dead letter on its topic: when it came there (UTC), and what was recorded of its latest replay."""

    letter: DeadLetter
    came: datetime
    replayed: str = ""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one letter that was to be replayed; `refusal` says why it was not."""

    letter: DeadLetter
    where: str = ""
    refusal: str = ""


def read_letters(settings: Settings, reason: str | None = None) -> list[KeptLetter]:
    """Every dead letter that is kept, oldest first, each once; only those refused for `reason` if one is given.

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
            replayed = (header_of(record, REPLAYED_HEADER) or b"").decode("utf-8", "replace")
            came = datetime.fromtimestamp(record.timestamp / 1000, UTC)
            kept = found.setdefault(letter.id, KeptLetter(letter, came))
            found[letter.id] = replace(kept, replayed=replayed or kept.replayed)
    return [kept for kept in found.values() if reason is None or kept.letter.reason == reason]


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
    """Why the original cannot be sent again; empty where it can: to the input, or, a message, to whom it was for."""
    if letter.reason not in UNDELIVERED and letter.origin.place not in {name for name, _ in topics.inputs.values()}:
        place = f"{letter.origin.place}, line or offset {letter.origin.offset}"
        return f"it did not come from an input topic of this prefix but from {place}: mend it there"
    original = original_of(letter)
    if len(original) != letter.length:
        return f"only {len(original):,} of its {letter.length:,} bytes are kept: send it again from its source"
    if hashlib.sha256(original).hexdigest() != letter.sha256:
        return "what is kept is not what was refused: send it again from its source"
    return ""


def replay_letters(settings: Settings, letters: Sequence[KeptLetter]) -> list[Replayed]:
    """Send the originals of `letters` to where they came from, or were for, again, each acknowledged and recorded in turn.

    A replay that ends between the two is sent once more by the next: an identity counts once. Raises RetryableError
    where Kafka fails.
    """
    topics = Topics(settings.kafka)
    done = []
    with broker_errors(settings.kafka, "replaying dead letters"):
        sender = producer(settings.kafka, metrics_enabled=False)
        try:
            for kept in letters:
                refusal = refusal_of_replay(kept.letter, topics)
                where = "" if refusal else _replay(sender, topics, kept.letter)
                done.append(Replayed(kept.letter, where, refusal))
        finally:
            sender.close(timeout=10)
    return done


def _replay(sender: KafkaProducer, topics: Topics, letter: DeadLetter) -> str:
    where = "whom it was for, by deliver" if letter.reason in UNDELIVERED else _to_input(sender, topics, letter)
    record = (REPLAYED_HEADER, f"{format_instant(datetime.now(UTC).replace(microsecond=0))} to {where}".encode())
    sender.send(topics.name("deadletters"), encode(letter), letter.id.encode(), [record], 0).get(60)
    return where


def _to_input(sender: KafkaProducer, topics: Topics, letter: DeadLetter) -> str:
    kind, count = next((kind, count) for kind, (name, count) in topics.inputs.items() if name == letter.origin.place)
    original = original_of(letter)
    key = _identity(original, kind)
    partition = partition_of(key, count) if key else letter.origin.partition
    header = (REPLAYED_HEADER, letter.id.encode())
    sent = sender.send(letter.origin.place, original, (key or letter.id).encode(), [header], partition).get(60)
    return f"{sent.topic}, partition {sent.partition}, offset {sent.offset}"


def _identity(original: bytes, kind: Kind) -> str | None:
    """The identity of what is a document by now, as after an update of Tocsin or once its time has come."""
    try:
        return decode_document(original, kind).identity
    except PoisonError:
        return None
