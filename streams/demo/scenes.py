"""The days on which something happens: each scene is a set of pieces and what the bell should make of it.

What should ring or keep silent is stated from what happens, before any detector saw it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from processors.labels import SentimentLabel
from processors.messages import IncidentKind
from streams.demo.cast import BY_ID, WIRE, Author, Player
from streams.demo.newsroom import Newsroom, Piece
from streams.demo.ordinary import spam

HISTORY_DAYS: Final = 21


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a fair bell does in [since, until), UTC: with `rings`, an incident of `kind` opens on `series`; without,
    none does. `why` is the reason in one sentence."""

    scene: str
    series: str
    kind: IncidentKind
    rings: bool
    since: datetime
    until: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Scene:
    """Pieces that arrive, and what is expected of them."""

    pieces: tuple[Piece, ...]
    expectations: tuple[Expectation, ...]


def scenes(seed: int, start: datetime) -> list[Scene]:
    """All scenes of the scenario whose history begins at midnight `start` (UTC)."""
    monday = start + timedelta(days=HISTORY_DAYS)
    day = [monday + timedelta(days=number) for number in range(5)]
    end = monday + timedelta(days=5)
    return [
        _crisis(seed, day[0]),
        _slow_build(seed, day[0] - timedelta(days=5), end),
        _good_earnings(seed, day[1]),
        _bad_earnings(seed, day[1]),
        _campaign(seed, day[2]),
        _wire_copies(seed, day[2]),
        _backlog(seed, day[3]),
        _spam_wave(seed, day[3]),
        _small_talk_wave(seed, day[4], end),
    ]


def stopped_feed(start: datetime) -> Expectation:
    """When the feed `WIRE` is silent: whoever assembles the scenario drops what it would have sent."""
    thursday = start + timedelta(days=HISTORY_DAYS + 3)
    return Expectation(
        "stopped feed",
        f"source:{WIRE}",
        "no-data",
        True,
        thursday + timedelta(hours=7),
        thursday + timedelta(hours=18),
        "a feed that sends dozens of articles on a weekday sends none for eleven hours",
    )


def _crisis(seed: int, day: datetime) -> Scene:
    """An attack stops a parcel network: hundreds of different bad stories within hours, and the trade suffers too."""
    room = Newsroom(seed, "crisis")
    rng = room.rng
    player = BY_ID["UPS"]
    start = day + timedelta(hours=13, minutes=5)
    pieces: list[Piece] = []
    fronts = (  # front, begins after hours, lasts hours, articles, posts
        ("outage", 0.0, 7.0, 16, 34),
        ("shares", 0.6, 6.0, 10, 26),
        ("customers", 1.5, 22.0, 14, 36),
        ("analysts", 2.0, 26.0, 12, 14),
        ("response", 4.0, 44.0, 18, 24),
    )
    for front, begins, lasts, articles, posts in fronts:
        symbol = f"crisis.{front}"
        opening = start + timedelta(hours=begins)
        for at in room.spread_over(opening, lasts, articles, skew=1.8):
            article = room.article(at, player, symbol, "negative")
            pieces += [
                article,
                *(
                    room.copy(article, at + timedelta(minutes=rng.lognormvariate(2.5, 0.8)))
                    for _ in range(rng.choice((0, 0, 1, 2)))
                ),
            ]
        for at in room.spread_over(opening, lasts, posts, skew=1.8):
            post = room.post(at, player, f"{symbol}.post", "negative")
            pieces.append(post)
            drawn = room.cascade(at, branching=0.35, median=timedelta(minutes=30))
            pieces += [room.post(moment, player, f"{symbol}.post", "negative") for moment in drawn]
    for at in room.spread_over(start + timedelta(hours=1), 40, 26, skew=1.4):
        meant: SentimentLabel = "neutral"
        pieces.append(
            room.article(at, player, "crisis.statement", meant)
            if rng.random() < 0.5
            else room.post(at, player, "crisis.statement.post", meant)
        )
    for number in range(3):
        at = start + timedelta(hours=1.2 + 2.5 * number)
        original = room.announcement(
            at,
            Author(f"night_shift_{number}", 900 * 7**number),
            room.fill(f"crisis.viral_{number}", player),
            "negative",
        )
        pieces.append(original)
        times = (at + timedelta(minutes=rng.lognormvariate(4.0, 1.0)) for _ in range((45, 110, 70)[number]))
        pieces += [room.repost(original, moment) for moment in times]
    for peer in ("AMZN", "WMT", "HD", "MCD", "BABA"):
        for at in room.spread_over(start + timedelta(hours=2.5), 20, 9, skew=1.5):
            pieces.append(
                room.article(at, BY_ID[peer], "crisis.peers", "negative")
                if rng.random() < 0.4
                else room.post(at, BY_ID[peer], "crisis.peers.post", "negative")
            )
    pieces += [room.chinese(at, player, "chinese.crisis") for at in room.spread_over(start, 24, 14, skew=1.5)]
    why = "hundreds of different negative articles and posts within hours, where a few a day are usual"
    soon = start + timedelta(hours=4)
    return Scene(
        tuple(pieces),
        (
            Expectation(room.scene, "company:UPS", "sentiment", True, start, soon, why),
            Expectation(
                room.scene, "sector:Services", "sentiment", True, start, start + timedelta(hours=12),
                "the crisis and what it does to retailers outweigh the sector's usual news",
            ),
            Expectation(
                room.scene, "company:MSFT", "sentiment", False, start, day + timedelta(days=1),
                "nothing bad is written about a company of another sector",
            ),
        ),
    )  # fmt: skip


def _slow_build(seed: int, start: datetime, end: datetime) -> Scene:
    """Bad opinion about one company grows from day to day, never fast: ten days from one a day to ten."""
    room = Newsroom(seed, "slow build")
    player = BY_ID["INTC"]
    pieces: list[Piece] = []
    for number, extra in enumerate((1, 1, 2, 0, 1, 3, 4, 6, 8, 10)):
        for at in room.spread_over(start + timedelta(days=number, hours=11), 11, extra):
            pieces.append(
                room.article(at, player, "slow", "negative")
                if room.rng.random() < 0.45
                else room.post(at, player, "slow.post", "negative")
            )
    return Scene(
        tuple(pieces),
        (
            Expectation(
                room.scene, "company:INTC", "sentiment", True, start + timedelta(days=6), end,
                "negative opinion grows fivefold within a week, though no single hour stands out",
            ),
        ),
    )  # fmt: skip


def _good_earnings(seed: int, day: datetime) -> Scene:
    """Much is written about good results: busy, mixed, and no reason to ring about sentiment."""
    room = Newsroom(seed, "good earnings")
    published = day + timedelta(hours=20, minutes=5)
    mix: dict[SentimentLabel, int] = {"positive": 45, "neutral": 42, "negative": 11}
    pieces = _earnings(room, BY_ID["MSFT"], "earnings.good", published, 9, mix)
    return Scene(
        pieces,
        (
            Expectation(
                room.scene, "company:MSFT", "sentiment", False, day + timedelta(hours=12), day + timedelta(days=2),
                "an earnings day is busy, but the share of negative texts is no higher than usual",
            ),
        ),
    )  # fmt: skip


def _bad_earnings(seed: int, day: datetime) -> Scene:
    """Results that disappoint: mostly negative, before the market opens."""
    room = Newsroom(seed, "bad earnings")
    published = day + timedelta(hours=10, minutes=30)
    mix: dict[SentimentLabel, int] = {"negative": 52, "neutral": 22, "positive": 8}
    pieces = _earnings(room, BY_ID["CAT"], "earnings.bad", published, 11, mix)
    return Scene(
        pieces,
        (
            Expectation(
                room.scene, "company:CAT", "sentiment", True, published, published + timedelta(hours=9),
                "dozens of different negative texts on results that disappoint, where one a day is usual",
            ),
        ),
    )  # fmt: skip


def _earnings(
    room: Newsroom, player: Player, symbol: str, published: datetime, hours: float, mix: Mapping[SentimentLabel, int]
) -> tuple[Piece, ...]:
    texts = [meant for meant, count in mix.items() for _ in range(count)]
    room.rng.shuffle(texts)
    pieces = []
    for at, meant in zip(room.spread_over(published, hours, len(texts), skew=2.0), texts, strict=True):
        lists = f"{symbol}.{meant}"
        pieces.append(
            room.article(at, player, lists, meant)
            if room.rng.random() < 0.4
            else room.post(at, player, f"{lists}.post", meant)
        )
    return tuple(pieces)


def _campaign(seed: int, day: datetime) -> Scene:
    """Fresh accounts push one false claim, each in nearly the same words, within ninety minutes."""
    room = Newsroom(seed, "campaign")
    rng = room.rng
    player = BY_ID["PFE"]
    start = day + timedelta(hours=15)
    accounts = [Author(f"truth{rng.randint(10_000, 99_999)}", rng.randint(0, 60)) for _ in range(90)]
    claim = room.fill("campaign.text", player)
    first = room.announcement(start, accounts[0], claim, "negative")
    pieces = [first]
    for at in room.spread_over(start, 1.5, 190):
        account = rng.choice(accounts)
        if rng.random() < 0.3:
            text, original = f"RT @{first.fields['author']}: {claim}", first
            again = room.announcement(at, account, text, "negative", repost_of=original.fields["id"])
            pieces.append(replace(again, fields=dict(again.fields) | {"source": original.source}))
        else:
            text = room.fill("campaign.variant", player, text=claim)
            pieces.append(room.announcement(at, account, text, "negative"))
    return Scene(
        tuple(pieces),
        (
            Expectation(
                room.scene, "company:PFE", "sentiment", False, start, start + timedelta(hours=24),
                "one text by many accounts at once is a campaign, not news",
            ),
        ),
    )  # fmt: skip


def _wire_copies(seed: int, day: datetime) -> Scene:
    """One bad story runs in every paper, with small edits and other addresses."""
    room = Newsroom(seed, "wire copies")
    player = BY_ID["VZ"]
    start = day + timedelta(hours=17, minutes=40)
    original = room.article(start, player, "wire", "negative", close=False)
    copies = [room.copy(original, at) for at in room.spread_over(start, 7, 26, skew=1.5)]
    return Scene(
        (original, *copies),
        (
            Expectation(
                room.scene, "company:VZ", "sentiment", False, start, start + timedelta(hours=24),
                "one story is one story, however many feeds carry it",
            ),
        ),
    )  # fmt: skip


def _backlog(seed: int, day: datetime) -> Scene:
    """A feed delivers two days late what was bad news then: to be kept and searched, not to be counted."""
    room = Newsroom(seed, "backlog")
    player = BY_ID["MRK"]
    arrival = day + timedelta(hours=19)
    pieces = []
    for number, at in enumerate(room.spread_over(day - timedelta(hours=40), 8, 44)):
        piece = (
            room.article(at, player, "backlog", "negative")
            if room.rng.random() < 0.5
            else room.post(at, player, "backlog.post", "negative")
        )
        pieces.append(replace(piece, arrived_at=arrival + timedelta(seconds=4 * number)))
    return Scene(
        tuple(pieces),
        (
            Expectation(
                room.scene, "company:MRK", "sentiment", False, arrival, arrival + timedelta(hours=20),
                "all of it is older than the lateness allowance when it arrives",
            ),
        ),
    )  # fmt: skip


def _spam_wave(seed: int, day: datetime) -> Scene:
    """Posts that list a whole sector's cashtags under a scary line are about none of them."""
    room = Newsroom(seed, "spam")
    start = day + timedelta(hours=12)
    utilities = [player for player in BY_ID.values() if player.trade == "utility"]
    others = [player for player in BY_ID.values() if player.trade in ("energy", "consumer")]
    pieces = [spam(room, at, room.rng.sample(utilities + others, 14)) for at in room.spread_over(start, 5, 60)]
    return Scene(
        tuple(pieces),
        tuple(
            Expectation(
                room.scene, series, "sentiment", False, start, start + timedelta(hours=20),
                "a list of cashtags is about none of them",
            )
            for series in (*(f"company:{player.id}" for player in utilities), "sector:Utilities")
        ),
    )  # fmt: skip


def _small_talk_wave(seed: int, day: datetime, end: datetime) -> Scene:
    """A spoiled apple pie, refused visas, caterpillars in the garden: words that are names elsewhere."""
    room = Newsroom(seed, "small talk")
    start = day + timedelta(hours=13)
    waves = (("chatter.pie", 60), ("chatter.visa", 34), ("chatter.insects", 20))
    pieces = [
        room.post(at, None, symbol, "negative", aside=False)
        for symbol, count in waves
        for at in room.spread_over(start, 6, count)
    ]
    return Scene(
        tuple(pieces),
        tuple(
            Expectation(
                room.scene, f"company:{company}", "sentiment", False, start, end,
                "apple pie, travel visas and caterpillars are no companies",
            )
            for company in ("AAPL", "V", "CAT")
        ),
    )  # fmt: skip
