"""Settings of detection that cannot work are refused where they are set, with what is allowed."""

import pytest

from processors.detection import DetectionSettings
from processors.errors import ConfigurationError
from streams.settings import load_settings


@pytest.mark.parametrize(
    "flag",
    [
        "detection.lateness_hours=-5",
        "detection.half_life_days=0",
        "detection.minimum_stories=-1",
        "detection.quarantine_hours=0",
        "detection.max_companies=0",
        "detection.quiet_hours=-3",
        "detection.windows_hours=0,3",
        "detection.rungs=12,-1",
        "detection.incident_weight=1.5",
        "evidence.documents=-1",
        "campaigns.least_authors=0",
    ],
)
def test_a_value_out_of_range_is_refused_by_name(flag: str) -> None:
    name, _, value = flag.partition("=")
    with pytest.raises(ConfigurationError, match=rf"--set: {name}.* should be (greater|less) than"):
        load_settings(None, {}, {name: value})


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ({"detection.windows_hours": ""}, "at least one length"),
        ({"detection.windows_hours": "3,1"}, "each longer than"),
        ({"detection.rungs": ""}, "at least one chance"),
        ({"detection.rungs": "0.01,12"}, "each lower than"),
        ({"detection.leave_chance": "1"}, "at least the first rung"),
        ({"detection.identities_hours": "47"}, "at least twice lateness_hours, 48"),
        ({"detection.windows_hours": "1,96"}, "at least the longest window, 96"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_with_the_mend(flags: dict[str, str], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^detection: .*{reason}"):
        load_settings(None, {}, flags)


def test_contradictions_are_refused_without_a_file_too() -> None:
    with pytest.raises(ValueError, match="rungs"):
        DetectionSettings(rungs=())
