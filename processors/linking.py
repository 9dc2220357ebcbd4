"""Which companies a text names.

One pass over the words with a dictionary tree of all names (leftmost, longest), so that the time is linear in the
text and does not grow with the master. What names its company whatever stands around it is accepted at once; what
could mean something else ("visa", "$C", "UPS") becomes a candidate and is judged by its surroundings.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, Literal, TypeVar

from processors.companies import IDEOGRAPH, WORD_PATTERN, Company, CompanyMaster, Name, Ticker, words_of
from processors.linking_context import US_SUFFIXES, Words
from processors.messages import CompanyLink

How = Literal["cashtag", "ticker", "name", "alias", "symbol"]

_Entry = TypeVar("_Entry", Name, Ticker)

_RANKS: Final[dict[How, int]] = {"cashtag": 0, "ticker": 1, "name": 2, "alias": 3, "symbol": 4}

# A cashtag stands alone: not "CO$T", "U$D", "$TWTR" for T, "$T∆R", "$D->name", nor cut off where the text is ("$C…").
_ALONE_BEFORE: Final = rf"(?<![^\W{IDEOGRAPH}])(?<![$€£¥&@])"
_ALONE_AFTER: Final = (
    rf"(?=$|\s|[{IDEOGRAPH}，。：；、！？）》」]|…\s+(?!http)\w|"
    r"[.,;:!?)\]}'\"’”“|/+&<=%*~>-](?!>)(?<![!*&%](?=\w)))"
)
_TOKEN: Final = re.compile(
    r"((?:https?://|www\.)\S*)"
    rf"|{_ALONE_BEFORE}\$([A-Za-z]{{1,6}}(?:[._/-][A-Za-z]{{1,3}}(?![\w$])|:[A-Z]{{2}}(?![\w$]))?){_ALONE_AFTER}"
    rf"|([^\W_{IDEOGRAPH}]*+[$€£¥₴][\w$€£¥₴]*(?:[.,]\d\w*)*)"
    r"|\d++(?:[.,]\d++)++\w*"  # "1.3M" is an amount, not 3M
    r"|@(\w+)"
    rf"|({WORD_PATTERN})"
)
_CASHTAG, _STYLISED, _HANDLE, _WORD = 2, 3, 4, 5

# What may stand between two words of one name: "Coca-Cola", "J. P. Morgan", "Royal Dutch/Shell", a line's end.
_GAPS: Final = frozenset(["", " ", "-", "\n", ".", ". ", "'", "’", "/", " - ", ", "])
_HANDLE_ENDING: Final = re.compile(r"(?:news|newsroom|inc|corp|co|usa|us|ir|official|hq|support|careers)$")
# A company that so many doubtful places have not established is not what the text is about.
_MOST_JUDGED: Final = 64
_TO_DOT: Final = str.maketrans("-_/:", "....")


@dataclass(slots=True)
class _Node:
    """A place in the dictionary tree: names that end here (False: a phrase that is not meant), what may follow."""

    children: dict[str, "_Node"] = field(default_factory=dict)
    entries: list[tuple[Company, Name, bool]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Words, from `first` to `last`, that name a company if their surroundings agree."""

    company: Company
    how: How
    kind: Literal["cashtag", "ticker", "capitals", "context"]
    first: int
    last: int


class _Reading:
    """What has been found in one text so far: one accepted link a company, and the open candidates."""

    def __init__(self, text: str, day: date) -> None:
        self.words = Words(text)
        self.day = day
        self.links: dict[str, CompanyLink] = {}
        self.candidates: list[_Candidate] = []

    def accept(self, company: Company, how: How, first: int, last: int) -> None:
        """Link by the surest rule, and among equals the first place."""
        known = self.links.get(company.id)
        if known is None or _RANKS[how] < _RANKS[known.how]:
            start = self.words.starts[first]
            surface = self.words.text[start : self.words.ends[last]]
            self.links[company.id] = CompanyLink(company.id, surface, start, how)


class Linker:
    """Finds the companies of one master; immutable: a reloaded master means a new linker."""

    def __init__(self, master: CompanyMaster) -> None:
        self.master = master
        self._root = _Node()
        self._handles: dict[str, list[tuple[Company, Name]]] = {}
        self._tickers: dict[str, list[tuple[Company, Ticker]]] = {}
        for company in master.companies.values():
            for name in company.names:
                words = words_of(name.text)
                self._add(words, company, name, meant=True)
                compact = "".join("and" if word == "&" else word for word in words)
                self._handles.setdefault(compact, []).append((company, name))
                if len(words) > 1:
                    self._add((compact,), company, name, meant=True)  # as hashtags write it
            for phrase in company.not_meant:
                self._add(words_of(phrase.text), company, phrase, meant=False)
            for ticker in company.tickers:
                self._tickers.setdefault(ticker.symbol, []).append((company, ticker))

    def link(self, text: str, published_at: datetime, symbols: Sequence[str]) -> tuple[CompanyLink, ...]:
        """The companies that `text` (normalised ``title\\ntext``) names, one link each, in order of their place.

        Names and tickers count if they were valid on the day of `published_at`. A company named in several ways is
        linked by the surest one (cashtag, ticker, name, alias), there by the first place. `symbols` are the
        publisher's tags: a tag alone links nothing, but it settles a name that its surroundings leave open.
        """
        reading = _Reading(text, published_at.date())
        self._read_words(reading)
        self._read_names(reading)
        if reading.candidates:
            self._judge(reading, symbols)
        return tuple(sorted(reading.links.values(), key=lambda link: (link.offset, link.company)))

    def _add(self, words: tuple[str, ...], company: Company, name: Name, *, meant: bool) -> None:
        node = self._root
        for word in words:
            node = node.children.setdefault(word, _Node())
        node.entries.append((company, name, meant))

    def _read_words(self, reading: _Reading) -> None:
        """Split the text into words; read cashtags and handles on the way."""
        words = reading.words
        for match in _TOKEN.finditer(words.text):
            kind = match.lastindex
            if kind == _WORD:
                word = match[0].casefold()
                words.append("&" if word == "and" else word, match)
            elif kind == _CASHTAG:
                self._read_cashtag(match, reading)
            elif kind == _HANDLE:
                self._read_handle(match, reading)
            elif kind == _STYLISED:
                raw = match[0]
                words.stylised += raw[0].isalnum() and raw[-1] != "$" and not any(c.isdigit() for c in raw)

    def _read_cashtag(self, match: re.Match[str], reading: _Reading) -> None:
        words = reading.words
        symbol = match[_CASHTAG]
        here = words.append(f"${symbol.casefold()}", match)
        words.cashtags.add(words.folded[here])
        for company, ticker in self._cashtag(symbol, reading.day):
            if ticker.ambiguous:
                reading.candidates.append(_Candidate(company, "cashtag", "cashtag", here, here))
            else:
                reading.accept(company, "cashtag", here, here)

    def _cashtag(self, symbol: str, day: date) -> list[tuple[Company, Ticker]]:
        """The companies whose ticker `symbol` is on `day`; a suffix may be a share class or another exchange's."""
        dotted = symbol.upper().translate(_TO_DOT)
        base, _, suffix = dotted.partition(".")
        if dotted in self._tickers:
            return _valid(self._tickers[dotted], day)
        if suffix not in US_SUFFIXES and ("." in symbol or ":" in symbol):
            return []
        return _valid(self._tickers.get(base, []), day)

    def _read_handle(self, match: re.Match[str], reading: _Reading) -> None:
        words = reading.words
        via = words.folded[-1:] == ["via"]
        here = words.append(f"@{match[_HANDLE].casefold()}", match)
        if via:  # says where it was posted
            return
        handle = match[_HANDLE].casefold().replace("_", "")
        entries = self._handles.get(handle) or self._handles.get(_HANDLE_ENDING.sub("", handle), [])
        for company, name in _valid(entries, reading.day):
            if name.needs == "context":
                reading.candidates.append(_Candidate(company, name.how, "context", here, here))
            else:
                reading.accept(company, name.how, here, here)

    def _read_names(self, reading: _Reading) -> None:
        """Walk the words once: at each the longest name or phrase, else a ticker without its dollar sign."""
        folded = reading.words.folded
        first_words, tickers = self._root.children, self._tickers
        index, count = 0, len(folded)
        while index < count:
            node = first_words.get(folded[index])
            last = self._longest(node, index, reading) if node is not None else index
            if last == index and folded[index].upper() in tickers and folded[index][0] not in "$@":
                self._read_ticker(index, reading)
            index = last + 1

    def _longest(self, node: _Node | None, index: int, reading: _Reading) -> int:
        """Take the longest valid name or phrase that begins at `index`; its last word, or `index`."""
        words, last, found = reading.words, index, index
        entries: list[tuple[Company, Name, bool]] = []
        while node is not None:
            valid = [entry for entry in node.entries if _is_valid(entry[1], reading.day)]
            if valid:
                entries, found = valid, last
            if not node.children or words.gap(last) not in _GAPS or last + 1 == len(words.folded):
                break
            last += 1
            node = node.children.get(words.folded[last])
        if all(meant for _, _, meant in entries):
            for company, name, _ in entries:
                self._read_name(company, name, index, found, reading)
        return found

    def _read_name(self, company: Company, name: Name, first: int, last: int, reading: _Reading) -> None:
        words = reading.words
        if name.needs == "nothing":
            reading.accept(company, name.how, first, last)
            return
        surface = words.text[words.starts[first] : words.ends[last]]
        acronym = name.text.isupper()
        if acronym and surface != name.text:
            return
        capitals = name.needs == "capitals" and surface[0].isupper()
        if capitals and not words.shouting(words.starts[first], words.ends[last]):
            reading.accept(company, name.how, first, last)
        else:
            reading.candidates.append(_Candidate(company, name.how, name.needs, first, last))

    def _read_ticker(self, index: int, reading: _Reading) -> None:
        words = reading.words
        symbol = words.surface(index)
        for company, ticker in _valid(self._tickers.get(symbol, []), reading.day):
            marked = words.marked_as_ticker(index)
            if marked:
                reading.accept(company, "ticker", index, index)
            elif marked is not None:
                unsure = ticker.ambiguous or ticker.exchange is None
                if unsure or words.shouting(words.starts[index], words.ends[index]):
                    reading.candidates.append(_Candidate(company, "ticker", "ticker", index, index))
                else:
                    reading.accept(company, "ticker", index, index)

    def _judge(self, reading: _Reading, symbols: Sequence[str]) -> None:
        """Accept the candidates whose surroundings speak for them; cashtags first, for they speak for names."""
        tagged = {company.id for symbol in symbols for company, _ in self._cashtag(symbol, reading.day)}
        judged: Counter[str] = Counter()
        for candidate in sorted(reading.candidates, key=lambda one: _RANKS[one.how]):
            company, how = candidate.company, candidate.how
            known = reading.links.get(company.id)
            if judged[company.id] == _MOST_JUDGED or (known is not None and _RANKS[known.how] <= _RANKS[how]):
                continue
            judged[company.id] += 1
            if self._speaks_for(candidate, reading):
                reading.accept(company, how, candidate.first, candidate.last)
            elif company.id in tagged and candidate.kind in ("capitals", "context"):
                reading.accept(company, "symbol", candidate.first, candidate.last)

    def _speaks_for(self, candidate: _Candidate, reading: _Reading) -> bool:
        words, company, first, last = reading.words, candidate.company, candidate.first, candidate.last
        if words.context_near(first, company.against):
            return False
        own = words.context_near(first, company.context)
        match candidate.kind:
            case "cashtag":
                return self._cashtag_counts(first, own, words)
            case "ticker":
                listed = words.listed_symbols(first)
                known = any(not ticker.ambiguous for symbol in listed for _, ticker in self._tickers.get(symbol, []))
                return known or (len(listed) > 1 and (words.market_near(first) or bool(words.cashtags)))
            case "capitals":
                if words.surface(first)[0].islower():
                    return words.followed_by_form(last) or (own and (words.market_near(first) or bool(words.cashtags)))
                acronym = words.surface(first).isupper() and first == last  # and so is all around it
                return own or (words.followed_by_form(last) and not acronym)
            case "context":
                initial = words.surface(first)[0]
                if initial.islower():
                    return False
                if words.followed_by_form(last):
                    return True
                if words.opens_sentence(first) and not words.acts(last):
                    return False
                uncased = initial.isalpha() and not initial.isupper()  # Chinese
                return own or self._peer_named(company, reading) or (uncased and words.market_near(first))

    def _peer_named(self, company: Company, reading: _Reading) -> bool:
        """Is another company of the same sector named?"""
        return any(
            self.master.company(other).sector == company.sector for other in reading.links if other != company.id
        )

    def _cashtag_counts(self, index: int, own: bool, words: Words) -> bool:
        """Is an ambiguous cashtag the market's: not money, nor a letter of a stylised word?"""
        tag = words.folded[index]
        if len(tag) == 2 and words.amount_follows(words.ends[index]):
            return False
        if own or len(words.cashtags) > 1 or words.market_near(index) or words.price_follows(words.ends[index]):
            return True
        if words.stylised or words.surface(index).islower():
            return False
        return index == 0 or (len(tag) > 2 and not words.capitals_follow(index))


def _valid(entries: Sequence[tuple[Company, _Entry]], day: date) -> list[tuple[Company, _Entry]]:
    return [(company, entry) for company, entry in entries if _is_valid(entry, day)]


def _is_valid(entry: Name | Ticker, day: date) -> bool:
    return (entry.since is None or entry.since <= day) and (entry.until is None or day <= entry.until)
