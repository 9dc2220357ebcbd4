"""When stories were told in a wording, or around an original: what finds the stories that a document belongs to.

A *thread* is a wording (a signature), or an original with its reposts (a hashed identity). A *run* is an interval of
time in which one story was told in a thread without a pause longer than the gap. Some two documents of two runs
are within the gap exactly when their intervals are, so the intervals are all that links need.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from processors.journal import Journal
from processors.neighbours import Neighbours
from processors.packed_table import PackedTable

_NONE: Final[tuple["Run", ...]] = ()
ORIGINAL: Final = 12
"""Bytes of an original."""

_RUN: Final = struct.Struct("<qq12s")  # of an original, as it is kept: start, end, story

Thread = str | bytes
"""A wording by its signature; an original by the hash of its identity, 12 bytes. Every document that is no repost is one."""


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
        self._wordings: dict[str, tuple[Run, ...]] = {}
        self._originals = PackedTable(ORIGINAL + _RUN.size)
        self._newest = 0

    def __len__(self) -> int:
        """The number of wordings, and of runs around originals."""
        return len(self._wordings) + len(self._originals)

    def near(self, thread: Thread, at: int) -> list[Run]:
        """The runs of `thread` within the gap of the instant `at`."""
        runs = self._wordings.get(thread) if isinstance(thread, str) else self._of(thread)
        if not runs:
            return []  # as for nearly every document
        gap = self._gap
        return [run for run in runs if run.start - gap <= at <= run.end + gap]

    def alike(self, wording: str, copies: list[Run], span: tuple[int, int]) -> set[str]:
        """The stories told in a near-duplicate of `wording` within the gap of `span`, as far as they are not those of
        `copies`, its own runs that `span` covers; a wording that is new is taken in.

        Raises ValueError for a wording that is no signature; nothing changed then.
        """
        start, end = span
        if wording not in self._wordings:
            others = self._journal.call(self._neighbours.add, self._neighbours.remove, wording)
        elif self._reaches_further(copies, start, end):
            others = self._neighbours.near(wording)
        else:
            return set()
        first, last = start - self._gap, end + self._gap
        return {
            run.story for other in others for run in self._wordings[other] if run.start <= last and first <= run.end
        }

    def resembling(self, wording: str) -> Iterator[Run]:
        """The runs of a known wording and of all its near-duplicates."""
        for thread in (wording, *self._neighbours.near(wording)):
            yield from self._wordings[thread]

    def spans(self, thread: Thread, story: str) -> list[tuple[int, int]]:
        """When `story` was told in `thread`: (start, end) in order."""
        return sorted((run.start, run.end) for run in self._of(thread) if run.story == story)

    def begin(self, thread: Thread, at: int, story: str) -> None:
        """Makes the instant `at` a run of a thread that has none near it."""
        if isinstance(thread, bytes):
            self._journal.call(self._originals.add, self._originals.remove, _packed(thread, at, at, story))
        else:
            runs = self._wordings.get(thread, _NONE)
            self._journal.put(self._wordings, thread, (*runs, Run(at, at, story)))
        self._newest = max(self._newest, at)

    def lay(self, thread: Thread, span: tuple[int, int], story: str) -> None:
        """Makes `span` a run of `thread` in `story`, in place of the runs that it covers."""
        start, end = span
        run, runs = Run(start, end, story), self._of(thread)
        if run not in runs:
            apart = [other for other in runs if other.end < start or other.start > end]
            self._put(thread, runs, (*apart, run))
        self._newest = max(self._newest, end)

    def hand_over(self, thread: Thread, story: str, heir: str) -> int:
        """Makes the runs of `story` in `thread` those of `heir`; the instant at which the first of them ended."""
        runs = self._of(thread)
        changed = tuple(run._replace(story=heir) if run.story == story else run for run in runs)
        self._put(thread, runs, changed)
        return min(run.end for run in runs if run.story == story)

    def cut(self, thread: Thread, story: str, before: int | None = None) -> bool:
        """Drops the runs of `story` in `thread` that ended before an instant (None: all); whether there were any."""
        runs = self._of(thread)
        rest = tuple(run for run in runs if run.story != story or (before is not None and run.end >= before))
        if len(rest) == len(runs):
            return False
        self._put(thread, runs, rest)
        return True

    def restore(self, thread: Thread, start: int, end: int, story: str) -> None:
        """Takes in a run of a restored story. Raises ValueError for what is no thread, no instant or no story."""
        run = Run(start, end, story)
        if isinstance(thread, bytes):
            if len(thread) != ORIGINAL or len(bytes.fromhex(story)) != ORIGINAL:
                raise ValueError(f"{thread.hex()} in {story} is no original of a story")
            try:
                self._originals.add(_packed(thread, *run))
            except struct.error as error:
                raise ValueError(f"{start}, {end} are no instants") from error
        else:
            if thread not in self._wordings:
                self._neighbours.add(thread)
            self._wordings[thread] = (*self._wordings.get(thread, _NONE), run)
        self._newest = max(self._newest, end)

    def _of(self, thread: Thread) -> Sequence[Run]:
        """All runs of a thread; of an original in no particular order."""
        if isinstance(thread, str):
            return self._wordings.get(thread, _NONE)
        found = self._originals.find(thread)
        return [_unpacked(packed) for packed in found] if found else _NONE

    def _put(self, thread: Thread, before: Sequence[Run], after: tuple[Run, ...]) -> None:
        """Puts runs in place of those that a thread had."""
        journal, originals = self._journal, self._originals
        if isinstance(thread, bytes):
            for run in before:
                if run not in after:
                    journal.call(originals.remove, originals.add, _packed(thread, *run))
            for run in after:
                if run not in before:
                    journal.call(originals.add, originals.remove, _packed(thread, *run))
        elif after:
            journal.put(self._wordings, thread, after)
        else:
            journal.drop(self._wordings, thread)
            journal.call(self._neighbours.remove, self._neighbours.add, thread)

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


def split(originals: bytes) -> list[bytes]:
    """Originals that stand one after the other, each by itself."""
    return [originals[at : at + ORIGINAL] for at in range(0, len(originals), ORIGINAL)]


def _packed(original: bytes, start: int, end: int, story: str) -> bytes:
    return original + _RUN.pack(start, end, bytes.fromhex(story))


def _unpacked(packed: bytes) -> Run:
    start, end, story = _RUN.unpack(packed)
    return Run(start, end, story.hex())
