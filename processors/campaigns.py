"""Coordinated stories: many accounts pushing one text in a short time, in a way that organic spread does not."""

from dataclasses import dataclass

from processors.parameters import parameter


@dataclass(frozen=True, slots=True)
class CampaignSettings:
    """When a story counts as coordinated."""

    least_authors: int = parameter(8, "fewer distinct authors than this are never a campaign")


@dataclass(frozen=True, slots=True)
class StoryStatistics:
    """What is known of a story's spread; every field is independent of arrival order."""


def is_coordinated(statistics: StoryStatistics, settings: CampaignSettings) -> bool:
    """Whether a story with these `statistics` is pushed rather than spreading."""
    raise NotImplementedError
