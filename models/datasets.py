"""Labelled and unlabelled texts from the files that a training configuration names."""

import csv
import gzip
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.config import DataSource, Head
from processors.errors import ConfigurationError
from processors.model_input import model_text
from processors.normalise import normalise

# Entities hold unescaped quotation marks, so the cell is not a literal of any language.
_DECISION = re.compile(r"""['"]: ?['"](\w+)['"]""")

csv.field_size_limit(1 << 24)


@dataclass(frozen=True, slots=True)
class Example:
    """One text, ready for the tokenizer, with a label index for each head that it can teach."""

    text: str
    targets: Mapping[str, int]
    source: str


def load_examples(folder: Path, sources: Sequence[DataSource], heads: Sequence[Head]) -> list[Example]:
    """Read all labelled `sources` from `folder`, in file order; texts that occur twice are merged.

    The same text may teach several heads. Where it carries two labels for one head, the first stands.

    Raises:
        ConfigurationError: a file or column is missing, a label is empty or unknown, a text is empty,
            or a label of a head has fewer than two examples.
    """
    by_name = {head.name: head for head in heads}
    merged: dict[str, dict[str, int]] = {}
    origin: dict[str, str] = {}
    for source in sources:
        head = by_name.get(source.head)
        if head is None:
            raise ConfigurationError(
                f"data source {source.file}: there is no head named {source.head!r}; heads are {sorted(by_name)}"
            )
        for where, raw, cell in labelled_rows(folder / source.file, source):
            value = _shared_label(where, cell) if source.per_entity else cell
            if source.per_entity and not value:
                continue
            label = source.labels.get(value, value)
            text = model_text("", normalise(raw))
            if not text:
                raise ConfigurationError(f"{where}: the text is empty; remove the row or fill column {source.text!r}")
            if label not in head.labels:
                raise ConfigurationError(
                    f"{where}: label {label!r} is not one of head {head.name!r}: {', '.join(head.labels)}"
                )
            merged.setdefault(text, {}).setdefault(head.name, head.labels.index(label))
            origin.setdefault(text, source.file)
    _require_examples_of_each_label(merged.values(), heads)
    return [Example(text, targets, origin[text]) for text, targets in merged.items()]


def labelled_rows(path: Path, source: DataSource) -> Iterator[tuple[str, str, str]]:
    """Yield (where, text, label) for each row, as the file has them; `where` names file and row for error messages."""
    rows = _json_lines(_existing(path)) if ".json" in path.suffixes or ".jsonl" in path.suffixes else _csv_rows(path)
    for where, row in rows:
        for column in (source.text, source.label):
            if row.get(column) is None:
                raise ConfigurationError(f"{where}: column {column!r} is missing; the row has {sorted(map(str, row))}")
        value = str(row[source.label]).strip()
        if not value:
            raise ConfigurationError(f"{where}: the label in column {source.label!r} is empty")
        yield where, str(row[source.text]), value


def _shared_label(where: str, value: str) -> str:
    """The label that all entities of a ``{entity: label}`` cell share; empty where they differ."""
    labels = set(_DECISION.findall(value))
    if not labels:
        raise ConfigurationError(f"{where}: expected a mapping of entities to labels, found {value[:80]!r}")
    return labels.pop() if len(labels) == 1 else ""


def _csv_rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    with _existing(path).open(encoding="utf-8-sig", newline="") as file:
        try:
            for number, row in enumerate(csv.DictReader(file), start=2):
                yield f"{path.name}, row {number}", row
        except (UnicodeDecodeError, csv.Error) as error:
            raise ConfigurationError(f"{path}: no CSV file in UTF-8 ({error})") from error


def _json_lines(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ConfigurationError(f"{path.name}, line {number}: not valid JSON ({error})") from error
            if not isinstance(row, dict):
                raise ConfigurationError(f"{path.name}, line {number}: expected a JSON object")
            yield f"{path.name}, line {number}", row


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ConfigurationError(f"{path}: no such file; give the folder that holds it with --data")
    return path


def _require_examples_of_each_label(targets: Iterable[Mapping[str, int]], heads: Sequence[Head]) -> None:
    counts = Counter(item for row in targets for item in row.items())
    for head in heads:
        for index, label in enumerate(head.labels):
            if counts[head.name, index] < 2:
                raise ConfigurationError(
                    f"head {head.name!r}: label {label!r} has {counts[head.name, index]} example(s); "
                    "two at least are needed, one to learn from and one to validate on"
                )
