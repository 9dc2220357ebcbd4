"""What was written down by hand: real days and judgements."""

from streams.scorecard.background import Story
from streams.scorecard.measures import CHOSEN_ON, REPORTED_ON
from streams.scorecard.real_days import Event, events, judged, summary
from streams.scorecard.strongest import VERDICTS, judgements, strongest, tally
from streams.settings import Settings, load_master
from tests.streams.scorecard.made import course, day

HOUR = 3600


def test_the_list_of_real_days_is_of_companies_of_the_master_and_of_the_scored_months() -> None:
    listed = events()
    master = load_master(Settings())
    assert len(listed) >= 25
    assert {event.company for event in listed} <= master.companies.keys()
    assert all(CHOSEN_ON.start <= event.start < REPORTED_ON.end for event in listed)
    assert all(event.reason for event in listed)
    assert [event.start for event in listed] == sorted(event.start for event in listed)


def test_a_real_day_rings_within_a_day_or_shortly_before_if_it_is_still_open() -> None:
    start = day(250)
    second = int(start.timestamp())
    event = Event("KO", start, "A reason.")
    stories = {"KO": [Story(second + n * HOUR, n % 2 == 0, str(n)) for n in range(-3, 30)]}

    def rang(at: int, closed: int | None = None) -> bool:
        reached = course("KO", at, (at, 0.5), closed=closed)
        return judged([event], [reached], stories, 1.0)[0]["rang"] is not None

    assert rang(second + 5 * HOUR)
    assert rang(second - 11 * HOUR)
    assert not rang(second - 11 * HOUR, closed=second - HOUR)
    assert not rang(second - 13 * HOUR)
    assert not rang(second + 24 * HOUR)
    row = judged([event], [], stories, 1.0)[0]
    assert row["negatives"] == 12
    assert summary([row])["enough"]["trials"] == 1
    assert summary([row], CHOSEN_ON)["all"]["trials"] == 0


def test_a_judgement_finds_its_alarm_by_company_and_day() -> None:
    judge, judged_alarms = judgements()
    assert judge
    assert {row["verdict"] for row in judged_alarms.values()} <= set(VERDICTS)
    second = int(day(246).timestamp())
    courses = [
        course("AAPL", second + 9 * HOUR, (second + 9 * HOUR, 0.1), closed=second + 20 * HOUR),
        course("AAPL", second + 60 * 24 * HOUR, (second + 60 * 24 * HOUR, 0.2)),
    ]
    rows = strongest(courses, REPORTED_ON, judged_alarms)
    assert [row["verdict"] for row in rows] == ["true", None]
    assert sum(tally(rows).values()) == 2
