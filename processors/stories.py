"""Near-duplicates collapse into stories.

A *story* is a connected component of documents: two documents are linked when they were published at most
`gap_hours` apart and their texts are near-duplicates, or one is a repost of the other, or both are reposts of
one document. Its *first* is the earliest document by (published_at, identity): the one that is novel. What is
true of a story does not depend on the order in which its documents arrive.

One StoryMemory belongs to one owner (a company, or the wide series together) and lives in one detector.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from processors.campaigns import CampaignSettings
from processors.messages import DocumentSummary
from processors.parameters import parameter


@dataclass(frozen=True, slots=True)
class StorySettings:
    """How near-duplicates collapse."""

    gap_hours: float = parameter(
        48.0, "a text told again later than this after its last telling is a new story", unit="h"
    )
    follow_up_hours: float = parameter(
        168.0, "a story told again up to this long after its last telling is a follow-up", unit="h"
    )
    similarity: float = parameter(0.6, "estimated Jaccard similarity from which two texts are near-duplicates")


class Sighted(NamedTuple):
    """A document by its identity and time: the order of these decides which document of a story is its first."""

    published_at: datetime
    identity: str


@dataclass(frozen=True, slots=True)
class Story:
    """A story as it stands now. `id` derives from the first's identity, so it changes when the first does."""

    id: str
    first: Sighted
    last: datetime
    spread: int  # documents, reposts included
    authors: int  # distinct authors; exact up to 64, then estimated
    coordinated: bool
    follow_up_of: str | None  # id of the former story, while that is remembered


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one added document did.

    `story` is the story that the document now belongs to. `is_first`: the document is its first, that is, novel.
    `displaced` are the documents that were novel before this addition and are no longer (their story merged
    into another, or this document came earlier); the added document is the only one that can gain novelty.
    `coordinated_changed`: the story was not coordinated before this addition and is now, or the other way round.
    """

    story: Story
    is_first: bool
    displaced: tuple[Sighted, ...]
    coordinated_changed: bool


class StoryMemory:
    """The stories of one owner.

    All methods are deterministic. `add` is atomic: it raises before anything changed, or not at all; and
    `undo` takes the latest `add` back, so that a caller whose later steps fail can leave everything as it was.
    """

    def __init__(self, settings: StorySettings, campaigns: CampaignSettings, lateness: timedelta) -> None:
        """An empty memory. `lateness`: how far behind the clock a document may still be added."""
        raise NotImplementedError

    def add(self, document: DocumentSummary) -> Sighting:
        """Counts `document` into its story. Callers add an identity once; an immediate repetition of a story's first changes nothing.

        Raises PoisonError (``bad-signature``) for a signature that is not of this version; nothing changed then.
        """
        raise NotImplementedError

    def undo(self) -> None:
        """Takes the latest `add` back, wholly. Does nothing when there is none, or it was taken back already."""
        raise NotImplementedError

    def story_of(self, identity: str) -> Story | None:
        """The story that `identity` is the first of; None where it is not (any more) the first of one."""
        raise NotImplementedError

    def expire(self, now: datetime) -> None:
        """Forgets what no document published after `now` − lateness can touch or follow up. Ends the chance to `undo`."""
        raise NotImplementedError

    def changed(self) -> frozenset[str]:
        """Keys of the pieces that changed, appeared or vanished since the last call of `changed`."""
        raise NotImplementedError

    def pieces(self, keys: Iterable[str] | None = None) -> dict[str, Any]:
        """The state as JSON-ready pieces, ≤ 64 KiB each in canonical JSON; of `keys` only, when given.

        A key that no longer exists maps to None (a tombstone). Keys match ``[a-z0-9-]+``.
        """
        raise NotImplementedError

    @classmethod
    def restore(
        cls, settings: StorySettings, campaigns: CampaignSettings, lateness: timedelta, pieces: dict[str, Any]
    ) -> "StoryMemory":
        """The memory whose `pieces()` these are. Raises InvariantError naming the key of a piece that does not fit."""
        raise NotImplementedError

    def __len__(self) -> int:
        """The number of stories remembered."""
        raise NotImplementedError
