"""Select the texts that were labelled by hand for company linking, and show them to whoever labels.

The script chooses texts and never labels them: its patterns say where a company *might* be named, and are wide on
purpose (a word-like ticker, a misspelling, a part of another word), so that texts about something else are chosen too.
The publisher's `symbols` are used only to spread the random stratum over companies, and are not shown.

Usage: ``python select_linking_texts.py DATA_DIR > texts.jsonl``; the output holds texts and must not be committed.
"""

import argparse
import gzip
import hashlib
import json
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

SEED = 20140101
WANTED = {"random": 200, "ambiguous": 220, "name": 130, "newswire": 90, "scarce": 42}

ONE_COMPANY = {"BBL": "BHP", "UN": "UL"}
"""Second listings in companies.tsv, and the symbol that stands for the company."""

WORDLIKE_TICKERS = (
    "T D C V MA MO SO PM UN UL BA CAT GE GD MMM REX PICO ABB HD DIS KO SNP TOT BP PG TM UPS DUK HON PEP PPL CHL "
    "BUD FB MCD CODI IEP NEE SRE EXC AEP PTR TSM"
).split()

SCARCE_TICKERS = "T D C V MA SO PM".split()
"""Tickers that mean their company too seldom in the other draws; they get texts of their own."""

WORDLIKE_NAMES = {
    "AAPL": r"apples?",
    "ABB": r"abb",
    "AMZN": r"amazon",
    "BABA": r"baba|ali ?baba",
    "BAC": r"boa|bofa|bank of america",
    "BP": r"bp",
    "BRK-A": r"berkshire|buffett",
    "BSAC": r"santander",
    "BUD": r"bud|budweiser",
    "C": r"citi\w*",
    "CAT": r"cats?|caterpillar",
    "CHL": r"china mobile",
    "CHTR": r"charter",
    "CSCO": r"cisco",
    "D": r"dominion",
    "DIS": r"disney\w*",
    "DUK": r"duke",
    "FB": r"facebook|fb",
    "GE": r"ge|general electric",
    "GD": r"gd|general dynamics",
    "GOOG": r"google\w*",
    "HD": r"hd|home depot",
    "HON": r"hon|honeywell",
    "HSBC": r"hsbc",
    "IEP": r"icahn",
    "INTC": r"intel",
    "JPM": r"chase|morgan",
    "KO": r"coke|coca[- ]?cola",
    "MA": r"master ?card",
    "MMM": r"3m|mmm+",
    "MRK": r"merck",
    "NGG": r"national grid",
    "ORCL": r"oracle",
    "PEP": r"pep|pepsi\w*",
    "PM": r"philip morris|phillip morris",
    "RDS-B": r"shell",
    "REX": r"rex",
    "SO": r"southern",
    "SRE": r"sempra",
    "T": r"at ?& ?t|att",
    "TOT": r"total",
    "UPS": r"ups",
    "V": r"visa",
}

NAMES = {
    "AAPL": r"apple|iphones?|ipads?|itunes|mac ?book\w*",
    "ABBV": r"abb ?vie|humira",
    "AEP": r"american electric",
    "AMGN": r"amgen|enbrel",
    "AMZN": r"amazons?|kindle|amazon prime|aws",
    "BA": r"boeings?|dreamliner|7[3478]7s?",
    "BABA": r"ali ?baba|alipay|taobao",
    "BAC": r"bofa|bank of america|merrill",
    "BHP": r"bhp|billiton",
    "BP": r"bp|british petroleum",
    "BRK-A": r"berkshire|buffett?|brk",
    "BUD": r"anheuser|budweiser|inbev",
    "C": r"citi|citigroup|citibank",
    "CAT": r"caterpillar|catepillar",
    "CELG": r"celgene|revlimid",
    "CHL": r"china mobile",
    "CHTR": r"charter",
    "CMCSA": r"comcast|nbc|xfinity|cmcsk",
    "CSCO": r"cisco",
    "CVX": r"chevron",
    "D": r"dominion",
    "DHR": r"danaher",
    "DIS": r"disney|espn|pixar|marvel",
    "DUK": r"duke energy|duke",
    "EXC": r"exelon|excelon",
    "FB": r"face ?book|instagram|whats ?app|oculus|zuckerberg",
    "GD": r"general dynamics|gulfstream",
    "GE": r"general electric|\bge",
    "GOOG": r"google|you ?tube|android|googl",
    "HD": r"home ?depot",
    "HON": r"honeywell",
    "HSBC": r"hsbc",
    "IEP": r"icahn",
    "INTC": r"intel",
    "JNJ": r"johnson & johnson|johnson (?:and|&amp;) johnson|j&(?:amp;)?j|jnj",
    "JPM": r"jp ?morgan|j\.p\. ?morgan|chase|dimon",
    "KO": r"coke|coca[- ]?cola",
    "LMT": r"lockheed|f-?35",
    "MA": r"master ?card",
    "MCD": r"mc ?donald'?s?|big mac",
    "MDT": r"medtronic",
    "MMM": r"3m",
    "MO": r"altria",
    "MRK": r"merck|keytruda",
    "MSFT": r"micro ?soft|xbox|windows|skype|msft",
    "NEE": r"nextera|nexterra",
    "NVS": r"novartis",
    "ORCL": r"oracle|ellison",
    "PCG": r"pg&(?:amp;)?e",
    "PCLN": r"priceline|booking\.com",
    "PEP": r"pepsi\w*|frito|gatorade",
    "PFE": r"pfizer|viagra|lipitor|phizer",
    "PG": r"procter|proctor|p&(?:amp;)?g|gillette",
    "PM": r"phill?ip morris|marlboro",
    "PTR": r"petro ?china",
    "RDS-B": r"royal dutch|shell",
    "SLB": r"schlumberger|schlumberg\w*",
    "SNP": r"sinopec",
    "SNY": r"sanofi|lantus|genzyme",
    "SO": r"southern co\w*",
    "SRE": r"sempra",
    "T": r"at&(?:amp;)?t|att|directv",
    "TM": r"toyota|prius|lexus",
    "TOT": r"total s\.?a\.?|total",
    "TSM": r"tsmc|taiwan semi\w*",
    "UL": r"unilever",
    "UNH": r"united ?health\w*|optum",
    "UPS": r"united parcel|ups",
    "UTX": r"united tech\w*|sikorsky|pratt",
    "V": r"visa",
    "VZ": r"verizon",
    "WFC": r"wells? ?fargo",
    "WMT": r"wal[- ]?mart\w*|sam'?s club",
    "XOM": r"exxon\w*|mobil",
}

WIRE_NAMES = {
    "AAPL": r"apple",
    "AMGN": r"amgen",
    "BA": r"boeing",
    "BAC": r"bank ?of ?america|bankamerica",
    "BHP": r"broken hill|bhp",
    "BP": r"british petroleum|bp",
    "BRK-A": r"berkshire",
    "BUD": r"anheuser|budweiser",
    "C": r"citicorp|citibank",
    "CAT": r"caterpillar|cat",
    "CHTR": r"charter",
    "CVX": r"chevron",
    "D": r"dominion",
    "DIS": r"disney",
    "DUK": r"duke",
    "EXC": r"excel\w*|philadelphia electric",
    "GD": r"general dynamics",
    "GE": r"general electric|ge",
    "GOOG": r"alphabet",
    "HD": r"home depot",
    "HON": r"honeywell",
    "HSBC": r"hongkong and shanghai bank\w*|hsbc",
    "IEP": r"icahn",
    "INTC": r"intel",
    "JNJ": r"johnson and johnson",
    "JPM": r"jp morgan|j\.p\. morgan|morgan guaranty|chase",
    "KO": r"coca[- ]cola|coke",
    "LMT": r"lockheed|martin marietta",
    "MA": r"master ?card",
    "MCD": r"mcdonald\S*",
    "MMM": r"minnesota mining|3m",
    "MO": r"philip morris",
    "MRK": r"merck",
    "MSFT": r"microsoft",
    "ORCL": r"oracle",
    "PCG": r"pacific gas",
    "PEP": r"pepsi\w*",
    "PFE": r"pfizer",
    "PG": r"procter\w*",
    "RDS-B": r"royal dutch\S*|shell",
    "REX": r"rex",
    "SLB": r"schlumberger",
    "SO": r"southern co",
    "T": r"american telephone|at and t|att|t",
    "TM": r"toyota",
    "TOT": r"total",
    "UL": r"unilever",
    "UPS": r"united parcel|ups",
    "UTX": r"united technologies",
    "V": r"visas?",
    "WFC": r"wells fargo",
    "WMT": r"wal-?mart",
    "XOM": r"exxon|mobil",
}

Row = dict[str, Any]
Chooser = Callable[[Row], bool]


@dataclass
class Selection:
    """Texts chosen so far, one per story: near-identical wording counts as the same text."""

    rows: list[Row] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def offer(self, row: Row, stratum: str) -> bool:
        """Take `row` into `stratum` unless its wording was taken before; tell whether it was taken."""
        key = wording(row["text"])
        if key in self.seen:
            return False
        self.seen.add(key)
        self.rows.append({**row, "stratum": stratum})
        return True


def wording(text: str) -> str:
    """Text without repost prefix, addresses, handles and digits: equal for copies of one text."""
    bare = re.sub(r"^RT @\w+:|https?:\S*|@\w+|[^a-z$]+", " ", text.lower().replace("rt @", "RT @"))
    return " ".join(bare.split())[:60]


def whole(pattern: str, flags: re.RegexFlag = re.IGNORECASE) -> re.Pattern[str]:
    """Compile `pattern` so that it matches only where letters or digits do not go on."""
    return re.compile(rf"(?<![A-Za-z0-9])(?:{pattern})(?![A-Za-z0-9])", flags)


def after_dollar(ticker: str) -> re.Pattern[str]:
    """The ticker after a dollar sign, alone or as a part of a word (``$T``, ``CO$T``, ``$TWTR`` for ``T``)."""
    return re.compile(rf"\${re.escape(ticker)}", re.IGNORECASE)


def cashtag(ticker: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w$])\${re.escape(ticker)}(?![A-Za-z0-9])", re.IGNORECASE)


def in_question(row: Row) -> list[str]:
    """Companies whose word-like ticker or name occurs in the text, in whatever sense."""
    text = full_text(row)
    found = {
        t for t in WORDLIKE_TICKERS if cashtag(t).search(text) or (len(t) > 1 and whole(t, re.NOFLAG).search(text))
    }
    found |= {t for t in WORDLIKE_TICKERS if len(t) < 3 and re.search(rf"\w\${t}|\${t}\w", text)}
    found |= {company for company, name in WORDLIKE_NAMES.items() if whole(name).search(text)}
    return sorted({ONE_COMPANY.get(company, company) for company in found})


def full_text(row: Row) -> str:
    return f"{row.get('title') or ''}\n{row['text']}".replace("&amp;", "&")


def take_in_turn(
    selection: Selection, stratum: str, rows: Iterable[Row], choosers: Mapping[str, Chooser], wanted: int
) -> None:
    """Take one text for each chooser in turn until `wanted` are taken or no chooser finds more."""
    pool = list(rows)
    queues: dict[str, Iterator[Row]] = {name: filter(fits, pool) for name, fits in choosers.items()}
    taken = 0
    for name in cycle(list(queues)):
        if not queues or taken == wanted:
            return
        if name in queues:
            if any(selection.offer(row, stratum) for row in queues[name]):
                taken += 1
            else:
                del queues[name]


def tagged(symbol: str) -> Chooser:
    return lambda row: symbol in row["symbols"]


def matches(pattern: re.Pattern[str], without: re.Pattern[str] | None = None) -> Chooser:
    return lambda row: bool(pattern.search(text := full_text(row))) and not (without and without.search(text))


def select(tweets: list[Row], stories: list[Row], symbols: list[str]) -> list[Row]:
    """Choose the texts of all four strata, in an order fixed by `SEED`."""
    rng = random.Random(SEED)
    tweets = sorted(tweets, key=lambda row: str(row["id"]))
    stories = sorted(stories, key=lambda row: str(row["id"]))
    rng.shuffle(tweets)
    rng.shuffle(stories)
    rng.shuffle(symbols)
    selection = Selection()

    take_in_turn(selection, "random", tweets, {s: tagged(s) for s in symbols}, WANTED["random"])
    ambiguous = {
        **{f"cashtag {t}": matches(cashtag(t)) for t in WORDLIKE_TICKERS},
        **{f"part {t}": matches(after_dollar(t), cashtag(t)) for t in WORDLIKE_TICKERS if len(t) < 3},
        **{f"bare {t}": matches(whole(t, re.NOFLAG), cashtag(t)) for t in WORDLIKE_TICKERS},
        **{f"name {c}": matches(whole(name), cashtag(c)) for c, name in WORDLIKE_NAMES.items()},
    }
    take_in_turn(selection, "ambiguous", tweets, ambiguous, WANTED["ambiguous"])
    named = {c: matches(whole(name), cashtag(c)) for c, name in NAMES.items()}
    take_in_turn(selection, "name", tweets, named, WANTED["name"])
    wire = {c: matches(whole(name, re.IGNORECASE)) for c, name in WIRE_NAMES.items()}
    take_in_turn(selection, "newswire", stories, wire, WANTED["newswire"])
    letters = {t: matches(cashtag(t)) for t in SCARCE_TICKERS}
    take_in_turn(selection, "ambiguous", tweets, letters, WANTED["scarce"])
    return selection.rows


def part(row: Row) -> str:
    """Half of the texts to mend the linker by (`tune`), half to report on (`report`), by hash of the identity."""
    digest = hashlib.sha256(f"{row['source']}:{row['id']}".encode()).digest()
    return "report" if digest[0] % 2 else "tune"


def read_jsonl(path: Path) -> list[Row]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with the data sets")
    data: Path = parser.parse_args().data
    listing = (data / "companies.tsv").read_text(encoding="utf-8").splitlines()[1:]
    symbols = [line.split("\t")[1].removeprefix("$") for line in listing]
    tweets = read_jsonl(data / "tweets-2014.jsonl.gz")
    stories = read_jsonl(data / "reuters-1987-spring.jsonl.gz")
    for row in select(tweets, stories, symbols):
        shown = {"source": row["source"], "id": row["id"], "stratum": row["stratum"], "part": part(row)}
        print(
            json.dumps({**shown, "in_question": in_question(row), "text": full_text(row).strip()}, ensure_ascii=False)
        )


if __name__ == "__main__":
    main()
