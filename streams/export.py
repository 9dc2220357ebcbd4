"""`tocsin export`: the log that detection read, and what came of it, as files that a replay reads.

One gzipped JSON-lines file for each partition, in the order of offsets; ``manifest.json`` says what they are. A line has
`offset`, `type` (the header's; null for an ordinary message) and `value`: the text of the record, null for none, or
``{"base64": …}`` where it is no UTF-8, so that every byte comes back.
"""

import base64
import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, get_args

from kafka import KafkaConsumer, TopicPartition
from pydantic import TypeAdapter, ValidationError

from processors.errors import ConfigurationError
from streams import kafka_clients
from streams.applied import APPLIED, PUBLISHED, Adoption
from streams.log_reader import backwards, header_of, read_range
from streams.partition_detector import LogName, LogRecord, applied_of, published_of
from streams.replacing import replaced
from streams.settings import Settings
from streams.topics import TYPE_HEADER, Topics

MANIFEST: Final = "manifest.json"

Exported = Literal["mentions", "wide", "alerts", "series"]
LOGS: Final[tuple[LogName, ...]] = get_args(LogName)
RESULTS: Final[tuple[Exported, ...]] = ("alerts", "series")

_STEP: Final = 500
"""Records between two steps that progress is told of."""

Progress = Callable[[int], None]
"""Told how many more records are done."""


@dataclass(frozen=True, slots=True)
class ExportedPartition:
    """One file: the records of a partition with offsets from `first` (included) to `end` (excluded), `records` of them."""

    topic: Exported
    partition: int
    first: int
    end: int
    records: int

    @property
    def file(self) -> str:
        """Its name."""
        return f"{self.topic}-{self.partition}.jsonl.gz"


@dataclass(frozen=True, slots=True)
class Detected:
    """How a partition of the log was detected when it was exported: up to where, since where, set by what."""

    log: LogName
    partition: int
    applied: int
    began: int
    adoptions: tuple[Adoption, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an export holds. `origins` are those whose ticks make the clock; `detected` is empty where nothing was."""

    prefix: str
    origins: tuple[str, ...]
    mention_partitions: int
    settings_hash: str
    partitions: tuple[ExportedPartition, ...]
    detected: tuple[Detected, ...]
    schema: int = 1

    def number_of(self, log: LogName, partition: int) -> int:
        """The partition of alerts and series that the detector of this partition of the log writes to."""
        return self.mention_partitions if log == "wide" else partition


def export(
    settings: Settings,
    out: Path,
    *,
    results: bool = False,
    since: datetime | None = None,
    until: datetime | None = None,
    progress: Callable[[int], Progress] | None = None,
) -> Manifest:
    """Write the mentions and wide logs as they are now, with `results` alerts and series too, into the folder `out`.

    `since` and `until` (aware) bound the time at which the broker took a record. `progress` is told the number of
    offsets to go through and gives what is told of each step. Files appear once they are whole, the manifest last.
    Raises ConfigurationError where `out` cannot be written to, RetryableError where the broker does not answer.
    """
    topics = Topics(settings.kafka)
    with (
        kafka_clients.broker_errors(settings.kafka, "exporting the log"),
        kafka_clients.lone_consumer(settings.kafka, max_poll_records=2000) as consumer,
    ):
        detected = tuple(_detected(consumer, topics))
        names: tuple[Exported, ...] = (*LOGS, *(RESULTS if results else ()))
        spans = [span for name in names for span in _spans(consumer, topics, name, since, until)]
        step = progress(sum(end - first for _, _, first, end in spans)) if progress else None
        try:
            out.mkdir(parents=True, exist_ok=True)
            written = tuple(_write(consumer, topics, out, *span, step) for span in spans)
            manifest = Manifest(
                prefix=settings.kafka.prefix,
                origins=tuple(sorted(topics.origins)),
                mention_partitions=settings.kafka.mention_partitions,
                settings_hash=Adoption.of(settings.detector, 0).hash,
                partitions=written,
                detected=detected,
            )
            with replaced(out / MANIFEST) as part:
                part.write_bytes(_manifest().dump_json(manifest, indent=1) + b"\n")
        except OSError as error:
            raise ConfigurationError(
                f"cannot write to {out}: {error.strerror or error}; choose another --out"
            ) from None
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """What the export in `folder` holds. Raises ConfigurationError where there is none that this release can read."""
    path = folder / MANIFEST
    try:
        return _manifest().validate_json(path.read_bytes(), strict=True)
    except OSError as error:
        raise ConfigurationError(
            f"{folder} holds no export: cannot read {path}: {error.strerror}; "
            "`tocsin export --results --out DIR` makes one, from the topics (the folder of a demo or a replay is none)"
        ) from None
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(map(str, problem["loc"]))
        raise ConfigurationError(f"{path} is no manifest of this release: {where}: {problem['msg']}") from None


def read_log(folder: Path, exported: ExportedPartition) -> Iterator[LogRecord]:
    """The records of one exported partition. Raises ConfigurationError, naming the line, where the file is not whole."""
    path = folder / exported.file
    count = 0
    try:
        with gzip.open(path, "rb") as lines:
            for count, line in enumerate(lines, start=1):
                yield _record_of(json.loads(line))
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{path} is damaged behind line {count}: {error}; export again") from None
    if count != exported.records:
        raise ConfigurationError(f"{path} has {count} lines, {MANIFEST} tells of {exported.records}; export again")


def line_of(record: LogRecord) -> bytes:
    """One record as a line."""
    value: Any = None
    if record.value is not None:
        try:
            value = record.value.decode("utf-8")
        except UnicodeDecodeError:
            value = {"base64": base64.b64encode(record.value).decode("ascii")}
    kind = None if record.type is None else record.type.decode("latin-1")
    line = {"offset": record.offset, "type": kind, "value": value}
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _record_of(line: dict[str, Any]) -> LogRecord:
    kind, value = line["type"], line["value"]
    raw: bytes | None
    if isinstance(value, dict):
        raw = base64.b64decode(value["base64"], validate=True)
    else:
        raw = None if value is None else value.encode("utf-8")
    return LogRecord(line["offset"], None if kind is None else kind.encode("latin-1"), raw)


def _write(
    consumer: KafkaConsumer,
    topics: Topics,
    out: Path,
    topic: Exported,
    partition: int,
    first: int,
    end: int,
    progress: Progress | None,
) -> ExportedPartition:
    exported = ExportedPartition(topic, partition, first, end, 0)
    count = 0
    with (
        replaced(out / exported.file) as part,
        part.open("wb") as file,
        # No name and no time in the header: equal content, equal bytes.
        gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=6, mtime=0) as lines,
    ):
        for record in read_range(consumer, TopicPartition(topics.name(topic), partition), first, end):
            lines.write(line_of(LogRecord(record.offset, header_of(record, TYPE_HEADER), record.value)))
            count += 1
            if progress is not None and count % _STEP == 0:
                progress(_STEP)
    return ExportedPartition(topic, partition, first, end, count)


def _spans(
    consumer: KafkaConsumer, topics: Topics, name: Exported, since: datetime | None, until: datetime | None
) -> Iterator[tuple[Exported, int, int, int]]:
    """Each partition of a topic, with the first offset to export and the one after the last."""
    full = topics.name(name)
    numbers = consumer.partitions_for_topic(full)
    if not numbers:
        raise ConfigurationError(f"the topic {full} is missing: is kafka.prefix right?")
    places = [TopicPartition(full, number) for number in sorted(numbers)]
    first, end = consumer.beginning_offsets(places), consumer.end_offsets(places)
    for instant, chosen in ((since, first), (until, end)):
        if instant is not None:
            found = consumer.offsets_for_times(dict.fromkeys(places, int(instant.timestamp() * 1000)))
            chosen.update({place: found[place].offset if found[place] else end[place] for place in places})
    for place in places:
        yield name, place.partition, first[place], max(first[place], end[place])


def _detected(consumer: KafkaConsumer, topics: Topics) -> Iterator[Detected]:
    state = topics.name("state")
    for number in sorted(consumer.partitions_for_topic(state) or ()):
        pieces = _progress(consumer, TopicPartition(state, number))
        if APPLIED in pieces:
            applied, reached = applied_of(pieces), published_of(pieces).offset
            log: LogName = "wide" if number == topics.wide_output else "mentions"
            partition = 0 if log == "wide" else number
            yield Detected(log, partition, reached, applied.began, applied.adoptions)


def _progress(consumer: KafkaConsumer, state: TopicPartition) -> dict[str, bytes]:
    """What a state partition says of how far it is: near its end, as it is written every few seconds."""
    sought = {APPLIED.encode(), PUBLISHED.encode()}
    found: dict[str, bytes] = {}
    for record in backwards(consumer, state):
        if record.key in sought:
            sought.remove(record.key)
            if record.value is not None:
                found[record.key.decode()] = record.value
        if APPLIED.encode() not in sought:
            break  # both stand at the end of a saved state, ``_published`` behind
    return found


def _manifest() -> TypeAdapter[Manifest]:
    return TypeAdapter(Manifest)
