"""What `tocsin stack` shows: where everything is, how it is, what it writes."""

import os
import shlex
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams.settings import declarations
from streams.stack.ports import Ports
from streams.stack.process import ManagedProcess
from streams.stack.stack import Stack, Status, state_folder

_POLL: Final = 0.5


def print_addresses(stack: Stack, console: Console) -> None:
    """What runs and where; and, away from the usual ports, how the other commands are told."""
    for status in stack.status():
        if status.pid is not None:
            console.print(f"{status.name:<14}{status.address}", markup=False, highlight=False, soft_wrap=True)
    if stack.ports != Ports():
        console.print("\nOther commands find this stack with:")
        for path, value in stack.settings.items():
            console.print(
                f"export {declarations()[path].variable}={value}", markup=False, highlight=False, soft_wrap=True
            )
    where = "" if stack.folder == state_folder(os.environ) else f" --folder {shlex.quote(str(stack.folder))}"
    console.print(f"\nIt is stopped with: tocsin stack down{where}", markup=False, highlight=False, soft_wrap=True)


def status_table(states: Iterable[Status]) -> Table:
    """One line for each part; memory with all that it started."""
    table = Table(box=None, pad_edge=False)
    for heading in ("part", "state", "process", "memory", "address"):
        table.add_column(heading, justify="right" if heading in ("process", "memory") else "left")
    for state in states:
        if state.pid is None:
            table.add_row(state.name, Text("down", "dim"), "", "", "")
            continue
        how = Text("ready", "green") if state.ready else Text("not ready", "yellow")
        table.add_row(state.name, how, str(state.pid), f"{state.memory / 2**20:,.0f} MiB", state.address)
    return table


def follow_logs(processes: Mapping[str, ManagedProcess], lines: int, *, follow: bool) -> Iterator[str]:
    """The last `lines` of each, and with `follow` whatever comes after them, without end.

    Each line begins with its part's name where there are several.
    """
    width = max(map(len, processes))
    begins = {name: f"{name:<{width}} | " if len(processes) > 1 else "" for name in processes}
    positions = {name: process.log.stat().st_size if process.log.exists() else 0 for name, process in processes.items()}
    for name, process in processes.items():
        yield from (begins[name] + line for line in process.tail(lines).splitlines())
    while follow:
        time.sleep(_POLL)
        for name, process in processes.items():
            written, positions[name] = process.written_since(positions[name])
            yield from (begins[name] + line for line in written)
