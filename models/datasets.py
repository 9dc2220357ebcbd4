"""Labelled and unlabelled texts from the files that a training configuration names."""

import csv
import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, cast

from models.config import DataSource, Head
from processors.errors import ConfigurationError
from processors.model_input import model_text
from processors.normalise import normalise

# Entities hold unescaped quotation marks, so the cell is not a literal of any language.
_DECISION = re.compile(r"""['"]: ?['"](\w+)['"]""")

csv.field_size_limit(1 << 24)


@dataclass(frozen=True, slots=True)
class Example:
    """One text, ready for the tokenizer, with what it teaches: a label index for each head that takes one label, the
    ascending indices for each head that takes several."""

    text: str
    targets: Mapping[str, int]
    source: str
    several: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def teaches(self, head: str) -> bool:
        """Whether the text is labelled for the head of this name."""
        return head in self.targets or head in self.several


def load_examples(folder: Path, sources: Sequence[DataSource], heads: Sequence[Head]) -> list[Example]:
    """Read all labelled `sources` from `folder`, in file order; texts that occur twice are merged.

    The same text may teach several heads. Where it carries two labels for one head, the first stands, or both where the
    head takes several.

    Raises:
        ConfigurationError: a file or column is missing, a label is empty or unknown, a text is empty,
            or a label of a head has fewer than two examples.
    """
    by_name = {head.name: head for head in heads}
    merged: dict[str, dict[str, dict[int, None]]] = {}
    origin: dict[str, str] = {}
    for source in sources:
        head = by_name[source.head]
        for where, title, raw, cell in labelled_rows(folder / source.file, source):
            labels = _labels(where, cell, source)
            if not labels:
                continue
            text = model_text(normalise(title), normalise(raw))
            if not text:
                raise ConfigurationError(f"{where}: the text is empty; remove the row or fill column {source.text!r}")
            for label in labels:
                if label not in head.labels:
                    raise ConfigurationError(
                        f"{where}: label {label!r} is not one of head {head.name!r}: {', '.join(head.labels)}"
                    )
                merged.setdefault(text, {}).setdefault(head.name, {})[head.labels.index(label)] = None
            origin.setdefault(text, source.file)
    _require_examples_of_each_label(merged.values(), heads)
    return [
        Example(
            text,
            {name: next(iter(found)) for name, found in labels.items() if not by_name[name].several},
            origin[text],
            {name: tuple(sorted(found)) for name, found in labels.items() if by_name[name].several},
        )
        for text, labels in merged.items()
    ]


def labelled_rows(path: Path, source: DataSource) -> Iterator[tuple[str, str, str, str]]:
    """Yield (where, title, text, label) for each row, as the file has them; `where` names file and row for error messages."""
    for where, row in _rows(path):
        for column in (source.text, source.label, source.title):
            if column and row.get(column) is None:
                raise ConfigurationError(f"{where}: column {column!r} is missing; the row has {sorted(map(str, row))}")
        value = str(row[source.label]).strip()
        if not value:
            raise ConfigurationError(f"{where}: the label in column {source.label!r} is empty")
        yield where, str(row[source.title]) if source.title else "", str(row[source.text]), value


def _labels(where: str, cell: str, source: DataSource) -> list[str]:
    """The labels of the head that a cell gives; none where the row teaches nothing."""
    value = _shared_label(where, cell) if source.per_entity else cell
    found = [label.strip() for label in value.split(source.separator)] if source.separator else [value]
    if source.only_listed:
        found = [label for label in found if label in source.labels]
    return [source.labels.get(label, label) for label in found if label]


def _shared_label(where: str, value: str) -> str:
    """The label that all entities of a ``{entity: label}`` cell share; empty where they differ."""
    labels = set(_DECISION.findall(value))
    if not labels:
        raise ConfigurationError(f"{where}: expected a mapping of entities to labels, found {value[:80]!r}")
    return labels.pop() if len(labels) == 1 else ""


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a file (CSV, or JSON by its name), packed with gzip where its name says so."""
    if not path.is_file():
        raise ConfigurationError(f"{path}: no such file; give the folder that holds it with --data")
    read = {".json": _json_array, ".jsonl": _json_lines}.get(Path(path.name.removesuffix(".gz")).suffix, _csv_rows)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            yield from read(path, cast(BinaryIO, file))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ConfigurationError(f"{path}: no whole gzip file ({error})") from error


def _csv_rows(path: Path, file: BinaryIO) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        rows = csv.DictReader(TextIOWrapper(file, encoding="utf-8-sig", newline=""))
        for number, row in enumerate(rows, start=2):
            yield f"{path.name}, row {number}", row
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"{path}: no CSV file in UTF-8 ({error})") from error


def _json_lines(path: Path, file: BinaryIO) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(file, start=1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ConfigurationError(f"{path.name}, line {number}: not valid JSON ({error})") from error
        yield f"{path.name}, line {number}", _named_columns(f"{path.name}, line {number}", row)


def _json_array(path: Path, file: BinaryIO) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        rows = json.load(file)
    except ValueError as error:
        raise ConfigurationError(
            f"{path.name}: not one JSON array ({error}); a file with an object on each line is named .jsonl"
        ) from error
    if not isinstance(rows, list):
        raise ConfigurationError(f"{path.name}: expected a JSON array of rows")
    for number, row in enumerate(rows, start=1):
        yield f"{path.name}, row {number}", _named_columns(f"{path.name}, row {number}", row)


def _named_columns(where: str, row: object) -> dict[str, Any]:
    if isinstance(row, list):
        return {str(place): value for place, value in enumerate(row)}
    if not isinstance(row, dict):
        raise ConfigurationError(f"{where}: expected a JSON object or array")
    return row


def _require_examples_of_each_label(targets: Iterable[Mapping[str, Iterable[int]]], heads: Sequence[Head]) -> None:
    counts = Counter((name, index) for row in targets for name, found in row.items() for index in found)
    for head in heads:
        for index, label in enumerate(head.labels):
            if counts[head.name, index] < 2 and not head.partial:
                raise ConfigurationError(
                    f"head {head.name!r}: label {label!r} has {counts[head.name, index]} example(s); "
                    "two at least are needed, one to learn from and one to validate on"
                )
