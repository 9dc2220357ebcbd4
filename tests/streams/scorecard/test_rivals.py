from datetime import timedelta

import pytest

from streams.scorecard.background import Story
from streams.scorecard.bursts import Burst, Form, Ring
from streams.scorecard.rivals import (
    RIVALS,
    Count,
    Look,
    Ratio,
    ZScore,
    rivals_alarms,
    rivals_count,
    rivals_ring,
    rivals_threshold,
    watch,
)
from tests.streams.scorecard.made import day, mention

HOUR = 3600
DAY = 24 * HOUR


def test_an_author_counts_once_in_a_window_and_what_is_older_not_at_all() -> None:
    told = [
        Story(0, True, "a"),
        Story(2 * DAY, True, "a"),
        Story(2 * DAY + 1, True, "a"),
        Story(2 * DAY + 2, True, "b"),
    ]
    assert Count().look(told, 3) == 2.0


def test_ratio_and_z_score_ask_for_three_stories_and_know_the_past() -> None:
    quiet = [Story(60 * DAY + n, True, str(n)) for n in range(3)]
    busy = [Story(n * DAY // 4, True, f"past {n}") for n in range(4 * 59)]
    for rival in (Ratio(), ZScore()):
        assert rival.look(quiet, 1) == 0.0
        alone = rival.look(quiet, 2)
        told = [*busy, *quiet]
        assert 0.0 <= rival.look(told, len(told) - 1) < alone


def test_scores_above_a_threshold_are_one_alarm_until_a_pause() -> None:
    looks = [Look(0, 5), Look(10 * HOUR, 5), Look(15 * HOUR, 1), Look(21 * HOUR, 5), Look(40 * HOUR, 6)]
    assert rivals_alarms(looks, 5) == [(0, 21 * HOUR), (40 * HOUR, 40 * HOUR)]
    assert rivals_count({"A": looks, "B": looks}, 5, 0, 30 * HOUR) == 2
    assert rivals_threshold({"A": looks}, 0, 100 * HOUR, allowed=1) == 6
    assert rivals_threshold({"A": looks}, 0, 100 * HOUR, allowed=0) == float("inf")


@pytest.mark.parametrize("name", RIVALS)
def test_a_rival_sees_a_burst_and_keeps_nothing_of_it(name: str) -> None:
    if "river" in name:
        pytest.importorskip("river")
    background = {"A": [Story(n * 6 * HOUR, n % 12 == 0, f"author {n}") for n in range(400)]}
    start = day(1).fromtimestamp(50 * DAY, tz=day(1).tzinfo)
    told = tuple(mention(f"burst-{n}", start + timedelta(minutes=n), "A", "negative") for n in range(15))
    burst = Burst("A", Form(15, 3, "step"), "low", "negative", told)
    alone, _ = watch(RIVALS[name], background, [], "negative")
    beside, found = watch(RIVALS[name], background, [burst], "negative")
    assert alone == beside
    loudest = max((look.score for look in alone["A"]), default=0.0)
    assert max(look.score for look in found[0]) > loudest
    ring = rivals_ring(burst, found[0], max(look.score for look in found[0]))
    assert isinstance(ring, Ring)
    assert ring.documents >= 2


def test_a_company_that_rang_already_says_nothing() -> None:
    burst = Burst("A", Form(4, 3, "step"), "low", "negative", (mention("b", day(1), "A", "negative"),))
    looks = [Look(burst.first - HOUR, 9.0), Look(burst.first, 9.0)]
    assert rivals_ring(burst, looks, 5.0) == "before"
    assert rivals_ring(burst, looks[1:], 5.0) == Ring(0, 0, 1, 1)
    assert rivals_ring(burst, [], 5.0) is None
