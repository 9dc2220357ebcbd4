"""A feed is read as far as it goes: hostile XML is refused, broken XML is read on, no time is made up in silence."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.codec import decode_document, encode
from streams.collect.declared import sources_of
from streams.collect.feeds import MOST_ITEMS, Item, Listing, document_of, read_feed
from streams.collect.fetch import Fetched, FetchError, Validators
from tests.collect.feed_server import entry, rss

NOW = datetime(2024, 5, 6, 12, tzinfo=UTC)
BEFORE = NOW - timedelta(minutes=5)
[SOURCE] = sources_of(
    {
        "source": [
            {
                "name": "w",
                "kind": "news",
                "url": "https://a.example/f",
                "licence": "L",
                "purpose": "P",
                "language": "en",
            }
        ]
    },
    "",
)


def read(body: bytes | str, content_type: str = "application/rss+xml") -> Listing:
    raw = body.encode() if isinstance(body, str) else body
    return read_feed(Fetched(raw, content_type, "https://a.example/sub/feed", Validators()))


def outcome(body: bytes | str, content_type: str = "") -> str:
    with pytest.raises(FetchError) as caught:
        read(body, content_type)
    return caught.value.outcome


ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>t</title><entry><id>tag:a,1</id><title type="html">A &amp;amp; B</title>
<link href="../item"/><author><name>Ann</name></author><summary>short</summary><content type="html">&lt;p&gt;longer text&lt;/p&gt;
</content><published>2024-05-06T10:00:00+02:00</published><updated>2024-05-06T09:00:00Z</updated></entry></feed>"""


def test_an_atom_entry_is_read_with_its_longest_text_and_both_times() -> None:
    [item] = read(ATOM).items
    assert (item.id, item.title, item.author) == ("tag:a,1", "A &amp; B", "Ann")
    assert "longer text" in item.text and item.url == "https://a.example/item"
    assert item.published == datetime(2024, 5, 6, 8, tzinfo=UTC)
    assert item.updated == datetime(2024, 5, 6, 9, tzinfo=UTC)


def test_an_id_does_not_depend_on_where_the_feed_was_found() -> None:
    [item] = read(rss(entry("7", NOW))).items
    assert item.id == "7" and item.url == "https://a.example/items/7"


def test_without_an_id_the_link_tells_items_apart_and_without_both_what_they_say() -> None:
    listing = read(rss(b"<item><link>https://x/1</link><title>a</title></item>", b"<item><title>b</title></item>"))
    assert listing.items[0].id == "https://x/1"
    assert listing.items[1].id.startswith("item-")
    assert read(rss(b"<item><title>b</title></item>")).items[0].id == listing.items[1].id


def test_an_id_that_the_contract_does_not_take_is_hashed_the_same_each_time() -> None:
    first, again = (read(rss(entry("x" * 400, NOW))).items[0].id for _ in range(2))
    assert first == again and first.startswith("item-")


def test_the_same_id_twice_in_one_listing_counts_once() -> None:
    assert [item.title for item in read(rss(entry(1, NOW, "first"), entry(1, NOW, "again"))).items] == ["first"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "gb18030", "shift_jis", "utf-8-sig"])
def test_text_is_read_in_the_encoding_that_is_declared(encoding: str) -> None:
    told = encoding.removesuffix("-sig").removesuffix("-le")
    body = f"<?xml version='1.0' encoding='{told}'?>" + rss(entry(1, NOW, "日本")).decode().partition("?>")[2]
    header = f"text/xml; charset={encoding}" if "-le" in encoding else "text/xml"
    assert read(body.encode(encoding), header).items[0].title == "日本"


@pytest.mark.parametrize("encoding", ["utf-7", "unicode_escape", "rot13", "nonsense", "idna"])
def test_an_encoding_that_hides_what_it_means_is_none(encoding: str) -> None:
    hidden = '<?xml version="1.0" encoding="' + encoding + '"?>'
    assert read(hidden + rss(entry(1, NOW)).decode().partition("?>")[2]).items[0].title == "Title 1"


BOMB = "<!DOCTYPE l [<!ENTITY a 'lol'>" + "".join(
    f"<!ENTITY {name} '{10 * f'&{of};'}'>" for name, of in zip("bcdefghij", "abcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "body",
    [
        f"{BOMB}]><rss version='2.0'><channel><item><title>&j;</title></item></channel></rss>",
        "<!DOCTYPE l [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><rss><channel><item><title>&x;</title></item></channel></rss>",
        "<!DOCTYPE l [<!ENTITY % x SYSTEM 'http://a/'> %x;]><rss/>",
        "<!DOCTYPE l [<!ELEMENT l ANY>]><rss/>",
        "<!-- <x> --><!DOCTYPE l [<!ENTITY a 'x'>]><rss><channel><item><title>&a;</title></item></channel></rss>",
        "<!-- <!ENTITY a 'x'> --><rss><channel><item><title>&a;</title></item></channel></rss>",
        "<!doctype l [<!entity a 'x'>]><rss><channel><item><title>&a;</title></item></channel></rss>",
    ],
    ids=range(7),
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused_before_anything_reads_them(body: str, encoding: str) -> None:
    began = time.process_time()
    assert outcome(f"<?xml version='1.0' encoding='{encoding}'?>{body}".encode(encoding)) == "entities"
    assert time.process_time() - began < 0.5


def test_a_document_type_that_only_has_a_name_is_harmless() -> None:
    body = rss(entry(1, NOW), head=b'<!DOCTYPE rss PUBLIC "-//N//DTD RSS 0.91//EN" "http://my.example/rss.dtd">')
    assert len(read(body).items) == 1


def test_declarations_that_are_told_of_in_a_text_are_text() -> None:
    assert len(read(rss(b"<item><guid>1</guid><title><![CDATA[<!ENTITY x 'y'> is XML]]></title></item>")).items) == 1


def test_broken_xml_is_read_as_far_as_it_goes_and_said_to_be() -> None:
    whole = rss(entry(1, NOW), entry(2, NOW), entry(3, NOW))
    listing = read(whole[:-80])
    assert [item.id for item in listing.items][:2] == ["1", "2"] and listing.broken
    listing = read(rss(b"<item><guid>1</guid><title>AT&T & <b>bold</title></item>"))
    assert listing.broken and listing.items[0].title.startswith("AT&T")


@pytest.mark.parametrize(
    "body", [b"", b"nothing", b"<html><body>Sign in</body></html>", b"\xff\xfe\x00", b"{}", b"/etc/passwd"]
)
def test_what_is_no_feed_is_refused(body: bytes) -> None:
    assert outcome(body) == "no-feed"


def test_a_feed_without_items_is_a_feed() -> None:
    assert read(rss()) == Listing(())


def test_what_would_keep_a_parser_busy_for_minutes_is_too_large() -> None:
    began = time.process_time()
    assert outcome(b"<rss version='2.0'><channel>" + b"<a>" * 3_000_000) == "too-large"
    assert time.process_time() - began < 2


def test_a_feed_of_five_megabytes_is_read_its_first_items_at_most() -> None:
    body = rss(*(entry(number, NOW, text="x" * 300) for number in range(MOST_ITEMS + 2000)))
    assert len(body) > 5_000_000
    listing = read(body)
    assert len(listing.items) == MOST_ITEMS and listing.items[0].id == "0"


@given(st.binary(max_size=300))
def test_whatever_comes_is_read_or_refused(body: bytes) -> None:
    for whole in (body, rss(b"<item>" + body + b"</item>")):
        try:
            listing = read(whole)
        except FetchError as error:
            assert error.outcome in ("no-feed", "entities")
        else:
            assert all(item.id for item in listing.items)


def item(published: datetime | None = None, updated: datetime | None = None, **more: Any) -> Item:
    return Item(
        **({"id": "1", "title": "t", "text": "x", "url": None, "author": None} | more),
        published=published,
        updated=updated,
    )


def test_a_document_says_where_its_time_comes_from_and_what_it_may_be_used_for() -> None:
    document = document_of(SOURCE, item(NOW - timedelta(hours=1), NOW), NOW, None)
    assert document and document.published_at == NOW - timedelta(hours=1)
    assert document.metadata["collected"] == {"licence": "L", "purpose": "P", "time": "published"}
    assert (document.kind, document.source, document.language) == ("news", "w", "en")
    assert decode_document(encode(document), "news", now=NOW) == document


@pytest.mark.parametrize("wrong", [datetime(1970, 1, 1, tzinfo=UTC), NOW + timedelta(days=400), None])
def test_a_time_that_cannot_be_meant_gives_way_to_the_next_best(wrong: datetime | None) -> None:
    document = document_of(SOURCE, item(wrong, BEFORE), NOW, None)
    assert document and document.published_at == BEFORE and document.metadata["collected"]["time"] == "updated"
    document = document_of(SOURCE, item(wrong, wrong), NOW, BEFORE)
    assert document and document.published_at == NOW
    assert document.metadata["collected"]["time"] == "first-seen"
    assert document.metadata["collected"]["seen_after"] == "2024-05-06T11:55:00Z"


def test_no_time_is_made_up_for_what_may_have_been_listed_for_years() -> None:
    assert document_of(SOURCE, item(), NOW, None) is None


@pytest.mark.parametrize("date", ["yesterday", "32 Mai 2024", "", "0000-00-00", "1e400"])
def test_a_date_that_cannot_be_read_is_none(date: str) -> None:
    assert read(rss(entry(1, date))).items[0].published is None
