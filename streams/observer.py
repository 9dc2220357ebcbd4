"""Who watches a run: terminal views, progress lines, files and stores all override what they care about.

A run calls its observer in one thread, in the order of its own work, and waits for each call: an observer
that is slow makes the run slow. Every batch is non-empty.
"""

from collections.abc import Sequence
from datetime import datetime

from processors.messages import Alert, DeadLetter, Document, LabelledDocument, Mention, SeriesPoint, WideRecord


class Observer:
    """What a run tells while it goes on. Each method here does nothing."""

    def documents(self, batch: Sequence[LabelledDocument]) -> None:
        """Documents that went through enrichment, late and unlabelled ones included; duplicates not."""

    def duplicates(self, batch: Sequence[Document]) -> None:
        """Documents whose identity was seen before; they go no further."""

    def mentions(self, batch: Sequence[Mention]) -> None:
        """The records of the mentions topic."""

    def wide(self, batch: Sequence[WideRecord]) -> None:
        """The records of the wide topic."""

    def alerts(self, batch: Sequence[Alert]) -> None:
        """Events of incidents, in the order in which they rang."""

    def points(self, batch: Sequence[SeriesPoint]) -> None:
        """Closed buckets; one with a higher revision replaces the former of the same series and start."""

    def dead_letters(self, batch: Sequence[DeadLetter]) -> None:
        """Records refused, at whatever stage."""

    def clock(self, now: datetime) -> None:
        """Event time (UTC) has reached `now`."""

    def progress(self, done: int, total: int | None) -> None:
        """`done` of `total` input records are read; `total` is None while nobody knows it."""


class Watching(Observer):
    """Several observers as one, told in the order given."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def documents(self, batch: Sequence[LabelledDocument]) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.documents(batch)

    def duplicates(self, batch: Sequence[Document]) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.duplicates(batch)

    def mentions(self, batch: Sequence[Mention]) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.mentions(batch)

    def wide(self, batch: Sequence[WideRecord]) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.wide(batch)

    def alerts(self, batch: Sequence[Alert]) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.alerts(batch)

    def points(self, batch: Sequence[SeriesPoint]) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.points(batch)

    def dead_letters(self, batch: Sequence[DeadLetter]) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.dead_letters(batch)

    def clock(self, now: datetime) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.clock(now)

    def progress(self, done: int, total: int | None) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.progress(done, total)
