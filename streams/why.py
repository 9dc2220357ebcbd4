"""`tocsin why`: the decision behind one alarm, rebuilt from an export of the log as a replay rebuilds it.

The partition's records go through its detector, set as it was, up to the record that brought the alarm about. What the
detector knew at that moment is then looked at: which documents of the window counted, and why others did not.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal, cast

from processors.account import Account
from processors.detection import DetectionSettings
from processors.detector import Detector
from processors.errors import ConfigurationError, PoisonError
from processors.ledger import key_of
from processors.messages import Alert, Mention, WideRecord
from processors.series import series_of_mention, series_of_wide
from streams.codec import decode, encode
from streams.export import Detected, ExportedPartition, Manifest, Progress, read_log, read_manifest
from streams.log_replay import replayed_records
from streams.partition_detector import LogName, LogRecord, Place, reader_of

Verdict = Literal[
    "counts",
    "same-author",
    "campaign",
    "leans-too-little",
    "repeats",
    "many-companies",
    "late",
    "sent-again",
    "not-listed",
]
"""What became of a document of the window: it counts, or the first reason that holds why not. `not-listed`: its hour is too
busy to be listed one by one, or it waits for the clock."""

_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Heard:
    """A document of the window that names the series; `about` tells more of the verdict: what it repeats, or how many
    companies it names."""

    identity: str
    published_at: datetime
    probability: float
    excerpt: str
    verdict: Verdict
    about: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """One alarm as it is `stored` and as it was `rebuilt` (None where nothing rang under its id), with what was known then.

    `rang_at` is the offset in `place` of the record that brought it about. The window is (start, end]. `differing` names the
    fields that are not equal; none, and the two are equal byte for byte.
    """

    stored: Alert
    rebuilt: Alert | None
    place: Place
    rang_at: int
    settings: DetectionSettings
    settings_hash: str
    account: Account | None
    start: datetime
    end: datetime
    documents: tuple[Heard, ...]
    differing: tuple[str, ...]

    @property
    def is_equal(self) -> bool:
        """Whether the rebuilt alarm is the stored one, byte for byte."""
        return self.rebuilt is not None and not self.differing


def decision_of(folder: Path, prefix: str, progress: Callable[[int], Progress] | None = None) -> Decision:
    """Rebuild the one alarm of the export in `folder` whose id begins with `prefix` (with or without ``alert-``).

    Raises ConfigurationError where the export has no alarms, none or several of them begin so, or the partition that it came
    from was not exported.
    """
    manifest = read_manifest(folder)
    stored, number, raw = _stored(folder, manifest, prefix)
    log, partition = ("wide", 0) if number == manifest.mention_partitions else ("mentions", number)
    place = Place(cast("LogName", log), partition, f"{manifest.prefix}.{log}")
    exported = next((each for each in manifest.partitions if (each.topic, each.partition) == (log, partition)), None)
    as_was = next((each for each in manifest.detected if (each.log, each.partition) == (log, partition)), None)
    if exported is None or as_was is None:
        raise ConfigurationError(f"{folder} does not hold {place}, which was judged, and where the alarm came from")
    step = progress(exported.records) if progress else None
    return _rebuilt(folder, manifest, place, exported, as_was, stored, raw, step)


def _rebuilt(
    folder: Path,
    manifest: Manifest,
    place: Place,
    exported: ExportedPartition,
    as_was: Detected,
    stored: Alert,
    raw: bytes,
    step: Progress | None,
) -> Decision:
    start, end = stored.window_end - stored.window_hours * _HOUR, stored.window_end
    heard: list[tuple[Mention | WideRecord, bool]] = []
    for detector, record in replayed_records(folder, manifest, place, exported, as_was, step):
        adoption = [each for each in as_was.adoptions if each.offset <= record.offset or each is as_was.adoptions[0]][
            -1
        ]
        event = _naming(stored.series, place, record)
        if event and start < event.document.published_at <= end:
            allowance = adoption.restored().detection.lateness_hours * _HOUR
            behind = detector.clock is not None and event.document.published_at < detector.clock - allowance
            heard.append((event, behind or event.document.late))
        for effects in detector.apply(record):
            for alert in effects.alerts:
                if alert.id != stored.id:
                    continue
                settings = adoption.restored().detection
                account = detector.detector.account(stored.series, _second(start), _second(end))
                told = account.told
                if told is not None and told.end == _second(end) and told.start > _second(start):
                    start = datetime.fromtimestamp(told.start, UTC)  # what a closed incident has used up is left out
                    account = detector.detector.account(stored.series, told.start, told.end)
                judged = tuple(_judged(heard, detector.detector, stored.series, account, settings, start))
                differing = () if encode(alert) == raw else tuple(_differing(raw, encode(alert)))
                return Decision(
                    stored, alert, place, record.offset, settings, adoption.hash, account, start, end, judged, differing
                )
    settings = as_was.adoptions[-1].restored().detection
    return Decision(stored, None, place, -1, settings, as_was.adoptions[-1].hash, None, start, end, (), ("id",))


def _judged(
    heard: list[tuple[Mention | WideRecord, bool]],
    detector: Detector,
    series: str,
    account: Account,
    settings: DetectionSettings,
    start: datetime,
) -> Iterator[Heard]:
    """What became of each document of the window, in the order of time."""
    listed = {told.key: told for told in account.listed}
    surest: dict[str, str] = {}
    for told in sorted(account.listed, key=lambda told: (-told.weight, told.second, told.key)):
        if not told.coordinated:
            surest.setdefault(told.origin, told.key)
    seen: set[str] = set()
    for event, late in sorted(heard, key=lambda pair: (pair[0].document.published_at, pair[0].document.identity)):
        document = event.document
        if document.published_at <= start:
            continue
        key, p = key_of(document.identity), float(getattr(document.sentiment, settings.polarity))
        verdict: Verdict
        companies = event.companies_in_document if isinstance(event, Mention) else len(event.companies)
        about = ""
        if document.identity in seen:
            verdict = "sent-again"
        elif key in listed:
            told = listed[key]
            verdict = "campaign" if told.coordinated else "counts" if surest[told.origin] == key else "same-author"
        elif companies > settings.max_companies and (isinstance(event, Mention) or series.startswith("sector:")):
            verdict, about = "many-companies", str(companies)
        elif late:
            verdict = "late"
        elif p < settings.least_probability:
            verdict = "leans-too-little"
        else:
            first = detector.first_of(series, document)
            verdict = "repeats" if first not in (None, document.identity) else "not-listed"
            about = first or "" if verdict == "repeats" else ""
        seen.add(document.identity)
        yield Heard(document.identity, document.published_at, p, document.excerpt, verdict, about)


def _naming(series: str, place: Place, record: LogRecord) -> Mention | WideRecord | None:
    """What the record says, where it is a document that names the series."""
    if record.type is not None or record.value is None:
        return None
    if place.log == "mentions" and series.partition(":")[2].partition("/")[0].encode() not in record.value:
        return None
    try:
        event = reader_of(place.log)(record.value)
    except PoisonError:
        return None
    named = series_of_mention(event) if isinstance(event, Mention) else series_of_wide(event)
    return event if series in named else None


def _stored(folder: Path, manifest: Manifest, prefix: str) -> tuple[Alert, int, bytes]:
    """The alarm, the partition it stands in, and its bytes."""
    results = [each for each in manifest.partitions if each.topic == "alerts"]
    if not results:
        raise ConfigurationError(f"{folder} holds the log without what came of it: export with --results")
    found: dict[str, tuple[Alert, int, bytes]] = {}
    for exported in results:
        for record in read_log(folder, exported):
            if record.value is None or prefix.encode() not in record.value:
                continue
            alert = decode(Alert, record.value)
            if alert.id.startswith((prefix, f"alert-{prefix}")):
                found[alert.id] = alert, exported.partition, record.value
    if len(found) != 1:
        listed = ", ".join(sorted(found)[:5])
        raise ConfigurationError(
            f"{len(found)} alarms in {folder} begin with {prefix!r}" + (f": {listed}" if found else "")
        )
    return next(iter(found.values()))


def _differing(stored: bytes, rebuilt: bytes) -> Iterator[str]:
    before, after = json.loads(stored), json.loads(rebuilt)
    names = [name for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name)]
    yield from names or ["the bytes alone, not what they say"]


def _second(at: datetime) -> int:
    return int(at.timestamp())
