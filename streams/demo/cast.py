"""Who plays in the scenario: companies by how much is written of them, feeds, and the people who post."""

from dataclasses import dataclass
from random import Random
from typing import Final


@dataclass(frozen=True, slots=True)
class Player:
    """A company as the scenario's authors write about it: `id` as in the company master, `ticker` where today's
    differs. `trade` chooses what it sells in ``texts.toml``."""

    id: str
    name: str
    trade: str
    chinese: str = ""
    ticker: str = ""

    @property
    def symbol(self) -> str:
        """What stands behind the dollar sign."""
        return self.ticker or self.id

    @property
    def context(self) -> dict[str, str]:
        """The slots that this company fills."""
        tag = "".join(character for character in self.name if character.isalnum())
        return {"name": self.name, "cash": f"${self.symbol}", "tag": tag, "zh": self.chinese or self.name}


# In the order of how much is written about them: the first gets most (Zipf).
PLAYERS: Final = (
    Player("AAPL", "Apple", "consumer", "苹果公司"),
    Player("AMZN", "Amazon", "services", "亚马逊"),
    Player("MSFT", "Microsoft", "tech", "微软"),
    Player("FB", "Meta Platforms", "tech", ticker="META"),
    Player("GOOG", "Alphabet", "tech", "谷歌"),
    Player("BABA", "Alibaba", "services", "阿里巴巴"),
    Player("BA", "Boeing", "industrial", "波音"),
    Player("JPM", "JPMorgan", "finance", "摩根大通"),
    Player("DIS", "Disney", "services", "迪士尼"),
    Player("INTC", "Intel", "tech", "英特尔"),
    Player("WMT", "Walmart", "services", "沃尔玛"),
    Player("BAC", "Bank of America", "finance", "美国银行"),
    Player("XOM", "Exxon Mobil", "energy", "埃克森美孚"),
    Player("T", "AT&T", "tech"),
    Player("PFE", "Pfizer", "health", "辉瑞"),
    Player("C", "Citigroup", "finance", "花旗集团"),
    Player("ORCL", "Oracle", "tech", "甲骨文"),
    Player("CSCO", "Cisco", "tech", "思科"),
    Player("WFC", "Wells Fargo", "finance", "富国银行"),
    Player("GE", "General Electric", "industrial", "通用电气"),
    Player("CVX", "Chevron", "energy", "雪佛龙"),
    Player("VZ", "Verizon", "tech"),
    Player("UPS", "UPS", "services", "联合包裹"),
    Player("CAT", "Caterpillar", "industrial", "卡特彼勒"),
    Player("MRK", "Merck", "health", "默沙东"),
    Player("MCD", "McDonald's", "services", "麦当劳"),
    Player("KO", "Coca-Cola", "consumer", "可口可乐"),
    Player("JNJ", "Johnson & Johnson", "health", "强生"),
    Player("V", "Visa", "finance"),
    Player("HD", "Home Depot", "services"),
    Player("TSM", "TSMC", "tech", "台积电"),
    Player("PG", "Procter & Gamble", "consumer", "宝洁"),
    Player("BP", "BP", "energy"),
    Player("MA", "Mastercard", "finance", "万事达"),
    Player("UNH", "UnitedHealth", "health", "联合健康"),
    Player("LMT", "Lockheed Martin", "industrial"),
    Player("PEP", "PepsiCo", "consumer", "百事可乐"),
    Player("ABBV", "AbbVie", "health"),
    Player("TM", "Toyota", "consumer", "丰田"),
    Player("CMCSA", "Comcast", "services"),
    Player("HON", "Honeywell", "industrial", "霍尼韦尔"),
    Player("AMGN", "Amgen", "health"),
    Player("MMM", "3M", "industrial"),
    Player("HSBC", "HSBC", "finance", "汇丰"),
    Player("DUK", "Duke Energy", "utility"),
    Player("NEE", "NextEra", "utility"),
    Player("SLB", "Schlumberger", "energy"),
    Player("SO", "Southern Company", "utility"),
    Player("BUD", "Anheuser-Busch InBev", "consumer"),
    Player("GD", "General Dynamics", "industrial"),
    Player("NVS", "Novartis", "health", "诺华"),
    Player("PCG", "PG&E", "utility"),
    Player("MO", "Altria", "consumer"),
    Player("EXC", "Exelon", "utility"),
    Player("D", "Dominion Energy", "utility"),
    Player("AEP", "American Electric Power", "utility"),
    Player("MDT", "Medtronic", "health"),
    Player("CHTR", "Charter Communications", "services"),
)

BY_ID: Final = {player.id: player for player in PLAYERS}

WIRE: Final = "harborwire"
"""The feed that stops for some hours in one of the scenes."""

NEWS_FEEDS: Final = {
    WIRE: 0.34,
    "meridian-news": 0.2,
    "tickertape": 0.16,
    "marketpost": 0.13,
    "cityline": 0.1,
    "globe-ledger": 0.07,
}
SOCIAL_FEEDS: Final = {"chirper": 0.82, "stockboard": 0.18}


@dataclass(frozen=True, slots=True)
class Author:
    """An account with so many followers."""

    name: str
    reach: int


_FIRST = ("quiet", "north", "delta", "lucky", "grey", "tape", "value", "swing", "night", "salty", "prime", "old", "zen")
_SECOND = ("trader", "heron", "bull", "ledger", "otter", "candle", "moss", "pilot", "kite", "bear", "harbor", "wick")


def crowd(rng: Random, size: int) -> tuple[Author, ...]:
    """`size` accounts, the busiest first; followers follow a power law, unrelated to how much they write."""
    return tuple(
        Author(
            f"{rng.choice(_FIRST)}_{rng.choice(_SECOND)}{number:03d}",
            min(2_000_000, int(40 * rng.paretovariate(0.85))),
        )
        for number in range(size)
    )
