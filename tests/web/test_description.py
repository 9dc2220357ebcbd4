"""The interface keeps what its own description says: no request that it allows, or forbids, breaks it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance
from web_console import Caller, console_over, fill

from streams.sqlite_store import STORE, SqliteStore

EXAMPLES = 30
"""Requests to each operation."""


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The description of a console over a small store, without what never ends."""
    path: Path = tmp_path_factory.mktemp("console") / STORE
    store = SqliteStore(path)
    fill(store)
    store.close()
    with console_over(path) as address:
        yield schemathesis.openapi.from_url(f"{address}openapi.json").exclude(path_regex="stream$")


CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]


def test_every_operation_answers_as_it_says(described: Any) -> None:
    operations = [found.ok() for found in described.get_all_operations()]
    assert len(operations) > 15
    for operation in operations:

        @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=st.one_of(operation.as_strategy(), operation.as_strategy(GenerationMode.NEGATIVE)))
        def answers(case: Any) -> None:
            answer = case.call()
            case.validate_response(answer, checks=CHECKS)
            if answer.status_code >= 400:
                assert answer.headers["content-type"][0] == "application/problem+json"
                assert answer.json()["status"] == answer.status_code

        answers()


def test_every_refusal_is_a_problem(console: Caller) -> None:
    for answer in (
        console("/v1/none"),
        console("/v1/feedback?x"),
        console("/v1/documents/none/none"),
        console("/v1/now", {}),
        console("/v1/now", Host="evil.example"),
        console("/v1/feedback", {"incident": "incident-77", "kind": "useful"}, Origin="http://evil.example"),
        console("/v1/alerts/stream?after=none"),
    ):
        assert answer.status >= 400 or "feedback" in answer.json
        if answer.status >= 400:
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.json["status"] == answer.status and answer.json["title"] and answer.json["detail"]
