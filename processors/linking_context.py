"""What stands around a word that may name a company: the evidence by which an ambiguous one is judged.

All looks around are of fixed width, so that a text's cost stays linear in its length.
"""

import re
from dataclasses import dataclass, field
from typing import Final

MARKET_WORDS: Final = frozenset(
    """
    afterhours ahead analyst analysts bear bearish beat beats billion bln bought bounce breakout breakouts brokers bull
    bullish buy buyback buying buys call calls ceo cfo chart charts closed cts cut cuts debt dividend dividends dlrs
    dow downgrade downgraded downgrades downside earnings eps equity estimates etf filing funds gains
    guidance hedge highs holding holdings insider invest investing investment investor investors ipo long losers lows
    market markets merger mkt mln movers nasdaq newsletter nyse option options outperform overweight pct pennystock
    plunge portfolio premarket price prices profit profits put puts qtr quarter quote rally rated rating ratings
    research resistance revenue revenues revs rises sales sector sell selling sells settlement share shareholder
    shareholders shares short shorts shr stake stock stockaction stocks stocktwits strike tech technical ticker trade
    traded trader traders trades trading trend underperform underweight upgrade upgraded upgrades upside valuation
    q1 q2 q3 q4 fy weekly weeklies volume wallstreet watchlist yield yr 涨 跌 股 盘
    """.split()
)
"""Case-folded words of the market's talk."""

COMPANY_FORMS: Final = frozenset("inc incorporated corp corporation co company cos plc ltd limited group".split())
STOCK_NOUNS: Final = frozenset("shares share stock stocks calls puts options earnings dividend".split())
US_SUFFIXES: Final = frozenset(["", "US", "N", "O"])
"""What may follow a symbol without making it another exchange's: Bloomberg's country, Reuters' New York and Nasdaq."""
US_EXCHANGES: Final = frozenset("nyse nasdaq amex nasd".split())

_AFTER_A_NAME: Final = frozenset(
    """
    adds admits agreed agrees aims announced announces appoints asks backs beats begins bids builds buying buys closes
    considers could cut cuts defends delays denies drops ends expands expects eyes faces falls files finds gains gets
    gives goes had halts has have hires hits holds inks is joins jumps launches leads leaves loses makes may misses moves
    names nears needs offers opens orders pays plans plunges posts probes pulls pushes raises reaches recalls rejects
    reported reports returns reveals rises said says seeks sees sells sets settles signs slips soars spends starts sues
    takes tells to tops trims tumbles unveils urges wants warns was weighs will wins won would
    & for in of on with
    ceo chairman president spokesman unit
    """.split()
)
_NEAR: Final = 12
_CONTEXT_NEAR: Final = 36
_LIST_REACH: Final = 6
_LIST_GAPS: Final = frozenset([", ", ",", "/", " "])
_MAGNITUDE: Final = re.compile(r"\s?[\d.,]*\d(?:k|m|mm|mln|mn|b|bn|bln)\b", re.IGNORECASE)
_PERCENT: Final = re.compile(r"\d ?%")
_PRICE: Final = re.compile(r"\s\$?\d+\.\d\d?\b")
_WIRE_TICKER: Final = re.compile(r"\s?<[A-Z0-9.]{1,8}>")


@dataclass(slots=True)
class Words:
    """The words of a text, in order: case-folded ("$" before a cashtag's) and where each stands."""

    text: str
    folded: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    cashtags: set[str] = field(default_factory=set)
    stylised: int = 0

    def append(self, folded: str, match: re.Match[str]) -> int:
        """Take in one more word, where `match` found it; its index."""
        self.folded.append(folded)
        self.starts.append(match.start())
        self.ends.append(match.end())
        return len(self.folded) - 1

    def surface(self, index: int) -> str:
        """The word as it stands in the text."""
        return self.text[self.starts[index] : self.ends[index]]

    def gap(self, index: int) -> str:
        """What stands between the word at `index` and the one after it; "" at the end."""
        return self.text[self.ends[index] : self.starts[index + 1]] if index + 1 < len(self.folded) else ""

    def near(self, index: int, wanted: frozenset[str], reach: int = _NEAR) -> bool:
        """Does one of the `wanted` words stand at most `reach` words from the one at `index`?"""
        return not wanted.isdisjoint(self.folded[max(0, index - reach) : index + reach + 1])

    def market_near(self, index: int) -> bool:
        """Is it the market's talk around `index`: its words, or a percentage?"""
        if self.near(index, MARKET_WORDS):
            return True
        return bool(_PERCENT.search(self.text, max(0, self.starts[index] - 60), self.ends[index] + 60))

    def context_near(self, index: int, context: frozenset[str]) -> bool:
        """Does a word of a company's own `context` stand near `index`?"""
        return bool(context) and self.near(index, context, _CONTEXT_NEAR)

    def followed_by_form(self, last: int) -> bool:
        """Does what a company's name ends in ("Inc") or what only companies have ("shares") follow the word `last`?"""
        if _WIRE_TICKER.match(self.text, self.ends[last]):
            return True
        following = last + 2 if self.folded[last + 1 : last + 2] == ["s"] else last + 1
        if following >= len(self.folded) or self.gap(following - 1) not in (" ", "\n"):
            return False
        word = self.folded[following]
        return word in STOCK_NOUNS or (word in COMPANY_FORMS and self.surface(following)[0].isupper())

    def opens_sentence(self, index: int) -> bool:
        """Does the word at `index` begin a sentence or line, so that its capital says nothing?"""
        before = self.text[max(0, self.starts[index] - 3) : self.starts[index]].rstrip(" ")
        return not before or before[-1] in ".!?\n"

    def acts(self, last: int) -> bool:
        """Does what follows the word `last` treat it as somebody ("says", "to buy", "'s"), not as an adjective?"""
        return self.gap(last) not in (" ", "\n") or self.folded[last + 1] in _AFTER_A_NAME

    def shouting(self, start: int, end: int) -> bool:
        """Is everything around [start, end) in capitals, so that they say nothing? Looks 50 characters each way."""
        before = self.text[max(0, start - 50) : start].rpartition("\n")[2]
        after = self.text[end : end + 50].partition("\n")[0]
        letters = [character for character in before + after if character.isalpha()]
        return len(letters) >= 8 and sum(map(str.isupper, letters)) > 0.8 * len(letters)

    def capitals_follow(self, index: int) -> bool:
        """Is the next word all capitals too, so that both may be pieces of one stylised word ("$UN HA")?"""
        if self.gap(index) != " ":
            return False
        following = self.surface(index + 1)
        return following.isupper() and following[0] != "$" and following != "RT"

    def amount_follows(self, end: int) -> bool:
        """Does an amount of money follow, as after a currency ("$C 350M")?"""
        return bool(_MAGNITUDE.match(self.text, end))

    def price_follows(self, end: int) -> bool:
        """Does a price follow, as after a ticker ("$T 35.62")?"""
        return bool(_PRICE.match(self.text, end))

    def marked_as_ticker(self, index: int) -> bool | None:
        """Is the word at `index` written as tickers are: ``<GE>``, ``(T)``, ``NYSE: T``, ``T shares``?

        None where it is marked as another exchange's (``TSE:T``, ``<BP.L>``).
        """
        start, end = self.starts[index], self.ends[index]
        before, after = self.text[start - 1 : start], self.text[end : end + 1]
        if after == "." and self.text[end + 1 : end + 2].isupper():
            suffix = re.match(r"\.([A-Z]{1,2})[>)\s]", self.text[end : end + 4])
            if suffix:
                if suffix[1] not in US_SUFFIXES:
                    return None
                after = suffix[0][-1]
        if (before == "<" and after == ">") or (before == "(" and after in (")", ",")):
            return True
        if before in (":", " ") and index:
            between = self.gap(index - 1)
            if between in (":", ": ", " : "):
                if self.folded[index - 1] in US_EXCHANGES:
                    return True
                if between == ":":
                    return None
        return bool(
            self.gap(index) == " "
            and self.folded[index + 1] in STOCK_NOUNS
            and self.folded[index] not in ("a", "b", "c")  # share classes
        )

    def listed_symbols(self, index: int) -> list[str]:
        """The other members of the list of capitals that the word at `index` stands in ("CMCSA, MCD, T")."""
        members = []
        for step in (-1, 1):
            at = index
            for _ in range(_LIST_REACH):
                gap = self.gap(at - 1) if step < 0 and at else self.gap(at) if step > 0 else ""
                at += step
                if not 0 <= at < len(self.folded) or gap not in _LIST_GAPS:
                    break
                word = self.surface(at)
                if self.folded[at] == "&":
                    continue
                if gap == " " and self.folded[at - step] != "&":
                    break
                if gap == "/" and len(word) + len(self.surface(at - step)) < 4:
                    break  # "P/T" is a price target
                if not (word.isalpha() and word.isupper() and word.isascii() and len(word) <= 5):
                    break
                members.append(word)
        return members
