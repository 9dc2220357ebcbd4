"""One thing that was looked at, and how it was found."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from rich.table import Table
from rich.text import Text

from streams.terminal import visible_lines

Level = Literal["ok", "warn", "fail"]

_STYLES: Final[dict[Level, str]] = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """`subject` was found as `text` says; `mend` tells what to do where it is not as it should be.

    warn: works, but may not for long or not for everything. fail: Tocsin cannot do its work.
    """

    level: Level
    subject: str
    text: str
    mend: str = ""


def findings_table(findings: Iterable[Finding]) -> Table:
    """One line each, with the mend below what is not ok. Texts of others are shown as they are, never as markup."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for _ in range(3):
        table.add_column(overflow="fold")
    for finding in findings:
        said = Text(visible_lines(finding.text))
        if finding.mend:
            said.append(f"\n→ {visible_lines(finding.mend)}", style="bold")
        table.add_row(Text(finding.level, style=_STYLES[finding.level]), Text(finding.subject), said)
    return table
