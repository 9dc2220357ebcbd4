"""Volume series as CSV files: columns `timestamp` and `value`, in time order."""

import csv
import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

import numpy as np
from numpy.typing import NDArray

from processors.errors import ConfigurationError
from streams.csv_rows import checked_rows, column_place, csv_rows, unreadable

COLUMNS: Final = ("timestamp", "value")
STANDARD_INPUT: Final = Path("-")


@dataclass(frozen=True, slots=True)
class VolumeSeries:
    """A file's rows as they were written, with instants in seconds since 1970 (UTC where no zone is given) and values."""

    written: list[tuple[str, str]]
    seconds: NDArray[np.float64]
    values: NDArray[np.float64]


def read_series(source: Path) -> VolumeSeries:
    """Reads a CSV file (UTF-8, with a header) with the columns `COLUMNS`, others left aside; ``-`` is standard input.

    Timestamps are ISO 8601, all with or all without a zone, never falling; values are counts: numbers, not negative.
    Blank lines are passed over. Raises ConfigurationError, with the line, for anything else.
    """
    if source == STANDARD_INPUT:
        return series_of(sys.stdin.buffer, "standard input")
    try:
        with source.open("rb") as raw:
            return series_of(raw, source)
    except OSError as error:
        raise unreadable(source, error) from None


def series_of(raw: Iterable[bytes], source: object) -> VolumeSeries:
    """As `read_series`, from lines; `source` is named in errors."""
    records = csv_rows(raw, source)
    _, header = next(records, (0, list[str]()))
    timestamp, value = (column_place(header, name, source) for name in COLUMNS)
    written, instants, values = list[tuple[str, str]](), list[datetime](), list[float]()
    for number, row in checked_rows(records, len(header), source):
        if not row:
            continue
        place = f"{source}:{number}"
        instant = _instant(row[timestamp], place)
        if instants and (instant.tzinfo is None) != (instants[0].tzinfo is None):
            raise ConfigurationError(f"{place}: some timestamps have a time zone, others none: write all alike")
        if instants and instant < instants[-1]:
            raise ConfigurationError(
                f"{place}: timestamp {row[timestamp]} is before the one above it: sort the rows by time"
            )
        written.append((row[timestamp], row[value]))
        instants.append(instant)
        values.append(_count(row[value], place))
    return VolumeSeries(written, np.array([seconds_of(i) for i in instants], float), np.array(values, float))


def write_scores(series: VolumeSeries, scores: NDArray[np.float64], target: TextIO) -> None:
    """Writes ``timestamp,value,score``, the first two as they were read."""
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow([*COLUMNS, "score"])
    writer.writerows((*row, f"{score:.6f}") for row, score in zip(series.written, scores.tolist(), strict=True))


def seconds_of(instant: datetime) -> float:
    """Seconds since 1970; an instant without a zone is taken as UTC, so that no clock change bends the series."""
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()


def _instant(text: str, place: str) -> datetime:
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        raise ConfigurationError(f"{place}: {text!r} is no timestamp: write it as 2014-01-31 16:05:00") from None


def _count(text: str, place: str) -> float:
    try:
        count = float(text)
    except ValueError:
        raise ConfigurationError(f"{place}: value {text!r} is no number") from None
    if not math.isfinite(count):
        raise ConfigurationError(f"{place}: value {text!r} is no finite number: leave the row out where none is known")
    if count < 0:
        raise ConfigurationError(f"{place}: value {text!r} is negative: values are counts, such as documents per row")
    return count
