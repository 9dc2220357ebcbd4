"""Nothing is the matter: labels shuffled among the background's stories, and simulated series."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Literal

from processors.detection import DetectorSettings
from processors.messages import DocumentSummary, Mention, Sentiment
from processors.spread import instant
from processors.state import Changes
from processors.stories import StoryMemory

Within = Literal["all", "company"]


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
