"""`tocsin replay`: documents from files through the same processors, in event time, in one process."""

import gzip
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from processors.clock import bucket_start
from processors.enrichment import Enricher, ModelIdentity
from processors.errors import ConfigurationError, PoisonError
from processors.messages import DeadLetter, Document, LabelledDocument, Tick
from processors.reordering import EventTimeDetector
from streams.classifier import embedded_classifiers
from streams.codec import decode
from streams.files import Progress, ordered
from streams.observer import Observer, Watching
from streams.outputs import OutputFolder, Summary
from streams.partition_detector import reader_of
from streams.pipeline import Event, Labeller, ModelLabeller, Pipeline, Recorded, RecordedLabeller, text_of
from streams.settings import Settings, load_master, settings_hash

TICK_INTERVAL: Final = timedelta(seconds=5)


def with_ticks(events: Iterable[Document | DeadLetter], silent_until: datetime | None = None) -> Iterator[Event]:
    """`events`, ordered by time, with the ticks that a feed would write: one before each document that begins a
    new interval of 5 s, each with `silent_until`. Ticks that nothing stands between change nothing and are left out."""
    reached: datetime | None = None
    for event in events:
        if isinstance(event, Document):
            at = bucket_start(event.published_at, TICK_INTERVAL)
            if reached is None or at > reached:
                reached = at
                yield Tick(at, silent_until=silent_until)
        yield event


def embedded_labeller(settings: Settings) -> ModelLabeller:
    """The labeller that asks the embedded models. Raises ModelError where their files are not sound, ConfigurationError where
    two read the same language."""
    first, *others = embedded_classifiers(settings.classifier)
    return ModelLabeller(first, tuple(others))


def recorded_labeller(path: Path) -> RecordedLabeller:
    """The labeller that repeats the classifications of an earlier run's documents (.jsonl or .jsonl.gz).

    Raises ConfigurationError, naming the line, where the file is no such record, or two models speak in one language.
    """
    recorded: dict[str, Recorded] = {}
    models: dict[tuple[str, str, str], set[str]] = {}
    opener: Any = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as lines:
            for number, line in enumerate(lines, start=1):
                document = decode(LabelledDocument, line)
                if document.sentiment and document.topic and document.versions:
                    own = {link.company: link.sentiment for link in document.companies if link.sentiment}
                    said = Recorded(text_of(document), document.sentiment, document.topic, own)
                    recorded[document.identity] = said
                    versions = document.versions
                    named = versions.model, versions.model_version, versions.model_hash
                    models.setdefault(named, set()).add(document.language)
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigurationError(f"cannot read the classifications in {path}: {error}") from None
    except PoisonError as error:
        raise ConfigurationError(f"{path}:{number}: not a document of an earlier run: {error}") from None
    spoke = tuple(ModelIdentity(*named, frozenset(languages)) for named, languages in sorted(models.items()))
    read = [language for model in spoke for language in model.languages]
    if not spoke or len(set(read)) < len(read):
        raise ConfigurationError(
            f"{path} holds classifications of {len(spoke)} models: exactly one is needed for each language"
        )
    return RecordedLabeller(spoke, recorded)


def make_pipeline(settings: Settings, labeller: Labeller, observer: Observer, partitions: int = 1) -> Pipeline:
    """The pipeline that `settings` describe, empty of history, with so many `partitions` of the mentions."""
    lateness = timedelta(hours=settings.detection.lateness_hours)
    enricher = Enricher(load_master(settings), labeller.models, settings_hash(settings), lateness)
    return Pipeline(
        enricher=enricher,
        labeller=labeller,
        detectors=[EventTimeDetector(settings.detector, reader_of("mentions")) for _ in range(partitions)],
        wide_detector=EventTimeDetector(settings.detector, reader_of("wide")),
        observer=observer,
        max_companies=settings.detection.max_companies,
        batch_size=settings.classifier.batch_size,
    )


def replay_documents(
    paths: Sequence[Path],
    out: Path,
    settings: Settings,
    labeller: Labeller,
    *,
    now: datetime,
    partitions: int = 1,
    silent_until: datetime | None = None,
    observer: Observer | None = None,
    reading: Progress | None = None,
) -> Summary:
    """Replay `paths` (JSONL, .gz) ordered by (published_at, source, id); leave everything in the folder `out`.

    `now` (UTC) is the present for the rule that refuses documents from the future. With as many `partitions` as its
    mentions have, companies are pooled as a service pools them. Of incidents that open up to `silent_until` nothing
    is told. `reading` is told the bytes read while the files are put in order, before the observer hears of anything.
    Equal input, labels and settings give equal bytes in all files but summary.json, which also tells how long it
    took. Raises ConfigurationError: for a file that cannot be opened before anything is written, for one that is
    damaged after everything readable was replayed.
    """
    documents = ordered(paths, now=now, progress=reading)
    names = [path.name for path in paths]
    summary = replay_events(
        with_ticks(documents, silent_until),
        len(documents),
        out,
        settings,
        labeller,
        partitions=partitions,
        observer=observer,
        files=names,
    )
    if documents.damage:
        raise ConfigurationError("\n".join(documents.damage))
    return summary


def replay_events(
    events: Iterable[Event],
    total: int,
    out: Path,
    settings: Settings,
    labeller: Labeller,
    *,
    partitions: int = 1,
    observer: Observer | None = None,
    files: Sequence[str] = (),
) -> Summary:
    """Run `events` (`total` input records and ticks, in order of arrival) and leave everything in the folder `out`."""
    started = time.perf_counter()
    summary = Summary()
    with OutputFolder(out) as folder:
        watching = Watching(folder, summary, *([observer] if observer else []))
        make_pipeline(settings, labeller, watching, partitions).run(events, total=total)
    seconds = time.perf_counter() - started
    summary.write(
        out,
        files=list(files),
        models=[[model.name, model.version, model.hash] for model in labeller.models],
        settings_hash=settings_hash(settings),
        seconds=round(seconds, 1),
        documents_per_second=round(summary.documents_read / seconds, 1),
    )
    return summary
