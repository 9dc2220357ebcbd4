"""Every message that travels through Tocsin: one definition each, frozen, version 1.

Instants are aware datetimes in UTC. The limits stated in the annotations are enforced where records enter
(`streams.codec`), not here: inside, a message is a plain value. Readers of the topics that Tocsin writes
ignore unknown fields and refuse a newer major version; the input is strict.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Final, Literal, get_args

from annotated_types import Ge, MaxLen, MinLen, doc

from processors.identity import content_id, format_instant, identity_of
from processors.labels import SentimentLabel, TopicLabel

SCHEMA_VERSION: Final = 1

Kind = Literal["news", "social"]
SeriesKind = Literal["company", "company-topic", "topic", "sector", "source", "market"]
IncidentKind = Literal["sentiment", "volume", "no-data"]
IncidentEvent = Literal["open", "escalate", "update", "revise", "close"]
Tier = Literal["watch", "urgent", "flash"]
Stage = Literal["enrich", "detect", "index", "deliver"]
LabelStatus = Literal["labelled", "unlabelled"]
FeedbackKind = Literal[
    "useful", "false-alarm", "wrong-label", "wrong-company", "acknowledge", "assign", "mute", "unmute"
]

TIERS: Final[tuple[Tier, ...]] = get_args(Tier)
"""From the least to the most urgent."""


@dataclass(frozen=True, slots=True)
class Document:
    """One text as a source published it: the input contract.

    `id` is unique within `source`; the same identity again is a duplicate: its first text is the one that is indexed, and
    it counts once for each company that its texts name.
    """

    id: Annotated[str, MinLen(1), MaxLen(256), doc("Unique within the source; source/id is the identity everywhere")]
    source: Annotated[str, MinLen(1), MaxLen(64), doc("Name of the feed, without a slash")]
    kind: Annotated[Kind, doc("Required in files; on a topic it stands for itself and has to agree when given")]
    published_at: Annotated[datetime, doc("When the source published it: RFC 3339 with Z or an offset, from 1980 on")]
    title: Annotated[str, doc("Headline; one of title and text says something")] = ""
    text: Annotated[str, doc("Body, of any length that the record's 1 MiB allows; HTML is understood")] = ""
    url: Annotated[str, MaxLen(8192), doc("Where it can be read")] | None = None
    author: Annotated[str, MaxLen(1024), doc("Account or byline; a hash will do")] | None = None
    language: Annotated[str, MaxLen(64), doc("BCP 47 tag, a hint: the text decides")] | None = None
    symbols: Annotated[
        tuple[Annotated[str, MaxLen(64)], ...],
        MaxLen(1000),
        doc("The publisher's company tags, hints: each counts only with support in title or text"),
    ] = ()
    reach: Annotated[int, Ge(0), doc("Followers or circulation")] | None = None
    repost_of: Annotated[str, MaxLen(256), doc("Id, within the same source, of what this repeats")] | None = None
    metadata: Annotated[dict[str, Any], doc("Whatever else is yours, nested at most 30 levels; kept, never read")] = (
        field(default_factory=dict)
    )
    schema: Annotated[int, doc("Version of this contract")] = SCHEMA_VERSION

    @property
    def identity(self) -> str:
        """``source/id``."""
        return identity_of(self.source, self.id)


@dataclass(frozen=True, slots=True)
class Tick:
    """A statement about time: everything that `origin` publishes from here on was published after `at`.

    `origin` names who says so (an input partition, ``replay``); a detector's clock is the minimum over origins.
    Of incidents that open up to `silent_until`, nothing is told: what comes before is history, to learn from.
    """

    at: datetime
    origin: str = ""
    silent_until: datetime | None = None
    schema: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class Canary:
    """Proof that a document went all the way: enrich writes it to the wide topic when the canary document
    `identity` is labelled, detect passes it on to the canary topic. It feeds no series."""

    identity: str
    published_at: datetime
    schema: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class Unlabelled:
    """No model reads the first text of `identity`: it feeds no series, and nor does what comes later under its name.
    enrich writes it to wherever a later text might count: to every partition of the mentions and to wide."""

    identity: str
    published_at: datetime
    schema: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class Sentiment:
    """The sentiment head's answer; the three probabilities sum to 1."""

    label: SentimentLabel
    negative: float
    neutral: float
    positive: float


@dataclass(frozen=True, slots=True)
class Topic:
    """The topic head's answer: the likeliest of the 20 topics and its probability."""

    label: TopicLabel
    probability: float


@dataclass(frozen=True, slots=True)
class Versions:
    """What made a judgement: enough to make it again, years later."""

    model: str
    model_version: str
    model_hash: str
    dictionary_hash: str
    settings_hash: str


@dataclass(frozen=True, slots=True)
class CompanyLink:
    """One company that a text names: `surface` is the words that named it, `offset` where in the normalised
    ``title\\ntext`` they stand, `how` the rule that accepted them. `sentiment` is what the text says of this company where it
    names several and the model tells them apart; None where it is what the text says as a whole."""

    company: str
    surface: str
    offset: int
    how: Literal["cashtag", "ticker", "name", "alias", "symbol"]
    sentiment: Sentiment | None = None


@dataclass(frozen=True, slots=True)
class DocumentSummary:
    """What detection and evidence need to know of a labelled document.

    `excerpt` is the normalised title and text, cut to 500 characters. `signature` is the MinHash of the text
    (`processors.stories`), as lower-case hex. `repost_of` is an identity. `late`: older than the clock by more
    than the lateness allowance when it was read; such a document is indexed but never counted.
    """

    identity: str
    source: str
    kind: Kind
    published_at: datetime
    sentiment: Sentiment
    topic: Topic
    excerpt: str
    signature: str
    author: str | None
    reach: int | None
    repost_of: str | None
    url: str | None
    language: str
    late: bool
    versions: Versions


@dataclass(frozen=True, slots=True)
class Mention:
    """One company in one labelled document; keyed by company. `companies_in_document` ≥ 1 counts all of them:
    a text that lists many is about none of them. The sentiment of `document` is here that of the company: its own where the
    text names several and the model tells them apart."""

    company: str
    sector: str
    time_zone: str
    companies_in_document: int
    document: DocumentSummary
    schema: int = SCHEMA_VERSION

    @property
    def id(self) -> str:
        """Derived from the document's identity and the company."""
        return content_id("mention", self.document.identity, self.company)


@dataclass(frozen=True, slots=True)
class WideRecord:
    """One labelled document for the wide series: its topic, source, distinct sectors, and the market."""

    companies: tuple[str, ...]
    sectors: tuple[str, ...]
    document: DocumentSummary
    schema: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class LabelledDocument:
    """A document with everything that was found out about it: what is indexed.

    With `status` ``unlabelled`` (no model for its language, or nothing to read) sentiment, topic and
    versions are absent and the document feeds no series.
    """

    identity: str
    id: str
    source: str
    kind: Kind
    published_at: datetime
    title: str
    text: str
    url: str | None
    author: str | None
    language: str
    symbols: tuple[str, ...]
    reach: int | None
    repost_of: str | None
    metadata: dict[str, Any]
    status: LabelStatus
    late: bool
    companies: tuple[CompanyLink, ...]
    sentiment: Sentiment | None = None
    topic: Topic | None = None
    versions: Versions | None = None
    schema: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """One closed bucket of one series (see `processors.series` for names).

    Documents are counted once by sentiment; `stories` counts stories first seen in this bucket, `novel_negative` adds up
    the probabilities of those that lean towards the polarity. `expected` novel negatives carry a central 95 % interval. `surprise` is −log10 of the chance to see
    at least as many. A later `revision` of the same bucket replaces the former.
    """

    series: str
    kind: SeriesKind
    start: datetime
    end: datetime
    negative: int
    neutral: int
    positive: int
    stories: int
    novel_negative: float
    expected: float
    expected_low: float
    expected_high: float
    surprise: float
    revision: int = 0
    schema: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class EvidenceDocument:
    """One document shown with an alert. `spread` counts the documents of its story, `authors` its distinct
    authors up to the alert."""

    identity: str
    published_at: datetime
    source: str
    author: str | None
    reach: int | None
    url: str | None
    excerpt: str
    p_negative: float
    topic: TopicLabel
    story: str
    signature: str
    spread: int
    authors: int
    coordinated: bool


@dataclass(frozen=True, slots=True)
class Term:
    """A leading term of the evidence: `score` is its log-odds against the baseline with a Dirichlet prior, in
    standard deviations (Monroe, Colaresi and Quinn 2008, Fightin' Words)."""

    term: str
    count: int
    score: float


@dataclass(frozen=True, slots=True)
class Measure:
    """One question's answer at the moment of an alert, over the alert's window.

    A negative story counts by its probability, so that `observed` adds up what the classifier is sure and unsure of. One
    author counts once in a window, at the surest; each text of a newsroom, or of nobody known, for itself.
    Count: `observed` novel negative stories against `expected` with a central 95 % interval.
    Share: `observed` of `total` novel stories are negative; `expected` is the expected number given `total`.
    `chance` is the probability of at least `observed` under the baseline.
    """

    observed: float
    total: int
    expected: float
    expected_low: float
    expected_high: float
    chance: float


@dataclass(frozen=True, slots=True)
class Alert:
    """One event in the life of an incident, complete in itself.

    The window is the `window_hours` up to `window_end`, which lies before `at` when what completed it came late.
    `continued_by`, of a close only: the incident that tells the same from here on, as when a volume incident's
    share rings too.
    `chance_per_year`: how often this series (of a company's topics: any of them) would ring at least this loudly by
    chance. `rung`: the level (12, 1, 0.1 or 0.01 a year) that it stands on. `silent_below`: with less than this of
    novel negative stories in the window, it would have kept silent. `sequence` numbers the events of an incident from 0.
    """

    id: str
    incident: str
    continued_by: str | None
    sequence: int
    event: IncidentEvent
    kind: IncidentKind
    tier: Tier
    series: str
    series_kind: SeriesKind
    company: str | None
    topic: TopicLabel | None
    sector: str | None
    source: str | None
    polarity: SentimentLabel
    at: datetime
    opened_at: datetime
    window_end: datetime
    window_hours: float
    count: Measure | None
    share: Measure | None
    chance_per_year: float
    rung: float
    silent_below: float
    coordinated: bool
    reason: str
    evidence: tuple[EvidenceDocument, ...]
    terms: tuple[Term, ...]
    versions: tuple[Versions, ...]
    schema: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a record came from: topic and partition, or file and 0; `offset` counts records (lines) from 0."""

    place: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A refused record: why, at which stage, and its first 64 KiB (base64), so that it can be mended and replayed."""

    stage: Stage
    reason: str
    message: str
    origin: Origin
    original: str
    sha256: str
    length: int
    schema: int = SCHEMA_VERSION

    @property
    def id(self) -> str:
        """Derived from where the record came from and what it was."""
        return content_id("dead", self.origin.place, self.origin.partition, self.origin.offset, self.sha256)


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a person `by` said of an incident, or did about it, on seeing `alert`, its event of that moment.

    The first four kinds are judgements; `document` is the identity of the one text that a wrong label or company is
    about, None for the whole. `assignee` (of an assign only) is who takes it over, empty for nobody. A mute holds for
    every incident of `series` up to `until`, and an unmute ends it. `note` is free text.
    """

    incident: str
    alert: str
    series: str
    kind: FeedbackKind
    at: datetime
    by: Annotated[str, MaxLen(200)]
    document: Annotated[str, MaxLen(512)] | None = None
    assignee: Annotated[str, MaxLen(200)] | None = None
    until: datetime | None = None
    note: Annotated[str, MaxLen(2000)] = ""
    schema: int = SCHEMA_VERSION

    @property
    def id(self) -> str:
        """Derived from what was said, by whom and when."""
        return content_id("feedback", self.incident, self.kind, self.by, format_instant(self.at), self.document or "")
