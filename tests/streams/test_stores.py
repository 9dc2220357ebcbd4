"""What every store does: idempotent writing, finding again, hostile texts. On SQLite and on the real Elasticsearch."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sample_messages import NOON, alert, dead_letter, labelled_document, series_point, unlabelled

from processors.messages import CompanyLink, Feedback, Sentiment, Topic
from streams.sqlite_store import SqliteStore
from streams.store import (
    AlertQuery,
    Counts,
    DocumentQuery,
    IncidentQuery,
    SeriesTotal,
    SourceState,
    Store,
    StoreWriter,
    Volume,
)

HOSTILE = [
    "'; DROP TABLE documents; --",
    '" OR 1=1 NEAR/3 (body:*)',
    "null\0byte and \x1b[31mred",
    "lone surrogate \ud83d stays one text",
    "%_[bold]{}\\",
    "AND OR NOT ^ * : - +",
]


EXAMPLES = count()


@pytest.fixture(params=["sqlite", pytest.param("elastic", marks=pytest.mark.xdist_group("servers"))])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "elastic":
        yield request.getfixturevalue("elastic_store")
        return
    opened = SqliteStore(tmp_path / "run.sqlite")
    yield opened
    opened.close()


def test_writing_the_same_again_changes_nothing(store: Store) -> None:
    document, letter, ring, point = labelled_document(), dead_letter(), alert(), series_point()
    for expected in (1, 0):
        assert store.write_documents([document]) == expected
        assert store.write_dead_letters([letter]) == expected
        assert store.write_alerts([ring]) == expected
        assert store.write_points([point]) == expected
    assert store.counts() == Counts(1, {"negative": 1}, 0, 0, 1, 1, 1, {"invalid-json": 1})
    assert store.document("wire/1") == document
    assert store.alerts(AlertQuery()) == [ring]
    assert store.points("company:BA") == [point]
    assert store.dead_letters() == [letter]


def test_the_first_document_of_an_identity_wins(store: Store) -> None:
    store.write_documents([labelled_document(title="first"), labelled_document(title="second")])
    found = store.document("wire/1")
    assert found is not None and found.title == "first"
    assert store.search(DocumentQuery(words="second")) == []


def test_a_later_revision_replaces_a_point_and_an_earlier_one_does_not(store: Store) -> None:
    store.write_points([series_point(negative=5, revision=1)])
    assert store.write_points([series_point(negative=9, revision=0)]) == 0
    assert store.write_points([series_point(negative=7, revision=2)]) == 1
    assert [point.negative for point in store.points("company:BA")] == [7]


def test_a_range_of_points_includes_its_start_and_not_its_end(store: Store) -> None:
    hours = [NOON + timedelta(hours=hour) for hour in range(5)]
    store.write_points([series_point(start=hour) for hour in reversed(hours)])
    store.write_points([series_point(series="company:GE", start=hours[1])])
    assert [point.start for point in store.points("company:BA", hours[1], hours[3])] == hours[1:3]


def test_a_failing_batch_leaves_no_trace(store: Store) -> None:
    with pytest.raises(ValueError, match="JSON"):
        store.write_documents([labelled_document("1"), labelled_document("2", metadata={"x": float("nan")})])
    assert store.counts().documents == 0
    assert store.write_documents([labelled_document("1")]) == 1


def test_documents_are_found_by_every_condition_newest_first(store: Store) -> None:
    old = labelled_document("old", published_at=NOON - timedelta(days=1))
    new = labelled_document("new", published_at=NOON + timedelta(microseconds=1))
    other = labelled_document(
        "other",
        source="forum",
        title="Crédit squeeze at Citi",
        companies=(CompanyLink("C", "Citi", 15, "name"), CompanyLink("JPM", "JPM", 0, "symbol")),
        sentiment=Sentiment("neutral", 0.2, 0.6, 0.2),
        topic=Topic("financials", 0.5),
    )
    chinese = unlabelled(labelled_document("zh", title="波音公司暂停交付", text="", language="zh"))
    store.write_documents([old, new, other, chinese])

    def found(**conditions: Any) -> list[str]:
        return [document.id for document in store.search(DocumentQuery(**conditions))]

    assert found() == ["new", "zh", "other", "old"]
    assert found(limit=2) == ["new", "zh"]
    assert found(words="HALTS cracks") == ["new", "old"]
    assert found(words="credit") == ["other"]
    assert found(words="halts forum") == []
    assert found(words="暂停") == ["zh"]
    assert found(words="停暂") == []
    assert found(companies=("JPM", "GE")) == ["other"]
    assert found(sources=("forum",)) == ["other"]
    assert found(sentiment="negative") == ["new", "old"]
    assert found(topic="financials") == ["other"]
    assert found(status="unlabelled") == ["zh"]
    assert found(since=NOON, until=NOON + timedelta(microseconds=1)) == ["zh", "other"]
    assert found(words="halts", companies=("BA",), until=NOON) == ["old"]


def test_alerts_are_found_by_prefix_series_incident_and_time(store: Store) -> None:
    first = alert("alert-aa1")
    second = alert("alert-aa2", at=NOON + timedelta(hours=1), sequence=1, event="close")
    third = alert("alert-b%", series="market:all", incident="incident-78", at=NOON + timedelta(hours=2))
    store.write_alerts([first, second, third])
    assert store.alerts(AlertQuery()) == [third, second, first]
    assert store.alerts(AlertQuery(id_prefix="alert-aa")) == [second, first]
    assert store.alerts(AlertQuery(id_prefix="alert-%")) == []
    assert store.alerts(AlertQuery(series="market:all")) == [third]
    assert store.alerts(AlertQuery(incident="incident-77", limit=1)) == [second]
    assert store.alerts(AlertQuery(since=NOON, until=NOON + timedelta(hours=1))) == [first]
    assert store.counts().incidents == 2


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(store: Store, text: str) -> None:
    hostile = labelled_document("1", title=text, companies=(CompanyLink(text[:20], text, 0, "name"),))
    store.write_documents([hostile, labelled_document("2")])
    found = store.document("wire/1")
    assert found is not None and found.title == text.encode("utf-8", "replace").decode()
    assert store.document(text) is None
    assert hostile.id in [document.id for document in store.search(DocumentQuery(words=text))]
    assert store.search(DocumentQuery(companies=(text,), sources=(text,), words=text)) == []
    assert store.alerts(AlertQuery(id_prefix=text, series=text)) == []
    assert store.counts().documents == 2


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.text(max_size=40))
def test_no_query_for_words_is_an_error(store: Store, words: str) -> None:
    store.search(DocumentQuery(words=words))


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=6))
def test_each_identity_is_stored_once_however_batches_repeat(store: Store, batches: list[list[int]]) -> None:
    example, before = next(EXAMPLES), store.counts().documents
    new = sum(store.write_documents([labelled_document(f"{example}-{id}") for id in batch]) for batch in batches)
    distinct = {id for batch in batches for id in batch}
    assert new == store.counts().documents - before == len(distinct)


def test_the_writer_passes_all_it_is_told_on_to_the_store(store: Store) -> None:
    writer = StoreWriter(store)
    writer.documents([labelled_document(), labelled_document("2", late=True)])
    writer.points([series_point()])
    writer.alerts([alert()])
    writer.dead_letters([dead_letter()])
    writer.clock(NOON)
    writer.progress(3, None)
    assert store.counts() == Counts(2, {"negative": 2}, 0, 1, 1, 1, 1, {"invalid-json": 1})


def test_search_and_alerts_go_on_after_the_last_of_an_answer(store: Store) -> None:
    times = [NOON, NOON, NOON + timedelta(seconds=1), NOON, NOON + timedelta(microseconds=1)]
    store.write_documents([labelled_document(str(n), published_at=at) for n, at in enumerate(times)])
    store.write_alerts([alert(f"alert-{n}", sequence=n % 2, at=at) for n, at in enumerate(times)])
    documents, alerts = store.search(DocumentQuery()), store.alerts(AlertQuery())
    assert len(documents) == len(alerts) == 5
    found, rang = store.search(DocumentQuery(limit=2)), store.alerts(AlertQuery(limit=2))
    while more := store.search(DocumentQuery(limit=2, after=found[-1])):
        found += more
    while again := store.alerts(AlertQuery(limit=2, after=rang[-1])):
        rang += again
    assert (found, rang) == (documents, alerts)


def test_an_incident_is_found_by_its_latest_event_as_it_stood_at_a_time(store: Store) -> None:
    hour = timedelta(hours=1)
    opened, louder = alert("a0", tier="watch"), alert("a1", at=NOON + hour, sequence=1, event="escalate", tier="urgent")
    closed = alert("a2", at=NOON + hour, sequence=2, event="close", tier="urgent")
    other = alert("b0", incident="incident-9", series="market:all", kind="volume", tier="watch", at=NOON + 2 * hour)
    store.write_alerts([closed, opened, louder, other])

    def found(**conditions: Any) -> list[Any]:
        return store.incidents(IncidentQuery(**conditions))

    assert found() == [other, closed]
    assert found(limit=1) == found(open_only=True) == found(kind="volume") == found(since=NOON + 2 * hour) == [other]
    assert found(until=NOON + hour) == [opened]
    assert found(tiers=("watch",)) == [other]
    assert found(tiers=("watch",), until=NOON + hour) == [opened]
    assert found(series=("company:BA", "company:GE")) == [closed]


def test_feedback_is_kept_once_and_told_in_its_order(store: Store) -> None:
    later = NOON + timedelta(hours=1)
    said = Feedback("incident-77", "alert-00aa", "company:BA", "mute", later, "ann", until=NOON + timedelta(days=1))
    wrong = Feedback(
        "incident-77", "alert-00aa", "company:BA", "wrong-label", NOON, "<b>", document="wire/1", note="=1"
    )
    other = Feedback("incident-9", "alert-01", "market:all", "useful", NOON, "bob")
    assert store.write_feedback([said, wrong]) == 2
    assert store.write_feedback([said, other]) == 1
    assert store.feedback("incident-77") == [wrong, said]
    assert len(store.feedback()) == 3
    assert store.feedback(since=later) == [said]


def test_totals_sum_the_points_of_a_range_and_keep_the_highest_surprise(store: Store) -> None:
    hours = [NOON + timedelta(hours=hour) for hour in range(3)]
    store.write_points([series_point(start=hour, surprise=n + 0.5) for n, hour in enumerate(hours)])
    store.write_points([series_point(start=hours[0], negative=40, revision=1, surprise=0.25)])
    store.write_points([series_point(series="company-topic:BA/earnings", kind="company-topic", start=hours[0])])
    store.write_points([series_point(series="market:all", kind="market", start=hours[0])])
    found = store.totals(("company", "company-topic"), hours[0], hours[2])
    assert [total.series for total in found] == ["company-topic:BA/earnings", "company:BA"]
    assert found[1] == SeriesTotal("company:BA", "company", 44, 4, 2, 8, pytest.approx(1.4), 1.5)
    assert store.totals(("sector",), hours[0], hours[2]) == []
    assert store.series(("market", "company")) == ["company:BA", "market:all"]
    assert store.series(("topic",)) == []


def test_volume_sources_and_span_tell_what_was_published_when(store: Store) -> None:
    assert store.span() is None
    assert store.sources(NOON) == store.volume(NOON, NOON + timedelta(hours=1), timedelta(minutes=5)) == []
    minutes = [timedelta(minutes=n) for n in (0, 4, 5, 60)]
    store.write_documents([labelled_document(str(n), published_at=NOON + at) for n, at in enumerate(minutes)])
    quiet = labelled_document("x", source="forum", sentiment=Sentiment("positive", 0.1, 0.1, 0.8))
    store.write_documents([quiet, unlabelled(labelled_document("y", published_at=NOON + timedelta(seconds=1)))])
    assert store.volume(NOON, NOON + timedelta(hours=1), timedelta(minutes=5)) == [
        Volume(NOON, 2, 0, 1, 1),
        Volume(NOON + timedelta(minutes=5), 1, 0, 0, 0),
    ]
    assert store.span() == (NOON, NOON + timedelta(hours=1))
    assert store.sources(NOON + timedelta(minutes=1)) == [
        SourceState("forum", NOON, 0),
        SourceState("wire", NOON + timedelta(hours=1), 3),
    ]
