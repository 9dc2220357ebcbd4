from collections import Counter
from datetime import timedelta

from processors.detection import DetectorSettings
from streams.scorecard.null import promise, ratio, shuffled, stories_of
from tests.streams.scorecard.made import PROBABILITIES, background, course, day, mention, words

SETTINGS = DetectorSettings()


def labels(mentions: list) -> Counter[str]:  # type: ignore[type-arg]
    return Counter(m.document.sentiment.label for m in mentions)


def test_copies_of_a_text_are_one_story_and_keep_one_label() -> None:
    copies = [mention(f"copy-{n}", day(2) + timedelta(hours=n), "KO", "negative", words("one")) for n in range(6)]
    others = [mention(f"other-{n}", day(2) + timedelta(hours=n), "AAPL") for n in range(40)]
    mentions = sorted([*copies, *others], key=lambda m: m.document.published_at)
    stories = stories_of(mentions, SETTINGS)
    assert len({stories[m.document.identity] for m in copies}) == 1
    assert len(set(stories.values())) == 41
    for seed in range(5):
        dealt = shuffled(mentions, stories, seed)
        assert len({m.document.sentiment.label for m in dealt if m.company == "KO"}) == 1
        assert sum(m.document.sentiment.label == "negative" for m in dealt) in (1, 6)


def test_shuffling_moves_labels_and_nothing_else() -> None:
    mentions = background(["A", "B", "C"], day(1), 60, 10)
    stories = stories_of(mentions, SETTINGS)
    dealt = shuffled(mentions, stories, seed=1)
    assert labels(dealt) == labels(mentions)
    assert [m.document.sentiment for m in dealt] != [m.document.sentiment for m in mentions]
    assert [(m.company, m.document.excerpt, m.document.published_at) for m in dealt] == [
        (m.company, m.document.excerpt, m.document.published_at) for m in mentions
    ]
    assert dealt == shuffled(mentions, stories, seed=1) != shuffled(mentions, stories, seed=2)


def test_within_companies_each_keeps_its_share() -> None:
    bad = [mention(f"bad-{n}", day(1) + timedelta(hours=n), "A", "negative") for n in range(30)]
    good = [mention(f"good-{n}", day(1) + timedelta(hours=n), "B", "positive") for n in range(30)]
    mentions = sorted([*bad, *good], key=lambda m: m.document.published_at)
    stories = stories_of(mentions, SETTINGS)
    assert labels([m for m in shuffled(mentions, stories, 1, "company") if m.company == "A"]) == {"negative": 30}
    assert labels([m for m in shuffled(mentions, stories, 1, "all") if m.company == "A"])["positive"] > 5


def test_lists_of_cashtags_keep_their_labels() -> None:
    lists = [mention(f"list-{n}", day(1) + timedelta(hours=n), "A", "positive", companies=9) for n in range(10)]
    rest = [mention(f"rest-{n}", day(1) + timedelta(hours=n), "A", "negative") for n in range(10)]
    mentions = sorted([*lists, *rest], key=lambda m: m.document.published_at)
    dealt = shuffled(mentions, stories_of(mentions, SETTINGS), 1)
    assert all(m.document.sentiment == PROBABILITIES["positive"] for m in dealt if m.companies_in_document == 9)


def test_a_promise_is_broken_only_beyond_what_luck_explains() -> None:
    courses = [course("A", n, (n, 0.5)) for n in range(10)] + [course("B", 0, (0, 0.005))]
    rows = {row["promised"]: row for row in promise(courses, "company", 10.0, since=0)}
    assert rows[12.0]["incidents"] == rows[1.0]["incidents"] == 11
    assert rows[12.0]["shown"]
    assert rows[1.0]["held"]
    assert not rows[1.0]["shown"]
    assert rows[0.1]["held"], "one where one is promised"
    assert rows[0.01]["held"], "one where a tenth is promised may be luck"
    many = {row["promised"]: row for row in promise(courses * 10, "company", 10.0, since=0)}
    assert not many[1.0]["held"]


def test_the_ratio_is_to_the_mean_of_the_shuffles() -> None:
    real = [course(f"A{n}", n, (n, 0.5)) for n in range(9)]
    runs = [real[:2], real[:4]]
    assert ratio(real, runs, 1.0, 0, 100) == {"real": 9, "shuffled": [2, 4], "ratio": 3.0}
    assert ratio(real, [[]], 1.0, 0, 100)["ratio"] is None
