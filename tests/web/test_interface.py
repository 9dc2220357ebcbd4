"""The REST interface: what it answers, how lists go on, what it refuses, and that no request breaks it."""

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from web_console import HOSTILE, Caller

from streams.classifier import EmbeddedClassifier
from streams.settings import Settings
from streams.sqlite_store import SqliteStore
from tests.streams.sample_messages import VERSIONS, alert, evidence


def test_now_tells_what_rings_what_is_unusual_and_what_arrives(console: Caller) -> None:
    now = console("/v1/now").json
    assert now["at"] == "2024-05-06T12:00:00Z" and not now["live"]
    assert [incident["incident"] for incident in now["incidents"]] == ["incident-77", "incident-silent"]
    assert [incident["incident"] for incident in now["closed"]] == ["incident-old"]
    first = now["incidents"][0]
    assert (first["event"], first["tier"], first["count"]["observed"], first["silent_below"]) == (
        "escalate",
        "urgent",
        14,
        9,
    )
    row = now["pulse"]["rows"][0]
    assert (row["company"], row["total"]["tier"], row["total"]["incident"]) == ("BA", "urgent", "incident-77")
    assert row["total"]["surprise"] == pytest.approx(6.49, abs=0.01), "that of the alarm: its hour is not closed yet"
    assert row["cells"][now["pulse"]["topics"].index("company-product-news")]["surprise"] == 2.9
    assert sum(map(sum, now["volume"]["slots"])) == 99
    assert [(s["source"], s["silent"]) for s in now["sources"]] == [("forum", "incident-silent"), ("wire", None)]
    assert now["canary"] is now["run"] is None
    assert now["held_up"] == [] and not now["moving"]
    assert now["volume"]["per_minute"] == round(3 / 15, 1), "the quarter of an hour before the present"


def test_an_incident_is_told_with_its_events_points_relations_and_handling(console: Caller) -> None:
    view = console("/v1/incidents/incident-77").json
    assert [event["id"] for event in view["events"]] == ["alert-1", "alert-2"]
    assert view["events"][1]["evidence"][0]["excerpt"].startswith(HOSTILE)
    start, _, _, _, novel, expected, low, high, surprise = view["points"][-1]
    assert (start, novel, expected, low, high, surprise) == ("2024-05-06T11:00:00Z", 1, 0.7, 0, 3, 2.9)
    assert view["handling"] == {"acknowledged": None, "assignee": "", "judgements": []}
    assert console("/v1/incidents/none").status == 404


def test_the_words_behind_the_evidence_are_told_by_the_model_that_labelled_it_alone(
    console: Caller, store_path: Path
) -> None:
    refused = console("/v1/alerts/alert-2/words").json["documents"]
    assert {document["refused"] for document in refused} == {"other-model"}
    classifier = EmbeddedClassifier(Settings().classifier.model, 1)
    text = "Boeing shares plunge after crash <script>"
    [labels] = classifier.classify([text])
    own = replace(VERSIONS, model_hash=classifier.model.hash)
    shown = evidence(9, excerpt=text, p_negative=labels.sentiment.negative)
    SqliteStore(store_path, create=False).write_alerts([alert("alert-9", evidence=(shown,), versions=(own,))])
    told = console("/v1/alerts/alert-9/words").json
    assert (told["label"], told["model"]["hash"]) == ("negative", classifier.model.hash)
    [document] = told["documents"]
    assert "".join(piece for piece, _ in document["pieces"]) == text
    assert ["plunge", "crash"] == [piece for piece, level in document["pieces"] if level >= 2]


def test_incidents_are_filtered_by_tier_kind_and_series(console: Caller) -> None:
    def found(**query: Any) -> list[str]:
        answer = console(f"/v1/incidents?{urlencode(query, doseq=True)}")
        return [incident["incident"] for incident in answer.json["incidents"]]

    assert found(tier=["urgent", "flash"], open_only=True) == ["incident-77"]
    assert found(kind="no-data") == ["incident-silent"]
    assert found(series=["company:AAPL", "company:GE"]) == ["incident-old"]


def pages(console: Caller, name: str, limit: int) -> list[Any]:
    """Everything of a list, page by page."""
    found: list[Any] = []
    cursor = None
    while True:
        query = {"limit": limit} | ({"cursor": cursor} if cursor else {})
        answer = console(f"/v1/{name}?{urlencode(query)}").json
        found += answer[name]
        cursor = answer["next"]
        if cursor is None:
            return found


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("documents?q=boeing", "'q' is no parameter here; known are company, cursor, limit, sentiment, "),
        ("documents.csv?sentimant=negative", "'sentimant' is no parameter here: did you mean sentiment?"),
        ("incidents?tier=urgent&bogus", "'bogus' is no parameter here; known are cursor, kind, limit, open_only, "),
        ("series/company:BA?day=3", "did you mean days?"),
        ("incidents/incident-77?tier=urgent", "'tier' is no parameter here; known are none"),
        ("documents/wire/zh?words=x", "'words' is no parameter here; known are none"),
    ],
)
def test_a_parameter_that_nothing_would_hear_is_a_problem(console: Caller, asked: str, told: str) -> None:
    answer = console(f"/v1/{asked}")
    assert (answer.status, answer.headers["Content-Type"]) == (422, "application/problem+json")
    assert told in answer.json["detail"]


def test_lists_go_on_from_page_to_page_without_gap_or_double(console: Caller) -> None:
    for n in range(5):
        console("/v1/feedback", {"incident": "incident-77", "kind": "useful", "by": f"Ann {n}"})
    lists = {
        "documents": ("identity", 122, 50),
        "alerts": ("id", 4, 1),
        "incidents": ("incident", 3, 1),
        "feedback": ("id", 5, 2),
    }
    for name, (key, total, limit) in lists.items():
        found = pages(console, name, limit)
        assert len({record[key] for record in found}) == len(found) == total
        assert console(f"/v1/{name}?cursor=none").status == 404
    names = ["company-topic:BA/company-product-news", "company:AAPL", "company:BA", "market:all"]
    assert pages(console, "series", 2) == [*names, "topic:company-product-news"]
    assert console("/v1/series?kind=market&kind=company").json["series"] == names[1:]


def test_documents_are_found_by_every_condition_and_one_is_told_in_full(console: Caller) -> None:
    query = {
        "words": "plant",
        "company": "BA",
        "source": "wire",
        "sentiment": "negative",
        "topic": "company-product-news",
    }
    found = console(f"/v1/documents?{urlencode(query)}").json["documents"]
    assert found and all(one["companies"] == ["BA"] and one["source"] == "wire" for one in found)
    assert console("/v1/documents?words=%E6%9A%82%E5%81%9C").json["documents"][0]["identity"] == "wire/zh"
    assert console("/v1/documents/wire/evil").json["url"] == "javascript:window.owned=1", "programs get what was sent"


def test_no_cell_of_the_export_is_taken_for_a_formula(console: Caller) -> None:
    answer = console("/v1/documents.csv?words=gnirts")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="tocsin-documents.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig"))))
    assert [row["id"] for row in rows] == ["evil"]
    assert rows[0]["text"] == "'=cmd|' /C calc'!A0"
    whole = list(csv.reader(io.StringIO(console("/v1/documents.csv").body.decode("utf-8-sig"))))
    assert len(whole) == 123
    assert not [cell for row in whole for cell in row if cell.lstrip().startswith(("=", "+", "-", "@", "\t"))]


def test_what_people_say_and_do_is_kept_and_shown(console: Caller) -> None:
    def say(**said: Any) -> Any:
        return console("/v1/feedback", {"incident": "incident-77", "by": "Ann", **said})

    assert say(kind="acknowledge").status == 201
    assert say(kind="assign", assignee="Bob").status == 201
    assert say(kind="useful").status == 201
    assert say(kind="false-alarm", note=HOSTILE).status == 201, "of one person's judgements the latest counts"
    assert say(kind="wrong-label", document="wire/evil").status == 201
    assert say(kind="mute", until="2199-01-01T00:00:00Z").status == 201
    handling = console("/v1/incidents/incident-77").json["handling"]
    assert (handling["acknowledged"]["by"], handling["assignee"]) == ("Ann", "Bob")
    assert [(one["kind"], one["document"]) for one in handling["judgements"]] == [
        ("false-alarm", None),
        ("wrong-label", "wire/evil"),
    ]
    shown = console("/v1/now").json["incidents"][0]
    assert (shown["acknowledged"], shown["assignee"], shown["muted_until"]) == ("Ann", "Bob", "2199-01-01T00:00:00Z")
    assert say(kind="unmute").status == 201
    assert console("/v1/now").json["incidents"][0]["muted_until"] is None
    assert len(console("/v1/feedback?incident=incident-77").json["feedback"]) == 7
    assert console("/v1/feedback").json["feedback"][0]["alert"] == "alert-2", "the event that the person saw"


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"incident": "none", "kind": "useful"}, 404),
        ({"incident": "incident-77", "kind": "mute"}, 422),
        ({"incident": "incident-77", "kind": "great"}, 422),
        ({"incident": "incident-77", "kind": "useful", "extra": 1}, 422),
        ({"incident": "incident-77", "kind": "useful", "by": "x" * 201}, 422),
        ([], 422),
    ],
)
def test_feedback_that_says_nothing_sound_is_a_problem(console: Caller, said: Any, status: int) -> None:
    answer = console("/v1/feedback", said)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["status"] == status and answer.json["detail"]


def test_series_are_told_by_the_hour_and_longer_ranges_by_the_day(console: Caller) -> None:
    week = console("/v1/series/company%3ABA?days=7").json
    assert (week["step_hours"], len(week["points"]), len(week["incidents"])) == (1, 167, 1)
    month = console("/v1/series/company%3ABA?days=30").json
    assert (month["step_hours"], len(month["points"])) == (24, 18)
    assert sum(point[1] for point in month["points"]) == 4 * 399
    assert console("/v1/series/company-topic%3ABA%2Fcompany-product-news").json["kind"] == "company-topic"
    assert console("/v1/series/nonsense").status == 422
    assert console("/v1/series/company%3ABA?since=2024-05-06T00:00:00Z&until=2024-05-05T00:00:00Z").status == 422


@pytest.mark.parametrize(
    ("series", "count"),
    [("company:BA", 41), ("topic:company-product-news", 60), ("source:forum", 60), ("market:all", 60),
     ("sector:Services", 40), ("company-topic:UPS/company-product-news", 40), ("sector:None", 0), ("topic:none", 0)],
)  # fmt: skip
def test_stories_of_any_series_are_found(console: Caller, series: str, count: int) -> None:
    answer = console(f"/v1/stories/{quote(series, safe='')}?days=7").json
    assert len(answer["stories"]) == count


def test_a_desk_passes_what_chance_explains_rarely_enough(console: Caller) -> None:
    # One incident a desk of one series: .031 a year by chance.
    loud = console("/v1/desk?series=company:BA&budget=0.0001").json
    assert (loud["incidents"], loud["passed"], round(loud["chance_per_year"], 6)) == (1, 1, 0.0365)
    assert console("/v1/desk?series=company:BA&series=company:GE&budget=0.0001").json["passed"] == 0
    assert console("/v1/desk").json["passed"] == 0


def test_what_a_desk_hears_of_all_that_rings_is_judged_by_its_rule(console: Caller) -> None:
    def heard(query: str) -> list[str]:
        return list(console(f"/v1/desk/passing?{query}").json["incidents"])

    assert heard("series=company:BA&series=company:AAPL&budget=0.01") == ["incident-77"], "and none that is over"
    assert heard("series=company:BA&series=company:GE&budget=0.0001") == heard("") == []
    assert heard("series=source:forum&budget=1000") == [], "a desk of the console hears of surges alone"


def test_an_incident_that_another_goes_on_with_names_it(console: Caller, store_path: Path) -> None:
    over = alert("alert-8", incident="incident-8", event="close", continued_by="incident-77", sequence=1)
    SqliteStore(store_path, create=False).write_alerts([over])
    assert console("/v1/incidents/incident-8").json["continued"]["series"] == "company:BA"
    assert console("/v1/incidents/incident-77").json["continued"] is None


def test_status_counts_what_there_is(console: Caller) -> None:
    status = console("/v1/status").json
    assert status["counts"]["documents"] == 122
    assert status["counts"]["dead_letters"] == {"invalid-json": 1}
    assert status["services"] is None


def test_the_description_names_every_operation_and_loads_nothing(console: Caller) -> None:
    described = console("/openapi.json").json
    asked = "now alerts alerts/stream incidents series documents classify feedback stream".split()
    assert {f"/v1/{path}" for path in asked} <= set(described["paths"])
    assert console("/docs").status == console("/redoc").status == 404


SAMPLES = st.one_of(
    st.text(max_size=30),
    st.integers(-(2**70), 2**70).map(str),
    st.sampled_from(
        ["", "company:BA", "alert-2", "wire/evil", "negative", "urgent", "2024-05-06T12:00:00Z", "0001-01-01T00:00:00+23:59",
         "9999-12-31T23:59:59-23:59", "1e999", "nan", "-inf", "\x00", "\ud83d", "../../etc/passwd", "%", "true"]
    ),
)  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_request_that_the_description_allows_or_forbids_breaks_it(console: Caller, data: st.DataObject) -> None:
    paths = {path: one for path, one in console("/openapi.json").json["paths"].items() if not path.endswith("stream")}
    path = data.draw(st.sampled_from(sorted(paths)))
    method = data.draw(st.sampled_from(sorted(paths[path])))
    query: list[tuple[str, str]] = []
    for parameter in paths[path][method].get("parameters", ()):
        for value in data.draw(st.lists(SAMPLES, max_size=2)) if parameter["in"] == "query" else [data.draw(SAMPLES)]:
            value = value.encode("utf-8", "replace").decode()
            if parameter["in"] == "path":
                path = path.replace("{" + parameter["name"] + "}", quote(value, safe=""))
            else:
                query.append((parameter["name"], value))
    body = None
    if method == "post":
        fields = ("incident", "kind", "by", "document", "assignee", "until", "note")
        body = data.draw(
            st.dictionaries(st.sampled_from(fields), st.one_of(SAMPLES, st.none(), st.integers()), max_size=7)
        )
    answer = console(f"{path}?{urlencode(query)}", body)
    assert answer.status < 500, answer.body


def test_texts_are_labelled_by_the_model_and_nothing_gets_no_label(console: Caller) -> None:
    texts = ["Shares plunge after the fraud is uncovered", "  ", "Profit beats every estimate"]
    answer = console("/v1/classify", {"texts": texts}).json
    first, none, last = answer["labels"]
    assert (first["sentiment"]["label"], none, last["sentiment"]["label"]) == ("negative", None, "positive")
    assert first["sentiment"]["negative"] > 0.5 and 0 < first["topic"]["probability"] <= 1
    assert answer["model"] == first["model"] and answer["version"] == first["version"]
    for wrong in ({"texts": []}, {"texts": ["x"] * 257}, {"texts": "x"}, {"text": ["x"]}):
        assert console("/v1/classify", wrong).status == 422
