"""The names of what is watched.

``company:AAPL``, ``company-topic:AAPL/earnings`` live on the company's partition of the mentions;
``topic:earnings``, ``sector:Technology``, ``source:twitter`` and ``market:all`` on the wide topic.
"""

from typing import Final

from processors.messages import Mention, SeriesKind, WideRecord

MARKET: Final = "market:all"
WIDE: Final = "wide"


def series_of_mention(mention: Mention) -> tuple[str, str]:
    """The two series that a mention counts in: its company, and its company with its topic."""
    return (
        f"company:{mention.company}",
        f"company-topic:{mention.company}/{mention.document.topic.label}",
    )


def series_of_wide(record: WideRecord) -> tuple[str, ...]:
    """The series that a wide record counts in: topic, each distinct sector, source and the market."""
    return (
        f"topic:{record.document.topic.label}",
        *(f"sector:{sector}" for sector in record.sectors),
        f"source:{record.document.source}",
        MARKET,
    )


def kind_of_series(series: str) -> SeriesKind:
    """The kind in front of the colon. Raises ValueError for a name without one."""
    kind, _, name = series.partition(":")
    match kind:
        case "company" | "company-topic" | "topic" | "sector" | "source" | "market" if name:
            return kind
    raise ValueError(f"{series!r} is no name of a series: expected kind:name")


def company_series_of(series: str) -> str:
    """The company that a company-topic series is part of; any other series itself."""
    if series.startswith("company-topic:"):
        return "company:" + series.partition(":")[2].partition("/")[0]
    return series


def owner_of(series: str) -> str:
    """Whose stories and identities a series counts: its company, or the wide series together."""
    company = company_series_of(series)
    return company if company.startswith("company:") else WIDE
