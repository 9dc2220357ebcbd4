"""Explanations on the terminal and as JSON, and the documents that an alarm's evidence came from."""

import gzip
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from processors.enrichment import ModelIdentity
from processors.explanation import Explanation
from processors.messages import Alert, LabelledDocument
from streams.codec import decode
from streams.explain import LABELS, Explainer, Head, Refusal
from streams.outputs import ALERTS, DOCUMENTS
from streams.sqlite_store import STORE, SqliteStore
from streams.terminal import visible

COLOURS: Final = {"negative": "red", "positive": "green"}
REFUSALS: Final[dict[Refusal, str]] = {
    "other-model": "Another model labelled this: the words that carried the label are not told by the one at hand.",
    "text-cut": "Where nothing is underlined, the text that was kept is not all that the model read.",
}
_AGAINST: Final = "dim italic"


@dataclass(frozen=True, slots=True)
class EvidenceMarks:
    """The texts of an alert's evidence with their words marked, by identity, and `notes` on what the marks mean or why some
    are missing."""

    texts: Mapping[str, Text]
    notes: tuple[str, ...]


def evidence_marks(explainer: Explainer, place: Path, alert: Alert) -> EvidenceMarks:
    """What `explainer` says of the evidence of `alert`; the documents in full are looked for at `place`."""
    whole = documents_at(place, (document.identity for document in alert.evidence))
    found = list(explainer.evidence(alert, whole.get))
    texts = {each.identity: marked(each.explanation, alert.polarity) for each in found if each.explanation}
    notes = [REFUSALS[refusal] for refusal in sorted({each.refusal for each in found} - {""})]
    if texts:
        named = visible(_named(explainer.model))
        notes.insert(
            0, f"Underlined: the words that spoke for {alert.polarity}, asked of {named} now; texts as it read them."
        )
    return EvidenceMarks(texts, tuple(notes))


def marked(explanation: Explanation, label: str) -> Text:
    """The text as the model read it, the words that spoke for `label` underlined, the stronger the bolder; those against
    it dim. Nothing in it steers the terminal."""
    colour = COLOURS.get(label, "cyan")
    strong = {1: "underline", 2: f"underline {colour}", 3: f"bold underline {colour}"}
    text = Text()
    for piece, level in explanation.pieces():
        text.append(visible(piece), style=_AGAINST if level < 0 else strong.get(level, ""))
    return text


def explanation_lines(explanation: Explanation, head: Head, model: ModelIdentity) -> RenderableType:
    """One explanation for a person: the label, the text with its words marked, every word's weight by strength."""
    label = LABELS[head][explanation.label]
    lines = [
        Text.assemble((label, f"bold {COLOURS.get(label, 'cyan')}"), f"  {explanation.probability:.1%}"),
        Text(""),
        marked(explanation, label),
        Text(""),
    ]
    for word in sorted(explanation.words, key=lambda word: -abs(word.weight))[:12]:
        written = visible(explanation.text[word.start : word.end])
        lines.append(Text(f"  {word.weight:+6.2f}  {written}", style="" if word.weight > 0 else _AGAINST, no_wrap=True))
    lines += [Text(""), Text(f"log-odds by word; model {visible(_named(model))}", style="dim")]
    return Group(*lines)


def explanation_record(explanation: Explanation, head: Head, model: ModelIdentity) -> dict[str, Any]:
    """One explanation for a program; `start` and `end` count code points of `text`."""
    return {
        "text": explanation.text,
        "head": head,
        "label": LABELS[head][explanation.label],
        "probability": round(explanation.probability, 6),
        "words": [
            {"word": explanation.text[w.start : w.end], "start": w.start, "end": w.end, "weight": w.weight}
            for w in explanation.words
        ],
        "model": {"name": model.name, "version": model.version, "hash": model.hash},
    }


def documents_at(place: Path, identities: Iterable[str]) -> dict[str, LabelledDocument]:
    """Those of `identities` that a run left at `place` (its folder, its alerts.jsonl or its SQLite store), in full."""
    wanted = set(identities)
    folder = place if place.is_dir() else place.parent
    store = folder / STORE if place.is_dir() or place.name == ALERTS else place
    if store.is_file():
        opened = SqliteStore(store, read_only=True)
        try:
            return {document.identity: document for each in wanted if (document := opened.document(each))}
        finally:
            opened.close()
    found: dict[str, LabelledDocument] = {}
    if (folder / DOCUMENTS).is_file():
        ids = [each.partition("/")[2].encode() for each in wanted]
        with gzip.open(folder / DOCUMENTS) as lines:
            for line in lines:
                if len(found) == len(wanted):
                    break
                if any(each in line for each in ids):
                    document = decode(LabelledDocument, line)
                    if document.identity in wanted:
                        found[document.identity] = document
    return found


def _named(model: ModelIdentity) -> str:
    return f"{model.name} {model.version} ({model.hash[:12]})"
