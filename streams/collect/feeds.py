"""What a feed holds: RSS or Atom, as broken as it comes, read into documents.

Broken XML is read as far as it goes. A document type with declarations of its own, or an entity declared anywhere, is
refused before a parser sees it (billion laughs, quadratic blow-up, files of this machine); what is read is of bounded size
already. HTML stays as it is: normalising takes it away where all texts are normalised.

**Where the time of a document comes from** is told in its `metadata.collected.time`:

| time | when |
| --- | --- |
| ``published`` | the feed says when, from 1980 on and not in the future; without a time zone it is taken for UTC |
| ``updated`` | it only says when the item was last changed |
| ``first-seen`` | it says nothing that can be read or meant: the item was first listed now. `seen_after` tells when the feed was read before, so that the instant lies between the two |

An item without a time in the first listing of a feed may be years old: no instant is made up for it, it is remembered and
not sent.
"""

import calendar
import codecs
import re
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, Final, Literal
from urllib.parse import urljoin
from xml.parsers import expat

import feedparser

from processors.identity import content_id, format_instant
from processors.messages import Document
from streams.codec import EARLIEST, FUTURE_TOLERANCE, ID_PATTERN, MAX_IDENTITY_BYTES
from streams.collect.declared import Source
from streams.collect.fetch import Fetched, FetchError

MOST_ITEMS: Final = 10_000
"""Items of one listing that are looked at, the first ones: feeds begin with the newest."""

MOST_TAGS: Final = 300_000
"""Of one listing: what a parser takes a while for."""

Time = Literal["published", "updated", "first-seen"]

_LONGEST_ID: Final = 256
_ID: Final = re.compile(ID_PATTERN)
_CHARSET: Final = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
_DECLARED: Final = re.compile(rb"^\s*<\?xml[^>]*?encoding\s*=\s*[\"']([\w.:-]+)[\"']", re.IGNORECASE)
_DECLARATION: Final = re.compile(r"^\s*<\?xml[^>]*\?>")
_ENTITY: Final = re.compile(r"<!ENTITY", re.IGNORECASE)
_ELEMENT: Final = re.compile(r"<\w")
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ENCODINGS: Final = re.compile(r"(utf-(8|16|32)|ascii|iso8859-|cp12\d\d|koi8|gb|big5|shift_jis|euc)[\w-]*")
"""Names of codecs, as Python has them, that texts are written in; it has others that hide what they mean."""


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of a feed, as it says; instants in UTC."""

    id: str
    title: str
    text: str
    url: str | None
    author: str | None
    published: datetime | None
    updated: datetime | None


@dataclass(frozen=True, slots=True)
class Listing:
    """The items of a feed in its order, each id once. `broken` says what was wrong with the XML, if anything was."""

    items: tuple[Item, ...]
    broken: str = ""


def read_feed(fetched: Fetched) -> Listing:
    """What `fetched` lists. Raises FetchError where it is no feed, or declares entities."""
    text = _text_of(fetched)
    if text.count("<") > MOST_TAGS:
        raise FetchError("too-large", f"{fetched.url} has more than {MOST_TAGS:,} tags")
    _refuse_entities(text)
    # No address to resolve against: it would become a part of what items are known by.
    headers = {"content-type": "application/xml; charset=utf-8"}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # A file, not bytes: those might be taken for an address or a path.
            parsed = feedparser.parse(
                BytesIO(text.encode("utf-8", "replace")),
                response_headers=headers,
                sanitize_html=False,
                resolve_relative_uris=False,
            )
    except Exception as error:
        raise FetchError("no-feed", f"{fetched.url}: the parser gave up ({type(error).__name__}: {error})") from error
    entries = parsed.get("entries", [])
    fault = str(parsed.get("bozo_exception", "")) if parsed.get("bozo") else ""
    if not entries and (fault or not parsed.get("version")):
        raise FetchError("no-feed", f"{fetched.url} is no RSS or Atom" + (f": {fault}" if fault else ""))
    items: dict[str, Item] = {}
    for entry in entries[:MOST_ITEMS]:
        item = _item_of(entry, fetched.url)
        items.setdefault(item.id, item)
    return Listing(tuple(items.values()), fault)


def document_of(source: Source, item: Item, now: datetime, before: datetime | None) -> Document | None:
    """The document that `item` is at `now`; None where nothing tells its time: it has none, and the feed was not read
    `before`. Whether it keeps to the contract is for the decoder to say."""
    found = _time_of(item, now)
    if found is None and before is None:
        return None
    at, origin = found or (now, "first-seen")
    collected: dict[str, Any] = {**source.terms, "time": origin}
    if origin == "first-seen" and before is not None:
        collected["seen_after"] = format_instant(before)
    return Document(
        id=item.id,
        source=source.name,
        kind=source.kind,
        published_at=at,
        title=item.title,
        text=item.text,
        url=item.url,
        author=item.author,
        language=source.language,
        metadata={"collected": collected},
    )


def _time_of(item: Item, now: datetime) -> tuple[datetime, Time] | None:
    told: tuple[tuple[datetime | None, Time], ...] = ((item.published, "published"), (item.updated, "updated"))
    for at, origin in told:
        if at is not None and EARLIEST <= at <= now + FUTURE_TOLERANCE:
            return at, origin
    return None


def _item_of(entry: Mapping[str, Any], base: str) -> Item:
    title, summary = _string(entry, "title"), _string(entry, "summary")
    bodies = [str(part.get("value") or "") for part in entry.get("content") or () if isinstance(part, dict)]
    text = max((*bodies, summary), key=len)
    link, author = _string(entry, "link"), _string(entry, "author")
    id = _string(entry, "id") or link or content_id("item", title, text)
    if len(id) > _LONGEST_ID or not _ID.fullmatch(id) or len(id.encode("utf-8", "replace")) > MAX_IDENTITY_BYTES // 2:
        id = content_id("item", id)
    return Item(
        id,
        title,
        "" if text == title else text,
        _absolute(base, link),
        author[:1024] or None,
        _instant(entry, "published_parsed"),
        _instant(entry, "updated_parsed"),
    )


def _absolute(base: str, link: str) -> str | None:
    try:
        whole = urljoin(base, link)
    except ValueError:
        return None
    return whole if link and len(whole) <= 8192 and _ID.fullmatch(whole) else None


def _string(entry: Mapping[str, Any], name: str) -> str:
    value = dict(entry).get(name)  # feedparser's own lookup gives one field for another
    return value.strip() if isinstance(value, str) else ""


def _instant(entry: Mapping[str, Any], name: str) -> datetime | None:
    value = dict(entry).get(name)
    if not isinstance(value, time.struct_time):
        return None
    try:
        return datetime.fromtimestamp(calendar.timegm(value), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _text_of(fetched: Fetched) -> str:
    """The body as text, without its XML declaration, read by what tells its encoding: mark, header, declaration."""
    body = fetched.body
    text = body.decode(next(_encodings(fetched), "utf-8"), "replace")
    return _DECLARATION.sub("", text.lstrip("\ufeff"), count=1)


def _encodings(fetched: Fetched) -> Iterator[str]:
    body = fetched.body
    yield from (name for mark, name in _MARKS if body.startswith(mark))
    declared = _DECLARED.match(body[:1000])
    for name in (_CHARSET.search(fetched.content_type), declared):
        if name:
            told = name[1] if isinstance(name[1], str) else name[1].decode("ascii")
            try:
                codec = codecs.lookup(told).name
            except LookupError:
                continue
            if _ENCODINGS.fullmatch(codec):
                yield codec


class _RootBegins(Exception):
    """What may declare something is over."""


def _refuse_entities(text: str) -> None:
    """Raises FetchError where `text` declares anything that could stand for something else: to expat, or to what reads
    what expat does not, by looking for declarations before what it takes for the first element."""

    def refuse(*_: object) -> None:
        raise FetchError("entities", "it declares entities of its own: no feed needs to, and none is read that does")

    def doctype(name: str, system: str | None, public: str | None, internal: int) -> None:
        if internal:
            refuse()

    def begin(*_: object) -> None:
        raise _RootBegins

    first = _ELEMENT.search(text)
    if _ENTITY.search(text, 0, first.start() if first else len(text)):
        refuse()
    parser = expat.ParserCreate("utf-8")
    parser.StartDoctypeDeclHandler, parser.EntityDeclHandler, parser.StartElementHandler = doctype, refuse, begin
    try:
        parser.Parse(text.encode("utf-8", "replace"), True)
    except _RootBegins:
        return
    except expat.ExpatError:
        if _ENTITY.search(text):
            refuse()
