"""`tocsin classify`: topic and sentiment for every row of a CSV file."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple, TextIO

from processors.enrichment import Classification, Classifier, ModelIdentity, readers_of
from processors.errors import ConfigurationError
from processors.model_input import model_text
from processors.normalise import normalise
from streams.csv_rows import checked_rows, column_place, csv_line, csv_rows, harmless, unreadable

COLUMNS: Final = ("sentiment", "p_negative", "p_neutral", "p_positive", "topic", "p_topic")
ROWS_PER_BATCH: Final = 1024
"""Enough rows to find company of like length, little enough to show progress."""


def classify_csv(
    source: Path, text_column: str, output: TextIO, classifiers: Sequence[Classifier], *, verbatim: bool = False
) -> Iterator[int]:
    """Copy the CSV file `source` (UTF-8, with a header) to `output` with `COLUMNS` added to every row.

    Labels are those of `labelled`. Yields the bytes of `source` read after each batch, for a progress bar. A row whose text is empty keeps empty
    columns: no label is invented. A blank line stays a row, of empty fields. Cells that a spreadsheet would run as formulas get
    an apostrophe in front, unless they are to be copied `verbatim`. Raises ConfigurationError where the file
    cannot be read or is no such CSV, lacks `text_column`, or has a column twice or one of `COLUMNS` already; a wrong
    header before anything is written.
    """
    try:
        raw = source.open("rb")
    except OSError as error:
        raise unreadable(source, error) from None
    with raw:
        records = csv_rows(raw, source)
        _, header = next(records, (0, []))
        text = _text_place(header, source, text_column)
        rows = (row or [""] * len(header) for _, row in checked_rows(records, len(header), source))
        written = str if verbatim else harmless
        output.write(csv_line([*map(written, header), *COLUMNS], "\n"))
        while batch := list(islice(rows, ROWS_PER_BATCH)):
            labels = labelled([row[text] for row in batch], classifiers)
            output.writelines(
                csv_line([*map(written, row), *_columns(label)], "\n") for row, label in zip(batch, labels, strict=True)
            )
            yield raw.tell()


class Labelled(NamedTuple):
    """What a model says of one text."""

    classification: Classification
    model: ModelIdentity


def labelled(texts: Sequence[str], classifiers: Sequence[Classifier]) -> list[Labelled | None]:
    """The labels of each text as it was written: by the model of its language, by the first of `classifiers` where none reads
    that; None for a text that says nothing."""
    normalised = [normalise(text) for text in texts]
    readers, inputs = readers_of(normalised, classifiers), [model_text("", text) for text in normalised]
    found: list[Labelled | None] = [None] * len(texts)
    for classifier in classifiers:
        places = [place for place, text in enumerate(inputs) if text and readers[place] is classifier]
        for place, answer in zip(places, classifier.classify([inputs[place] for place in places]), strict=True):
            found[place] = Labelled(answer, classifier.model)
    return found


def _columns(label: Labelled | None) -> Sequence[str]:
    """The values of `COLUMNS`."""
    if label is None:
        return [""] * len(COLUMNS)
    sentiment, topic = label.classification.sentiment, label.classification.topic
    probabilities = (sentiment.negative, sentiment.neutral, sentiment.positive)
    return [sentiment.label, *(f"{p:.6f}" for p in probabilities), topic.label, f"{topic.probability:.6f}"]


def _text_place(header: list[str], source: Path, text_column: str) -> int:
    """Which column holds the texts, in a header found sound."""
    place = column_place(header, text_column, source)
    if taken := [name for name in COLUMNS if name in header]:
        raise ConfigurationError(f"{source} already has the columns {', '.join(taken)}: rename them first")
    return place
