"""When stories were told in a wording, or around an original: what finds the stories that a document belongs to.

A *thread* is a wording (a signature), or an original with its reposts (a hashed identity). A *run* is an interval of
time in which one story was told in a thread without a pause longer than the gap. Some two documents of two runs
are within the gap exactly when their intervals are, so the intervals are all that links need.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from processors.journal import Journal
from processors.neighbours import Neighbours
from processors.signatures import HEX_DIGITS

_NONE: Final[tuple["Run", ...]] = ()


class Run(NamedTuple):
    """From when to when (instants) a story was told in a thread."""

    start: int
    end: int
    story: str


class Threads:
    """All threads of one owner, and which wordings are near-duplicates. Every change can be taken back by the journal."""

    def __init__(self, gap: int, similarity: float, journal: Journal) -> None:
        """No threads. `gap`: the longest pause within a run, in microseconds; `similarity`: see `Neighbours`."""
        self._gap = gap
        self._journal = journal
        self._neighbours = Neighbours(similarity)
        self._runs: dict[str, tuple[Run, ...]] = {}
        self._newest = 0

    def __len__(self) -> int:
        """The number of threads."""
        return len(self._runs)

    def near(self, thread: str, at: int) -> list[Run]:
        """The runs of `thread` within the gap of the instant `at`."""
        runs = self._runs.get(thread)
        if runs is None:
            return []  # as for nearly every document
        gap = self._gap
        return [run for run in runs if run.start - gap <= at <= run.end + gap]

    def alike(self, wording: str, copies: list[Run], span: tuple[int, int]) -> set[str]:
        """The stories told in a near-duplicate of `wording` within the gap of `span`, as far as they are not those of
        `copies`, its own runs that `span` covers; a wording that is new is taken in.

        Raises ValueError for a wording that is no signature; nothing changed then.
        """
        start, end = span
        if wording not in self._runs:
            others = self._journal.call(self._neighbours.add, self._neighbours.remove, wording)
        elif self._reaches_further(copies, start, end):
            others = self._neighbours.near(wording)
        else:
            return set()
        first, last = start - self._gap, end + self._gap
        return {run.story for other in others for run in self._runs[other] if run.start <= last and first <= run.end}

    def resembling(self, wording: str) -> Iterator[Run]:
        """The runs of a known wording and of all its near-duplicates."""
        for thread in (wording, *self._neighbours.near(wording)):
            yield from self._runs[thread]

    def spans(self, thread: str, story: str) -> list[tuple[int, int]]:
        """When `story` was told in `thread`: (start, end) in order."""
        return sorted((run.start, run.end) for run in self._runs.get(thread, _NONE) if run.story == story)

    def lay(self, thread: str, span: tuple[int, int], story: str) -> None:
        """Makes `span` a run of `thread` in `story`, in place of the runs that it covers."""
        run = Run(*span, story)
        runs = self._runs.get(thread)
        if runs is None:
            self._journal.put(self._runs, thread, (run,))
        elif run not in runs:
            apart = [other for other in runs if other.end < run.start or other.start > run.end]
            self._journal.put(self._runs, thread, (*apart, run))
        self._newest = max(self._newest, run.end)

    def hand_over(self, thread: str, story: str, heir: str) -> int:
        """Makes the runs of `story` in `thread` those of `heir`; the instant at which the first of them ended."""
        runs = self._runs[thread]
        changed = tuple(run._replace(story=heir) if run.story == story else run for run in runs)
        self._journal.put(self._runs, thread, changed)
        return min(run.end for run in runs if run.story == story)

    def cut(self, thread: str, story: str, before: int | None = None) -> bool:
        """Drops the runs of `story` in `thread` that ended before an instant (None: all); whether there were any."""
        runs = self._runs[thread]
        rest = tuple(run for run in runs if run.story != story or (before is not None and run.end >= before))
        if len(rest) == len(runs):
            return False
        if rest:
            self._journal.put(self._runs, thread, rest)
        else:
            self._journal.drop(self._runs, thread)
            if len(thread) == HEX_DIGITS:
                self._journal.call(self._neighbours.remove, self._neighbours.add, thread)
        return True

    def restore(self, thread: str, start: int, end: int, story: str) -> None:
        """Takes in a run of a restored story. Raises ValueError for a wording that is no signature."""
        if thread not in self._runs and len(thread) == HEX_DIGITS:
            self._neighbours.add(thread)
        self._runs[thread] = (*self._runs.get(thread, _NONE), Run(start, end, story))
        self._newest = max(self._newest, end)

    def _reaches_further(self, copies: list[Run], start: int, end: int) -> bool:
        """Whether a known wording's run, grown from `copies` to start … end, may touch what it did not touch before.

        A copy that comes in order reaches nothing new: nothing began after the run's end plus the gap.
        """
        if len(copies) != 1 or start < copies[0].start:
            return True
        return end > copies[0].end and self._newest > copies[0].end + self._gap


def spanning(at: int, runs: list[Run]) -> tuple[int, int]:
    """The least interval with the instant `at` and all `runs`."""
    if not runs:
        return at, at
    return min(at, *(run.start for run in runs)), max(at, *(run.end for run in runs))
