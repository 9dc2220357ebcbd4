"""How texts come to a terminal. Any of them may be a stranger's: nothing in them steers it, nothing is markup.

Views take `Text`, or plain strings made `visible`; a console from here reads no markup in strings. Lines that are no views
go through `echo`.
"""

import io
import json
import re
import sys
from typing import TYPE_CHECKING, Final

import typer

if TYPE_CHECKING:
    from rich.console import Console

_UNUSUAL: Final = re.compile(r"[^ -~]")


def visible(text: str) -> str:
    """`text` on one line, without characters that steer a terminal or the direction of writing."""
    spaced = (" " if character.isspace() else character for character in text)
    return "".join(filter(str.isprintable, spaced))


def visible_lines(text: str) -> str:
    """`text` with its lines, each as `visible` makes it."""
    return "\n".join(map(visible, text.splitlines()))


def counted(count: int, noun: str) -> str:
    """`count` of `noun`, whose plural ends in s: ``1 incident``, ``2,800 incidents``."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def echo(text: str, *, err: bool = False) -> None:
    """Print `text` and a line end, to standard error with `err`."""
    typer.echo(visible_lines(text), err=err)


class Shown(io.TextIOBase):
    """Standard output as a file to write to, where it is a terminal: whatever steers one is left out."""

    def write(self, text: str) -> int:
        """Print `text` as it is shown."""
        sys.stdout.write("".join(c if c == "\n" else visible(c) for c in text))
        return len(text)


def escaped_json(text: str) -> str:
    """One line of JSON as it is, but with every character escaped that a terminal would not simply show."""
    return _UNUSUAL.sub(lambda found: found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1], text)


def console(*, err: bool = False, width: int | None = None) -> "Console":
    """A console, on standard output or with `err` on standard error; `width` is that of a pipe or file, 80 if absent."""
    from rich.console import Console

    stream = sys.stderr if err else sys.stdout
    return Console(stderr=err, markup=False, emoji=False, width=None if stream.isatty() else width)
