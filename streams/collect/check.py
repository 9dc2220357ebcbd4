"""One look at a source without sending anything: what is there, and what would be sent."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.text import Text

from processors.errors import PoisonError
from processors.messages import DeadLetter, Document
from streams.codec import decode, decode_document, encode
from streams.collect.declared import Source
from streams.collect.fetch import FetchError, Limits
from streams.collect.look import find
from streams.collect.sender import Outlets
from streams.collect.tail import read_on
from streams.settings import Settings
from streams.terminal import counted, visible


@dataclass(frozen=True, slots=True)
class Checked:
    """How a source was found: `well`, and the documents that would be sent, oldest first; `notes` tell the rest."""

    well: bool
    documents: Sequence[Document]
    notes: Sequence[str]


def check_source(source: Source, settings: Settings, limits: Limits) -> Checked:
    """Look at `source` as collect would the first time."""
    if source.push:
        push = settings.push
        return Checked(True, (), (f"waits at http://{push.host}:{push.port}/v1/documents for what programs push",))
    if source.path:
        return _check_file(source, Outlets(settings))
    try:
        found = find(source, {}, limits)
    except FetchError as error:
        return Checked(False, (), (f"{error.outcome}: {error}",))
    assert found is not None, "without a cursor nothing is unchanged"
    documents, notes = [], []
    refused: list[tuple[str, str]] = []
    undated = 0
    for _, document in found.documents(source):
        if document is None:
            undated += 1
            continue
        try:
            documents.append(decode_document(encode(document), source.kind, now=found.now))
        except PoisonError as error:
            refused.append((error.reason, str(error)))
    notes += _reasons(refused)
    if undated:
        notes.insert(
            0, f"{undated} items without a time that can be meant: not sent at the first look, as they may be old"
        )
    if found.listing.broken:
        notes.insert(0, f"the XML is broken ({found.listing.broken}): read as far as it goes")
    return Checked(bool(documents or undated), documents, notes)


def _check_file(source: Source, outlets: Outlets) -> Checked:
    try:
        batch = read_on(source, outlets, {}, datetime.now(UTC))
    except OSError as error:
        return Checked(False, (), (f"cannot read {source.path}: {error.strerror or error}",))
    if batch is None:
        return Checked(False, (), (f"{source.path} is not there, or holds no whole line",))
    sound = [record for record in batch.records if record.topic != outlets.letters]
    notes = [f"{batch.behind:,} bytes follow"] if batch.behind else []
    letters = [decode(DeadLetter, record.value) for record in batch.records if record.topic == outlets.letters]
    if letters:
        lines = f"{len(letters)} of the first {len(batch.records)} lines"
        notes.append(f"{lines} {'is' if len(letters) == 1 else 'are'} refused")
        notes += _reasons((letter.reason, f"line {letter.origin.offset + 1}: {letter.message}") for letter in letters)
    return Checked(bool(sound), [decode_document(record.value, source.kind) for record in sound], notes)


def _reasons(refused: Iterable[tuple[str, str]]) -> list[str]:
    """Of each reason for which something was refused, how often, and what was wrong the first time."""
    firsts: dict[str, str] = {}
    times: Counter[str] = Counter()
    for reason, wrong in refused:
        firsts.setdefault(reason, wrong)
        times[reason] += 1
    return [f"{times[reason]} refused, {reason}: {wrong}" for reason, wrong in firsts.items()]


def checked_view(source: Source, checked: Checked, items: int) -> RenderableType:
    """What is shown of it. Texts of others are shown as they are, never as markup."""
    style = "bold green" if checked.well else "bold red"
    where = source.url or source.path or "push"
    lines: list[RenderableType] = [
        Text.assemble((f"{visible(source.name)}  ", style), (f"{source.kind}, {visible(where)}", "dim")),
        Text(f"  {visible(source.licence)}; for {visible(source.purpose)}", "dim"),
    ]
    if checked.documents:
        lines.append(Text(f"  {counted(len(checked.documents), 'document')} would be sent at the first look"))
    for document in list(reversed(checked.documents))[:items]:
        told = visible(str(document.metadata.get("collected", {}).get("time", "published")))
        words = visible(" ".join((document.title or document.text).split())[:100])
        lines.append(Text(f"  {document.published_at:%d %b %Y %H:%M} ({told})  {words}"))
    lines += [Text(f"  {visible(note)}", "" if checked.well else "red") for note in checked.notes]
    return Group(*lines, Text(""))
