"""The whole path in one process: documents and ticks in arrival order become everything that Tocsin publishes.

What the services do across Kafka, with the same processors: enrich, partition, detect. `tocsin replay` and the
demo drive it; nothing in it reads a clock.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

from processors.clock import Clock
from processors.enrichment import Classification, Classifier, Enriched, Enricher, ModelIdentity, Prepared, places_of
from processors.errors import ConfigurationError, ModelError, PoisonError, TocsinError
from processors.identity import partition_of
from processors.messages import (
    DeadLetter,
    Document,
    LabelledDocument,
    Mention,
    Origin,
    Sentiment,
    Stage,
    Tick,
    Topic,
    WideRecord,
)
from processors.reordering import EventTimeDetector, Held, Judged
from streams.codec import encode
from streams.deadletters import dead_letter, refusal_of
from streams.observer import Observer

Event = Document | Tick | DeadLetter
"""What arrives: a document, a tick, or a record that was refused before it became a document."""

T = TypeVar("T")


class Labeller(Protocol):
    """Gives prepared documents their classifications; None for those that no model reads."""

    @property
    def models(self) -> tuple[ModelIdentity, ...]:
        """Which models speak, each for its languages."""
        ...

    def label(self, prepared: Sequence[Prepared]) -> Sequence[Classification | PoisonError | None]:
        """One answer per document, in order; an error for one that cannot be labelled."""
        ...


@dataclass(frozen=True, slots=True)
class ModelLabeller:
    """Asks a classifier, for the documents that it can read, and `others` for those in their languages."""

    classifier: Classifier
    others: tuple[Classifier, ...] = ()

    @property
    def models(self) -> tuple[ModelIdentity, ...]:
        """The classifiers' models."""
        return tuple(classifier.model for classifier in (self.classifier, *self.others))

    def label(self, prepared: Sequence[Prepared]) -> list[Classification | None]:
        """One answer per document, in order; all of a model in one request."""
        answers: list[Classification | None] = [None] * len(prepared)
        for classifier in (self.classifier, *self.others):
            if places := places_of(prepared, classifier.model):
                asked = [prepared[place] for place in places]
                found = classifier.classify([item.model_text for item in asked], [item.names for item in asked])
                for place, answer in zip(places, found, strict=True):
                    answers[place] = answer
        return answers


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a model said of one text (see `text_of`): as a whole, and of each company of which it said another thing."""

    text: int
    sentiment: Sentiment
    topic: Topic
    companies: Mapping[str, Sentiment]


@dataclass(frozen=True, slots=True)
class RecordedLabeller:
    """Repeats what models said in an earlier run, by identity."""

    models: tuple[ModelIdentity, ...]
    recorded: Mapping[str, Recorded]

    def label(self, prepared: Sequence[Prepared]) -> list[Classification | PoisonError | None]:
        """One answer per document, in order. Raises ConfigurationError for a document the earlier run had not."""
        return [self._recall(item) if item.model_text else None for item in prepared]

    def _recall(self, item: Prepared) -> Classification | PoisonError:
        identity = item.document.identity
        try:
            said = self.recorded[identity]
        except KeyError:
            raise ConfigurationError(
                f"no recorded classification for {identity}: replay once without --classifications"
            ) from None
        if said.text != text_of(item.document):
            return PoisonError(
                "unrecorded-text",
                f"{identity} has another text here than the one whose labels are recorded: replay without --classifications",
            )
        names = tuple(said.companies.get(link.company) for link in item.companies) if item.names else ()
        return Classification(said.sentiment, said.topic, names)


def text_of(document: Document | LabelledDocument) -> int:
    """Tells the texts that come under one identity apart, within one process."""
    return hash((document.title, document.text))


class _Text(NamedTuple):
    """A document that was read; not `is_first` under its identity: it names a further company."""

    prepared: Prepared
    is_first: bool


@dataclass
class Pipeline:
    """One enricher, its labeller, a detector for each partition of the mentions and one for the wide topic."""

    enricher: Enricher
    labeller: Labeller
    detectors: Sequence[EventTimeDetector]
    wide_detector: EventTimeDetector
    observer: Observer
    max_companies: int
    batch_size: int = 256
    _clock: Clock = field(default_factory=lambda: Clock(frozenset({""})))
    _seen: dict[str, int] = field(default_factory=dict)  # identity → how many there were before it
    # Identity → the companies that it counts for; None where a text under it was not labelled, so that nothing more counts.
    _counted: dict[str, frozenset[str] | None] = field(default_factory=dict)
    _offsets: Counter[str] = field(default_factory=Counter)

    def run(self, events: Iterable[Event], total: int | None = None) -> None:
        """Process `events` to their end and tell the observer what came of them, in order.

        `total` input records are announced with the progress. An identity seen before is a duplicate: its first text is
        the one that is indexed, and another counts for the companies only that no text before named. Memory grows by one
        short string per document for that reason. A document or record that cannot be processed becomes a dead letter (its origin: the topic, ``input`` for documents, and
        its number there in this run), and the run goes on. Raises ModelError where the model fails: that is no
        one document's fault.
        """
        done = 0
        for batch, read in self._batches(events):
            prepared = [item.prepared for item in batch if isinstance(item, _Text)]
            answers = iter(self._label(prepared))
            self.observer.progress(done := done + read, total)
            documents = []
            for item in batch:
                if isinstance(item, Tick):
                    self._tick(item)
                else:
                    work = partial(self._assembled, item.prepared, next(answers))
                    if (enriched := self._enrich(work, item.prepared.document)) is not None:
                        if item.is_first:
                            documents.append(enriched.document)
                        self._detect(enriched)
            if documents:
                self.observer.documents(documents)
        self._finish()

    def _batches(self, events: Iterable[Event]) -> Iterator[tuple[list[_Text | Tick], int]]:
        """Batches of `batch_size` documents with the ticks between them, and how many input records each took."""
        batch: list[_Text | Tick] = []
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
            elif (text := self._read(event, now)) is not None:
                batch.append(text)
                documents += 1
            if documents == self.batch_size:
                yield batch, read
                batch, documents, read = [], 0, 0
        if batch or read:
            yield batch, read

    def _read(self, document: Document, now: datetime | None) -> _Text | None:
        """`document` if it is the first under its identity, or names a further company; otherwise it is a duplicate, or
        refused."""
        identity, work = document.identity, partial(self.enricher.prepare, document, now)
        if identity not in self._seen:
            self._seen[identity] = len(self._seen)
            if (prepared := self._enrich(work, document)) is None:
                return None
            self._counted[identity] = self._countable(prepared)
            return _Text(prepared, is_first=True)
        counted, further = self._counted.get(identity), None
        if counted is not None:
            if (prepared := self._enrich(work, document)) is None:
                return None
            named = self._countable(prepared)
            self._counted[identity] = None if named is None else counted | named
            further = None if named is None or named <= counted else _Text(prepared, is_first=False)
        self.observer.duplicates([document])
        return further

    def _countable(self, prepared: Prepared) -> frozenset[str] | None:
        """The companies that a text counts for; None where no model reads it."""
        companies = frozenset(link.company for link in prepared.companies)
        return (companies if len(companies) <= self.max_companies else frozenset()) if prepared.model_text else None

    def _assembled(self, prepared: Prepared, answer: Classification | PoisonError | None) -> Enriched:
        if isinstance(answer, PoisonError):
            raise answer
        return self.enricher.assemble(prepared, answer)

    def _label(self, prepared: Sequence[Prepared]) -> Sequence[Classification | PoisonError | None]:
        try:
            return self.labeller.label(prepared)
        except (TocsinError, MemoryError):
            raise
        except Exception as error:
            named = " or ".join(f"{model.name} {model.version}" for model in self.labeller.models)
            raise ModelError(
                f"the model {named} failed on {len(prepared)} texts: {type(error).__name__}: {error}; "
                "try a smaller classifier.batch_size, or install the model again"
            ) from error

    def _detect(self, enriched: Enriched) -> None:
        if enriched.mentions:
            self.observer.mentions(enriched.mentions)
        for mention in enriched.mentions:
            partition = partition_of(mention.company, len(self.detectors))
            self._take(self.detectors[partition], mention, "mentions", partition)
        if enriched.wide is not None:
            self.observer.wide([enriched.wide])
            self._take(self.wide_detector, enriched.wide, "wide", 0)

    def _take(self, detector: EventTimeDetector, record: Mention | WideRecord, topic: str, partition: int) -> None:
        place = f"{topic}/{partition}"
        offset = self._offsets[place]
        self._offsets[place] += 1

        def keep() -> Held:
            return Held(offset, encode(record))

        for judged in detector.take(record, self._clock, keep):
            if judged.error is not None and judged.held is None:
                judged = judged._replace(held=keep())
            self._tell(judged, topic, partition)

    def _enrich(self, work: Callable[[], T], document: Document) -> T | None:
        """What `work` on a document gives; None where it failed and the document became a dead letter."""
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - whatever it is, it costs one record
            self._refuse("enrich", error, Origin("input", 0, self._seen[document.identity]), encode(document))
            return None

    def _refuse(self, stage: Stage, error: Exception, origin: Origin, original: bytes) -> None:
        self.observer.dead_letters([dead_letter(stage, refusal_of(error), origin, original)])

    def _tick(self, tick: Tick) -> None:
        self._clock = self._clock.advance("", tick.at, tick.silent_until)
        for detector, topic, partition in self._places():
            for judged in detector.advance(self._clock):
                self._tell(judged, topic, partition)
        self.observer.clock(tick.at)

    def _finish(self) -> None:
        """Judges what waited for a time that nobody told."""
        for detector, topic, partition in self._places():
            for judged in detector.finish(self._clock):
                self._tell(judged, topic, partition)

    def _places(self) -> Iterator[tuple[EventTimeDetector, str, int]]:
        for partition, detector in enumerate(self.detectors):
            yield detector, "mentions", partition
        yield self.wide_detector, "wide", 0

    def _tell(self, judged: Judged, topic: str, partition: int) -> None:
        outcomes = judged.outcomes
        if outcomes.points:
            self.observer.points(outcomes.points)
        if outcomes.alerts:
            self.observer.alerts(outcomes.alerts)
        if judged.error is not None and judged.held is not None:
            origin = Origin(topic, partition, judged.held.offset)
            self._refuse("detect", judged.error, origin, judged.held.original)
