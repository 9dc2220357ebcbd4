"""A look at a feed ends in time and within its size, whatever the server does, and leads to no private address."""

import gzip
import socket
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.collect import addresses
from streams.collect.addresses import is_public
from streams.collect.fetch import Fetched, FetchError, Limits, Validators, fetch, retry_seconds
from tests.collect.feed_server import Asked, FeedServer, answer, feed_server, rss

LIMITS = Limits(100_000, 2.0, "Tocsin/test (someone@example.org)")
NONE = Validators()


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with feed_server() as server:
        yield server


def look(server: FeedServer, path: str = "/feed", validators: Validators = NONE, limits: Limits = LIMITS) -> Fetched:
    fetched = fetch(server.address + path, validators, limits, allow_private=True)
    assert fetched is not None
    return fetched


def refusal(server: FeedServer, page: Any, limits: Limits = LIMITS) -> FetchError:
    server.pages["/feed"] = page
    with pytest.raises(FetchError) as caught:
        fetch(f"{server.address}/feed", NONE, limits, allow_private=True)
    return caught.value


def test_a_feed_comes_whole_with_what_tells_whether_it_changed_and_is_told_who_asks(server: FeedServer) -> None:
    server.pages["/feed"] = answer(rss(), ETag='"7"', Last_Modified="Mon, 06 May 2024 12:00:00 GMT", Content_Type="a/b")
    fetched = look(server)
    assert fetched.body == rss()
    assert fetched.content_type == "a/b"
    assert fetched.validators == Validators('"7"', "Mon, 06 May 2024 12:00:00 GMT")
    assert server.asked[0].headers["user-agent"] == LIMITS.agent
    assert "if-none-match" not in server.asked[0].headers


def test_what_did_not_change_is_not_sent_again(server: FeedServer) -> None:
    server.pages["/feed"] = answer(b"", "304 Not Modified")
    known = Validators('"7"', "Mon, 06 May 2024 12:00:00 GMT")
    assert fetch(f"{server.address}/feed", known, LIMITS, allow_private=True) is None
    assert server.asked[0].headers["if-none-match"] == known.etag
    assert server.asked[0].headers["if-modified-since"] == known.modified


@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone", "429 Too Many Requests", "500 Oops", "204 No Content"])
def test_any_other_answer_is_told_by_its_number(server: FeedServer, status: str) -> None:
    error = refusal(server, answer(b"sorry", status, Retry_After="17"))
    assert (error.outcome, error.retry_after) == (f"http-{status[:3]}", 17.0)


@pytest.mark.parametrize(("pause", "what"), [(0.05, "body"), (0.05, "headers"), (30.0, "body"), (30.0, "headers")])
def test_who_sends_a_byte_now_and_then_is_cut_off_in_time(server: FeedServer, pause: float, what: str) -> None:
    def drip(asked: Asked) -> Iterator[bytes]:
        if what == "body":
            yield b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
        else:
            yield b"HTTP/1.1 200 OK\r\nX: "
        while True:
            yield b"x"
            time.sleep(pause)

    began = time.monotonic()
    assert refusal(server, drip).outcome == "timeout"
    assert time.monotonic() - began < LIMITS.seconds + 3


def test_a_body_that_ends_early_is_not_taken_for_the_whole(server: FeedServer) -> None:
    assert refusal(server, answer(rss(), length=1000)).outcome == "broken-answer"


def test_a_body_over_the_limit_is_not_read_to_its_end(server: FeedServer) -> None:
    sent = []

    def endless(asked: Asked) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
        while True:
            sent.append(1)
            yield b"x" * 65536

    assert refusal(server, endless).outcome == "too-large"
    assert len(sent) < 200, "it went on reading"


def test_a_packed_feed_is_unpacked_also_in_members(server: FeedServer) -> None:
    body = rss(b"<item/>" * 1000)
    for packed, name in (
        (gzip.compress(body), "gzip"),
        (gzip.compress(body[:100]) + gzip.compress(body[100:]), "x-gzip"),
        (zlib.compress(body), "deflate"),
    ):
        server.pages["/feed"] = answer(packed, Content_Encoding=name)
        assert look(server).body == body


def test_a_bomb_ends_at_the_limit_and_costs_no_memory(server: FeedServer) -> None:
    bomb = gzip.compress(b"\0" * 200_000_000, 9)
    began = time.process_time()
    assert refusal(server, answer(bomb, Content_Encoding="gzip")).outcome == "too-large"
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "body",
    [gzip.compress(rss() * 100)[:-20], b"no gzip", gzip.compress(rss())[:-9] + b"123456789"],
    ids=["cut off", "not packed", "wrong checksum"],
)
def test_what_is_packed_and_damaged_is_not_read(server: FeedServer, body: bytes) -> None:
    assert refusal(server, answer(body, Content_Encoding="gzip")).outcome == "broken-answer"


def test_a_packing_that_was_not_asked_for_is_refused(server: FeedServer) -> None:
    assert refusal(server, answer(b"x", Content_Encoding="br")).outcome == "unknown-encoding"


def test_redirects_are_followed_without_reading_their_bodies_and_not_for_ever(server: FeedServer) -> None:
    def endless(asked: Asked) -> Iterator[bytes]:
        yield b"HTTP/1.1 302 Found\r\nLocation: /there\r\n\r\n"
        while True:
            yield b"x" * 65536

    server.pages |= {"/moved": endless, "/there": answer(rss())}
    fetched = look(server, "/moved")
    assert fetched.body == rss() and fetched.url == f"{server.address}/there"
    assert refusal(server, answer(b"", "301 Moved", Location="/feed")).outcome == "redirects"


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x/", "http://"])
def test_a_redirect_leads_to_no_other_protocol(server: FeedServer, to: str) -> None:
    assert refusal(server, answer(b"", "302 Found", Location=to)).outcome == "unreachable"


def test_garbage_is_no_answer_and_nobody_is_no_server(server: FeedServer) -> None:
    assert refusal(server, lambda asked: [b"\x00\x01nonsense\r\n\r\n"]).outcome == "broken-answer"
    with pytest.raises(FetchError) as caught:
        fetch("http://127.0.0.1:9/", NONE, LIMITS, allow_private=True)
    assert caught.value.outcome == "unreachable"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]"])
def test_this_machine_is_not_reached_whatever_it_is_called(server: FeedServer, host: str) -> None:
    server.pages["/feed"] = answer(rss())
    with pytest.raises(FetchError) as caught:
        fetch(f"http://{host}:{server.port}/feed", NONE, LIMITS)
    assert caught.value.outcome == "refused-address"
    assert "allow_private" in str(caught.value)
    assert server.asked == []


def test_a_redirect_to_this_machine_is_refused(monkeypatch: pytest.MonkeyPatch, server: FeedServer) -> None:
    server.pages |= {"/feed": answer(b"", "302 Found", Location="http://inner.example/secret"), "/secret": answer(b"!")}
    names = {"outer.example": "127.0.0.1", "inner.example": "10.0.0.1"}
    _resolving(monkeypatch, names)
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1")  # outer.example is the internet
    with pytest.raises(FetchError) as caught:
        fetch(f"http://outer.example:{server.port}/feed", NONE, LIMITS)
    assert caught.value.outcome == "refused-address"
    assert [one.path for one in server.asked] == ["/feed"]


def test_a_name_is_resolved_once_and_what_was_checked_is_connected_to(
    monkeypatch: pytest.MonkeyPatch, server: FeedServer
) -> None:
    asked = _resolving(monkeypatch, {"rebinding.example": "203.0.113.7"})
    connected: list[str] = []
    inner = addresses.httpcore.SyncBackend.connect_tcp

    def connect(self: Any, host: str, *more: Any, **named: Any) -> Any:
        connected.append(host)
        return inner(self, "127.0.0.1", *more, **named)  # where the test's server is

    monkeypatch.setattr(addresses.httpcore.SyncBackend, "connect_tcp", connect)
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "203.0.113.7")
    server.pages["/feed"] = answer(rss())
    assert fetch(f"http://rebinding.example:{server.port}/feed", NONE, LIMITS)
    assert asked == ["rebinding.example"] and connected == ["203.0.113.7"]
    assert server.asked[0].headers["host"] == f"rebinding.example:{server.port}"


def _resolving(monkeypatch: pytest.MonkeyPatch, names: dict[str, str]) -> list[str]:
    """Let names resolve as told; the list fills with what was asked."""
    asked: list[str] = []

    def resolve(host: str, port: int, *more: Any, **named: Any) -> Any:
        if host in names:
            asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (names.get(host, host), port))]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", resolve)
    return asked


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::", False),
        ("64:ff9b::5db8:d822", True),
    ],
)
def test_public_is_what_anybody_could_reach(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_a_certificate_that_nobody_vouches_for_is_refused(server: FeedServer) -> None:
    with pytest.raises(FetchError) as caught:
        fetch(f"https://127.0.0.1:{server.port}/feed", NONE, LIMITS, allow_private=True)
    assert caught.value.outcome in ("unreachable", "timeout")


def test_retry_after_is_seconds_or_a_date_and_a_day_at_most() -> None:
    now = datetime(2024, 5, 6, 12, tzinfo=UTC)
    assert retry_seconds("120", now) == 120
    assert retry_seconds(format_datetime(now + timedelta(minutes=5), usegmt=True), now) == 300
    assert retry_seconds(format_datetime(now - timedelta(minutes=5), usegmt=True), now) == 0
    assert retry_seconds("99999999999", now) == 86_400
    assert retry_seconds("", now) is None


@given(st.text(max_size=60))
def test_whatever_stands_in_retry_after_is_read_or_left(text: str) -> None:
    seconds = retry_seconds(text, datetime(2024, 5, 6, tzinfo=UTC))
    assert seconds is None or 0 <= seconds <= 86_400


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch, server: FeedServer) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    server.pages["/feed"] = answer(rss())
    assert look(server).body == rss()
