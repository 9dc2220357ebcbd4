"""Makes the documents of the scenario: what a feed would send, with what its author meant by it."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from random import Random
from typing import Any, Final

from processors.identity import format_instant, identity_of
from processors.labels import SentimentLabel
from streams.demo.cast import NEWS_FEEDS, SOCIAL_FEEDS, Author, Player, crowd
from streams.demo.texts import Writer


@dataclass(frozen=True, slots=True)
class Piece:
    """One document as it will arrive. `scene` is the part of the scenario that it plays in; `meant` is the
    sentiment that its author intended, None where there is none to tell."""

    scene: str
    published_at: datetime
    arrived_at: datetime
    meant: SentimentLabel | None
    fields: Mapping[str, Any]

    @property
    def identity(self) -> str:
        """``source/id``."""
        return identity_of(self.fields["source"], self.fields["id"])

    @property
    def source(self) -> str:
        """The feed that sends it."""
        return str(self.fields["source"])

    @property
    def raw(self) -> bytes:
        """The record as it arrives."""
        return json.dumps(dict(self.fields), ensure_ascii=False).encode()


_CROWD: Final = crowd(Random("crowd"), 1200)
_CROWD_WEIGHTS: Final = list(accumulate(1 / (rank + 4) ** 1.1 for rank in range(len(_CROWD))))


class Newsroom:
    """Writes for one scene; all its chance comes from `seed` and the scene's name."""

    def __init__(self, seed: int, scene: str) -> None:
        self.scene = scene
        self.rng = Random(f"{seed}/{scene}")
        self._writer = Writer(self.rng)
        self._seed = seed
        self._made = 0

    def article(
        self, at: datetime, player: Player | None, symbol: str, meant: SentimentLabel, *, close: bool = True
    ) -> Piece:
        """A news article: a title and one to three sentences from the lists `title` and `body` under `symbol`."""
        context = self._context(player)
        title = self._writer.write(f"{symbol}.title", context)
        sentences = self._writer.sentences(f"{symbol}.body", context, self.rng.choice((1, 2, 2, 3)))
        if close:
            sentences.append(self._writer.write(f"close.{meant}", context))
        source = self._choose(NEWS_FEEDS)
        slug = "-".join("".join(c if c.isalnum() else " " for c in title.lower()).split()[:8])
        return self._piece(
            at,
            source,
            "news",
            meant,
            title=title,
            text=" ".join(filter(None, sentences)),
            url=f"https://www.{source}.example/{at:%Y/%m/%d}/{slug}",
            symbols=[player.symbol] if player and self.rng.random() < 0.6 else None,
            reach=self.rng.choice((20_000, 60_000, 150_000, 400_000)),
        )

    def headline(self, at: datetime, symbol: str, body: str) -> Piece:
        """A news article about no company."""
        title = self._writer.write(symbol, {})
        text = " ".join(self._writer.sentences(body, {}, self.rng.choice((1, 2))))
        return self._piece(at, self._choose(NEWS_FEEDS), "news", None, title=title, text=text, reach=60_000)

    def post(
        self,
        at: datetime,
        player: Player | None,
        symbol: str,
        meant: SentimentLabel | None,
        *,
        aside: bool = True,
        **slots: str,
    ) -> Piece:
        """A post by somebody of the crowd: a claim of the list `symbol`, sometimes with an opener, a reason and an aside, then tags."""
        context = self._context(player) | slots
        text = self._casual(self._writer.write(symbol, context))
        if aside and meant and self.rng.random() < 0.35:
            text += " " + self._writer.fill(self._pick(f"post.{meant}.reason"), context)
        if self.rng.random() < 0.15:
            text = f"{self._writer.fill(self._pick('post.opener'), context)} {text}"
        if aside and meant and self.rng.random() < 0.55:
            remark = self._writer.write(f"post.{meant}.aside", context)
            text += self.rng.choice((". ", ", ", " - ", "... ", "! ")) + self._casual(remark) if remark else ""
        if player:
            text = f"{text} {self._writer.fill(self._pick('tags.tail'), context)}".strip()
        if self.rng.random() < 0.12:
            text += f" https://chrp.example/{self._token(6)}"
        author = self.rng.choices(_CROWD, cum_weights=_CROWD_WEIGHTS)[0]
        cashtags = [word[1:] for word in text.split() if word.startswith("$") and word[1:].isalpha()]
        return self._post(at, author, text, meant, symbols=sorted(set(cashtags)) or None)

    def announcement(
        self, at: datetime, author: Author, text: str, meant: SentimentLabel | None, **fields: Any
    ) -> Piece:
        """A post with exactly this text."""
        return self._post(at, author, text, meant, **fields)

    def chinese(self, at: datetime, player: Player, symbol: str) -> Piece:
        """A news item or post in Chinese."""
        text = self._writer.write(symbol, self._context(player))
        if self.rng.random() < 0.4:
            text += "。" + self._writer.write(symbol, self._context(player))
        if self.rng.random() < 0.4:
            return self._piece(at, self._choose(NEWS_FEEDS), "news", None, title=text, language="zh-CN")
        return self._post(at, self.rng.choice(_CROWD), f"{text} ${player.symbol}", None, language="zh")

    def repost(self, piece: Piece, at: datetime) -> Piece:
        """`piece`, a post, passed on by somebody else."""
        author = self.rng.choices(_CROWD, cum_weights=_CROWD_WEIGHTS)[0]
        return self._piece(
            at,
            piece.source,
            "social",
            piece.meant,
            text=f"RT @{piece.fields['author']}: {piece.fields['text']}",
            author=author.name,
            reach=author.reach,
            symbols=piece.fields.get("symbols"),
            repost_of=piece.fields["id"],
        )

    def copy(self, piece: Piece, at: datetime) -> Piece:
        """`piece`, a news article, as another feed runs it: small edits, and another form of its address."""
        source = self._choose({feed: weight for feed, weight in NEWS_FEEDS.items() if feed != piece.source})
        context = {"source": source}
        credit = self._writer.fill(self._pick("wire.credit"), context)
        text = self._edited(str(piece.fields["text"]))
        slug = str(piece.fields["url"]).rsplit("/", 1)[1]
        url = self.rng.choice(
            (
                f"https://{source}.example/wire/{slug}?utm_source=feed&utm_campaign={self._token(5)}",
                f"http://m.{source}.example/{slug}#story",
                f"https://www.{source}.example/{slug}/?ref={self._token(4)}",
            )
        )
        copied = {"title": self._pick("wire.prefix") + str(piece.fields["title"]), "text": f"{text} {credit}".strip()}
        return self._piece(at, source, "news", piece.meant, url=url, symbols=piece.fields.get("symbols"), **copied)

    def fill(self, symbol: str, player: Player | None, **context: str) -> str:
        """A text for `symbol`, for whoever builds a document of its own."""
        return self._writer.write(symbol, self._context(player) | context)

    def cascade(self, at: datetime, branching: float, median: timedelta) -> list[datetime]:
        """When others take up what was published at `at`: each piece draws on average `branching` < 1 more, a
        heavy-tailed number after log-normal delays with that `median` (a self-exciting process)."""
        times: list[datetime] = []
        waiting = [at]
        while waiting:
            parent = waiting.pop()
            # A Pareto number with exponent 1.5, rounded down, has mean ζ(1.5) ≈ 2.61 above 1.
            children = int(self.rng.paretovariate(1.5)) if self.rng.random() < branching / 2.61 else 0
            for _ in range(min(children, 12)):
                delay = median * self.rng.lognormvariate(0, 1.1)
                times.append(parent + delay)
                waiting.append(parent + delay)
        return sorted(times)

    def spread_over(self, start: datetime, hours: float, count: int, skew: float = 1.0) -> list[datetime]:
        """`count` instants in the `hours` after `start`; with `skew` above 1 most come early."""
        return sorted(start + timedelta(hours=hours * self.rng.random() ** skew) for _ in range(count))

    def _context(self, player: Player | None) -> dict[str, str]:
        if player is None:
            return {}
        return player.context | {"product": self._pick(f"product.{player.trade}")}

    def _post(self, at: datetime, author: Author, text: str, meant: SentimentLabel | None, **fields: Any) -> Piece:
        source = self._choose(SOCIAL_FEEDS)
        return self._piece(at, source, "social", meant, text=text, author=author.name, reach=author.reach, **fields)

    def _piece(self, at: datetime, source: str, kind: str, meant: SentimentLabel | None, **fields: Any) -> Piece:
        at = at.replace(microsecond=at.microsecond // 1000 * 1000)
        hint = self.rng.choices(("en", "en-US", None, "und"), (80, 8, 10, 2))[0]
        known = {"id": self._id(), "source": source, "kind": kind, "published_at": format_instant(at), "language": hint}
        given = {name: value for name, value in (known | fields).items() if value is not None}
        seconds = 2 + self.rng.lognormvariate(1.5, 0.9)
        return Piece(self.scene, at, at + timedelta(seconds=min(seconds, 400)), meant, given)

    def _id(self) -> str:
        self._made += 1
        return hashlib.sha256(f"{self._seed}/{self.scene}/{self._made}".encode()).hexdigest()[:14]

    def _token(self, length: int) -> str:
        return "".join(self.rng.choices("abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789", k=length))

    def _choose(self, weights: Mapping[str, float]) -> str:
        return self.rng.choices(list(weights), list(weights.values()))[0]

    def _pick(self, symbol: str) -> str:
        return self._writer.template(symbol)

    def _casual(self, text: str) -> str:
        """As people type: seldom with a capital, sometimes in capitals throughout."""
        chance = self.rng.random()
        if chance < 0.45 and not text[:2].isupper():
            return text[:1].lower() + text[1:]
        return text.upper() if chance > 0.97 else text

    def _edited(self, text: str) -> str:
        """`text` with the small changes that editors make."""
        changes: Sequence[tuple[str, str]] = (
            ("said", "told reporters"),
            ("about", "roughly"),
            ("more", "further"),
            ("The company", "The firm"),
            (" and ", " & "),
            ("because of", "due to"),
        )
        for before, after in self.rng.sample(changes, 2):
            text = text.replace(before, after, 1)
        return text.rsplit(". ", 1)[0] + "." if self.rng.random() < 0.3 and ". " in text else text


def daytime(rng: Random, peaks: Sequence[tuple[float, float, float]]) -> float:
    """An hour of the day (UTC, 0 to 24) from a mixture of bells: (weight, centre, width), wrapped at midnight."""
    _, centre, width = rng.choices(peaks, [weight for weight, _, _ in peaks])[0]
    return math.fmod(rng.gauss(centre, width) + 48, 24)
