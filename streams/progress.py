"""Progress on stderr while a command works; nothing where stderr is no terminal."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from processors.messages import Alert, DeadLetter
from streams import terminal
from streams.observer import Observer


class _FileBar:
    """A bar over the bytes of `files`, then over whatever comes of them. A context manager."""

    def __init__(self, files: Sequence[Path] = ()) -> None:
        self._bar = _bar(TaskProgressColumn(), TextColumn("{task.fields[news]}"))
        size = sum(file.stat().st_size for file in files if file.is_file())
        self._task = self._bar.add_task("reading", total=size or None, news="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def reading(self, size: int) -> None:
        """Move the bar by `size` bytes read."""
        self._bar.advance(self._task, size)


class ReplayProgress(_FileBar, Observer):
    """A bar over the bytes of a run's `files`, then over its records, with event time, incidents opened and records
    refused."""

    def __init__(self, files: Sequence[Path] = ()) -> None:
        super().__init__(files)
        self._opened = self._refused = 0
        self._now = ""

    def alerts(self, batch: Sequence[Alert]) -> None:
        """Count incidents opened."""
        self._opened += sum(alert.event == "open" for alert in batch)

    def dead_letters(self, batch: Sequence[DeadLetter]) -> None:
        """Count records refused."""
        self._refused += len(batch)

    def clock(self, now: datetime) -> None:
        """Show the day that the run has reached."""
        self._now = now.date().isoformat()

    def progress(self, done: int, total: int | None) -> None:
        """Move the bar."""
        news = f"{done:,} records  {self._now}  {self._opened} incidents, {self._refused} refused"
        self._bar.update(self._task, description="replaying", completed=done, total=total, news=news)


class FeedProgress(_FileBar):
    """A bar over the bytes of a feed's `files`, then over its lines."""

    def start(self, lines: int) -> Callable[[int], None]:
        """Begin a bar over `lines`; what it gives takes the number that is done."""
        self._bar.reset(self._task, description="feeding", total=lines, news=f"of {lines:,} lines")
        return lambda done: self._bar.update(self._task, completed=done)


@contextmanager
def byte_progress(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar over `total` bytes; what it gives takes the position reached."""
    with _bar(DownloadColumn()) as bar:
        task = bar.add_task(description, total=total)
        yield lambda position: bar.update(task, completed=position)


@contextmanager
def record_progress(description: str) -> Iterator[Callable[[int], Callable[[int], None]]]:
    """A bar over records; what it gives takes their number, and gives what takes each step."""
    with _bar(TaskProgressColumn()) as bar:

        def begin(total: int) -> Callable[[int], None]:
            task = bar.add_task(description, total=total)
            return lambda step: bar.update(task, advance=step)

        yield begin


def _bar(*columns: ProgressColumn) -> Progress:
    console = terminal.console(err=True)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *columns,
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
