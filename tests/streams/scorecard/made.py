"""A small background and texts to inject, made up."""

import hashlib
import random
from datetime import UTC, datetime, timedelta

from processors.labels import SENTIMENTS, SentimentLabel
from processors.messages import DocumentSummary, Mention, Sentiment, Topic, Versions
from processors.signatures import signature_of
from streams.scorecard.runs import Course, Step
from streams.scorecard.texts import Injected, Pools

VERSIONS = Versions("model", "1", "aa", "bb", "cc")
PROBABILITIES: dict[SentimentLabel, Sentiment] = {
    "negative": Sentiment("negative", 0.9, 0.06, 0.04),
    "neutral": Sentiment("neutral", 0.05, 0.9, 0.05),
    "positive": Sentiment("positive", 0.04, 0.06, 0.9),
}


def words(name: str) -> str:
    """A text of its own for every name."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    return " ".join(f"w{digest[i : i + 5]}" for i in range(0, 60, 5))


def mention(
    name: str,
    at: datetime,
    company: str = "AAPL",
    label: SentimentLabel = "neutral",
    text: str | None = None,
    companies: int = 1,
) -> Mention:
    """A tweet about one company, by an author of its own."""
    excerpt = words(name) if text is None else text
    document = DocumentSummary(
        identity=f"twitter/{name}",
        source="twitter",
        kind="social",
        published_at=at,
        sentiment=PROBABILITIES[label],
        topic=Topic("earnings", 0.9),
        excerpt=excerpt,
        signature=signature_of(excerpt),
        author=name,
        reach=300,
        repost_of=None,
        url=None,
        language="en",
        late=False,
        versions=VERSIONS,
    )
    return Mention(company, "Technology", "America/New_York", companies, document)


def background(companies: list[str], start: datetime, days: int, a_day: float, seed: int = 1) -> list[Mention]:
    """Mentions at random moments, one in twelve negative, in order of time."""
    generator = random.Random(seed)
    number = round(days * a_day)
    moments = sorted(generator.uniform(0, days * 86_400) for _ in range(number))
    return [
        mention(
            f"background-{place}",
            start + timedelta(seconds=int(second)),
            generator.choice(companies),
            "negative" if generator.random() < 1 / 12 else "neutral",
        )
        for place, second in enumerate(moments)
    ]


def pools(companies: list[str], texts: int = 20) -> Pools:
    """Texts of each label for each company, that the model reads as people do."""
    return {
        company: {
            label: [
                Injected(text, signature_of(text), label, PROBABILITIES[label], Topic("earnings", 0.9), place)
                for place in range(texts)
                for text in [words(f"{company} {label} {place}")]
            ]
            for label in SENTIMENTS
        }
        for company in companies
    }


def course(company: str, opened: int, *steps: tuple[int, float], closed: int | None = None, topic: str = "") -> Course:
    """A sentiment incident's course."""
    series = f"company-topic:{company}/{topic}" if topic else f"company:{company}"
    return Course(
        company, series, "sentiment", opened, [Step(*step) for step in steps], events=len(steps), closed=closed
    )


def day(number: int) -> datetime:
    """Midnight of a day of 2014, 1 being the first of January."""
    return datetime(2013, 12, 31, tzinfo=UTC) + timedelta(days=number)
