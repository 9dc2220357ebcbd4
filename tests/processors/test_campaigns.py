"""Campaigns are flagged, viral stories are not: synthetic ones of several shapes, and real days."""

import gzip
import json
import math
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from story_documents import START, Stories, document

from processors.campaigns import REACH_CLASSES, StoryStatistics, is_coordinated, reach_class
from processors.detection import CampaignSettings
from processors.errors import ConfigurationError
from processors.messages import DocumentSummary

TEXT = "Acme recalls 2,000 heaters after three fires in Ohio, shares slide"
OWN_WORDS = (
    "{} Acme recalls 2,000 heaters after three fires in Ohio",
    "Acme recalls 2,000 heaters after three fires in Ohio, shares slide {}",
    "Acme recalls 2,000 heaters after three fires in Ohio, {}",
    "{}: Acme recalls 2,000 heaters after fires in Ohio, shares slide",
)
COMMENTS = (
    "wow",
    "this is bad",
    "selling today",
    "who tests these",
    "breaking news",
    "and nobody is surprised",
    "third one this year",
    "watch the open",
    "sad",
    "glad I never bought",
    "called it",
    "lawyers incoming",
    "good for rivals",
    "price target?",
)


def small(generator: random.Random) -> int:
    return generator.choice((0, 0, 0, 1, 2, 5, 9, 14, 40))


def of_one_size(generator: random.Random) -> int:
    return generator.randrange(60, 140)


def ordinary(generator: random.Random) -> int:
    """Log-normal about 200, over several orders of magnitude, as followers are."""
    return int(math.exp(generator.gauss(math.log(200), 2.2)))


def unknown(_: random.Random) -> None:
    return None


def posts(
    seed: int, count: int, reach, *, hours: float, reposts: float, varied: float = 0.0, kind="social"
) -> Iterator[DocumentSummary]:
    """An original and `count` − 1 documents by an account each, within `hours`: a share of `reposts` of it, and of
    others in words of their own (`varied`)."""
    generator = random.Random(seed)
    yield document("0", TEXT, author="0", reach=reach(generator), kind=kind)
    for n in range(1, count):
        reposted = generator.random() < reposts
        own = not reposted and generator.random() < varied
        text = generator.choice(OWN_WORDS).format(" ".join(generator.sample(COMMENTS, 2))) if own else TEXT
        yield document(
            str(n),
            f"RT @acme_watch: {TEXT}" if reposted else text,
            generator.uniform(0, hours),
            author=str(n),
            reach=reach(generator),
            repost_of="0" if reposted else None,
        )


def is_flagged(documents: Iterator[DocumentSummary]) -> bool:
    memory = Stories()
    for each in documents:
        story = memory.add(each).story
    return story.coordinated


SEEDS = range(20)
CAMPAIGNS = {
    "a retweet flood by bought followers": lambda seed: posts(seed, 300, small, hours=12, reposts=1.0),
    "a small retweet flood": lambda seed: posts(seed, 25, small, hours=0.5, reposts=1.0),
    "one text pasted by many small accounts over two days": lambda seed: posts(seed, 60, small, hours=48, reposts=0.0),
    "a flood by accounts made alike": lambda seed: posts(seed, 30, of_one_size, hours=0.5, reposts=1.0),
    "a text pasted by accounts of unknown reach": lambda seed: posts(seed, 40, unknown, hours=1, reposts=0.0),
    "small accounts that vary the text": lambda seed: posts(seed, 80, small, hours=6, reposts=0.0, varied=0.5),
}
VIRAL = {
    "one original reposted by everybody": lambda seed: posts(seed, 200, ordinary, hours=12, reposts=1.0),
    "a burst of reposts of a famous account": lambda seed: posts(seed, 40, ordinary, hours=0.5, reposts=1.0),
    "reposts by accounts of unknown reach": lambda seed: posts(seed, 200, unknown, hours=2, reposts=0.97),
    "many originals beside the reposts": lambda seed: posts(seed, 200, ordinary, hours=12, reposts=0.6, varied=0.8),
    "originals and reposts of unknown reach": lambda seed: posts(seed, 100, unknown, hours=3, reposts=0.6, varied=0.9),
    "a story that a wire carries, amplified by small accounts": lambda seed: posts(
        seed, 100, small, hours=3, reposts=1.0, kind="news"
    ),
    "a headline shared by ordinary accounts": lambda seed: posts(seed, 30, ordinary, hours=6, reposts=0.0),
}


@pytest.mark.parametrize("shape", CAMPAIGNS)
def test_a_campaign_is_flagged(shape: str) -> None:
    assert sum(is_flagged(CAMPAIGNS[shape](seed)) for seed in SEEDS) >= 19


@pytest.mark.parametrize("shape", VIRAL)
def test_a_viral_story_is_not_flagged(shape: str) -> None:
    assert sum(is_flagged(VIRAL[shape](seed)) for seed in SEEDS) == 0


def test_a_few_accounts_are_no_campaign() -> None:
    assert not is_flagged(posts(1, 7, lambda _: 0, hours=0.1, reposts=1.0))


def test_bots_that_join_a_real_story_do_not_silence_it() -> None:
    def mixed() -> Iterator[DocumentSummary]:
        generator = random.Random(7)
        yield from posts(7, 60, ordinary, hours=6, reposts=0.3, varied=0.9)
        for n in range(100):
            text = f"RT @acme_watch: {TEXT}"
            yield document(f"bot{n}", text, 3 + n / 100, author=f"bot{n}", reach=small(generator), repost_of="0")

    assert not is_flagged(mixed())


def test_classes_of_reach_are_powers_of_two() -> None:
    assert [reach_class(reach) for reach in (0, 1, 2, 3, 4, 31, 32, 16383, 16384, 10**9)] == [
        0, 1, 2, 2, 3, 5, 6, 14, 15, 15,
    ]  # fmt: skip


def test_the_verdict_is_defined_where_nothing_is_known_of_reach() -> None:
    empty = (0,) * REACH_CLASSES
    few = StoryStatistics(20, 0, 20, 20, 1, 0, 1, 20, empty)
    assert is_coordinated(few, CampaignSettings())
    assert not is_coordinated(StoryStatistics(20, 20, 20, 0, 1, 0, 1, 20, empty), CampaignSettings())


@pytest.mark.parametrize("impossible", [{"chance": 0.0}, {"usual_small": 1.0}, {"usual_alike": -0.1}])
def test_settings_without_meaning_are_refused_by_name(impossible: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(impossible))):
        CampaignSettings(**impossible)


@pytest.mark.data
def test_real_campaigns_are_flagged_and_a_real_listing_is_not(data_dir: Path) -> None:
    """Alibaba's first day of trading, against floods that used the names of others."""
    with gzip.open(data_dir / "tweets-2014.jsonl.gz", "rt", encoding="utf-8") as lines:
        tweets = [json.loads(line) for line in lines]

    def largest(symbol: str, day: str) -> tuple[int, set[int]]:
        memory = Stories()
        middle = datetime.fromisoformat(f"{day}T12:00:00+00:00")
        firsts = []
        for tweet in tweets:
            at = datetime.fromisoformat(tweet["published_at"])
            if symbol in tweet["symbols"] and abs(at - middle) < timedelta(days=2):
                each = document(
                    tweet["id"],
                    tweet["text"],
                    (at - START) / timedelta(hours=1),
                    author=tweet["author"],
                    reach=tweet["reach"],
                    repost_of=tweet.get("repost_of"),
                )
                memory.add(each)
                firsts.append(each.identity)
        stories = [story for each in firsts if (story := memory.story_of(each))]
        return max(story.spread for story in stories), {story.spread for story in stories if story.coordinated}

    for symbol, day in (
        ("GOOG", "2014-05-21"),
        ("FB", "2014-05-21"),
        ("AMZN", "2014-05-21"),
        ("FB", "2014-06-04"),
        ("PCLN", "2014-06-02"),
    ):
        spread, coordinated = largest(symbol, day)
        assert spread > 40
        assert spread in coordinated, (symbol, day)
    assert largest("BABA", "2014-09-19")[1] == set()
