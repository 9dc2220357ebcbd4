"""Ordinary days: what is written when nothing out of the common happens.

Nothing here follows the laws that a detector would assume. Days have a log-normal activity that is correlated
from day to day, weekdays and hours have their own shape, companies get attention by Zipf's law and by a
mood that wanders, and whatever is published draws further documents on the same matter (a self-exciting process).
"""

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import accumulate
from random import Random
from typing import Final

from processors.labels import SENTIMENTS, SentimentLabel
from streams.demo.cast import PLAYERS, Player
from streams.demo.newsroom import Newsroom, Piece, daytime

MATTERS_PER_WEEKDAY: Final = 205
_WEEKDAYS: Final = (1.0, 1.1, 1.08, 1.04, 0.88, 0.28, 0.33)
_NEWS_HOURS: Final = ((0.35, 12.3, 1.7), (0.35, 15.5, 2.6), (0.18, 20.2, 1.1), (0.12, 4.0, 4.0))
_POST_HOURS: Final = ((0.5, 14.6, 2.0), (0.3, 19.3, 2.3), (0.2, 1.5, 2.4))
_TOPICS: Final = {
    "stock-movement": (0.26, (0.30, 0.30, 0.40)),
    "analyst-update": (0.18, (0.28, 0.40, 0.32)),
    "company-product-news": (0.22, (0.18, 0.44, 0.38)),
    "legal-regulation": (0.07, (0.45, 0.35, 0.20)),
    "m-a-investments": (0.09, (0.14, 0.58, 0.28)),
    "personnel-change": (0.05, (0.18, 0.70, 0.12)),
    "dividend": (0.05, (0.06, 0.66, 0.28)),
    "earnings": (0.08, (0.16, 0.56, 0.28)),
}
"""How often news is about a topic, and its shares of negative, neutral and positive."""


class Mood:
    """How much is written about each company and in what temper; both wander from day to day."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._temper = {player.id: rng.gauss(0, 0.35) for player in PLAYERS}
        self._heat = {player.id: rng.gauss(0, 0.3) for player in PLAYERS}
        self._weights: list[float] = []

    def turn_day(self) -> None:
        """The night passes."""
        for player in PLAYERS:
            self._temper[player.id] = 0.6 * self._temper[player.id] + self._rng.gauss(0, 0.3)
            self._heat[player.id] = 0.55 * self._heat[player.id] + self._rng.gauss(0, 0.32)
        zipf = enumerate(PLAYERS)
        self._weights = list(accumulate(math.exp(self._heat[player.id]) / (rank + 2.5) for rank, player in zipf))

    def company(self) -> Player:
        """Whoever is written about next."""
        return self._rng.choices(PLAYERS, cum_weights=self._weights)[0]

    def sentiment(self, player: Player, shares: tuple[float, float, float]) -> SentimentLabel:
        """A sentiment: `shares` bent by the company's temper, which is bad above 0."""
        temper = self._temper[player.id]
        weights = (shares[0] * math.exp(temper), shares[1], shares[2] * math.exp(-temper))
        return self._rng.choices(SENTIMENTS, weights)[0]


def ordinary_days(seed: int, start: datetime, days: int) -> Iterator[Piece]:
    """All pieces of `days` ordinary days from midnight `start` (UTC), in no order."""
    room = Newsroom(seed, "ordinary")
    rng = room.rng
    mood = Mood(rng)
    activity = 0.0
    for day in range(days):
        midnight = start + timedelta(days=day)
        mood.turn_day()
        activity = 0.5 * activity + rng.gauss(0, 0.16)
        matters = round(MATTERS_PER_WEEKDAY * _WEEKDAYS[midnight.weekday()] * math.exp(activity))
        for _ in range(matters):
            chance = rng.random()
            if chance < 0.10:
                yield from _wide_matter(room, midnight)
            elif chance < 0.14:
                yield _small_talk(room, midnight)
            elif chance < 0.165:
                yield room.chinese(_post_time(rng, midnight), mood.company(), "chinese.ordinary")
            elif chance < 0.17:
                yield spam(room, _post_time(rng, midnight), rng.sample(PLAYERS, rng.randint(12, 20)))
            else:
                yield from _company_matter(room, mood, midnight)


def company_piece(
    room: Newsroom, player: Player, at: datetime, topic: str, meant: SentimentLabel, news: float
) -> Piece:
    """One document about `player`: with probability `news` an article on `topic`, else a post."""
    if room.rng.random() < news:
        return room.article(at, player, f"news.{topic}.{meant}", meant)
    return room.post(at, player, f"post.{meant}.claim", meant)


def spam(room: Newsroom, at: datetime, players: list[Player]) -> Piece:
    """A post that lists the cashtags of `players` to be found."""
    tickers = " ".join(f"${player.symbol}" for player in players)
    return room.post(at, None, "spam.text", None, aside=False, tickers=tickers, link="https://chrp.example/join")


def _company_matter(room: Newsroom, mood: Mood, midnight: datetime) -> Iterator[Piece]:
    """Something happens at a company; others take it up, mostly in the same temper."""
    rng = room.rng
    player = mood.company()
    topics = list(_TOPICS)
    topic = rng.choices(topics, [_TOPICS[name][0] for name in topics])[0]
    meant = mood.sentiment(player, _TOPICS[topic][1])
    as_news = rng.random() < 0.5
    at = midnight + timedelta(hours=daytime(rng, _NEWS_HOURS if as_news else _POST_HOURS))
    first = company_piece(room, player, at, topic, meant, news=float(as_news))
    yield first
    yield from _echoes(room, first)
    for moment in room.cascade(at, branching=0.5, median=timedelta(minutes=50)):
        follows = meant if rng.random() < 0.7 else mood.sentiment(player, _TOPICS[topic][1])
        piece = company_piece(room, player, moment, topic, follows, news=0.25)
        yield piece
        yield from _echoes(room, piece)


def _echoes(room: Newsroom, piece: Piece) -> Iterator[Piece]:
    """Copies by other feeds, reposts by other people: the same words again."""
    rng = room.rng
    if piece.fields["kind"] == "news":
        copies = rng.choices((0, 1, 2, 3), (74, 15, 7, 4))[0]
        for _ in range(copies):
            yield room.copy(piece, piece.published_at + timedelta(minutes=rng.lognormvariate(2.8, 1.0)))
    elif rng.random() < 0.13:
        for _ in range(min(25, int(rng.paretovariate(1.2)))):
            yield room.repost(piece, piece.published_at + timedelta(minutes=rng.lognormvariate(3.0, 1.2)))


def _wide_matter(room: Newsroom, midnight: datetime) -> Iterator[Piece]:
    at = midnight + timedelta(hours=daytime(room.rng, _NEWS_HOURS))
    yield room.headline(at, "wide.news", "wide.body")
    for moment in room.cascade(at, branching=0.4, median=timedelta(minutes=40)):
        yield room.post(moment, None, "wide.post", None)


def _small_talk(room: Newsroom, midnight: datetime) -> Piece:
    symbol = room.rng.choices(("chatter.life", "chatter.pie", "chatter.visa", "chatter.insects"), (6, 2, 2, 1))[0]
    return room.post(_post_time(room.rng, midnight), None, symbol, None, aside=False)


def _post_time(rng: Random, midnight: datetime) -> datetime:
    return midnight + timedelta(hours=daytime(rng, _POST_HOURS))
