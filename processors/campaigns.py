"""Coordinated stories: many accounts pushing one text in a way that organic spread does not.

What gives a campaign away is who carries it. Real stories are carried by accounts of every size, over five orders of
magnitude of reach, and are put into words many times. Bought or automated accounts are tiny, or were made alike
and are of one size; and they repeat one wording. How unlikely an accumulation of accounts is by chance is
judged by Chernoff's bound for the binomial tail (Chernoff 1952): P(≥ k of n) ≤ exp(−n · KL(k/n ‖ usual)).

The usual shares were measured on 41,877 tweets about 88 companies (2014): 29 % of those who wrote themselves and
13 % of those who reposted in small groups had a reach below 32; no three neighbouring powers of two held more than
40 % of the accounts.
"""

from dataclasses import dataclass
from math import log
from typing import Final

from processors.detection import CampaignSettings

REACH_CLASSES: Final = 16
SMALL_REACH: Final = 32


def reach_class(reach: int) -> int:
    """The class that a reach ≥ 0 falls into: 0, 1, 2–3, 4–7, … 8192–16383, and all above: powers of two."""
    return min(REACH_CLASSES - 1, reach.bit_length())


_SMALL_CLASSES: Final = reach_class(SMALL_REACH)


@dataclass(frozen=True, slots=True)
class StoryStatistics:
    """What is known of a story's spread; every field is independent of arrival order.

    `voices` counts the documents that are no reposts and come from ordinary accounts (reach unknown, or at
    least 32); `wordings` the different texts. `reach` counts the documents of known reach by `reach_class`.
    `busiest_hour` is the largest number of documents in one hour of the clock.
    """

    documents: int
    reposts: int
    authors: int
    voices: int
    sources: int
    news: int
    wordings: int
    busiest_hour: int
    reach: tuple[int, ...]


def is_coordinated(story: StoryStatistics, settings: CampaignSettings) -> bool:
    """Whether a story is pushed rather than spreading.

    Never, when few accounts are in it, when a news outlet or three sources carry it, or when enough
    ordinary accounts, being most of those who wrote and did not repost, put it into words of their own. Else, when most of the accounts are small; when most are
    of one size and many came within an hour; or when their reach is unknown, nearly all copied without reposting,
    and many did so within an hour. Reposts of one original by accounts of unknown reach cannot be told from organic
    spread and are not a campaign.
    """
    if story.authors < settings.least_authors or story.news or story.sources > 2:
        return False
    originals = story.documents - story.reposts
    enough = min(max(settings.least_voices, settings.voices_share * story.documents), settings.many_voices)
    if min(story.voices, story.wordings) >= enough and 2 * story.voices > originals:
        return False
    known = sum(story.reach)
    fast = story.busiest_hour >= settings.least_an_hour
    if 2 * known < story.documents:
        return fast and originals >= settings.copied_share * story.documents
    small = sum(story.reach[:_SMALL_CLASSES])
    alike = max(sum(story.reach[lowest : lowest + 3]) for lowest in range(REACH_CLASSES - 2))
    return _accumulates(small, known, settings.usual_small, settings.chance) or (
        fast and _accumulates(alike, known, settings.usual_alike, settings.chance)
    )


def _accumulates(count: int, total: int, usual: float, chance: float) -> bool:
    """Whether `count` of `total` is a majority, and less likely than `chance` where `usual` is the usual share."""
    share = count / total
    if share <= max(0.5, usual):
        return False
    divergence = share * log(share / usual) + (0.0 if count == total else (1 - share) * log((1 - share) / (1 - usual)))
    return total * divergence >= -log(chance)
