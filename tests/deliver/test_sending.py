"""One message to one channel: signed, never led elsewhere, and a failure that says what to do about it."""

import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import repeat
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.messages import Alert, Origin
from streams.channels import AppriseChannel, WebhookChannel
from streams.codec import decode
from streams.deliver.delivery import Delivery
from streams.deliver.postman import Outcome, Postman
from streams.deliver.sending import Speech, send, send_test, signature
from streams.deliver.telling import payload, title, words
from streams.names import Names
from streams.settings import Settings, load_master
from tests.deliver.receiver import OTHER, SECRET, Receiver, receiver
from tests.streams.sample_messages import alert, evidence

SPEECH = Speech(Names(load_master(Settings())), "https://console.example/", timeout=2.0)


def delivery(id: str = "message-1", *alerts: Alert, **changes: Any) -> Delivery:
    made = Delivery(id, "d", "hook", alerts or (alert(),), "message-1", datetime.now(UTC), Origin("t.alerts", 0, 7))
    return replace(made, **changes)


def hook(at: Receiver, path: str = "/", *secrets: str) -> WebhookChannel:
    return WebhookChannel("hook", at.url(path), secrets or (SECRET,), allow_private=True)


def test_a_message_is_signed_by_each_secret_and_holds_the_alert_as_it_stands_on_its_topic() -> None:
    with receiver() as there:
        assert send(hook(there, "/", SECRET, OTHER), delivery(), SPEECH) is None
        (request,) = there.requests
    assert (request.id, request.headers["content-type"]) == ("message-1", "application/json")
    timestamp = request.headers["webhook-timestamp"]
    assert abs(int(timestamp) - time.time()) < 30
    given = request.headers["webhook-signature"].split()
    for part, secret in zip(given, (SECRET, OTHER), strict=True):
        key = base64.b64decode(secret.removeprefix("whsec_"))
        digest = hmac.new(key, f"message-1.{timestamp}.".encode() + request.body, hashlib.sha256).digest()
        assert part == "v1," + base64.b64encode(digest).decode()
    said = request.json
    assert (said["type"], said["timestamp"]) == ("tocsin.alert.open", "2024-05-06T12:00:00Z")
    assert (said["data"]["name"], said["data"]["first"], said["data"]["desk"]) == ("Boeing (BA)", "message-1", "d")
    assert decode(Alert, json.dumps(said["data"]["alert"]).encode()) == alert()


def test_the_signature_is_that_of_the_conventions_own_example() -> None:
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    assert signature([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == (
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


@pytest.mark.parametrize(
    ("answer", "scope", "wait", "why"),
    [
        (410, "gone", None, "410"),
        ((429, {"Retry-After": "7"}), "channel", 7.0, "429"),
        ((503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}), "channel", 0.0, "503"),
        (500, "channel", None, "500"),
        (400, "message", None, "400"),
        (401, "message", None, "401"),
        ((302, {"Location": "/elsewhere"}), "message", None, "redirects are not followed"),
        (3.0, "channel", None, "no answer within 2 s"),
    ],
)
def test_a_failure_says_whose_it_is_and_how_long_to_wait(answer: Any, scope: str, wait: Any, why: str) -> None:
    with receiver(answers=lambda path, tried: answer) as there:
        failure = send(hook(there), delivery(), SPEECH)
        assert failure is not None and (failure.scope, failure.wait) == (scope, wait)
        assert why in failure.why
        time.sleep(0.1)
        assert [request.path for request in there.requests if request.path != "/"] == [], "nothing is asked elsewhere"


def test_nobody_there_and_an_address_that_is_private_are_failures_of_the_channel() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    away = send(WebhookChannel("hook", f"http://127.0.0.1:{port}/", (SECRET,), allow_private=True), delivery(), SPEECH)
    assert away is not None and away.scope == "channel"
    with receiver() as there:
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
            url = f"https://{host}:{there.port}/"
            refused = send(WebhookChannel("hook", url, (SECRET,)), delivery(), SPEECH)
            assert refused is not None and "no public address" in refused.why and "allow_private" in refused.why
        assert there.requests == []


def test_a_receiver_that_drips_is_cut_off_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                for byte in b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200:
                    try:
                        connection.sendall(bytes([byte]))
                    except OSError:
                        return
                    time.sleep(0.2)

        threading.Thread(target=drip, daemon=True).start()
        began = time.monotonic()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        failure = send(WebhookChannel("hook", url, (SECRET,), allow_private=True), delivery(), SPEECH)
        assert failure is not None and failure.scope == "channel"
        assert time.monotonic() - began < 6


def test_people_are_told_by_what_apprise_reaches() -> None:
    with receiver() as there:
        channel = AppriseChannel("room", f"json://127.0.0.1:{there.port}/notify")
        assert send(channel, delivery(), SPEECH) is None
        (request,) = there.requests
        assert request.json["title"] == "Tocsin: Boeing (BA), 06 May 12:00 UTC"
        message = request.json["message"]
        assert message.startswith(
            "URGENT · sentiment incident opened · by chance about once in 32 years\n14 new negative"
        )
        assert "wire: Boeing halts deliveries, take 1" in message
        assert message.endswith("https://console.example/#/incident/incident-77")
    failure = send(channel, delivery(), SPEECH)
    assert failure is not None and failure.scope == "channel" and failure.why.startswith("apprise: ")


def test_a_test_message_says_that_nothing_happened() -> None:
    with receiver() as there:
        assert send_test(hook(there), "d", "test-1", "2024-05-06T12:00:00Z", SPEECH) is None
        assert send_test(AppriseChannel("r", f"json://127.0.0.1:{there.port}/"), "d", "test-1", "", SPEECH) is None
        first, second = there.requests
    assert first.json["type"] == "tocsin.test" and first.json["data"]["desk"] == "d"
    assert "This is a test: nothing happened" in second.json["message"]


@contextmanager
def mail_server() -> Iterator[tuple[int, list[str]]]:
    """A server that takes mail (RFC 5321), as far as a client needs it."""
    mails: list[str] = []

    def serve(connection: socket.socket) -> None:
        with connection, connection.makefile("rwb", buffering=0) as file:
            file.write(b"220 here\r\n")
            while line := file.readline():
                verb = line[:4].upper()
                if verb == b"DATA":
                    file.write(b"354 go on\r\n")
                    lines = []
                    while (part := file.readline()) not in (b".\r\n", b""):
                        lines.append(part)
                    mails.append(b"".join(lines).decode())
                file.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
                if verb == b"QUIT":
                    return

    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1], mails


def test_mail_puts_the_messages_of_an_incident_on_one_thread() -> None:
    with mail_server() as (port, mails):
        channel = AppriseChannel("mail", f"mailto://127.0.0.1:{port}?from=tocsin@example.com&to=desk@example.com")
        assert send(channel, delivery(), SPEECH) is None
        louder = delivery("message-2", alert("a1", sequence=1, event="escalate", tier="flash"))
        assert send(channel, louder, SPEECH) is None
    subjects = [next(line for line in mail.splitlines() if line.lower().startswith("subject:")) for mail in mails]
    assert len(mails) == 2 and len(set(subjects)) == 1
    assert all("References: <incident-77@tocsin>" in mail for mail in mails)


@given(st.text(max_size=200))
def test_texts_of_strangers_call_nobody_and_stay_on_their_lines(text: str) -> None:
    hostile = delivery("m", alert(reason=text, series=f"source:{text}", evidence=(evidence(excerpt=text),)))
    said = words(hostile, SPEECH.names, "")
    assert len(said.split("\n")) == 3
    assert "\n" not in title(hostile, SPEECH.names)
    assert "@" not in said.replace("@\u2060", "") and "<!" not in said
    json.loads(payload(hostile, SPEECH.names).decode("utf-8", "surrogatepass"))


def test_a_digest_tells_each_incident_in_short() -> None:
    digest = delivery(
        "m", alert("a"), alert("b", incident="i", series="company:GE"), first="", firsts=("f1", "f2"), left_out=3
    )
    assert title(digest, SPEECH.names) == "Tocsin: 5 incidents while it was quiet"
    assert words(digest, SPEECH.names, "x").count("14 new negative stories") == 2 and "3 more" in words(
        digest, SPEECH.names, ""
    )
    said = json.loads(payload(digest, SPEECH.names))
    assert (said["type"], [one["name"] for one in said["data"]["alerts"]]) == (
        "tocsin.digest",
        ["Boeing (BA)", "General Electric (GE)"],
    )


class Post:
    """A postman with short waits, and what came of its messages."""

    def __init__(self, channel: WebhookChannel, patience: float = 60.0) -> None:
        self.outcomes: SimpleQueue[Outcome] = SimpleQueue()
        self.postman = Postman(channel, SPEECH, timedelta(seconds=patience), lambda: repeat(0.05), self.outcomes)

    def next(self) -> tuple[str, str]:
        outcome = self.outcomes.get(timeout=30)
        return outcome.delivery.id, outcome.fate


def events(*ids: str, incident: str = "i") -> list[Delivery]:
    return [delivery(id, alert(f"a-{id}", incident=incident)) for id in ids]


def test_what_fails_is_tried_again_with_its_id_and_an_incident_keeps_its_order() -> None:
    def answers(path: str, tried: int) -> int:
        return 500 if tried < 2 else 204

    with receiver(answers=answers) as there:
        post = Post(hook(there))
        for one in events("1", "2", "3"):
            post.postman.put(one)
        assert [post.next() for _ in range(3)] == [("1", "sent"), ("2", "sent"), ("3", "sent")]
        assert [request.id for request in there.requests] == ["1"] * 3 + ["2"] * 3 + ["3"] * 3
        bodies = {request.id: request.body for request in there.requests}
        assert all(request.body == bodies[request.id] for request in there.requests), "whatever the try, the same words"
        assert post.postman.waiting == 0 and post.postman.trouble == ""
        post.postman.end(5)


def test_a_message_that_is_refused_holds_up_its_own_incident_only() -> None:
    refused = {"bad"}
    with receiver(answers=lambda path, tried: 400 if refused else 204) as there:
        post = Post(hook(there))
        for one in events("bad", incident="x"):
            post.postman.put(one)
        time.sleep(0.3)
        refused.clear()
        for one in events("good", incident="y"):
            post.postman.put(one)
        assert {post.next(), post.next()} == {("bad", "sent"), ("good", "sent")}
        post.postman.end(5)


def test_what_does_not_arrive_in_time_is_given_up_and_one_that_is_gone_takes_all_with_it() -> None:
    with receiver(answers=lambda path, tried: 500 if path == "/busy" else 410) as there:
        post = Post(hook(there, "/busy"), patience=0.3)
        post.postman.put(events("1")[0])
        assert post.next() == ("1", "given-up")
        post.postman.end(5)
        gone = Post(hook(there, "/gone"))
        for one in (*events("1", "2"), *events("3", incident="y")):
            gone.postman.put(one)
        assert [fate for _, fate in (gone.next(), gone.next(), gone.next())] == ["gone"] * 3
        assert len([request for request in there.requests if request.path == "/gone"]) == 1, "it is asked no more"
        gone.postman.end(5)


def test_a_channel_that_wants_to_be_left_alone_is(tmp_path: Path) -> None:
    with receiver(answers=lambda path, tried: (429, {"Retry-After": "1"}) if tried == 0 else 204) as there:
        post = Post(hook(there))
        for one in events("1", "2"):
            post.postman.put(one)
        assert [post.next(), post.next()] == [("1", "sent"), ("2", "sent")]
        times = [request.at for request in there.requests]
        assert times[1] - times[0] >= 1
        post.postman.end(5)


def test_at_the_end_what_is_in_hand_is_finished_and_the_rest_waits() -> None:
    with receiver(answers=lambda path, tried: 204) as there:
        post = Post(hook(there))
        post.postman.end(5)
        post.postman.put(events("1")[0])
        time.sleep(0.2)
        assert there.requests == [] and post.postman.waiting == 1
