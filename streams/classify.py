"""`tocsin classify`: topic and sentiment for every row of a CSV file."""

from __future__ import annotations  # csv.DictReader takes no type at run time before Python 3.12

import csv
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, TextIO

from processors.enrichment import Classification, Classifier
from processors.errors import ConfigurationError
from processors.model_input import model_text
from processors.normalise import normalise

COLUMNS: Final = ("sentiment", "p_negative", "p_neutral", "p_positive", "topic", "p_topic")
ROWS_PER_BATCH: Final = 1024
"""Enough rows to find company of like length, little enough to show progress."""


def classify_csv(source: Path, text_column: str, output: TextIO, classifier: Classifier) -> Iterator[int]:
    """Copy the CSV file `source` (UTF-8, with a header) to `output` with `COLUMNS` added to every row.

    Yields the bytes of `source` read after each batch, for a progress bar. A row whose text is empty keeps empty
    columns: no label is invented. Raises ConfigurationError where the file is no such CSV, lacks `text_column`,
    or already has one of the columns.
    """
    csv.field_size_limit(sys.maxsize)
    with source.open("rb") as raw:
        lines = (_decode(line, number, source) for number, line in enumerate(raw, start=1))
        reader = csv.DictReader(lines, strict=True)
        header = _header(reader, source, text_column)
        writer = csv.DictWriter(output, [*header, *COLUMNS], lineterminator="\n")
        writer.writeheader()
        rows = _checked(reader, source)
        while batch := list(islice(rows, ROWS_PER_BATCH)):
            answers = _classify([row[text_column] for row in batch], classifier)
            writer.writerows(row | answer for row, answer in zip(batch, answers, strict=True))
            yield raw.tell()


def _classify(texts: Sequence[str], classifier: Classifier) -> Iterator[dict[str, str]]:
    inputs = [model_text("", normalise(text)) for text in texts]
    answers = iter(classifier.classify([text for text in inputs if text]))
    for text in inputs:
        yield _columns(next(answers)) if text else dict.fromkeys(COLUMNS, "")


def _columns(answer: Classification) -> dict[str, str]:
    sentiment, topic = answer.sentiment, answer.topic
    return {
        "sentiment": sentiment.label,
        "p_negative": f"{sentiment.negative:.6f}",
        "p_neutral": f"{sentiment.neutral:.6f}",
        "p_positive": f"{sentiment.positive:.6f}",
        "topic": topic.label,
        "p_topic": f"{topic.probability:.6f}",
    }


def _decode(line: bytes, number: int, source: Path) -> str:
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{source}:{number}: not UTF-8 ({error.reason}): convert the file first") from None


def _header(reader: csv.DictReader[str], source: Path, text_column: str) -> list[str]:
    header = list(reader.fieldnames or ())
    if not header:
        raise ConfigurationError(f"{source} is empty: a header row is needed")
    if text_column not in header:
        raise ConfigurationError(f"{source} has no column {text_column!r}; it has: {', '.join(header)}")
    if taken := [name for name in COLUMNS if name in header]:
        raise ConfigurationError(f"{source} already has the columns {', '.join(taken)}: rename them first")
    return header


def _checked(reader: csv.DictReader[str], source: Path) -> Iterator[dict[str, str]]:
    try:
        for row in reader:
            if None in row or None in row.values():
                raise ConfigurationError(
                    f"{source}:{reader.line_num}: the row has {'more' if None in row else 'fewer'} fields than the header"
                )
            yield row
    except csv.Error as error:
        raise ConfigurationError(f"{source}:{reader.line_num}: no sound CSV: {error}") from None
