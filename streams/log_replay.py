"""`tocsin replay --mentions`: an export of the log through the same detectors; the alerts come out byte for byte.

Detected is as it was: by the settings that each partition was set by, from the offsets on from which it was.
"""

import gzip
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, cast

from processors.detection import DetectorSettings
from processors.errors import ConfigurationError
from streams.applied import Adoption
from streams.codec import encode
from streams.export import LOGS, Detected, ExportedPartition, Manifest, Progress, read_log, read_manifest
from streams.partition_detector import LogName, LogRecord, PartitionDetector, Place
from streams.replacing import replaced

_STEP: Final = 500
"""Records between two moves of the bar."""


@dataclass
class Replayed:
    """What came of a replay. `notes` say, a sentence each, where it cannot equal what was published, and why."""

    records: int = 0
    alerts: int = 0
    points: int = 0
    dead_letters: int = 0
    notes: list[str] = field(default_factory=list)


def replay_log(
    folder: Path,
    out: Path,
    settings: DetectorSettings,
    *,
    anew: bool = False,
    progress: Callable[[int], Progress] | None = None,
) -> Replayed:
    """Detect on the export in `folder` and write, into `out`, alerts, series and dead letters of each partition.

    The settings are those recorded with the log; `settings` where none are, or throughout with `anew`. `progress` is told
    the number of records and gives what is told of each step. Equal exports give equal bytes. Raises
    ConfigurationError where the export is damaged or `out` cannot be written to.
    """
    manifest = read_manifest(folder)
    logs = [exported for exported in manifest.partitions if exported.topic in LOGS]
    step = progress(sum(exported.records for exported in logs)) if progress else None
    detected = {} if anew else {(entry.log, entry.partition): entry for entry in manifest.detected}
    replayed = Replayed()
    try:
        out.mkdir(parents=True, exist_ok=True)
        for exported in logs:
            log = cast(LogName, exported.topic)
            place = Place(log, exported.partition, f"{manifest.prefix}.{log}")
            as_was = detected.get((log, exported.partition)) or _as_if(exported, log, settings)
            replayed.notes += _notes(place, exported, as_was, recorded=anew or (log, exported.partition) in detected)
            _replay(folder, out, manifest, place, exported, as_was, replayed, step)
    except OSError as error:
        raise ConfigurationError(f"cannot write to {out}: {error.strerror or error}; choose another --out") from None
    return replayed


def _replay(
    folder: Path,
    out: Path,
    manifest: Manifest,
    place: Place,
    exported: ExportedPartition,
    as_was: Detected,
    replayed: Replayed,
    step: Progress | None,
) -> None:
    with _files(out, manifest.number_of(place.log, place.partition)) as (alerts, series, dead_letters):
        for detector, record in replayed_records(folder, manifest, place, exported, as_was, step):
            replayed.records += 1
            for effects in detector.apply(record):
                replayed.alerts += len(effects.alerts)
                replayed.points += len(effects.points)
                alerts.writelines(encode(alert) + b"\n" for alert in effects.alerts)
                series.writelines(encode(point) + b"\n" for point in effects.points)
                if effects.dead_letter is not None:
                    replayed.dead_letters += 1
                    dead_letters.write(encode(effects.dead_letter) + b"\n")


def replayed_records(
    folder: Path,
    manifest: Manifest,
    place: Place,
    exported: ExportedPartition,
    as_was: Detected,
    step: Progress | None = None,
) -> Iterator[tuple[PartitionDetector, LogRecord]]:
    """The detector of one partition, set as it was, before each record that it is to apply."""
    adoptions = list(as_was.adoptions)
    detector = PartitionDetector.begin(
        place, adoptions.pop(0).restored(), frozenset(manifest.origins), offset=max(as_was.began, exported.first)
    )
    for count, record in enumerate(read_log(folder, exported), start=1):
        if step is not None and count % _STEP == 0:
            step(_STEP)
        if record.offset < as_was.began:
            continue
        while adoptions and adoptions[0].offset <= record.offset:
            detector.adopt(adoptions.pop(0).restored())
        yield detector, record


def _as_if(exported: ExportedPartition, log: LogName, settings: DetectorSettings) -> Detected:
    """As it would be detected by `settings` from the first record on."""
    first = exported.first
    return Detected(log, exported.partition, exported.end, first, (Adoption.of(settings, first),))


def _notes(place: Place, exported: ExportedPartition, as_was: Detected, *, recorded: bool) -> Iterator[str]:
    if not recorded:
        yield f"{place}: nothing was detected on it when it was exported: the present settings were taken"
    if exported.first > as_was.began:
        yield (
            f"{place}: the export begins at offset {exported.first}, detection began at {as_was.began}: what was learnt in "
            "between is not known here, so the alerts can differ"
        )
    if exported.end > as_was.applied:
        yield f"{place}: detection had come to offset {as_was.applied}, the export goes on to {exported.end}"


@contextmanager
def _files(out: Path, number: int) -> Iterator[tuple[IO[bytes], IO[bytes], IO[bytes]]]:
    """Where alerts, series and dead letters of one partition of results are written."""
    names = (f"alerts-{number}.jsonl", f"series-{number}.jsonl.gz", f"deadletters-{number}.jsonl")
    with ExitStack() as stack:
        # Left in reverse: every file is closed before the first takes its name.
        parts = [stack.enter_context(replaced(out / name)) for name in names]
        alerts, series, dead_letters = (stack.enter_context(part.open("wb")) for part in parts)
        compressed = gzip.GzipFile(filename="", fileobj=series, mode="wb", compresslevel=6, mtime=0)
        yield alerts, cast("IO[bytes]", stack.enter_context(compressed)), dead_letters
