"""Near-duplicates collapse into stories.

A *story* is a connected component of documents: two documents are linked when they were published at most
`gap_hours` apart and their texts are near-duplicates, or one is a repost of the other, or both are reposts of
one document. Its *first* is the earliest document by (published_at, identity): the one that is novel. What is
true of a story does not depend on the order in which its documents arrive.

Documents are not kept: what links need of them is in `processors.threads`, so a copy costs a counter. Each
story is held to 192 wordings and 96 originals, those alive last; beyond that, what resembles only a forgotten
wording starts a story of its own.

One StoryMemory belongs to one owner (a company, or the wide series together) and lives in one detector.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, Final, NamedTuple, TypeVar

from processors.campaigns import is_coordinated
from processors.detection import CampaignSettings, StorySettings
from processors.errors import InvariantError, PoisonError
from processors.identity import content_id
from processors.messages import DocumentSummary
from processors.spread import HOUR, MOST_AUTHORS, Spread, blake, instant, moment
from processors.state import Changes
from processors.threads import ORIGINAL, Thread, Threads, spanning, split

_MOST_WORDINGS: Final = 192
_MOST_ORIGINALS: Final = 96

K = TypeVar("K", str, bytes)


class Sighted(NamedTuple):
    """A document by its time and identity: the order of these decides which document of a story is its first."""

    published_at: datetime
    identity: str


class Story(NamedTuple):
    """A story as it stands now: what it has spread to, and whether it is coordinated."""

    counters: Spread
    coordinated: bool

    @property
    def first(self) -> Sighted:
        """Its earliest document."""
        return _sighted(self.counters.first)

    @property
    def last(self) -> datetime:
        """When its latest document was published."""
        return moment(self.counters.last)

    @property
    def spread(self) -> int:
        """Its documents, reposts included."""
        return self.counters.documents

    @property
    def authors(self) -> int:
        """Its distinct authors (documents without an author count as one per source): exact below 64, beyond that with
        a standard error of 13 %."""
        return self.counters.authors

    @property
    def id(self) -> str:
        """Derived from the first's identity: it changes when an earlier first arrives late."""
        return content_id("story", self.counters.first[1])


class Sighting(NamedTuple):
    """What one added document did.

    `story` is the story that the document now belongs to. `is_first`: the document is its first, that is, novel.
    `displaced` are the documents that were novel before this addition and are no longer (their story merged
    into another, or this document came earlier), earliest first; the added document is the only one that can
    gain novelty. `coordinated_changed`: whether `story.coordinated` differs from what it was for the story that
    the document joined (for a new story: from False).
    """

    story: Story
    is_first: bool
    displaced: tuple[Sighted, ...] = ()
    coordinated_changed: bool = False


class _Record(NamedTuple):
    """A story: its spread, and the threads that it runs through: wordings, and originals one after the other."""

    spread: Spread
    wordings: tuple[str, ...]
    originals: bytes

    @property
    def threads(self) -> list[Thread]:
        return [*self.wordings, *split(self.originals)]

    @property
    def size(self) -> int:
        return len(self.wordings) + len(self.originals) // ORIGINAL


class StoryMemory:
    """The stories of one owner. All methods are deterministic, and all changes can be taken back."""

    def __init__(
        self, settings: StorySettings, campaigns: CampaignSettings, lateness: timedelta, prefix: str, changes: Changes
    ) -> None:
        """An empty memory, whose pieces' keys are ``prefix/KEY``, KEY being 24 hex digits. `lateness`: how far behind
        the clock a document may still be added."""
        self._gap = int(settings.gap_hours * HOUR)
        self._follow_up = int(settings.follow_up_hours * HOUR)
        self._retention = max(self._gap, self._follow_up) + lateness // timedelta(microseconds=1)
        self._campaigns = campaigns
        self._prefix = prefix
        self._changes = changes
        self._threads = Threads(self._gap, settings.similarity, changes)
        self._records: dict[str, _Record] = {}
        self._firsts: dict[str, str] = {}
        # Hour in which a run of a story ended → stories. Entries may be outdated, never missing.
        self._due: dict[int, set[str]] = {}

    def __len__(self) -> int:
        """The number of stories remembered."""
        return len(self._records)

    def add(self, document: DocumentSummary) -> Sighting:
        """Counts `document` into its story.

        Callers add an identity once. Added again, it can neither gain nor cost novelty: the first of a story changes
        nothing, any other document counts into `spread` once more.

        Raises PoisonError (``bad-signature``) for a signature that is not one; nothing changed then.
        """
        alone = Spread.of(document)
        at, identity = alone.first
        known = self._firsts.get(identity)
        if known is not None and self._records[known].spread.first == alone.first:
            return Sighting(self._story(known), is_first=True)

        itself, wording = _digest(identity), document.signature
        own = itself.hex()
        original = itself if document.repost_of is None else _digest(document.repost_of)
        copies, around = self._threads.near(wording, at), self._threads.near(original, at)
        laid: tuple[tuple[Thread, tuple[int, int]], ...]
        laid = ((wording, spanning(at, copies)), (original, spanning(at, around)))
        try:
            linked = self._threads.alike(wording, copies, laid[0][1])
        except ValueError as error:
            raise PoisonError("bad-signature", f"document {identity}: {error}; make it with signature_of") from error
        linked.update(run.story for run in copies)
        linked.update(run.story for run in around)
        if own in self._records:
            linked.add(own)  # this very document began a story already
        if not linked:
            self._threads.begin(wording, at, own)
            self._threads.begin(original, at, own)
            self._file(own, at)
            self._put(own, _Record(alone, (wording,), original))
            self._changes.put(self._firsts, identity, own)
            return Sighting(Story(alone, coordinated=False), is_first=True)

        stories = sorted(linked, key=lambda story: (-self._records[story].size, story))
        key = stories[0]
        before = [self._records[story] for story in stories]
        for story, record in zip(stories[1:], before[1:]):
            self._absorb(key, story, record)
        for thread, span in laid:
            self._threads.lay(thread, span, key)
        if not (copies and around):
            self._file(key, at)
        return self._join(key, before, alone, wording, original)

    def story_of(self, identity: str) -> Story | None:
        """The story whose first is `identity`; None where it is not, or no longer, the first of one."""
        key = self._firsts.get(identity)
        return None if key is None else self._story(key)

    def first_of(self, document: DocumentSummary) -> str | None:
        """The identity of the first of the story that a document, added before, belongs to; None where that is forgotten."""
        runs = self._threads.near(document.signature, Spread.of(document).first[0])
        return self._records[runs[0].story].spread.first[1] if runs else None

    def follow_up_of(self, identity: str) -> str | None:
        """The id of the story that the story of `identity` (its first) takes up again: told in a near-duplicate more
        than `gap_hours` and at most `follow_up_hours` before; the last told, where there are several."""
        key = self._firsts.get(identity)
        if key is None:
            return None
        record = self._records[key]
        former: tuple[int, str] | None = None
        for wording in record.wordings:
            starts = [start for start, _ in self._threads.spans(wording, key)]
            for run in self._threads.resembling(wording):
                first = self._records[run.story].spread.first
                followed = any(self._gap < start - run.end <= self._follow_up for start in starts)
                if run.story != key and first < record.spread.first and followed:
                    former = max(former or (run.end, ""), (run.end, first[1]))
        return None if former is None else content_id("story", former[1])

    def expire(self, now: datetime) -> None:
        """Forgets, by the full hour, what no document published after `now` − lateness can touch or follow up."""
        horizon = (instant(now) - self._retention) // HOUR
        for hour in sorted(hour for hour in self._due if hour < horizon):
            keys = self._due[hour]
            self._changes.drop(self._due, hour)
            for key in keys:
                if key in self._records:
                    self._forget(key, horizon * HOUR)

    def names(self) -> list[str]:
        """The keys of all pieces without the prefix, one per story, sorted."""
        return sorted(self._records)

    def piece(self, key: str) -> dict[str, Any] | None:
        """One piece, JSON-ready and at most 64 KiB; numbers are integers. None where there is none."""
        record = self._records.get(key)
        if record is None:
            return None
        return {
            "spread": record.spread._asdict(),
            "wordings": [(thread, *span) for thread in record.wordings for span in self._threads.spans(thread, key)],
            "originals": [
                (thread.hex(), *span) for thread in split(record.originals) for span in self._threads.spans(thread, key)
            ],
        }

    def restore(self, pieces: Mapping[str, Any]) -> None:
        """Takes the pieces of an earlier memory into this empty one. Raises InvariantError naming one that does not fit."""
        for key in sorted(pieces):
            try:
                self._take(key, pieces[key])
            except (KeyError, TypeError, ValueError) as error:
                raise InvariantError(
                    f"state piece {self._prefix}/{key} does not fit: {error!r}; rebuild from the log"
                ) from error

    def _absorb(self, key: str, absorbed: str, record: _Record) -> None:
        """Makes the runs of the story `absorbed` runs of the story `key`."""
        for thread in record.threads:
            self._file(key, self._threads.hand_over(thread, absorbed, key))
        self._drop(absorbed)

    def _join(self, key: str, before: list[_Record], alone: Spread, wording: str, original: bytes) -> Sighting:
        """Makes the story `key` of all that was told `before` in one or several, and of a document that came to it."""
        spread = alone
        for record in before:
            spread = record.spread.joined(spread)
        wordings = self._held(key, [record.wordings for record in before], wording, _MOST_WORDINGS)
        originals = self._held(key, [split(record.originals) for record in before], original, _MOST_ORIGINALS)
        self._put(key, _Record(spread, tuple(wordings), b"".join(originals)))

        displaced = [record.spread.first for record in before if record.spread.first != spread.first]
        for first in displaced:
            self._changes.drop(self._firsts, first[1])
        if self._firsts.get(spread.first[1]) != key:
            self._changes.put(self._firsts, spread.first[1], key)
        story_now = self._story(key)
        return Sighting(
            story=story_now,
            is_first=spread.first == alone.first,
            displaced=tuple(_sighted(first) for first in sorted(displaced)),
            coordinated_changed=story_now.coordinated != any(self._is_coordinated(record) for record in before),
        )

    def _held(self, key: str, before: Sequence[Sequence[K]], new: K, most: int) -> Sequence[K]:
        """All threads of `before` and `new`; where these are more than `most`, the three quarters that were alive last."""
        if len(before) == 1 and new in before[0]:
            return before[0]
        held = list(chain.from_iterable(before))
        held.append(new)
        held = list(dict.fromkeys(held))
        if len(held) > most:
            held.sort(key=lambda thread: (self._threads.spans(thread, key)[-1][1], thread))
            surplus = len(held) - most * 3 // 4
            for thread in held[:surplus]:
                self._threads.cut(thread, key, before=None)
            del held[:surplus]
        return held

    def _put(self, key: str, record: _Record) -> None:
        self._changes.put(self._records, key, record)
        self._changes.mark(f"{self._prefix}/{key}")

    def _drop(self, key: str) -> None:
        self._changes.drop(self._records, key)
        self._changes.mark(f"{self._prefix}/{key}")

    def _file(self, key: str, end: int) -> None:
        self._due.setdefault(end // HOUR, set()).add(key)

    def _forget(self, key: str, horizon: int) -> None:
        """Drops the runs of a story that ended before `horizon`, and the story when none is left."""
        record, threads = self._records[key], self._threads
        cut = {threads.cut(thread, key, before=horizon) for thread in record.threads}
        spans = {thread: threads.spans(thread, key) for thread in record.threads}
        if not any(spans.values()):
            self._changes.drop(self._firsts, record.spread.first[1])
            self._drop(key)
            return
        if True in cut:
            wordings = tuple(wording for wording in record.wordings if spans[wording])
            originals = b"".join(original for original in split(record.originals) if spans[original])
            self._put(key, _Record(record.spread, wordings, originals))
        self._file(key, min(end for told in spans.values() for _, end in told))

    def _story(self, key: str) -> Story:
        record = self._records[key]
        return Story(record.spread, self._is_coordinated(record))

    def _is_coordinated(self, record: _Record) -> bool:
        if len(record.spread.author_hashes) < min(self._campaigns.least_authors, MOST_AUTHORS):
            return False  # spares the rest for nearly every story
        return is_coordinated(record.spread.statistics(len(record.wordings)), self._campaigns)

    def _take(self, key: str, piece: Mapping[str, Any]) -> None:
        spread = Spread.read(piece["spread"])
        wordings = piece["wordings"]
        originals = [(bytes.fromhex(original), start, end) for original, start, end in piece["originals"]]
        for thread, start, end in (*wordings, *originals):
            self._threads.restore(thread, start, end, key)
            self._file(key, end)
        told, around = dict.fromkeys(each for each, _, _ in wordings), dict.fromkeys(each for each, _, _ in originals)
        self._records[key] = _Record(spread, tuple(told), b"".join(around))
        self._firsts[spread.first[1]] = key


def _sighted(first: tuple[int, str]) -> Sighted:
    return Sighted(moment(first[0]), first[1])


def _digest(identity: str) -> bytes:
    return blake(identity, ORIGINAL)
