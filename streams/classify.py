"""`tocsin classify`: topic and sentiment for every row of a CSV file."""

import csv
import sys
from collections.abc import Iterator, Sequence
from io import BufferedReader
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
    columns: no label is invented. A blank line stays a row, of empty fields. Raises ConfigurationError where the file
    cannot be read or is no such CSV, lacks `text_column`, or has a column twice or one of `COLUMNS` already; a wrong
    header before anything is written.
    """
    csv.field_size_limit(sys.maxsize)
    try:
        raw = source.open("rb")
    except OSError as error:
        raise _unreadable(source, error) from None
    with raw:
        records = _records(raw, source)
        _, header = next(records, (0, []))
        text = _text_place(header, source, text_column)
        rows = _checked(records, len(header), source)
        writer = csv.writer(output, lineterminator="\n")
        writer.writerow([*header, *COLUMNS])
        while batch := list(islice(rows, ROWS_PER_BATCH)):
            answers = _classify([row[text] for row in batch], classifier)
            writer.writerows([*row, *answer] for row, answer in zip(batch, answers, strict=True))
            yield raw.tell()


def _classify(texts: Sequence[str], classifier: Classifier) -> Iterator[Sequence[str]]:
    inputs = [model_text("", normalise(text)) for text in texts]
    answers = iter(classifier.classify([text for text in inputs if text]))
    for text in inputs:
        yield _columns(next(answers)) if text else [""] * len(COLUMNS)


def _columns(answer: Classification) -> Sequence[str]:
    """The values of `COLUMNS`."""
    sentiment, topic = answer.sentiment, answer.topic
    probabilities = (sentiment.negative, sentiment.neutral, sentiment.positive)
    return [sentiment.label, *(f"{p:.6f}" for p in probabilities), topic.label, f"{topic.probability:.6f}"]


def _records(raw: BufferedReader, source: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV, blank ones too, each with the number of its last line."""
    reader = csv.reader(_lines(raw, source), strict=True)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise ConfigurationError(f"{source}:{reader.line_num}: no sound CSV: {error}") from None


def _lines(raw: BufferedReader, source: Path) -> Iterator[str]:
    number = 0
    try:
        for number, line in enumerate(raw, start=1):
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{source}:{number}: not UTF-8 ({error.reason}): convert the file first") from None
    except OSError as error:
        raise _unreadable(source, error) from None


def _unreadable(source: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"cannot read {source}: {error.strerror or error}")


def _text_place(header: Sequence[str], source: Path, text_column: str) -> int:
    """Which column holds the texts, in a header found sound."""
    if not header:
        raise ConfigurationError(f"{source} is empty, or its first line is: a header row is needed")
    if text_column not in header:
        raise ConfigurationError(f"{source} has no column {text_column!r}; it has: {', '.join(header)}")
    if repeated := [name for name in dict.fromkeys(header) if header.count(name) > 1]:
        raise ConfigurationError(f"{source} has the columns {', '.join(map(repr, repeated))} twice: rename one of each")
    if taken := [name for name in COLUMNS if name in header]:
        raise ConfigurationError(f"{source} already has the columns {', '.join(taken)}: rename them first")
    return header.index(text_column)


def _checked(records: Iterator[tuple[int, list[str]]], width: int, source: Path) -> Iterator[list[str]]:
    for number, row in records:
        if row and len(row) != width:
            raise ConfigurationError(
                f"{source}:{number}: the row has {'more' if len(row) > width else 'fewer'} fields than the header"
            )
        yield row or [""] * width
