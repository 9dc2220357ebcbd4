"""Near-duplicates collapse into stories.

A *story* is a connected component of documents: two documents are linked when they were published at most
`gap_hours` apart and their texts are near-duplicates, or one is a repost of the other, or both are reposts of
one document. Its *first* is the earliest document by (published_at, identity): the one that is novel. What is
true of a story does not depend on the order in which its documents arrive.

Documents are not kept. Equal wordings, and the documents around one original (itself and its reposts), form
*runs*: intervals of time in which no pause is longer than the gap. Some two documents of two runs are within the gap
exactly when their intervals are, so the intervals are all that links need, and a copy costs a counter. Each
story is held to 192 wordings and 96 originals, those alive last; beyond that, what resembles only a forgotten
wording starts a story of its own.

One StoryMemory belongs to one owner (a company, or the wide series together) and lives in one detector.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, Self

from processors.campaigns import CampaignSettings, is_coordinated
from processors.errors import ConfigurationError, InvariantError, PoisonError
from processors.identity import content_id
from processors.journal import Journal
from processors.messages import DocumentSummary
from processors.neighbours import Neighbours
from processors.parameters import parameter
from processors.signatures import HEX_DIGITS, packed
from processors.spread import HOUR, MOST_AUTHORS, Spread, blake, instant, moment

_MOST_WORDINGS: Final = 192
_MOST_ORIGINALS: Final = 96


@dataclass(frozen=True, slots=True)
class StorySettings:
    """How near-duplicates collapse."""

    gap_hours: float = parameter(
        48.0, "a text told again later than this after its last telling is a new story", unit="h"
    )
    follow_up_hours: float = parameter(
        120.0, "a story told again up to this long after its last telling is a follow-up", unit="h"
    )
    similarity: float = parameter(0.5, "estimated Jaccard similarity from which two texts are near-duplicates")

    def __post_init__(self) -> None:
        if not 0 < self.similarity <= 1:
            raise ConfigurationError(f"stories.similarity is {self.similarity}: it has to lie above 0 and up to 1")
        for name in ("gap_hours", "follow_up_hours"):
            if not 0 <= (value := getattr(self, name)) <= 8760:
                raise ConfigurationError(f"stories.{name} is {value}: it has to lie between 0 and a year (8760)")


class Sighted(NamedTuple):
    """A document by its time and identity: the order of these decides which document of a story is its first."""

    published_at: datetime
    identity: str


@dataclass(frozen=True, slots=True)
class Story:
    """A story as it stands now: `spread` counts its documents, reposts included; `authors` the distinct ones
    (documents without an author count as one per source), exact below 64, beyond that with a standard error of 13 %."""

    first: Sighted
    last: datetime
    spread: int
    authors: int
    coordinated: bool

    @property
    def id(self) -> str:
        """Derived from the first's identity: it changes when an earlier first arrives late."""
        return content_id("story", self.first.identity)


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one added document did.

    `story` is the story that the document now belongs to. `is_first`: the document is its first, that is, novel.
    `displaced` are the documents that were novel before this addition and are no longer (their story merged
    into another, or this document came earlier), earliest first; the added document is the only one that can
    gain novelty. `coordinated_changed`: whether `story.coordinated` differs from what it was for the story that
    the document joined (for a new story: from False).
    """

    story: Story
    is_first: bool
    displaced: tuple[Sighted, ...]
    coordinated_changed: bool


class _Run(NamedTuple):
    start: int
    end: int
    story: str


class _Record(NamedTuple):
    """A story: its spread, and what its runs are runs of: wordings (signatures) and originals (hashed identities)."""

    spread: Spread
    wordings: tuple[str, ...]
    originals: tuple[str, ...]

    @property
    def threads(self) -> tuple[str, ...]:
        return self.wordings + self.originals


class StoryMemory:
    """The stories of one owner.

    All methods are deterministic. `add` is atomic: it raises and changes nothing, or succeeds; and `undo` takes
    the latest `add` back, so that a caller whose later steps fail can leave everything as it was.
    """

    def __init__(self, settings: StorySettings, campaigns: CampaignSettings, lateness: timedelta) -> None:
        """An empty memory. `lateness`: how far behind the clock a document may still be added."""
        self._gap = int(settings.gap_hours * HOUR)
        self._follow_up = int(settings.follow_up_hours * HOUR)
        self._retention = max(self._gap, self._follow_up) + lateness // timedelta(microseconds=1)
        self._campaigns = campaigns
        self._journal = Journal()
        self._neighbours = Neighbours(settings.similarity)
        self._records: dict[str, _Record] = {}
        self._runs: dict[str, tuple[_Run, ...]] = {}
        self._firsts: dict[str, str] = {}
        self._changed: dict[str, None] = {}
        self._newest = 0
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
        self._journal.begin()
        try:
            return self._add(document)
        except BaseException:
            self._journal.undo()
            raise

    def undo(self) -> None:
        """Takes the latest `add` back, wholly; nothing where it was taken back already, or `expire` came since."""
        self._journal.undo()

    def story_of(self, identity: str) -> Story | None:
        """The story whose first is `identity`; None where it is not, or no longer, the first of one."""
        key = self._firsts.get(identity)
        return None if key is None else self._story(key)

    def follow_up_of(self, identity: str) -> str | None:
        """The id of the story that the story of `identity` (its first) takes up again: told in a near-duplicate more
        than `gap_hours` and at most `follow_up_hours` before; the last told, where there are several."""
        key = self._firsts.get(identity)
        if key is None:
            return None
        record = self._records[key]
        former: tuple[int, str] | None = None
        for wording in record.wordings:
            for other in (wording, *self._neighbours.near(wording)):
                for run in self._runs[other]:
                    first = self._records[run.story].spread.first
                    if first < record.spread.first and self._is_followed(run, key, wording):
                        former = max(former or (run.end, ""), (run.end, first[1]))
        return None if former is None else content_id("story", former[1])

    def _is_followed(self, run: _Run, key: str, wording: str) -> bool:
        """Whether `run` ended a while before the story `key` was told in `wording`."""
        return run.story != key and any(
            own.story == key and self._gap < own.start - run.end <= self._follow_up for own in self._runs[wording]
        )

    def expire(self, now: datetime) -> None:
        """Forgets, by the full hour, what no document published after `now` − lateness can touch or follow up."""
        self._journal.begin()
        horizon = (instant(now) - self._retention) // HOUR
        for hour in sorted(hour for hour in self._due if hour < horizon):
            for key in self._due.pop(hour):
                if key in self._records:
                    self._forget(key, horizon * HOUR)
        self._journal.begin()

    def changed(self) -> frozenset[str]:
        """Keys of the pieces that changed, appeared or vanished since the last call of `changed`."""
        keys = frozenset(self._changed)
        self._changed.clear()
        return keys

    def pieces(self, keys: Iterable[str] | None = None) -> dict[str, Any]:
        """The state as JSON-ready pieces, one per story, ≤ 64 KiB each; of `keys` only, when given.

        A key that no longer exists maps to None (a tombstone). Keys are 24 hex digits. Numbers are integers.
        """
        return {key: self._piece(key) for key in (sorted(self._records) if keys is None else keys)}

    @classmethod
    def restore(
        cls, settings: StorySettings, campaigns: CampaignSettings, lateness: timedelta, pieces: Mapping[str, Any]
    ) -> Self:
        """The memory whose `pieces()` these are. Raises InvariantError naming the key of a piece that does not fit."""
        memory = cls(settings, campaigns, lateness)
        for key in sorted(pieces):
            try:
                memory._take(key, pieces[key])
            except (KeyError, TypeError, ValueError) as error:
                raise InvariantError(f"story piece {key!r} does not fit: {error!r}; rebuild from the log") from error
        return memory

    def _add(self, document: DocumentSummary) -> Sighting:
        spread = alone = Spread.of(document)
        at, identity = alone.first
        known = self._firsts.get(identity)
        if known is not None and self._records[known].spread.first == alone.first:
            return Sighting(self._story(known), is_first=True, displaced=(), coordinated_changed=False)

        own = _digest(identity)
        wording, original = document.signature, own if document.repost_of is None else _digest(document.repost_of)
        copies, around = self._runs_near(wording, at), self._runs_near(original, at)
        copied, reposted = _spanning(at, copies), _spanning(at, around)
        linked = {run.story for run in copies}
        linked.update(run.story for run in around)
        if wording not in self._runs:
            try:
                packed(wording)
            except ValueError as error:
                raise PoisonError(
                    "bad-signature", f"document {identity}: {error}; make it with signature_of"
                ) from error
            linked |= self._alike(wording, *copied)
            self._journal.call(self._neighbours.add, self._neighbours.remove, wording)
        elif self._reaches_further(copies, *copied):
            linked |= self._alike(wording, *copied)
        if own in self._records:
            linked.add(own)  # this very document began a story already

        stories = sorted(linked, key=lambda story: (-len(self._records[story].threads), story))
        before = [self._records[story] for story in stories]
        key = stories[0] if stories else own
        for record in before:
            spread = record.spread.joined(spread)
        for story, record in zip(stories[1:], before[1:]):
            self._absorb(key, story, record)
        self._lay(wording, copied, key)
        self._lay(original, reposted, key)
        if not (copies and around):
            self._file(key, at)
        wordings = self._threads(key, [record.wordings for record in before], wording, _MOST_WORDINGS)
        originals = self._threads(key, [record.originals for record in before], original, _MOST_ORIGINALS)
        self._put(key, _Record(spread, wordings, originals))
        self._newest = max(self._newest, at)

        displaced = [record.spread.first for record in before if record.spread.first != spread.first]
        for first in displaced:
            self._journal.drop(self._firsts, first[1])
        if self._firsts.get(spread.first[1]) != key:
            self._journal.put(self._firsts, spread.first[1], key)
        story_now = self._story(key)
        return Sighting(
            story=story_now,
            is_first=spread.first == alone.first,
            displaced=tuple(_sighted(first) for first in sorted(displaced)),
            coordinated_changed=story_now.coordinated != any(self._is_coordinated(record) for record in before),
        )

    def _runs_near(self, thread: str, at: int) -> list[_Run]:
        if thread not in self._runs:
            return []
        gap = self._gap
        return [run for run in self._runs[thread] if run.start - gap <= at <= run.end + gap]

    def _alike(self, wording: str, start: int, end: int) -> set[str]:
        """The stories that have a near-duplicate of `wording` within the gap of start … end."""
        first, last = start - self._gap, end + self._gap
        return {
            run.story
            for other in self._neighbours.near(wording)
            for run in self._runs[other]
            if run.start <= last and first <= run.end
        }

    def _reaches_further(self, copies: list[_Run], start: int, end: int) -> bool:
        """Whether a known wording's run, grown from `copies` to start … end, may touch what it did not touch before.

        A copy that comes in order reaches nothing new: nothing began after the run's end plus the gap.
        """
        if len(copies) != 1 or start < copies[0].start:
            return True
        return end > copies[0].end and self._newest > copies[0].end + self._gap

    def _absorb(self, key: str, absorbed: str, record: _Record) -> None:
        """Makes the runs of the story `absorbed` runs of the story `key`."""
        for thread in record.threads:
            runs = self._runs[thread]
            self._file(key, min(run.end for run in runs if run.story == absorbed))
            self._journal.put(
                self._runs, thread, tuple(run._replace(story=key) if run.story == absorbed else run for run in runs)
            )
        self._put(absorbed, None)

    def _lay(self, thread: str, span: tuple[int, int], key: str) -> None:
        """Makes `span` a run of `thread` in the story `key`, in place of the runs that it covers."""
        run = _Run(*span, key)
        runs = self._runs.get(thread, ())
        if run not in runs:
            apart = [other for other in runs if other.end < run.start or other.start > run.end]
            self._journal.put(self._runs, thread, (*apart, run))

    def _threads(self, key: str, before: list[tuple[str, ...]], new: str, most: int) -> tuple[str, ...]:
        """All of `before` and `new`; where these are more than `most`, the three quarters that were alive last."""
        if len(before) == 1 and new in before[0]:
            return before[0]
        threads = list(dict.fromkeys((*(thread for some in before for thread in some), new)))
        if len(threads) > most:
            threads.sort(key=lambda thread: (max(run.end for run in self._runs[thread] if run.story == key), thread))
            surplus = len(threads) - most * 3 // 4
            for thread in threads[:surplus]:
                self._drop_runs(thread, key, before=None)
            del threads[:surplus]
        return tuple(threads)

    def _put(self, key: str, record: _Record | None) -> None:
        if record is None:
            self._journal.drop(self._records, key)
        else:
            self._journal.put(self._records, key, record)
        self._mark(key)

    def _mark(self, key: str) -> None:
        if key not in self._changed:
            self._journal.put(self._changed, key, None)

    # -- forgetting

    def _file(self, key: str, end: int) -> None:
        self._due.setdefault(end // HOUR, set()).add(key)

    def _forget(self, key: str, horizon: int) -> None:
        """Drops the runs of a story that ended before `horizon`, and the story when none is left."""
        spread, wordings, originals = self._records[key]
        alive = _Record(
            spread,
            tuple(thread for thread in wordings if self._drop_runs(thread, key, before=horizon)),
            tuple(thread for thread in originals if self._drop_runs(thread, key, before=horizon)),
        )
        if not alive.threads:
            self._journal.drop(self._firsts, spread.first[1])
            self._put(key, None)
            return
        if alive != self._records[key]:
            self._put(key, alive)
        self._file(key, min(run.end for thread in alive.threads for run in self._runs[thread] if run.story == key))

    def _drop_runs(self, thread: str, key: str, before: int | None) -> bool:
        """Drops the runs of `thread` in the story `key` that ended before an instant (None: all); whether any is left."""
        runs = self._runs[thread]
        rest = [run for run in runs if run.story != key or (before is not None and run.end >= before)]
        if len(rest) != len(runs):
            self._mark(key)
        if not rest:
            self._journal.drop(self._runs, thread)
            if len(thread) == HEX_DIGITS:
                self._journal.call(self._neighbours.remove, self._neighbours.add, thread)
            return False
        if len(rest) != len(runs):
            self._journal.put(self._runs, thread, tuple(rest))
        return any(run.story == key for run in rest)

    # -- views and pieces

    def _story(self, key: str) -> Story:
        record = self._records[key]
        spread = record.spread
        return Story(
            _sighted(spread.first), moment(spread.last), spread.documents, spread.authors, self._is_coordinated(record)
        )

    def _is_coordinated(self, record: _Record) -> bool:
        if len(record.spread.author_hashes) < min(self._campaigns.least_authors, MOST_AUTHORS):
            return False  # spares the rest for nearly every story
        return is_coordinated(record.spread.statistics(len(record.wordings)), self._campaigns)

    def _piece(self, key: str) -> dict[str, Any] | None:
        record = self._records.get(key)
        if record is None:
            return None
        return {
            "spread": record.spread._asdict(),
            "wordings": self._runs_of(key, record.wordings),
            "originals": self._runs_of(key, record.originals),
        }

    def _runs_of(self, key: str, threads: tuple[str, ...]) -> list[tuple[str, int, int]]:
        own = ((thread, run) for thread in threads for run in sorted(self._runs[thread]) if run.story == key)
        return [(thread, run.start, run.end) for thread, run in own]

    def _take(self, key: str, piece: Mapping[str, Any]) -> None:
        spread = Spread.read(piece["spread"])
        for thread, start, end in (*piece["wordings"], *piece["originals"]):
            if thread not in self._runs and len(thread) == HEX_DIGITS:
                self._neighbours.add(thread)
            self._runs[thread] = (*self._runs.get(thread, ()), _Run(start, end, key))
            self._file(key, end)
            self._newest = max(self._newest, end)
        wordings, originals = (tuple(dict.fromkeys(t for t, _, _ in piece[kind])) for kind in ("wordings", "originals"))
        self._records[key] = _Record(spread, wordings, originals)
        self._firsts[spread.first[1]] = key


def _spanning(at: int, runs: list[_Run]) -> tuple[int, int]:
    """The least interval with `at` and all `runs`."""
    if not runs:
        return at, at
    return min(at, *(run.start for run in runs)), max(at, *(run.end for run in runs))


def _sighted(first: tuple[int, str]) -> Sighted:
    return Sighted(moment(first[0]), first[1])


def _digest(identity: str) -> str:
    return blake(identity, 12).hex()
