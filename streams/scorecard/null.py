"""Nothing is the matter: labels shuffled among the background's stories, and simulated series."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, Literal

from processors.detection import DetectorSettings
from processors.messages import DocumentSummary, Mention, Sentiment, SeriesKind
from processors.series import kind_of_series
from processors.spread import instant
from processors.state import Changes
from processors.stories import StoryMemory
from streams.scorecard.measures import alarms_within, poisson_lower, poisson_upper
from streams.scorecard.runs import Course

Within = Literal["all", "company"]
WITHIN: Final[tuple[Within, ...]] = ("all", "company")
RUNGS: Final = (12.0, 1.0, 0.1, 0.01)
"""Chances a year at which the promise is checked."""


def stories_of(mentions: Sequence[Mention], settings: DetectorSettings) -> dict[str, str]:
    """The story of every document that counts, by identity: near-duplicates and reposts, whatever company they name.

    Documents that name more than `max_companies` count in no company's series and are left out.
    """
    memory = StoryMemory(
        settings.stories, settings.campaigns, timedelta(hours=settings.detection.lateness_hours), "story", Changes()
    )
    parent: dict[str, str] = {}

    def root(identity: str) -> str:
        while parent[identity] != identity:
            parent[identity] = parent[parent[identity]]
            identity = parent[identity]
        return identity

    for mention in mentions:
        document = mention.document
        if document.identity in parent or mention.companies_in_document > settings.detection.max_companies:
            continue
        sighting = memory.add(document)
        parent[document.identity] = document.identity
        first = root(sighting.story.first.identity)
        for other in (document.identity, *(displaced.identity for displaced in sighting.displaced)):
            parent[root(other)] = first
        memory.expire(document.published_at)
    return {identity: root(identity) for identity in parent}


def shuffled(mentions: Sequence[Mention], stories: dict[str, str], seed: int, within: Within = "all") -> list[Mention]:
    """The mentions with the sentiments dealt out anew among stories, so that all documents of a story have one.

    Times, texts, topics, authors and companies stay; each story gives the sentiment of its first document. `within`
    "company" deals among the stories whose first document names the same companies, so that companies keep their shares.
    """
    firsts: dict[str, DocumentSummary] = {}
    named: dict[str, list[str]] = {}
    for mention in mentions:
        story = stories.get(mention.document.identity)
        if story is None:
            continue
        known = firsts.get(story)
        if known is None or instant(mention.document.published_at) < instant(known.published_at):
            firsts[story], named[story] = mention.document, [mention.company]
        elif known.identity == mention.document.identity:
            named[story].append(mention.company)
    generator = random.Random(seed)
    decks: dict[tuple[str, ...], list[str]] = {}
    for story in firsts:
        decks.setdefault(tuple(sorted(named[story])) if within == "company" else (), []).append(story)
    dealt: dict[str, Sentiment] = {}
    for deck in decks.values():
        drawn = generator.sample(deck, len(deck))
        dealt.update((story, firsts[other].sentiment) for story, other in zip(deck, drawn, strict=True))
    renewed: dict[str, DocumentSummary] = {}
    found = []
    for mention in mentions:
        document = mention.document
        story = stories.get(document.identity)
        if story is not None:
            if document.identity not in renewed:
                renewed[document.identity] = replace(document, sentiment=dealt[story])
            mention = replace(mention, document=renewed[document.identity])
        found.append(mention)
    return found


def ratio(
    courses: Sequence[Course], runs: Sequence[Sequence[Course]], threshold: float, start: int, end: int
) -> dict[str, Any]:
    """The sentiment alarms of [start, end) with the real labels, with shuffled ones by seed, and the ratio to their
    mean; None where no shuffle rings."""
    real = alarms_within(courses, threshold, start, end)
    counts = [alarms_within(run, threshold, start, end) for run in runs]
    total = sum(counts)
    return {"real": real, "shuffled": counts, "ratio": round(real * len(counts) / total, 2) if total else None}


def promise(courses: Iterable[Course], kind: SeriesKind, series_years: float, since: int) -> list[dict[str, Any]]:
    """At each rung: the sentiment incidents of series of `kind` that were as unlikely, after second `since`, and their
    rate a series and year with its upper 95 % bound; `held` where not more were seen than a rate of the rung explains
    (95 %), `shown` where even the bound stays below it."""
    chances = [
        course.chance
        for course in courses
        if course.kind == "sentiment" and kind_of_series(course.series) == kind and course.opened >= since
    ]
    rows = []
    for rung in RUNGS:
        seen = sum(chance <= rung for chance in chances)
        upper = poisson_upper(seen) / series_years
        rows.append(
            {
                "series": kind,
                "promised": rung,
                "incidents": seen,
                "series_years": round(series_years, 1),
                "rate": seen / series_years,
                "upper_95": upper,
                "held": poisson_lower(seen) / series_years <= rung,
                "shown": upper <= rung,
            }
        )
    return rows
