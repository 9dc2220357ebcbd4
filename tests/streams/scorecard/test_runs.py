"""Driving the detector: as the service would, and without a trace of what is injected."""

from datetime import timedelta

from processors.clock import Clock, bucket_start
from processors.detection import DetectionSettings, DetectorSettings
from processors.detector import Detector
from processors.messages import Alert, Mention, Tick
from streams.scorecard.runs import Drive
from tests.streams.scorecard.made import background, day, mention

COMPANIES = ["A", "B", "C", "D"]
SETTINGS = DetectorSettings(DetectionSettings(warm_up_days=5, share_minimum=50))


def story() -> list[Mention]:
    surges = [
        mention(f"surge-{place}-{n}", day(30 + 9 * place) + timedelta(minutes=7 * n), company, "negative")
        for place, company in enumerate(COMPANIES)
        for n in range(9)
    ]
    everything = [*background(COMPANIES, day(1), 90, 20), *surges]
    return sorted(everything, key=lambda m: m.document.published_at)


def ticked_often(mentions: list[Mention]) -> list[Alert]:
    """The alerts of a detector that hears a tick every five seconds in which something happens."""
    detector, clock, alerts = Detector(SETTINGS), Clock(frozenset({""})), []
    for told in mentions:
        at = bucket_start(told.document.published_at, timedelta(seconds=5))
        clock = clock.advance("", at)
        alerts += detector.apply(Tick(at), clock).alerts
        alerts += detector.apply(told, clock).alerts
    return [alert for alert in alerts if alert.company is not None]


def test_ticks_by_the_hour_ring_the_same_incidents_as_ticks_by_five_seconds() -> None:
    mentions = story()
    drive = Drive(SETTINGS)
    for told in mentions:
        drive.apply(told)
    alerts = ticked_often(mentions)
    assert alerts
    assert set(drive.courses) == {alert.incident for alert in alerts}
    for incident, course in drive.courses.items():
        told = [alert for alert in alerts if alert.incident == incident]
        assert course.events == len(told)
        assert course.opened == int(told[0].at.timestamp())
        assert course.chance <= min(alert.chance_per_year for alert in told)


def test_a_course_falls_and_tells_between_the_rungs_too() -> None:
    drive = Drive(SETTINGS)
    for told in story():
        drive.apply(told)
    loudest = min(drive.courses.values(), key=lambda course: course.chance)
    chances = [step.chance for step in loudest.steps]
    assert chances == sorted(chances, reverse=True)
    assert len(set(chances)) == len(chances) > 3
    assert loudest.reached(chances[1]) == loudest.steps[1].second
    assert loudest.reached(chances[-1] / 2) is None


def test_a_drive_goes_on_from_its_pieces_with_what_was_open() -> None:
    mentions = story()
    cut = next(n for n, told in enumerate(mentions) if "surge-1-5" in told.document.identity)
    whole, first = Drive(SETTINGS), Drive(SETTINGS)
    for told in mentions[:cut]:
        first.apply(told)
        whole.apply(told)
    second = int(mentions[cut - 1].document.published_at.timestamp())
    rest = Drive(SETTINGS, first.pieces(), second)
    for told in mentions[cut:]:
        rest.apply(told)
        whole.apply(told)
    later = {key: course for key, course in whole.courses.items() if course.closed is None or course.closed > second}
    assert later
    assert set(rest.courses) == set(later)
    assert {key: course.closed for key, course in rest.courses.items()} == {k: c.closed for k, c in later.items()}
