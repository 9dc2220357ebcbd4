"""The settings of detection: windows, lateness, evidence, baselines, incidents."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated

from annotated_types import Ge, Gt, Le

from processors.errors import ConfigurationError
from processors.labels import SentimentLabel
from processors.parameters import parameter


@dataclass(frozen=True, slots=True)
class DetectionSettings:
    """What is counted, over which windows it is tested, what it is compared with, and how incidents live."""

    polarity: SentimentLabel = parameter("negative", "the sentiment whose surges ring")
    lateness_hours: Annotated[int, Ge(0), Le(8760)] = parameter(
        24, "a document older than the clock by more than this is never counted", unit="h"
    )
    ahead_seconds: Annotated[int, Ge(0), Le(86_400)] = parameter(
        60,
        "a document published this much after the clock, or later, waits until the clock gets there; what is live lies at "
        "most as far ahead of it as the last tick is old",
        unit="s",
    )
    held_megabytes: Annotated[int, Ge(1), Le(65_536)] = parameter(
        64, "most that waits so, in each partition; beyond it the earliest is applied before its time", unit="MB"
    )
    identities_hours: Annotated[int, Ge(0), Le(17_520)] = parameter(
        96, "how long the identities that were applied are remembered: at least twice the lateness", unit="h"
    )
    max_companies: Annotated[int, Ge(1), Le(1000)] = parameter(
        4, "a text that names more companies than this is about none of them"
    )
    windows_hours: tuple[Annotated[int, Ge(1), Le(8760)], ...] = parameter(
        (1, 3, 24, 72), "lengths of the windows that are tested, rising", unit="h"
    )
    count_looks: Annotated[float, Gt(0), Le(100)] = parameter(
        2.0, "allowance for asking several windows whether there are more; measured for the default windows"
    )
    share_significance: Annotated[float, Gt(0), Le(1)] = parameter(
        0.1,
        "a window's share is higher than expected when the chance of such a share, times the looks at it, is at most this",
    )

    least_probability: Annotated[float, Gt(0), Le(1)] = parameter(
        0.2, "a story leans towards the polarity from this probability on, and counts by it; below, not at all"
    )
    minimum_stories: Annotated[int, Ge(1), Le(10_000)] = parameter(
        3, "no alarm with fewer novel stories that lean so, from as many authors, than this"
    )
    minimum_negatives: Annotated[float, Ge(0), Le(10_000)] = parameter(
        1.5, "no alarm where the probabilities of these stories add up to less than this"
    )
    volume_chance: Annotated[float, Gt(0), Le(100_000)] = parameter(
        1.0, "a volume incident, of the count alone, opens at most at this chance", unit="1/year"
    )
    rungs: tuple[Annotated[float, Gt(0), Le(100_000)], ...] = parameter(
        (12.0, 1.0, 0.1, 0.01),
        "levels of chance at which an incident opens and escalates, falling; in as many surges as the first allows a share is asked",
        unit="1/year",
    )
    leave_chance: Annotated[float, Gt(0), Le(100_000)] = parameter(
        52.0, "an incident stays open while its series is at least this unlikely", unit="1/year"
    )
    quiet_hours: Annotated[int, Ge(1), Le(8760)] = parameter(
        12,
        "an incident closes after this long without a loud document, or as long as the window that was loud if that is longer",
        unit="h",
    )
    update_hours: Annotated[int, Ge(0), Le(8760)] = parameter(
        6, "at least this long between two updates of an incident, unless its count doubled", unit="h"
    )
    update_growth: Annotated[float, Gt(0), Le(100)] = parameter(
        0.5, "an update is due when the count grew by this share since it was last told"
    )

    quarantine_hours: Annotated[int, Ge(1), Le(8760)] = parameter(
        72, "data younger than this stay out of the baselines: at least the longest window", unit="h"
    )
    half_life_days: Annotated[float, Gt(0), Le(3650)] = parameter(45.0, "half-life of rates and shares", unit="d")
    profile_half_life_days: Annotated[float, Gt(0), Le(3650)] = parameter(
        90.0, "half-life of the hour-of-week profiles", unit="d"
    )
    profile_prior: Annotated[float, Gt(0), Le(1_000_000)] = parameter(
        20.0, "stories that a profile's hour needs to weigh as much as its prior"
    )
    group_prior: Annotated[float, Gt(0), Le(1_000_000)] = parameter(
        4.0, "companies that a sector needs to weigh as much as all companies"
    )
    incident_weight: Annotated[float, Ge(0), Le(1)] = parameter(
        0.1, "weight of days inside an incident in the baselines"
    )
    incident_days: Annotated[int, Ge(0), Le(365)] = parameter(
        3, "days of one incident that are down-weighted; later ones are the new level", unit="d"
    )
    warm_up_days: Annotated[int, Ge(0), Le(3650)] = parameter(14, "days of history before anything rings", unit="d")
    share_minimum: Annotated[int, Ge(1), Le(1_000_000)] = parameter(
        300, "stories of the present model and dictionary before shares are tested"
    )
    forget_days: Annotated[int, Ge(1), Le(3650)] = parameter(
        120, "a series without documents for this long is dropped", unit="d"
    )

    point_trail_hours: Annotated[int, Ge(0), Le(8760)] = parameter(
        24, "a series keeps publishing points, zeros too, for this long after its last document", unit="h"
    )
    silence_hours: Annotated[int, Ge(1), Le(8760)] = parameter(
        3, "a source silent for less than this raises no no-data incident", unit="h"
    )
    urgent_chance: Annotated[float, Gt(0), Le(100_000)] = parameter(
        0.1, "tier urgent: at most this chance", unit="1/year"
    )
    urgent_authors: Annotated[int, Ge(1), Le(10_000)] = parameter(5, "tier urgent: at least this many distinct authors")
    flash_chance: Annotated[float, Gt(0), Le(100_000)] = parameter(
        0.01, "tier flash: at most this chance", unit="1/year"
    )
    flash_authors: Annotated[int, Ge(1), Le(10_000)] = parameter(10, "tier flash: at least this many distinct authors")
    flash_hours: Annotated[int, Ge(1), Le(8760)] = parameter(
        3, "tier flash: within a window of at most this length", unit="h"
    )

    def __post_init__(self) -> None:
        """Raises ValueError where settings contradict each other."""
        windows, rungs = self.windows_hours, self.rungs
        if not windows or any(longer <= shorter for shorter, longer in pairwise(windows)):
            raise ValueError(f"windows_hours are {windows}: give at least one length, each longer than the one before")
        if not rungs or any(lower >= higher for higher, lower in pairwise(rungs)):
            raise ValueError(f"rungs are {rungs}: give at least one chance, each lower than the one before")
        if self.leave_chance < rungs[0]:
            raise ValueError(f"leave_chance is {self.leave_chance}: it has to be at least the first rung, {rungs[0]}")
        if self.identities_hours < 2 * self.lateness_hours:
            raise ValueError(
                f"identities_hours is {self.identities_hours}: it has to be at least twice lateness_hours, "
                f"{2 * self.lateness_hours}"
            )
        if self.quarantine_hours < windows[-1]:
            raise ValueError(
                f"quarantine_hours is {self.quarantine_hours}: it has to be at least the longest window, {windows[-1]}"
            )


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


@dataclass(frozen=True, slots=True)
class CampaignSettings:
    """When a story counts as coordinated."""

    least_authors: Annotated[int, Ge(2), Le(1000)] = parameter(
        8, "fewer distinct authors than this are never a campaign"
    )
    usual_small: float = parameter(0.3, "usual share of accounts with a reach below 32")
    usual_alike: float = parameter(
        0.4, "usual share of accounts of about one size, a factor of 8 from least to greatest"
    )
    chance: float = parameter(0.001, "accounts as small, or as alike, as this unlikely by chance are a campaign's")
    least_an_hour: Annotated[int, Ge(2), Le(10_000)] = parameter(
        8, "accounts alike, or of unknown reach, are a campaign's from this many in one hour"
    )
    copied_share: Annotated[float, Ge(0), Le(1)] = parameter(
        0.8, "where reach is unknown: share of documents that copy without being reposts"
    )
    least_voices: Annotated[int, Ge(1), Le(10_000)] = parameter(
        5, "a story that this many ordinary accounts put into their own words is real"
    )
    voices_share: Annotated[float, Ge(0), Le(1)] = parameter(0.05, "if they wrote at least this share of its documents")
    many_voices: Annotated[int, Ge(1), Le(1_000_000)] = parameter(
        50, "or if they are this many, however often it is repeated"
    )

    def __post_init__(self) -> None:
        for name in ("usual_small", "usual_alike", "chance"):
            if not 0 < (value := getattr(self, name)) < 1:
                raise ConfigurationError(f"campaigns.{name} is {value}: it has to lie between 0 and 1")


@dataclass(frozen=True, slots=True)
class EvidenceSettings:
    """How much evidence an alarm carries, and how its documents are chosen."""

    documents: Annotated[int, Ge(1), Le(100)] = parameter(5, "most documents shown with an alarm")
    terms: Annotated[int, Ge(0), Le(100)] = parameter(8, "most leading terms shown with an alarm")
    unknown_reach: Annotated[int, Ge(0), Le(1_000_000_000)] = parameter(
        100, "reach that a social document counts with where none is given"
    )
    news_reach: Annotated[int, Ge(0), Le(1_000_000_000)] = parameter(
        10_000, "reach that a news document counts with where none is given"
    )
    recency_half_life_hours: float = parameter(
        24.0, "a document this much older than the newest counts half as much", unit="h"
    )

    def __post_init__(self) -> None:
        if self.recency_half_life_hours <= 0:
            raise ConfigurationError(
                f"evidence.recency_half_life_hours is {self.recency_half_life_hours}: it has to be above 0"
            )


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """Everything that a detector is set by. All of it goes into the settings hash."""

    detection: DetectionSettings = field(default_factory=DetectionSettings)
    stories: StorySettings = field(default_factory=StorySettings)
    campaigns: CampaignSettings = field(default_factory=CampaignSettings)
    evidence: EvidenceSettings = field(default_factory=EvidenceSettings)
