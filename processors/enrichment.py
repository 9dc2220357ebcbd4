"""From a document to what is known of it: language, companies, labels; then one mention per company and one wide record.

Two steps with the model's work between them, so that services and replay put it where they batch:
`Enricher.prepare` reads one document, `Enricher.assemble` joins it with its classification.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from processors.companies import CompanyMaster
from processors.errors import ConfigurationError
from processors.identity import identity_of
from processors.labels import SENTIMENTS, TOPICS
from processors.language import language_of
from processors.linking import Linker
from processors.messages import (
    CompanyLink,
    Document,
    DocumentSummary,
    LabelledDocument,
    Mention,
    Sentiment,
    Topic,
    Versions,
    WideRecord,
)
from processors.model_input import model_text, place_of
from processors.normalise import normalise
from processors.signatures import signature_of

EXCERPT_CHARACTERS = 500


Span = tuple[int, int]
"""Where in a model text a name stands: from, to. An empty one: nowhere."""


@dataclass(frozen=True, slots=True)
class Classification:
    """What the model says of one text: as a whole, and at each of the `names` that it was asked about, in their order; None
    for a name beyond what it read. A model that does not tell names apart says nothing of any."""

    sentiment: Sentiment
    topic: Topic
    names: tuple[Sentiment | None, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which model speaks: its name, version and the content hash of its files, and the languages it reads."""

    name: str
    version: str
    hash: str
    languages: frozenset[str]


class Classifier(Protocol):
    """Whatever labels texts: the embedded model, Triton, or a test's own."""

    @property
    def model(self) -> ModelIdentity:
        """Which model speaks."""
        ...

    def classify(self, texts: Sequence[str], names: Sequence[Sequence[Span]] = ()) -> list[Classification]:
        """One classification per model text, in order. A text's labels do not depend on its neighbours.

        `names` tells for each text where the names stand that it is asked about; left out, none.
        """
        ...


def classification_of(
    p_sentiment: Sequence[float], p_topic: Sequence[float], p_names: Sequence[Sequence[float] | None] = ()
) -> Classification:
    """The classification for one row of the model's outputs: 3 and 20 probabilities in the order of the labels, and 3 for
    each name that was asked about.

    Probabilities are rounded to 6 decimals, so that what is computed in memory equals what is read back.
    """
    topic = max(range(len(TOPICS)), key=p_topic.__getitem__)
    return Classification(
        _sentiment_of(p_sentiment),
        Topic(TOPICS[topic], round(float(p_topic[topic]), 6)),
        tuple(None if p is None else _sentiment_of(p) for p in p_names),
    )


def _sentiment_of(probabilities: Sequence[float]) -> Sentiment:
    negative, neutral, positive = (round(float(p), 6) for p in probabilities)
    return Sentiment(
        SENTIMENTS[max(range(len(SENTIMENTS)), key=probabilities.__getitem__)], negative, neutral, positive
    )


def models_by_language(models: Iterable[ModelIdentity]) -> dict[str, ModelIdentity]:
    """The model that reads each language. Raises ConfigurationError where two read the same."""
    found: dict[str, ModelIdentity] = {}
    for model in models:
        for language in sorted(model.languages):
            other = found.setdefault(language, model)
            if other is not model:
                raise ConfigurationError(
                    f"the models {other.name} {other.version} and {model.name} {model.version} both read {language!r}: "
                    "each language has one model; see classifier.model and classifier.others"
                )
    return found


class Reader(Protocol):
    """Whatever asks one model."""

    @property
    def model(self) -> ModelIdentity:
        """Which model is asked."""
        ...


R = TypeVar("R", bound=Reader)


def readers_of(texts: Sequence[str], readers: Sequence[R]) -> list[R]:
    """For each normalised text (see `whole_text`) the one of `readers` whose model reads its language, told as that of a
    document without a hint; the first of them where none does."""
    first, *others = readers
    if not others:
        return [first] * len(texts)
    by_language = {language: reader for reader in readers for language in reader.model.languages}
    return [by_language.get(language_of(text, None), first) for text in texts]


def whole_text(title: str, body: str) -> str:
    """What is read of a document for its language and companies, given its normalised title and text."""
    return f"{title}\n{body}" if title and body else title or body


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document read but not yet classified. `model_text` is empty where no model can label it. `names` tells where in it the
    `companies` stand, in their order, where it names several: what it says of each is asked apart."""

    document: Document
    text: str
    language: str
    companies: tuple[CompanyLink, ...]
    model_text: str
    late: bool
    names: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Enriched:
    """What one document becomes. An unlabelled document feeds no series: no mentions, no wide record."""

    document: LabelledDocument
    mentions: tuple[Mention, ...] = ()
    wide: WideRecord | None = None


class Enricher:
    """Reads documents with one company master, for `models` of different languages, under one hash of settings.

    Raises ConfigurationError where two models read the same language.
    """

    def __init__(
        self, master: CompanyMaster, models: Iterable[ModelIdentity], settings_hash: str, lateness: timedelta
    ) -> None:
        self._master = master
        self._linker = Linker(master)
        self._lateness = lateness
        self._versions = {
            language: Versions(model.name, model.version, model.hash, master.hash, settings_hash)
            for language, model in models_by_language(models).items()
        }

    def prepare(self, document: Document, now: datetime | None) -> Prepared:
        """Everything about `document` that needs no model. `now` is the clock (UTC), None before the first tick."""
        title, body = normalise(document.title), normalise(document.text)
        text = whole_text(title, body)
        language = language_of(text, document.language)
        companies = self._linker.link(text, document.published_at, document.symbols)
        read = model_text(title, body) if language in self._versions else ""
        return Prepared(
            document=document,
            text=text,
            language=language,
            companies=companies,
            model_text=read,
            late=now is not None and document.published_at < now - self._lateness,
            names=tuple(place_of(link.surface, read) for link in companies) if read and len(companies) > 1 else (),
        )

    def assemble(self, prepared: Prepared, classification: Classification | None) -> Enriched:
        """`prepared` with the classification by the model of its language; None where `prepared.model_text` is empty."""
        document = prepared.document
        versions = self._versions[prepared.language] if classification else None
        repost_of = identity_of(document.source, document.repost_of) if document.repost_of else None
        links = prepared.companies
        if classification and classification.names:
            links = tuple(replace(link, sentiment=own) for link, own in zip(links, classification.names, strict=True))
        labelled = LabelledDocument(
            identity=document.identity,
            id=document.id,
            source=document.source,
            kind=document.kind,
            published_at=document.published_at,
            title=document.title,
            text=document.text,
            url=document.url,
            author=document.author,
            language=prepared.language,
            symbols=document.symbols,
            reach=document.reach,
            repost_of=repost_of,
            metadata=document.metadata,
            status="unlabelled" if classification is None else "labelled",
            late=prepared.late,
            companies=links,
            sentiment=classification.sentiment if classification else None,
            topic=classification.topic if classification else None,
            versions=versions,
        )
        if classification is None or versions is None:
            return Enriched(labelled)
        summary = DocumentSummary(
            identity=document.identity,
            source=document.source,
            kind=document.kind,
            published_at=document.published_at,
            sentiment=classification.sentiment,
            topic=classification.topic,
            excerpt=_excerpt(prepared.text),
            signature=signature_of(prepared.text),
            author=document.author,
            reach=document.reach,
            repost_of=repost_of,
            url=document.url,
            language=prepared.language,
            late=prepared.late,
            versions=versions,
        )
        companies = tuple(sorted({link.company for link in prepared.companies}))
        masters = [self._master.company(company) for company in companies]
        told = {link.company: replace(summary, sentiment=link.sentiment) for link in links if link.sentiment}
        mentions = tuple(
            Mention(company.id, company.sector, company.time_zone, len(companies), told.get(company.id, summary))
            for company in masters
        )
        sectors = tuple(sorted({company.sector for company in masters}))
        return Enriched(labelled, mentions, WideRecord(companies, sectors, summary))


def places_of(prepared: Sequence[Prepared], model: ModelIdentity) -> list[int]:
    """The places of those documents that `model` is to read."""
    return [place for place, item in enumerate(prepared) if item.model_text and item.language in model.languages]


def _excerpt(text: str) -> str:
    if len(text) <= EXCERPT_CHARACTERS:
        return text
    return text[: EXCERPT_CHARACTERS - 1].rstrip() + "…"
