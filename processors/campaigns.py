"""Coordinated stories: many accounts pushing one text in a short time, in a way that organic spread does not."""

from dataclasses import dataclass
from typing import Final

from processors.parameters import parameter

REACH_CLASSES: Final = 16


def reach_class(reach: int) -> int:
    """The class that a reach ≥ 0 falls into: 0, 1, 2–3, 4–7, … 8192–16383, and all above: powers of two."""
    return min(REACH_CLASSES - 1, reach.bit_length())


@dataclass(frozen=True, slots=True)
class CampaignSettings:
    """When a story counts as coordinated."""

    least_authors: int = parameter(8, "fewer distinct authors than this are never a campaign")


@dataclass(frozen=True, slots=True)
class StoryStatistics:
    """What is known of a story's spread; every field is independent of arrival order.

    `reach` counts the documents of known reach by `reach_class`. `busiest_hour` is the largest number of
    documents in one hour of the clock.
    """

    documents: int
    reposts: int
    authors: int
    sources: int
    news: int
    wordings: int
    busiest_hour: int
    reach: tuple[int, ...]


def is_coordinated(statistics: StoryStatistics, settings: CampaignSettings) -> bool:
    """Whether a story with these `statistics` is pushed rather than spreading."""
    return False
