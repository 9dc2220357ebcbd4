"""How dead letters are shown. Their texts come from strangers: plain, without what steers a terminal."""

from collections.abc import Iterable
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.filesize import decimal
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from streams.codec import encode
from streams.letters import KeptLetter, original_of
from streams.terminal import visible

_SHOWN: Final = 4_000
"""Characters of the original that are printed."""

_FAINT: Final = "dim"


def short_id(kept: KeptLetter) -> str:
    """Enough of the id to find the letter by."""
    return kept.letter.id.removeprefix("dead-")[:10]


def letters_table(letters: Iterable[KeptLetter]) -> Table:
    """One row a letter: when it came, its id, why it was refused, and where it came from."""
    table = Table(box=SIMPLE_HEAD)
    for column in ("came", "id", "reason"):
        table.add_column(column, no_wrap=True)
    table.add_column("what was wrong", overflow="fold", ratio=1)
    for kept in letters:
        letter = kept.letter
        where = Text.assemble(
            (f"{letter.stage} · {_origin(kept)}", _FAINT), (" · replayed" * bool(kept.replayed), "green")
        )
        wrong = Group(Text(visible(letter.message)), where)
        table.add_row(f"{kept.came:%d %b %H:%M}", short_id(kept), Text(visible(letter.reason), "bold"), wrong)
    return table


def letter_details(kept: KeptLetter, mend: str) -> RenderableType:
    """Everything that is known of one letter, how to `mend` it, and what is kept of the original."""
    letter = kept.letter
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(ratio=1, overflow="fold")
    original = original_of(letter)
    whole = len(original) == letter.length
    rows = {
        "Id": letter.id,
        "Reason": f"{letter.reason} at {letter.stage}",
        "What was wrong": letter.message,
        "How to mend it": mend,
        "From": _origin(kept),
        "Came": f"{kept.came:%a %d %b %Y %H:%M:%S} UTC",
        "Size": decimal(letter.length) + ("" if whole else f", of which the first {decimal(len(original))} are kept"),
        "SHA-256": letter.sha256,
        "Replayed": kept.replayed or ("begun, not recorded as done: replay it, it goes once" if kept.begun else "no"),
    }
    for name, value in rows.items():
        facts.add_row(name, Text(visible(value)))
    text = original.decode("utf-8", "backslashreplace")
    shown = "\n".join(visible(line) for line in text[:_SHOWN].splitlines())
    more = [Text(f"… {len(text) - _SHOWN:,} more characters", style=_FAINT)] if len(text) > _SHOWN else []
    return Group(Padding(facts, (1, 1)), Padding(Text(shown), (0, 1)), *more)


def as_line(kept: KeptLetter) -> bytes:
    """The same for programs: one line of JSON."""
    came = kept.came.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return encode({"id": kept.letter.id, "came": came, "replayed": kept.replayed or None, "letter": kept.letter})


def _origin(kept: KeptLetter) -> str:
    origin = kept.letter.origin
    return f"{visible(origin.place)} {origin.partition}/{origin.offset}"
