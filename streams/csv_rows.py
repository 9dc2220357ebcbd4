"""The rows of a CSV file (UTF-8) with the numbers of their lines; what is no sound CSV is told with its place. And cells that
a spreadsheet shows and never runs."""

import csv
import io
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Final
from unicodedata import category

from processors.errors import ConfigurationError

_SIGNS: Final = frozenset("=+-@＝＋－＠")
_INSIDE: Final = re.compile(r"([;\t][ \"']*+)(?=[=+@-][\w(=+@$\"'-])")
"""Where a spreadsheet that separates by semicolons or tabs would begin a cell with a formula."""


def csv_rows(raw: Iterable[bytes], source: object) -> Iterator[tuple[int, list[str]]]:
    """The rows of the lines `raw`, blank ones too, each with the number of its last line; fields of any size.

    Raises ConfigurationError, naming `source` and line, where it cannot be read, is not UTF-8 or no sound CSV.
    """
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(_lines(raw, source), strict=True)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise ConfigurationError(f"{source}:{reader.line_num}: no sound CSV: {error}") from None


def checked_rows(rows: Iterable[tuple[int, list[str]]], width: int, source: object) -> Iterator[tuple[int, list[str]]]:
    """The rows as they are. Raises ConfigurationError for one that has neither `width` fields nor none."""
    for number, row in rows:
        if row and len(row) != width:
            raise ConfigurationError(
                f"{source}:{number}: the row has {'more' if len(row) > width else 'fewer'} fields than the header"
            )
        yield number, row


def column_place(header: list[str], name: str, source: object) -> int:
    """Which field of a row is called `name`. Raises ConfigurationError where none is, or a name stands twice."""
    if not header:
        raise ConfigurationError(f"{source} is empty, or its first line is: a header row is needed")
    if name not in header:
        raise ConfigurationError(f"{source} has no column {name!r}; it has: {', '.join(header)}")
    if repeated := [other for other in dict.fromkeys(header) if header.count(other) > 1]:
        raise ConfigurationError(f"{source} has the columns {', '.join(map(repr, repeated))} twice: rename one of each")
    return header.index(name)


def csv_line(cells: Iterable[str], end: str = "\r\n") -> str:
    """One row as it is written; whatever holds a line end of any kind is quoted, whichever `end` the row has."""
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().removesuffix("\r\n") + end


def harmless(cell: str) -> str:
    """`cell` so that no spreadsheet takes it for a formula: what begins like one gets an apostrophe in front. Numbers stay."""
    if _is_number(cell):
        return cell
    first = next((character for character in cell if not character.isspace() and category(character) != "Cf"), "")
    inside = _INSIDE.sub(r"\1'", cell)
    return f"'{inside}" if first in _SIGNS or cell[:1] in ("\t", "\r", "\n") else inside


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def unreadable(source: object, error: OSError) -> ConfigurationError:
    """The error to raise where `source` cannot be read."""
    return ConfigurationError(f"cannot read {source}: {error.strerror or error}")


def _lines(raw: Iterable[bytes], source: object) -> Iterator[str]:
    number = 0
    try:
        for number, line in enumerate(raw, start=1):
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{source}:{number}: not UTF-8 ({error.reason}): convert the file first") from None
    except OSError as error:
        raise unreadable(source, error) from None
