"""What an alarm shows as evidence: its leading documents and its leading terms."""

import math
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Self

import numpy as np

from processors.clock import EPOCH
from processors.detection import EvidenceSettings
from processors.errors import InvariantError
from processors.labels import SentimentLabel
from processors.messages import DocumentSummary, EvidenceDocument, Term
from processors.signatures import packed, similarities
from processors.stories import Story

# -- documents


def leading_documents(
    candidates: Iterable[tuple[DocumentSummary, Story]], polarity: SentimentLabel, settings: EvidenceSettings
) -> tuple[EvidenceDocument, ...]:
    """The best of `candidates` (documents and the stories that they are the first of), at most one a story, best first.

    A document's worth is its probability of `polarity`, times its reach on a logarithmic scale, halved with age,
    less what resembles a better one (maximal marginal relevance; Carbonell and Goldstein 1998). Coordinated
    stories, and further documents of one author, come last. The order of `candidates` does not matter.
    """
    rest = sorted(
        {story.id: (document, story) for document, story in sorted(candidates, key=_by_time)[::-1]}.values(),
        key=_by_time,
    )
    if not rest:
        return ()
    newest = rest[-1][0].published_at
    worth = np.array([_worth(document, newest, polarity, settings) for document, _ in rest])
    signatures = np.array([packed(document.signature) for document, _ in rest])
    novelty = np.ones(len(rest))
    behind = np.array([story.coordinated for _, story in rest])
    chosen: list[int] = []
    while len(chosen) < min(settings.documents, len(rest)):
        # Rounded, so that machines that differ in the last bit of a logarithm choose alike; ties go to the earlier.
        values = np.round(worth * novelty, 9) - 1e6 * behind
        values[chosen] = -np.inf
        best = int(np.argmax(values))
        chosen.append(best)
        novelty = np.minimum(novelty, 1 - similarities(signatures[best], signatures))
        author = (rest[best][0].source, rest[best][0].author)
        behind = behind | np.array([author[1] is not None and (d.source, d.author) == author for d, _ in rest])
    return tuple(_shown(*rest[place]) for place in chosen)


def _by_time(candidate: tuple[DocumentSummary, Story]) -> tuple[datetime, str]:
    return candidate[0].published_at, candidate[0].identity


def _worth(document: DocumentSummary, newest: datetime, polarity: SentimentLabel, settings: EvidenceSettings) -> float:
    reach = document.reach
    if reach is None:
        reach = settings.news_reach if document.kind == "news" else settings.unknown_reach
    age = (newest - document.published_at).total_seconds() / 3600
    decay: float = 0.5 ** (age / settings.recency_half_life_hours)
    return _probability(document, polarity) * math.log10(10 + reach) * decay


def _probability(document: DocumentSummary, polarity: SentimentLabel) -> float:
    return float(getattr(document.sentiment, polarity))


def _shown(document: DocumentSummary, story: Story) -> EvidenceDocument:
    return EvidenceDocument(
        identity=document.identity,
        published_at=document.published_at,
        source=document.source,
        author=document.author,
        reach=document.reach,
        url=document.url,
        excerpt=document.excerpt,
        p_negative=document.sentiment.negative,
        topic=document.topic.label,
        story=story.id,
        signature=document.signature,
        spread=story.spread,
        authors=story.authors,
        coordinated=story.coordinated,
    )


# -- terms

_MOST_TERMS: Final = 400
_LONGEST_TERM: Final = 40  # bytes of UTF-8
_ONE: Final = 1000  # a text's weight; whole numbers, so that state reads back exactly
_WEEKLY_DECAY: Final = 841  # of 1000: a half-life of 28 days
_FORGOTTEN_WEEKS: Final = 100  # after which nothing is left of the largest count
_SPACING_HOURS: Final = 4
_AN_HOUR: Final = timedelta(hours=1)
_PRIOR_WEIGHT: Final = 100.0
_LEAST_SCORE: Final = 1.0

_WORD: Final = re.compile(r"(?:https?:|www\.)\S*+|[@$]\w++|[^\W\d_][\w'’]*+")
_IDEOGRAPHS: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{2,}+")
_STOP_WORDS: Final = frozenset(
    "about after all also an and any are as at be because been before being but by can could did do does for from get "
    "had has have he her here his how if in into is it its it's just me more most my new no not now of off on one or "
    "our out over said says she so some than that the their them then there these they this to up us via was we were "
    "what when where which who why will with would you your rt mt amp http https de la el en le les der die das und".split()
)


def terms_of(text: str) -> set[str]:
    """The terms of `text`: its words in lower case, without addresses, handles, cashtags, numbers and words that say little;
    pairs of neighbouring characters where words are not set apart."""
    found: set[str] = set()
    for match in _WORD.findall(text.lower()):
        if match[0] in "@$" or match.startswith(("http", "www.")):
            continue
        if not match.isascii() and (ideographs := _IDEOGRAPHS.findall(match)):
            found.update(run[at : at + 2] for run in ideographs for at in range(len(run) - 1))
            continue
        word = match.replace("’", "'").removesuffix("'s").strip("'")
        if len(word) > 1 and word not in _STOP_WORDS and len(word.encode()) <= _LONGEST_TERM:
            found.add(word)
    return found


class TermBackground:
    """In how many of an owner's texts each term usually stands: the commonest 400, halved in 28 days.

    Of texts less than four hours apart only the first is learnt: six a day are enough to know what is usual, and
    the state need not be written for every document.
    """

    __slots__ = ("_counts", "_latest")

    def __init__(self) -> None:
        """A background that knows nothing yet."""
        self._counts: dict[str, int] = {}
        self._latest: int | None = None  # in hours since 1970

    def add(self, text: str, at: datetime) -> bool:
        """Learns the terms of one novel text published `at`; whether it did."""
        hour = (at - EPOCH) // _AN_HOUR
        if self._latest is not None and hour < self._latest + _SPACING_HOURS:
            return False
        if self._latest is not None:
            for _ in range(min(hour // 168 - self._latest // 168, _FORGOTTEN_WEEKS)):
                self._counts = {t: left for t, count in self._counts.items() if (left := count * _WEEKLY_DECAY // 1000)}
        self._latest = hour
        for term in map(sys.intern, terms_of(text)):  # owners say the same: one copy of a word does for all
            self._counts[term] = self._counts.get(term, 0) + _ONE
        if len(self._counts) > _MOST_TERMS:
            self._counts = _commonest(self._counts, _MOST_TERMS * 3 // 4)
        return True

    def count(self, term: str) -> float:
        """The decayed number of texts with `term`."""
        return self._counts.get(term, 0) / _ONE

    @property
    def total(self) -> float:
        """The sum of all counts."""
        return sum(self._counts.values()) / _ONE

    def piece(self) -> Any:
        """The whole state as one JSON-ready value, ≤ 24 KiB; numbers are integers."""
        return {"counts": dict(sorted(self._counts.items())), "latest": self._latest}

    @classmethod
    def restore(cls, piece: Any) -> Self:
        """The background whose `piece()` this is. Raises InvariantError for anything else."""
        background = cls()
        try:
            background._counts = {sys.intern(str(term)): int(count) for term, count in piece["counts"].items()}
            background._latest = None if piece["latest"] is None else int(piece["latest"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InvariantError(
                f"the piece of a term background does not fit: {error!r}; rebuild from the log"
            ) from error
        return background


def _commonest(counts: dict[str, int], most: int) -> dict[str, int]:
    """The `most` terms with the highest counts; of those with equal counts the first in the alphabet."""
    least = sorted(counts.values(), reverse=True)[most - 1]
    kept = {term: count for term, count in counts.items() if count > least}
    alike = sorted([term for term, count in counts.items() if count == least])
    return kept | dict.fromkeys(alike[: most - len(kept)], least)


def leading_terms(texts: Sequence[str], background: TermBackground, settings: EvidenceSettings) -> tuple[Term, ...]:
    """The terms that set `texts` (excerpts of the window's novel documents) apart from `background`, strongest first.

    Log-odds ratio with an informative Dirichlet prior, in standard deviations (Monroe, Colaresi and Quinn 2008,
    Fightin' Words, eq. 16–22), the prior being the background's own frequencies. A text counts a term once;
    a term of a single text leads only where there is but one text, and none leads below one standard deviation:
    so nothing does before anything is known.
    """
    counts = Counter(term for text in texts for term in terms_of(text))
    total, usual = counts.total(), background.total
    vocabulary = usual + len(counts) + 1  # one for terms never seen: no term is all there is
    least = min(2, len(texts))
    terms = []
    for term, count in counts.items():
        if count < least:
            continue
        before = background.count(term)
        prior = _PRIOR_WEIGHT * (before + 1) / vocabulary
        here, there = count + prior, before + prior
        odds = math.log(here / (total + _PRIOR_WEIGHT - here)) - math.log(there / (usual + _PRIOR_WEIGHT - there))
        score = odds / math.sqrt(1 / here + 1 / there)
        if score >= _LEAST_SCORE:
            terms.append(Term(term, count, round(score, 6)))
    return tuple(sorted(terms, key=lambda term: (-term.score, -term.count, term.term))[: settings.terms])
