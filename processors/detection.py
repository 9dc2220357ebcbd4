"""The settings of detection: windows, lateness, evidence, baselines, incidents."""

from dataclasses import dataclass, field

from processors.campaigns import CampaignSettings
from processors.evidence import EvidenceSettings
from processors.labels import SentimentLabel
from processors.parameters import parameter
from processors.stories import StorySettings


@dataclass(frozen=True, slots=True)
class DetectionSettings:
    """What is counted, over which windows it is tested, what it is compared with, and how incidents live."""

    polarity: SentimentLabel = parameter("negative", "the sentiment whose surges ring")
    lateness_hours: int = parameter(24, "a document older than the clock by more than this is never counted", unit="h")
    identities_hours: int = parameter(
        96, "how long the identities that were applied are remembered: at least twice the lateness", unit="h"
    )
    max_companies: int = parameter(4, "a text that names more companies than this is about none of them")
    windows_hours: tuple[int, ...] = parameter(
        (1, 3, 24, 72), "lengths of the windows that are tested, rising", unit="h"
    )
    count_looks: float = parameter(
        1.5, "allowance for asking several windows whether there are more; measured for the default windows"
    )
    share_looks: float = parameter(
        0.5, "allowance for asking several windows whether the share is higher; measured for the default windows"
    )

    minimum_stories: int = parameter(3, "no alarm with fewer novel stories, from as many authors, than this")
    rungs: tuple[float, ...] = parameter(
        (12.0, 1.0, 0.1, 0.01), "levels of chance at which an incident opens and escalates, falling", unit="1/year"
    )
    leave_chance: float = parameter(
        52.0, "an incident stays open while its series is at least this unlikely", unit="1/year"
    )
    quiet_hours: int = parameter(12, "an incident closes after this long without a loud document", unit="h")
    update_hours: int = parameter(6, "at least this long between two updates of an incident", unit="h")
    update_growth: float = parameter(0.5, "an update is due when the count grew by this share since it was last told")

    quarantine_hours: int = parameter(
        72, "data younger than this stay out of the baselines: at least the longest window", unit="h"
    )
    half_life_days: float = parameter(28.0, "half-life of rates and shares", unit="d")
    profile_half_life_days: float = parameter(90.0, "half-life of the hour-of-week profiles", unit="d")
    profile_prior: float = parameter(20.0, "stories that a profile's hour needs to weigh as much as its prior")
    group_prior: float = parameter(4.0, "companies that a sector needs to weigh as much as all companies")
    incident_weight: float = parameter(0.1, "weight of days inside an incident in the baselines")
    incident_days: int = parameter(
        3, "days of one incident that are down-weighted; later ones are the new level", unit="d"
    )
    warm_up_days: int = parameter(14, "days of history before anything rings", unit="d")
    share_minimum: int = parameter(300, "stories of the present model and dictionary before shares are tested")
    forget_days: int = parameter(120, "a series without documents for this long is dropped", unit="d")

    point_trail_hours: int = parameter(
        24, "a series keeps publishing points, zeros too, for this long after its last document", unit="h"
    )
    silence_hours: int = parameter(3, "a source silent for less than this raises no no-data incident", unit="h")
    urgent_chance: float = parameter(0.1, "tier urgent: at most this chance", unit="1/year")
    urgent_authors: int = parameter(5, "tier urgent: at least this many distinct authors")
    flash_chance: float = parameter(0.01, "tier flash: at most this chance", unit="1/year")
    flash_authors: int = parameter(10, "tier flash: at least this many distinct authors")
    flash_hours: int = parameter(3, "tier flash: within a window of at most this length", unit="h")


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """Everything that a detector is set by. All of it goes into the settings hash."""

    detection: DetectionSettings = field(default_factory=DetectionSettings)
    stories: StorySettings = field(default_factory=StorySettings)
    campaigns: CampaignSettings = field(default_factory=CampaignSettings)
    evidence: EvidenceSettings = field(default_factory=EvidenceSettings)
