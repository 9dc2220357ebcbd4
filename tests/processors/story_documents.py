"""Documents for tests of stories: the fields that stories look at are given, the rest is plain."""

from datetime import UTC, datetime, timedelta

from processors.messages import DocumentSummary, Kind, Sentiment, Topic, Versions
from processors.normalise import normalise
from processors.signatures import signature_of

START = datetime(2014, 5, 21, 3, 0, tzinfo=UTC)


def document(
    name: str,
    text: str,
    hours: float = 0.0,
    *,
    author: str | None = "someone",
    source: str = "twitter",
    kind: Kind = "social",
    reach: int | None = 300,
    repost_of: str | None = None,
    negative: float = 0.2,
) -> DocumentSummary:
    """The document `source/name`, published `hours` after START; `repost_of` names one of the same source."""
    normalised = normalise(text)
    return DocumentSummary(
        identity=f"{source}/{name}",
        source=source,
        kind=kind,
        published_at=START + timedelta(hours=hours),
        sentiment=Sentiment("negative" if negative > 0.5 else "neutral", negative, 1 - negative, 0.0),
        topic=Topic("company-product-news", 0.9),
        excerpt=normalised[:500],
        signature=signature_of(normalised),
        author=author,
        reach=reach,
        repost_of=None if repost_of is None else f"{source}/{repost_of}",
        url=None,
        language="en",
        late=False,
        versions=Versions("minilm", "1", "aa", "bb", "cc"),
    )
