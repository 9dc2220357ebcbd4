"""The whole path in one process: documents and ticks in arrival order become everything that Tocsin publishes.

What the services do across Kafka, with the same processors: enrich, partition, detect. `tocsin replay` and the
demo drive it; nothing in it reads a clock.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from processors.clock import Clock
from processors.detector import Detector, Outcomes
from processors.enrichment import Classification, Classifier, Enriched, Enricher, ModelIdentity, Prepared
from processors.errors import ConfigurationError, PoisonError
from processors.identity import partition_of
from processors.messages import DeadLetter, Document, Mention, Origin, Tick, WideRecord
from streams.codec import encode
from streams.deadletters import dead_letter
from streams.observer import Observer

Event = Document | Tick | DeadLetter
"""What arrives: a document, a tick, or a record that was refused before it became a document."""


class Labeller(Protocol):
    """Gives prepared documents their classifications; None for those that no model reads."""

    @property
    def model(self) -> ModelIdentity:
        """Which model speaks."""
        ...

    def label(self, prepared: Sequence[Prepared]) -> list[Classification | None]:
        """One answer per document, in order."""
        ...


@dataclass(frozen=True, slots=True)
class ModelLabeller:
    """Asks a classifier, for the documents that it can read."""

    classifier: Classifier

    @property
    def model(self) -> ModelIdentity:
        """The classifier's model."""
        return self.classifier.model

    def label(self, prepared: Sequence[Prepared]) -> list[Classification | None]:
        """One answer per document, in order; all of them in one request."""
        answers = iter(self.classifier.classify([item.model_text for item in prepared if item.model_text]))
        return [next(answers) if item.model_text else None for item in prepared]


@dataclass(frozen=True, slots=True)
class RecordedLabeller:
    """Repeats what a model said in an earlier run, by identity."""

    model: ModelIdentity
    recorded: Mapping[str, Classification]

    def label(self, prepared: Sequence[Prepared]) -> list[Classification | None]:
        """One answer per document, in order. Raises ConfigurationError for a document the earlier run had not."""
        return [self._recall(item) if item.model_text else None for item in prepared]

    def _recall(self, item: Prepared) -> Classification:
        try:
            return self.recorded[item.document.identity]
        except KeyError:
            raise ConfigurationError(
                f"no recorded classification for {item.document.identity}: replay once without --classifications"
            ) from None


@dataclass
class Pipeline:
    """One enricher, its labeller, a detector for each partition of the mentions and one for the wide topic."""

    enricher: Enricher
    labeller: Labeller
    detectors: Sequence[Detector]
    wide_detector: Detector
    observer: Observer
    batch_size: int = 256
    _clock: Clock = field(default_factory=lambda: Clock(frozenset({""})))
    _seen: set[str] = field(default_factory=set)
    _offsets: Counter[str] = field(default_factory=Counter)

    def run(self, events: Iterable[Event], total: int | None = None) -> None:
        """Process `events` to their end and tell the observer what came of them, in order.

        `total` input records are announced with the progress. An identity seen before is a duplicate and goes
        no further; memory grows by one short string per document for that reason.
        """
        done = 0
        for batch, read in self._batches(events):
            prepared = [item for item in batch if isinstance(item, Prepared)]
            answers = iter(self.labeller.label(prepared))
            self.observer.progress(done := done + read, total)
            documents = []
            for item in batch:
                if isinstance(item, Tick):
                    self._tick(item)
                else:
                    enriched = self.enricher.assemble(item, next(answers))
                    documents.append(enriched.document)
                    self._detect(enriched)
            if documents:
                self.observer.documents(documents)

    def _batches(self, events: Iterable[Event]) -> Iterator[tuple[list[Prepared | Tick], int]]:
        """Batches of `batch_size` documents with the ticks between them, and how many input records each took."""
        batch: list[Prepared | Tick] = []
        documents = read = 0
        now: datetime | None = None
        for event in events:
            if isinstance(event, Tick):
                now = event.at if now is None else max(now, event.at)
                batch.append(event)
                continue
            read += 1
            if isinstance(event, DeadLetter):
                self.observer.dead_letters([event])
            elif event.identity in self._seen:
                self.observer.duplicates([event])
            else:
                self._seen.add(event.identity)
                batch.append(self.enricher.prepare(event, now))
                documents += 1
            if documents == self.batch_size:
                yield batch, read
                batch, documents, read = [], 0, 0
        if batch or read:
            yield batch, read

    def _detect(self, enriched: Enriched) -> None:
        if enriched.mentions:
            self.observer.mentions(enriched.mentions)
        for mention in enriched.mentions:
            partition = partition_of(mention.company, len(self.detectors))
            self._apply(self.detectors[partition], mention, "mentions", partition)
        if enriched.wide is not None:
            self.observer.wide([enriched.wide])
            self._apply(self.wide_detector, enriched.wide, "wide", 0)

    def _apply(self, detector: Detector, record: Mention | WideRecord, topic: str, partition: int) -> None:
        place = f"{topic}/{partition}"
        offset = self._offsets[place]
        self._offsets[place] += 1
        try:
            outcomes = detector.apply(record, self._clock)
        except PoisonError as error:
            letter = dead_letter("detect", error, Origin(topic, partition, offset), encode(record))
            self.observer.dead_letters([letter])
        else:
            self._tell(outcomes)

    def _tick(self, tick: Tick) -> None:
        self._clock = self._clock.advance("", tick.at)
        for detector in (*self.detectors, self.wide_detector):
            self._tell(detector.apply(tick, self._clock))
        self.observer.clock(tick.at)

    def _tell(self, outcomes: Outcomes) -> None:
        if outcomes.points:
            self.observer.points(outcomes.points)
        if outcomes.alerts:
            self.observer.alerts(outcomes.alerts)
