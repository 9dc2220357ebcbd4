"""Documents as a CSV file that a spreadsheet shows and never runs."""

from collections.abc import Iterable, Iterator
from typing import Final

from processors.identity import format_instant
from processors.messages import LabelledDocument
from streams.csv_rows import csv_line, harmless

COLUMNS: Final = (
    "published_at source id title text url author language companies sentiment p_negative p_neutral p_positive topic "
    "p_topic status late"
).split()


def csv_of(documents: Iterable[LabelledDocument]) -> Iterator[str]:
    """The lines of the file, its header first (UTF-8 with a byte order mark, so that spreadsheets know)."""
    yield "\ufeff" + csv_line(COLUMNS)
    for document in documents:
        sentiment, topic = document.sentiment, document.topic
        yield csv_line(
            [
                format_instant(document.published_at),
                *map(harmless, (document.source, document.id, document.title, document.text)),
                *map(harmless, (document.url or "", document.author or "", document.language)),
                harmless(" ".join(sorted({link.company for link in document.companies}))),
                *(
                    ("", "", "", "")
                    if sentiment is None
                    else _numbers(sentiment.label, sentiment.negative, sentiment.neutral, sentiment.positive)
                ),
                *(("", "") if topic is None else _numbers(topic.label, topic.probability)),
                document.status,
                str(document.late).lower(),
            ]
        )


def _numbers(label: str, *numbers: float) -> tuple[str, ...]:
    return label, *(f"{number:.6g}" for number in numbers)
