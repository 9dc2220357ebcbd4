"""The company master: who the companies are, what they are and were called, and when each name meant them.

Its JSON form, version 1, is an object with `version` and `companies`; every company has

- `id` (how everything else refers to it: up to 64 characters, no slash, no control characters), `name` (its full
  name today), `sector`, `time_zone` (IANA, of the exchange where the listing that `id` stands for trades);
- `names` and `aliases`: texts that name it, each a string or an object of `text`, `from`, `until` and `needs`
  (``nothing``, ``capitals``: an ordinary word in lower case, ``context``: an ordinary word even in capitals);
- `tickers`: objects of `symbol`, `exchange` (absent for a cashtag in use that no exchange knows), `from`, `until`
  and `ambiguous` (letters that mean other things too);
- optional: `context` and `against`, single words near an ambiguous name that speak for or against this company;
  `not_meant`, phrases that hold a name and mean something else; `identifiers` (`isin`, `figi`, `lei`).

`from` and `until` are the first and last day (ISO dates, inclusive) on which a text may mean the company by it.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from itertools import combinations
from types import MappingProxyType
from typing import Any, Final, Literal, get_args
from zoneinfo import ZoneInfo

from processors.errors import ConfigurationError
from processors.identity import canonical_json, content_hash

VERSION: Final = 1

Needs = Literal["nothing", "capitals", "context"]


@dataclass(frozen=True, slots=True)
class Name:
    """A text that names a company from `since` until `until`, inclusive; None leaves that side open."""

    text: str
    how: Literal["name", "alias"]
    needs: Needs
    since: date | None
    until: date | None


@dataclass(frozen=True, slots=True)
class Ticker:
    """A symbol without its dollar sign; `exchange` is None for a cashtag in use that no exchange knows."""

    symbol: str
    exchange: str | None
    ambiguous: bool
    since: date | None
    until: date | None


@dataclass(frozen=True, slots=True)
class Company:
    """One company of the master; `context` and `against` hold single case-folded words."""

    id: str
    name: str
    sector: str
    time_zone: str
    names: tuple[Name, ...]
    tickers: tuple[Ticker, ...]
    not_meant: tuple[Name, ...]
    context: frozenset[str]
    against: frozenset[str]
    identifiers: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class CompanyMaster:
    """All companies, in the order of the file, and the `hash` of what was read: layout and key order do not matter."""

    companies: Mapping[str, Company]
    hash: str

    @classmethod
    def parse(cls, content: bytes) -> "CompanyMaster":
        """The master in `content` (UTF-8 JSON). Pure: to reload, parse again and put the new object in its place.

        Raises ConfigurationError for anything that is not exactly the form above, naming the entry and the mend:
        unknown keys (with the nearest known one), duplicate ids, a name or ticker that means two companies at once,
        malformed dates and identifiers.
        """
        document = _object(_read(content), "the company master", required=("version", "companies"))
        if document["version"] != VERSION:
            raise _error("the company master", f"is of version {document['version']!r}; this program reads {VERSION}")
        entries = document["companies"]
        if not isinstance(entries, list) or not entries:
            raise _error("the company master", "needs `companies`, a list with at least one company")
        companies: dict[str, Company] = {}
        for number, entry in enumerate(entries, start=1):
            company = _company(entry, number)
            if company.id in companies:
                raise _error(
                    f"company {company.id!r}", f"is listed twice, the second time as entry {number}: merge them"
                )
            companies[company.id] = company
        _refuse_shared_names(companies.values())
        return cls(MappingProxyType(companies), content_hash(canonical_json(document)))

    def company(self, company_id: str) -> Company:
        """The company with this id. Raises KeyError for an id that the master does not list."""
        return self.companies[company_id]


def words_of(text: str) -> tuple[str, ...]:
    """The case-folded words of `text` as the dictionary compares them: letters and digits, "&" apart, "and" as "&"."""
    words = (word.casefold() for word in WORDS.findall(text))
    return tuple("&" if word == "and" else word for word in words)


# A Chinese, Japanese or Korean character is a word of its own: nothing there says where a name ends.
IDEOGRAPH: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
WORD_PATTERN: Final = rf"[{IDEOGRAPH}]|[^\W_{IDEOGRAPH}]+|&"
WORDS: Final = re.compile(WORD_PATTERN)

# Series are named by the id, with a slash behind it; keys and logs are made of those names.
_ID: Final = re.compile(r"[^/\x00-\x1f\x7f-\x9f\u2028\u2029]{1,64}")
_SYMBOL: Final = re.compile(r"[A-Z0-9]{1,6}(?:\.[A-Z]{1,2})?")


def _read(content: bytes) -> Any:
    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=_without_duplicates)
    except UnicodeDecodeError as error:
        raise _error("the company master", f"is not UTF-8: byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise _error("the company master", f"is not JSON: line {error.lineno}, {error.msg}") from error


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if repeated := {key for key in keys if keys.count(key) > 1}:
        raise _error("the company master", f"has an object with {sorted(repeated)} twice: keep one")
    return dict(pairs)


def _error(where: str, what: str) -> ConfigurationError:
    return ConfigurationError(f"{where} {what}" if where == "the company master" else f"company master: {where} {what}")


def _object(value: Any, where: str, *, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _error(where, f"must be an object, not {type(value).__name__}")
    known = (*required, *optional)
    for key in value:
        if key not in known:
            near = get_close_matches(key, known, n=1, cutoff=0)
            raise _error(where, f"has the unknown key {key!r}; did you mean {near[0]!r}? Known: {', '.join(known)}")
    if missing := [key for key in required if key not in value]:
        raise _error(where, f"lacks {', '.join(map(repr, missing))}")
    return value


def _string(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip() or value != value.strip():
        raise _error(where, f"must be a text without space around it, not {value!r}")
    return value


def _strings(value: Any, where: str) -> list[str]:
    if not isinstance(value, list):
        raise _error(where, f"must be a list, not {type(value).__name__}")
    return [_string(item, where) for item in value]


def _company(entry: Any, number: int) -> Company:
    where = f"entry {number}"
    if isinstance(entry, dict) and isinstance(entry.get("id"), str):
        where = f"company {entry['id']!r}"
    fields = _object(
        entry,
        where,
        required=("id", "name", "sector", "time_zone", "names", "tickers"),
        optional=("aliases", "context", "against", "not_meant", "identifiers"),
    )
    texts = {key: _string(fields[key], f"{where}, {key},") for key in ("id", "name", "sector", "time_zone")}
    if not _ID.fullmatch(texts["id"]):
        raise _error(
            where, "has an id with a slash or control character, or over 64 characters: write another, BRK-B for BRK/B"
        )
    try:
        ZoneInfo(texts["time_zone"])
    except (KeyError, ValueError, OSError) as error:
        raise _error(where, f"has the unknown time zone {texts['time_zone']!r}: use an IANA name") from error
    names = _names(fields["names"], "name", f"{where}, names,") + _names(
        fields.get("aliases", []), "alias", f"{where}, aliases,"
    )
    not_meant = _names(fields.get("not_meant", []), "alias", f"{where}, not_meant,")
    own = {words_of(name.text) for name in names}
    for phrase in not_meant:
        if words_of(phrase.text) in own:
            raise _error(where, f"has {phrase.text!r} both as a name and as not meant: keep one")
    context = _single_words(fields.get("context", []), f"{where}, context,")
    for name in names:
        if name.needs != "nothing" and words_of(name.text)[0] in context and len(words_of(name.text)) == 1:
            raise _error(where, f"has {name.text!r} as context for itself: a name cannot vouch for itself")
    if not names:
        raise _error(where, "needs at least one entry in names")
    return Company(
        id=texts["id"],
        name=texts["name"],
        sector=texts["sector"],
        time_zone=texts["time_zone"],
        names=names,
        tickers=_tickers(fields["tickers"], where),
        not_meant=not_meant,
        context=context,
        against=_single_words(fields.get("against", []), f"{where}, against,"),
        identifiers=_identifiers(fields.get("identifiers", {}), where),
    )


def _names(value: Any, how: Literal["name", "alias"], where: str) -> tuple[Name, ...]:
    if not isinstance(value, list):
        raise _error(where, f"must be a list, not {type(value).__name__}")
    return tuple(_name(item, how, where) for item in value)


def _name(value: Any, how: Literal["name", "alias"], where: str) -> Name:
    if isinstance(value, str):
        value = {"text": value}
    fields = _object(value, where, required=("text",), optional=("needs", "from", "until"))
    text = _string(fields["text"], where)
    if not words_of(text):
        raise _error(where, f"has {text!r}, which holds no word")
    needs = fields.get("needs", "nothing")
    if needs not in get_args(Needs):
        raise _error(f"{where} {text!r},", f"has needs {needs!r}; known: {', '.join(get_args(Needs))}")
    since, until = _validity(fields, f"{where} {text!r},")
    return Name(text, how, needs, since, until)


def _tickers(value: Any, company: str) -> tuple[Ticker, ...]:
    if not isinstance(value, list):
        raise _error(f"{company}, tickers,", f"must be a list, not {type(value).__name__}")
    tickers = []
    for item in value:
        where = f"{company}, tickers,"
        fields = _object(item, where, required=("symbol",), optional=("exchange", "ambiguous", "from", "until"))
        symbol = _string(fields["symbol"], where)
        if not _SYMBOL.fullmatch(symbol):
            raise _error(where, f"has {symbol!r}: write capitals and digits, a class after a dot (BRK.A)")
        ambiguous = fields.get("ambiguous", False)
        if not isinstance(ambiguous, bool):
            raise _error(f"{where} {symbol!r},", f"has ambiguous {ambiguous!r}: true or false")
        exchange = fields.get("exchange")
        since, until = _validity(fields, f"{where} {symbol!r},")
        tickers.append(Ticker(symbol, None if exchange is None else _string(exchange, where), ambiguous, since, until))
    return tuple(tickers)


def _validity(fields: Mapping[str, Any], where: str) -> tuple[date | None, date | None]:
    days: list[date | None] = []
    for key in ("from", "until"):
        try:
            days.append(date.fromisoformat(fields[key]) if key in fields else None)
        except (TypeError, ValueError) as error:
            raise _error(where, f"has {key} {fields[key]!r}: write a day as 2014-01-31") from error
    since, until = days
    if since and until and until < since:
        raise _error(where, f"ends ({until}) before it begins ({since})")
    return since, until


def _single_words(value: Any, where: str) -> frozenset[str]:
    words: set[str] = set()
    for text in _strings(value, where):
        if text.casefold() == "and" or len(words_of(text)) != 1 and not re.fullmatch(rf"[{IDEOGRAPH}]+", text):
            raise _error(where, f"has {text!r}: single words only, for they are compared word by word")
        words.update(words_of(text))
    return frozenset(words)


def _identifiers(value: Any, where: str) -> Mapping[str, tuple[str, ...]]:
    checks = {"isin": _is_isin, "figi": _is_figi, "lei": _is_lei}
    fields = _object(value, f"{where}, identifiers,", required=(), optional=tuple(checks))
    identifiers = {kind: tuple(_strings(codes, f"{where}, {kind},")) for kind, codes in fields.items()}
    for kind, codes in identifiers.items():
        for code in codes:
            if not checks[kind](code):
                raise _error(where, f"has the {kind.upper()} {code!r}, whose form or check digit is wrong")
    return MappingProxyType(identifiers)


def _is_isin(code: str) -> bool:
    """ISO 6166: country, nine characters, check digit (Luhn over the digits of all characters in base 36)."""
    if not re.fullmatch(r"[A-Z]{2}[A-Z0-9]{9}[0-9]", code):
        return False
    digits = [int(digit) for digit in "".join(str(int(character, 36)) for character in code)]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_figi(code: str) -> bool:
    """OMG FIGI 1.0: two consonants, G, eight characters without vowels, check digit (Luhn, characters in base 36)."""
    if not re.fullmatch(r"[B-DF-HJ-NP-TV-Z]{2}G[0-9B-DF-HJ-NP-TV-Z]{8}[0-9]", code):
        return False
    values = [int(character, 36) * (1 + place % 2) for place, character in enumerate(code[:-1])]
    return (sum(value // 10 + value % 10 for value in values) + int(code[-1])) % 10 == 0


def _is_lei(code: str) -> bool:
    """ISO 17442: twenty characters with ISO 7064 MOD 97-10 check digits."""
    if not re.fullmatch(r"[A-Z0-9]{18}[0-9]{2}", code):
        return False
    return int("".join(str(int(character, 36)) for character in code)) % 97 == 1


def _refuse_shared_names(companies: Iterable[Company]) -> None:
    """A name or ticker may mean two companies only at different times, or where both need context."""
    claims: dict[tuple[str, ...], list[tuple[Company, Name | Ticker]]] = {}
    for company in companies:
        for name in company.names:
            claims.setdefault(words_of(name.text), []).append((company, name))
        for ticker in company.tickers:
            claims.setdefault(("$", ticker.symbol), []).append((company, ticker))
    for claimants in claims.values():
        for (one, first), (other, second) in combinations(claimants, 2):
            if one.id == other.id or not _overlap(first, second) or (_needs_context(first) and _needs_context(second)):
                continue
            text = first.symbol if isinstance(first, Ticker) else first.text
            raise _error(
                f"company {other.id!r}",
                f"claims {text!r}, which means {one.id!r} at the same time: "
                "limit both with from and until, or mark both as needing context",
            )


def _overlap(first: Name | Ticker, second: Name | Ticker) -> bool:
    latest_start = max(first.since or date.min, second.since or date.min)
    return latest_start <= min(first.until or date.max, second.until or date.max)


def _needs_context(entry: Name | Ticker) -> bool:
    return entry.ambiguous if isinstance(entry, Ticker) else entry.needs == "context"
