"""What strangers send: poison, other versions, impossible times, everything twice."""

import base64
import json
import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from matrix import scenario
from trial import Trial
from witness import Record
from writer import INPUTS, Writer, writing

from tests.streams.bad_input import BAD_INPUT, record

LIMIT: Final = 1024 * 1024
MARKUP: Final = '<img src="http://evil.example/x"><a href="//evil.example">x</a> http://evil.example/{} '


@scenario(
    7,
    "Poison of every kind costs only itself: each record is a dead letter with its reason and bytes, before, between and "
    "after sound ones; what is sound but strange is indexed; no address in a text is reached.",
    quick=True,
)
def poison(trial: Trial) -> None:
    due = dict(poisonous())
    trial.deployment.reverted = {name: ("confine",) for name in ("enrich", "detect", "index")}
    with trial.load(documents=3500), writing(trial.witness) as writer:
        for number, (raw, _) in enumerate(due.items()):
            writer.send("news", raw, number % 2)
        for partition in range(2):
            writer.send("news", None, partition, key=b"nothing")
            writer.send("news", b'{"said": 1}', partition, headers=[("type", b"nonsense")])
        strange(writer)
        trial.done["poisoned records"] += writer.count
        trial.pause(5, 6)
    judged = trial.judge()
    told = {base64.b64decode(letter["original"]): letter["reason"] for letter in trial.witness.letters()}
    wrong = {
        raw[:60]: (told.get(raw[: 64 * 1024]), reason)
        for raw, reason in due.items()
        if told.get(raw[: 64 * 1024]) != reason
    }
    assert not wrong, f"refused for other reasons: {wrong}"
    assert judged.verdict.dead["unknown-type"] == 2
    assert not trial.deployment.restarts, "nobody ended over it"
    indexed = {document.id for document in trial.witness.indexed("documents")}
    assert len([identity for identity in indexed if identity.startswith("strange/")]) == 16


def poisonous() -> Mapping[bytes, str]:
    """Records and what each has to be refused for on the news topic."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    sent = {name: case for name, case in BAD_INPUT.items() if name != "no kind"}  # a topic lends it
    sent["the future"] = (record(published_at=tomorrow), "future-timestamp")
    sent["unknown kind"] = (record(kind="tweet"), "kind-mismatch")
    return dict(sent.values())


def strange(writer: Writer) -> None:
    """Sound documents that try what they can."""
    fill = "x" * (LIMIT - 400)
    texts = (
        *(
            "\x00\x01\x1b[2J\x07 control",
            "\u202egnirts desrever\u2066\u2069",
            "\ufeff\u200b\u2060",
            "ﷺ" * 3000,
            "\U0010ffff",
        ),
        *(
            "&amp;" * 5000,
            "<" * 20_000,
            "$T " * 10_000,
            fill,
            MARKUP.format("text") * 20,
            "=cmd|' /C calc'!A0",
            "e\u0301" * 9000,
        ),
    )
    for number, text in enumerate(texts):
        given = {"url": "http://evil.example/url", "author": "http://evil.example/author"} if number % 2 else {}
        writer.document(
            "news",
            number % 2,
            id=str(number),
            source="strange",
            published_at="2026-03-02T12:00:00Z",
            text=text,
            **given,
        )
    for number, metadata in enumerate(
        ({"": {"": [{"..": 1}]}}, {"n": 2**63 - 1}, {"a": [[[[]]]]}, {"image": "http://evil.example/m"})
    ):
        writer.document(
            "news", 0, id=f"m{number}", source="strange", published_at="2026-03-02T12:00:00Z", metadata=metadata
        )


@scenario(
    7,
    "A record of the log that makes the detector raise becomes a dead letter of detection and changes nothing else.",
)
def poison_for_the_detector(trial: Trial) -> None:
    with trial.load(documents=3500):
        trial.pause(5, 6)
        like = max(mentions(trial), key=published)  # one that is late by now is not applied, whatever it holds
        value = json.loads(like.value or b"")
        strangers: list[dict[str, Any]] = [
            {"company": "NOWHERE", "time_zone": "Mars/Olympus"},
            {"document": {**value["document"], "signature": "zz"}},
            {"document": {**value["document"], "published_at": "0001-01-01T00:00:00Z"}, "company": "EARLY"},
            {"schema": 2},
            {"companies_in_document": "many"},
        ]
        with writing(trial.witness) as writer:
            for changes in strangers:
                writer.send("mentions", json.dumps({**value, **changes}).encode(), like.place.partition, key=like.key)
            writer.send(
                "mentions", b'{"at": "noon", "origin": "news/0"}', like.place.partition, headers=[("type", b"tick")]
            )
        trial.done["records that detection cannot apply"] += len(strangers) + 1
        trial.pause(5, 6)
    trial.judge()
    reasons = Counter(letter["reason"] for letter in trial.witness.letters() if letter["stage"] == "detect")
    trial.notes.append(f"refused at detect: {dict(reasons)}")
    assert reasons["unknown-schema"] and reasons["wrong-type"] >= 2, reasons
    assert reasons.total() >= 4, reasons
    assert not trial.deployment.restarts, "nobody ended over it"


@scenario(
    8,
    "Versions mixed: inputs of versions that are not known are refused; fields that a newer release adds to our own topics "
    "are passed over; a newer major version of them is a dead letter, at detect and at index alike.",
)
def versions_mixed(trial: Trial) -> None:
    with trial.load(documents=3500), writing(trial.witness) as writer:
        trial.pause(5, 6)
        for number, schema in enumerate((1, None, 2, 99, "1", 0, 1.0, None, 1)):
            writer.document(
                "social",
                number % 2,
                id=f"v{number}",
                published_at="2026-03-02T12:00:00Z",
                **({"schema": schema} if schema is not None else {}),
            )
        [like, *_] = mentions(trial)
        value = json.loads(like.value or b"")
        place = like.place.partition
        writer.send("mentions", json.dumps({**value, "added": {"later": [1]}}).encode(), place, key=like.key)
        writer.send("mentions", json.dumps({**value, "schema": 2}).encode(), place, key=like.key)
        document = next(trial.witness.records("documents"))
        content = json.loads(document.value or b"")
        for changes in ({"added": 1}, {"schema": 2}):
            writer.send(
                "documents", json.dumps({**content, **changes}).encode(), document.place.partition, key=document.key
            )
        trial.done["records of other versions"] += 5 + 4
        trial.pause(5, 6)
    judged = trial.judge()
    assert judged.verdict.dead["unknown-schema"] == 3, judged.verdict.dead
    assert judged.verdict.dead["wrong-type"] >= 2, judged.verdict.dead
    stages = Counter(letter["stage"] for letter in trial.witness.letters() if letter["reason"] == "unknown-schema")
    assert (stages["detect"], stages["index"]) == (1, 1), stages


@scenario(
    9,
    "Clocks: documents days late, out of order, of the future, of 1970, of a leap second and of the hours when clocks change; "
    "ticks doubled, gone back, from two writers, missing in one partition: nothing is lost, time never goes back, and "
    "without one partition's ticks it stands still instead of running ahead.",
)
def clocks(trial: Trial) -> None:
    with trial.load(documents=3500), writing(trial.witness) as writer:
        trial.pause(3, 4)
        latest = trial.witness.clock()
        second_clock(trial, writer, latest)
        times = odd_times(latest)
        for number, at in enumerate(times):
            writer.document(
                "social", number % 2, id=f"t{number}", published_at=at, text=f"Boeing falls again, report {number}"
            )
        trial.done["documents of odd times"] += len(times)
        for _ in range(3):
            trial.pause(1, 2)
            second_clock(trial, writer, trial.witness.clock())
    judged_times(trial, times)
    # After the feed: time goes on in all partitions but one, so it stands; then in that one too.
    trial.deployment.start("enrich", "detect", "index")
    trial.deployment.wait_until_ready()
    with writing(trial.witness) as writer:
        end = max(tick_times(trial)) + timedelta(hours=5)
        places = [(topic, partition) for topic in INPUTS for partition in range(2)]
        for topic, partition in places[1:]:
            writer.tick(end, topic, partition)
        writer.flush()
        trial.deployment.wait_until_done(trial.witness)
        stood = trial.count("series")
        trial.done["ticks missing in one partition"] += 1
        trial.pause(5, 6)
        assert trial.count("series") == stood, "buckets closed though one partition had not ticked"
        writer.tick(end, *places[0])
        writer.flush()
        trial.until(lambda: trial.count("series") > stood, "buckets close once every partition has ticked")


def second_clock(trial: Trial, writer: Writer, now: datetime) -> None:
    """Another writer of ticks: the same again, some that go back, some a little ahead in some partitions only."""
    for topic in INPUTS:
        for partition in range(2):
            for shift in trial.chance.sample((0, 0, -5, -3600, -86_400), 3):
                writer.tick(now + timedelta(seconds=shift), topic, partition)
                trial.done["ticks of a second writer"] += 1


def odd_times(now: datetime) -> list[str]:
    """Times of documents: late by days, out of order, impossible, around changes of clocks, as offsets say it."""
    moved = [now - timedelta(hours=hours) for hours in (0, 30, 3, 72, 1, 240, 2, 26, 5, 0.1)]
    return [
        *(at.isoformat().replace("+00:00", "Z") for at in moved),
        *(
            "1970-01-01T00:00:00Z",
            "1979-12-31T23:59:59Z",
            "2016-12-31T23:59:60Z",
            "2015-06-30T23:59:60Z",
            "9999-12-31T23:59:59Z",
        ),
        (datetime.now(UTC) + timedelta(hours=2)).isoformat(),
        *("2026-03-08T02:30:00-05:00", "2026-03-08T01:59:59.999999-05:00", "2026-03-08T03:00:00-04:00"),
        *(
            "2025-11-02T01:30:00-04:00",
            "2025-11-02T01:30:00-05:00",
            "2024-02-29T00:00:00+14:00",
            "2024-02-30T00:00:00Z",
        ),
        now.astimezone(UTC).replace(tzinfo=None).isoformat(),
    ]


def judged_times(trial: Trial, times: list[str]) -> None:
    """The ledger's verdict so far, and that what cannot be a time was refused for that."""
    trial.settle()
    letters = trial.witness.letters()
    told = {
        json.loads(base64.b64decode(letter["original"])).get("id"): letter["reason"]
        for letter in letters
        if sound(letter)
    }
    due = {
        f"t{number}": reason
        for number, at in enumerate(times)
        for pattern, reason in (
            (r"19[67]\d", "before-1980"),
            (r".*:60Z|.*-02-30T", "invalid-timestamp"),
            (r"9999", "future-timestamp"),
            (r"[^Z+]*T[^Z+-]*$", "naive-timestamp"),
        )
        if re.match(pattern, at)
    }
    assert {name: told.get(name) for name in due} == due


def sound(letter: Mapping[str, Any]) -> bool:
    """Whether the original of a letter is a JSON object."""
    try:
        return isinstance(json.loads(base64.b64decode(letter["original"])), dict)
    except (ValueError, RecursionError):
        return False


@scenario(
    10,
    "Every message twice, and the whole topic again when days have passed: each identity is indexed once, nothing rings twice.",
)
def everything_again(trial: Trial) -> None:
    with trial.load(60, documents=3500):
        trial.pause(8, 9)
    trial.settle()
    arrivals = [one for one in trial.witness.arrivals() if one.headers.get("type") != b"tick"]
    rang = trial.witness.by_partition("alerts")
    trial.deployment.start("enrich", "detect", "index")
    with writing(trial.witness) as writer:
        for one in arrivals:
            writer.again(one)
        writer.flush()
        trial.deployment.wait_until_done(trial.witness)
        assert trial.witness.by_partition("alerts") == rang, "something rang over messages that came twice"
        days_later = max(tick_times(trial)) + timedelta(days=4)
        for topic in INPUTS:
            for partition in range(2):
                writer.tick(days_later, topic, partition)
        writer.flush()
        trial.deployment.wait_until_done(trial.witness)
        later = surges(trial)
        for one in arrivals:
            writer.again(one)
        writer.flush()
        trial.deployment.wait_until_done(trial.witness)
    assert surges(trial) == later, "something rang over a topic that came again"
    trial.done["messages sent again"] += 2 * len(arrivals)
    judged = trial.judge()
    trial.notes.append(f"{len(arrivals):,} messages three times: {judged.verdict.duplicates:,} duplicates")


def surges(trial: Trial) -> int:
    """How many incidents of any kind but of silence have opened or grown."""
    alerts = [json.loads(value) for values in trial.witness.by_partition("alerts").values() for value in values]
    return sum(alert["kind"] != "no-data" and alert["event"] in ("open", "escalate", "update") for alert in alerts)


def tick_times(trial: Trial) -> list[datetime]:
    """The instants of all ticks of the inputs."""
    ticks = [one for one in trial.witness.arrivals() if one.headers.get("type") == b"tick"]
    times = []
    for one in ticks:
        try:
            at = datetime.fromisoformat(json.loads(one.value or b"")["at"])
        except ValueError:
            continue
        if at < datetime.now(UTC) + timedelta(minutes=5):
            times.append(at)
    return times


def published(mention: Record) -> str:
    """When its document was, as it is written: later is greater."""
    return str(json.loads(mention.value or b"")["document"]["published_at"])


def mentions(trial: Trial) -> list[Record]:
    """Mentions on the log that a later record of the same identity may stand beside."""
    trial.until(lambda: trial.count("mentions") > 40, "there are mentions")
    return [one for one in trial.witness.records("mentions") if "type" not in one.headers]
