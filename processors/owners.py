"""What is kept of texts, by owner (a company, or the wide series together): stories, evidence, usual terms."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

from processors.detection import DetectorSettings
from processors.evidence import TermBackground, leading_terms
from processors.identity import format_instant
from processors.messages import DocumentSummary, Sentiment, Term, Topic, Versions
from processors.seasons import HOUR
from processors.state import Changes, Table, fitted, sealed
from processors.stories import Sighting, Story, StoryMemory

STORY: Final = "story"
TERMS: Final = "terms"
_LONGEST: Final = 2000  # characters of an address or an author's name that are kept


@dataclass(slots=True)
class Kept:
    """A novel document of the polarity, kept whole for alarms of `series` to show. Replaced, never changed."""

    document: DocumentSummary
    series: tuple[str, ...]

    def copy(self) -> Self:
        """Itself: it never changes."""
        return self

    def pack(self) -> Any:
        """JSON-ready content."""
        packed = {f.name: getattr(self.document, f.name) for f in fields(self.document)}
        for name in ("sentiment", "topic", "versions"):
            packed[name] = [getattr(packed[name], f.name) for f in fields(packed[name])]
        packed["published_at"] = format_instant(self.document.published_at)
        packed["series"] = self.series
        return packed

    @classmethod
    def unpack(cls, packed: Any) -> Self:
        """The document whose `pack()` this is."""
        packed = {**packed, "published_at": datetime.fromisoformat(packed["published_at"])}
        for name, kind in (("sentiment", Sentiment), ("topic", Topic), ("versions", Versions)):
            packed[name] = kind(*packed[name])
        series = tuple(packed.pop("series"))
        return cls(DocumentSummary(**packed), series)


class Owners:
    """Story memories, evidence and term backgrounds of all owners of a partition."""

    def __init__(self, settings: DetectorSettings, changes: Changes) -> None:
        """No owners yet."""
        self._settings = settings
        self._changes = changes
        self._lateness = timedelta(hours=settings.detection.lateness_hours)
        self._memories: dict[str, StoryMemory] = {}
        self._backgrounds: dict[str, TermBackground] = {}
        self.kept: Table[Kept] = Table("evidence", Kept, changes)
        self._hours: dict[str, dict[int, set[str]]] = {}  # owner → hour → names of evidence

    def add(self, owner: str, document: DocumentSummary) -> Sighting:
        """Counts a document into its story. Raises PoisonError (``bad-signature``)."""
        memory = self._memories.get(owner)
        if memory is None:
            memory = self._memories[owner] = self._memory(owner)
        return memory.add(document)

    def keep(self, owner: str, key: str, second: int, document: DocumentSummary, series: str) -> None:
        """Keeps a novel document of the polarity as evidence of `series`, which lists it. An hour lists so many stories
        of a series, no more: that bounds what is kept."""
        name = f"{owner}/{second // HOUR}/{key}"
        kept = self.kept.get(name)
        if kept is not None:
            self.kept.replace(name, Kept(kept.document, (*kept.series, series)))
            return
        url = document.url if document.url is None or len(document.url) <= _LONGEST else None
        author = document.author and document.author[:_LONGEST]
        self.kept.replace(name, Kept(replace(document, url=url, author=author), (series,)))
        self._hours.setdefault(owner, {}).setdefault(second // HOUR, set()).add(name)

    def release(self, owner: str, key: str, second: int, series: str) -> None:
        """Lets go of evidence that `series` lists no longer; kept while any other series does."""
        name = f"{owner}/{second // HOUR}/{key}"
        kept = self.kept.get(name)
        if kept is None:
            return
        rest = tuple(other for other in kept.series if other != series)
        if rest:
            self.kept.replace(name, Kept(kept.document, rest))
        else:
            self.kept.drop(name)
            self._hours[owner][second // HOUR].discard(name)

    def evidence(self, owner: str, found: Iterable[tuple[int, str]]) -> list[tuple[DocumentSummary, Story]]:
        """The kept documents among `found` (second, key) that are still novel, with their stories."""
        memory = self._memories.get(owner)
        if memory is None:
            return []
        documents: list[tuple[DocumentSummary, Story]] = []
        for second, key in found:
            kept = self.kept.get(f"{owner}/{second // HOUR}/{key}")
            if kept is None:
                continue
            story = memory.story_of(kept.document.identity)
            if story is not None:
                documents.append((kept.document, story))
        return documents

    def first_of(self, owner: str, document: DocumentSummary) -> str | None:
        """The identity of the first of the story of a document that was added; None where it is not known."""
        memory = self._memories.get(owner)
        return None if memory is None else memory.first_of(document)

    def terms(self, owner: str, texts: Sequence[str]) -> tuple[Term, ...]:
        """The terms that set `texts` apart from what the owner's texts usually say."""
        return leading_terms(texts, self._backgrounds.get(owner) or TermBackground(), self._settings.evidence)

    def learn(self, owner: str, document: DocumentSummary) -> None:
        """Counts a novel text's terms. The one change that cannot be taken back: so it comes last."""
        background = self._backgrounds.get(owner)
        if background is None:
            background = self._backgrounds[owner] = TermBackground()
        if background.add(document.excerpt, document.published_at):
            self._changes.mark(f"{TERMS}/{owner}")

    def expire(self, now: int, horizon: int) -> None:
        """Forgets stories that nothing published after `now` − lateness can touch, and evidence before `horizon`."""
        for owner in sorted(self._hours):
            hours = self._hours[owner]
            for hour in [h for h in hours if (h + 1) * HOUR <= horizon]:
                for name in hours.pop(hour):
                    self.kept.drop(name)
            if not hours:
                del self._hours[owner]
        moment = datetime.fromtimestamp(now, UTC)
        for owner in sorted(self._memories):
            self._memories[owner].expire(moment)
            if not self._memories[owner]:
                self._changes.drop(self._memories, owner)  # most owners idle: an empty memory is larger than it looks

    def forget_all_but(self, owners: AbstractSet[str]) -> None:
        """Drops what owners that have not been heard of for long usually say; their stories expire by themselves."""
        for owner in self._backgrounds.keys() - owners:
            del self._backgrounds[owner]
            self._changes.mark(f"{TERMS}/{owner}")

    def rebuild(self) -> None:
        """Derives the index of the evidence: after a restore, and after changes were taken back."""
        self._hours = {}
        for name in self.kept.names():
            owner, hour, _ = name.rsplit("/", 2)
            self._hours.setdefault(owner, {}).setdefault(int(hour), set()).add(name)

    def keys(self) -> Iterator[str]:
        """The keys of all pieces of stories and terms (the evidence is a table of its own)."""
        for owner in sorted(self._memories):
            yield from (f"{STORY}/{owner}/{key}" for key in self._memories[owner].names())
        yield from (f"{TERMS}/{owner}" for owner in sorted(self._backgrounds))

    def read(self, key: str) -> bytes | None:
        """One piece of stories or terms; None when there is none."""
        prefix, _, name = key.partition("/")
        if prefix == TERMS:
            background = self._backgrounds.get(name)
            return None if background is None else sealed(TERMS, background.piece())
        owner, _, story = name.rpartition("/")
        memory = self._memories.get(owner)
        piece = None if memory is None else memory.piece(story)
        return None if piece is None else sealed(STORY, piece)

    def write(self, pieces: Mapping[str, bytes]) -> None:
        """Puts restored pieces of stories and terms. Raises InvariantError naming one that does not fit."""
        stories: dict[str, dict[str, Any]] = {}
        for key in sorted(pieces):
            prefix, _, name = key.partition("/")
            if prefix == TERMS:
                self._backgrounds[name] = fitted(key, pieces[key], TermBackground.restore)
            else:
                owner, _, story = name.rpartition("/")
                stories.setdefault(owner, {})[story] = fitted(key, pieces[key], lambda packed: packed)
        for owner, packed in stories.items():
            self._memories[owner] = self._memory(owner)
            self._memories[owner].restore(packed)

    def _memory(self, owner: str) -> StoryMemory:
        settings = self._settings
        return StoryMemory(settings.stories, settings.campaigns, self._lateness, f"{STORY}/{owner}", self._changes)
