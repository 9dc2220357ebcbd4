"""The Elasticsearch store beyond what every store does: months, claims, large and hostile records, refusals."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch
from hypothesis import given
from hypothesis import strategies as st
from sample_messages import NOON, alert, dead_letter, labelled_document, series_point

from processors.errors import ConfigurationError, PoisonError, RetryableError
from streams.elastic_bulk import Action, Limits, classify, requests
from streams.elastic_client import connect
from streams.elastic_indices import Indices
from streams.elastic_store import ElasticStore
from streams.elastic_writes import Writer, action_of
from streams.service_settings import ElasticsearchSettings
from streams.store import DocumentQuery
from streams.words import words_of

ROOT = Path(__file__).resolve().parent.parent.parent
JUNE = datetime(2024, 6, 30, 23, 59, 59, 999999, tzinfo=UTC)


@pytest.fixture
def client(elastic_settings: ElasticsearchSettings) -> Iterator[Elasticsearch]:
    with connect(elastic_settings) as made:
        yield made


def indices_held(client: Elasticsearch, settings: ElasticsearchSettings, kind: str) -> set[str]:
    return {
        name.removeprefix(f"{settings.prefix}-{kind}-")
        for name in client.indices.get(index=f"{settings.prefix}-{kind}-*")
    }


def test_records_stand_in_the_month_of_their_own_time(
    elastic_store: ElasticStore, client: Elasticsearch, elastic_settings: ElasticsearchSettings
) -> None:
    instants = [
        JUNE,
        JUNE + timedelta(microseconds=1),
        datetime(1999, 12, 31, tzinfo=UTC),
        datetime(1987, 1, 1, tzinfo=UTC),
    ]
    elastic_store.write_documents([labelled_document(str(n), published_at=at) for n, at in enumerate(instants)])
    elastic_store.write_points([series_point(start=JUNE)])
    elastic_store.write_alerts([alert(at=NOON)])
    elastic_store.write_dead_letters([dead_letter()])
    held = {
        kind: indices_held(client, elastic_settings, kind) for kind in ("documents", "series", "alerts", "deadletters")
    }
    assert held == {
        "documents": {"2024.06", "2024.07", "before-2000"},
        "series": {"2024.06"},
        "alerts": {"2024.05"},
        "deadletters": {"all"},
    }
    assert [document.id for document in elastic_store.search(DocumentQuery())] == ["1", "0", "2", "3"]


def test_an_identity_is_stored_once_whatever_month_it_is_dated_and_whoever_writes_it(
    elastic_store: ElasticStore, elastic_settings: ElasticsearchSettings
) -> None:
    first, later = labelled_document(title="first"), labelled_document(title="later", published_at=JUNE)
    assert elastic_store.write_documents([first, later]) == 1
    other = ElasticStore(elastic_settings, refresh=True)
    assert other.write_documents([later]) == 0
    assert other.counts().documents == 1
    found = other.document("wire/1")
    assert found is not None and found.title == "first"
    other.close()


def test_a_document_is_found_by_its_identity_before_the_index_is_refreshed(
    elastic_settings: ElasticsearchSettings,
) -> None:
    store = ElasticStore(elastic_settings)
    store.write_documents([labelled_document()])
    assert store.document("wire/1") == labelled_document()
    store.close()


def test_a_claim_without_its_document_is_completed_by_the_same_document_only(
    elastic_store: ElasticStore, client: Elasticsearch, elastic_settings: ElasticsearchSettings
) -> None:
    document = labelled_document()
    indices = Indices(elastic_settings)
    action = action_of(document, indices)
    # What a kill between the two requests leaves behind.
    client.create(index=indices.identities, id=action.id, document={"index": action.index})
    assert elastic_store.write_documents([replace(document, published_at=JUNE)]) == 0
    assert elastic_store.document("wire/1") is None
    assert elastic_store.write_documents([document]) == 1
    assert elastic_store.document("wire/1") == document


def test_metadata_of_any_names_and_depth_is_kept_and_changes_no_mapping(
    elastic_store: ElasticStore, client: Elasticsearch, elastic_settings: ElasticsearchSettings
) -> None:
    deep: dict[str, Any] = {}
    for _ in range(29):
        deep = {"k": deep}
    hostile = {"": {"": [{"..": 1}]}, ".": 2, "a..b": 3, "a": 1, "a.b": {"x": "1"}, "nul\0": 1.5e-300, "_id": 2**63 - 1}
    many = {f"key {n}": n for n in range(5_000)}
    documents = [
        labelled_document(str(n), metadata=metadata) for n, metadata in enumerate([hostile, deep, many, {"a": []}])
    ]
    index = Indices(elastic_settings).of("documents", NOON)
    assert elastic_store.write_documents(documents) == 4
    assert [elastic_store.document(f"wire/{n}") for n in range(4)] == documents
    mapped = client.indices.get_mapping(index=index)[index]["mappings"]["properties"]
    assert mapped["metadata"] == {"type": "object", "enabled": False}


def test_the_largest_texts_are_kept_whole_and_found(elastic_store: ElasticStore) -> None:
    words = " ".join(f"w{n}" for n in range(130_000))
    one_word, wide = "x" * 1_000_000, "é" * 500_000
    documents = [labelled_document(str(n), text=text) for n, text in enumerate([words, one_word, wide])]
    assert elastic_store.write_documents(documents) == 3
    assert [document.id for document in elastic_store.search(DocumentQuery(words="w129999"))] == ["0"]
    assert elastic_store.document("wire/1") == documents[1]


def test_words_are_found_whatever_punctuation_stands_at_them(elastic_store: ElasticStore) -> None:
    title = "Boeing’s U.S.-built $BA jet: “halted”, naïve… がん"
    elastic_store.write_documents([labelled_document(title=title, text="under_score")])
    for words in ("boeing", "BOEING’S", "u.s. built", "$ba", "NAIVE", "score", "がん", "halted ^"):
        assert elastic_store.search(DocumentQuery(words=words)), words
    for words in ("boe", "かん", "^ *", "halted_jet"):
        assert elastic_store.search(DocumentQuery(words=words)) == [], words


def test_a_record_that_elasticsearch_cannot_hold_is_refused_and_the_others_are_written(
    elastic_store: ElasticStore,
) -> None:
    beyond = labelled_document("2", published_at=datetime(2300, 1, 1, tzinfo=UTC))
    with pytest.raises(PoisonError, match="wire/2.*2262"):
        elastic_store.write_documents([labelled_document("1"), beyond, labelled_document("3")])
    assert elastic_store.counts().documents == 2


def test_more_hits_than_fit_into_one_answer_are_all_found_in_order(elastic_store: ElasticStore) -> None:
    hours = [NOON + timedelta(hours=hour) for hour in range(1_203)]
    elastic_store.write_points([series_point(start=hour) for hour in hours])
    assert [point.start for point in elastic_store.points("company:BA")] == hours
    assert elastic_store.counts().points == 1_203


def test_a_block_or_an_absent_server_may_be_tried_again(
    elastic_store: ElasticStore, client: Elasticsearch, elastic_settings: ElasticsearchSettings
) -> None:
    elastic_store.write_documents([labelled_document("1")])
    index = Indices(elastic_settings).of("documents", NOON)
    client.indices.put_settings(index=index, settings={"index.blocks.write": True})
    with pytest.raises(RetryableError, match="1 of 1 records are not written: 403 cluster_block_exception"):
        elastic_store.write_documents([labelled_document("2")])
    client.indices.put_settings(index=index, settings={"index.blocks.write": None})
    assert elastic_store.write_documents([labelled_document("2")]) == 1
    with pytest.raises(RetryableError, match="does not answer"):
        ElasticStore(replace(elastic_settings, servers=("http://127.0.0.1:9",)))


def test_a_prefix_that_cannot_name_an_index_is_told(elastic_settings: ElasticsearchSettings) -> None:
    with pytest.raises(ConfigurationError, match=r"check elasticsearch\.prefix.*400"):
        ElasticStore(replace(elastic_settings, prefix="Tocsin"))


def test_requests_that_are_refused_as_a_whole_cost_the_culprit_only(
    elastic_store: ElasticStore, client: Elasticsearch, elastic_settings: ElasticsearchSettings
) -> None:
    indices = Indices(elastic_settings)
    actions = [action_of(alert(f"alert-{n}"), indices) for n in range(9)]
    actions[4] = replace(actions[4], id="x" * 600)  # Elasticsearch takes no request with such an id in it
    outcomes = [result.outcome for result in Writer(client, indices, Limits()).write(actions)]
    assert outcomes == ["created"] * 4 + ["refused"] + ["created"] * 4


@pytest.mark.parametrize(
    ("status", "type", "outcome"),
    [
        (201, None, "created"),
        (200, None, "created"),
        (409, "version_conflict_engine_exception", "duplicate"),
        (400, "document_parsing_exception", "refused"),
        (413, "too_large", "refused"),
        (429, "es_rejected_execution_exception", "retry"),
        (503, "unavailable_shards_exception", "retry"),
        (500, "exception", "retry"),
        (403, "cluster_block_exception", "retry"),
        (403, "security_exception", "retry"),
        (404, "index_not_found_exception", "retry"),
        (400, "validation_exception", "retry"),  # the cluster has no room for another index
        (400, "index_closed_exception", "retry"),
    ],
)
def test_only_what_is_the_records_own_fault_is_refused(status: int, type: str | None, outcome: str) -> None:
    error: Mapping[str, Any] | None = type and {"type": type, "reason": "because"}
    result = classify(status, error)
    assert result.outcome == outcome
    assert outcome in ("created", "duplicate") or "because" in result.why


@given(
    sizes=st.lists(st.integers(0, 500), max_size=60),
    records=st.integers(1, 20),
    most=st.integers(1, 1000),
)
def test_requests_keep_order_and_stay_within_their_limits(sizes: Sequence[int], records: int, most: int) -> None:
    actions = [Action("i", str(n), b"x" * size) for n, size in enumerate(sizes)]
    made = list(requests(actions, Limits(records, most)))
    assert [action for request in made for action in request] == actions
    for request in made:
        assert 1 <= len(request) <= records
        assert len(request) == 1 or sum(len(action.source) + len(action.id) for action in request) <= most


@given(st.text(max_size=60))
def test_each_word_of_a_text_is_a_phrase_in_its_words(text: str) -> None:
    words = words_of(text)
    assert "  " not in words and words == words.strip()
    assert all(f" {found} " in f" {words} " for word in text.split() if (found := words_of(word)))


def test_the_policy_and_the_component_that_are_shipped_fit_the_templates() -> None:
    folder = ROOT / "compose" / "elasticsearch"
    policy = json.loads((folder / "retention-policy.json").read_text("utf-8"))
    component = json.loads((folder / "retention-component.json").read_text("utf-8"))
    assert policy["policy"]["phases"]["delete"]["min_age"].endswith("d")
    assert component["template"]["settings"] == {"index.lifecycle.name": "tocsin-retention"}
    named = {name for _, body in Indices(ElasticsearchSettings()).templates() for name in body["composed_of"]}
    guide = (folder / "README.md").read_text("utf-8")
    assert all(name in guide for name in named - {"tocsin-identities@custom"})
