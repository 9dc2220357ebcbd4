"""What `tocsin schema` prints is true of what is written and of what is let in."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from message_strategies import documents, messages
from test_bad_input import BAD_INPUT

from processors.errors import ConfigurationError, PoisonError
from processors.messages import Document
from streams.codec import decode_document, encode
from streams.schema import MESSAGES, UNDEFINED, schema_of


def validator(name: str) -> Draft202012Validator:
    Draft202012Validator.check_schema(schema_of(name))
    return Draft202012Validator(schema_of(name))


INPUTS = {name: validator(name) for name in ("input", "news", "social")}


@pytest.mark.parametrize("name", [name for name, message in MESSAGES.items() if message is not Document])
def test_every_message_that_is_written_fits_its_schema(name: str) -> None:
    fits = validator(name)

    @given(messages(MESSAGES[name]))
    def every_message_fits(message: Any) -> None:
        fits.validate(json.loads(encode(message)))

    every_message_fits()


@given(documents())
def test_every_document_that_is_written_fits_the_schema_of_the_input(document: Document) -> None:
    for name in ("input", document.kind):
        INPUTS[name].validate(json.loads(encode(document)))


@given(
    documents(),
    st.sampled_from([*Document.__dataclass_fields__, "x"]),
    st.none() | st.text(max_size=3) | st.integers(),
)
def test_whatever_is_let_in_fits_the_schema(document: Document, field: str, value: Any) -> None:
    changed = {**json.loads(encode(document)), field: value}
    try:
        decode_document(json.dumps(changed).encode())
    except PoisonError:
        return
    INPUTS["input"].validate(changed)


BY_BYTES = "identity too long for the index"
"""A schema counts characters, the index bytes."""


def structural_faults() -> dict[str, bytes]:
    sorts = {
        "missing-field",
        "wrong-type",
        "wrong-value",
        "too-long",
        "unknown-field",
        "unknown-schema",
        "empty-document",
    }
    return {name: raw for name, (raw, reason) in BAD_INPUT.items() if reason in sorts and name != BY_BYTES}


@pytest.mark.parametrize("raw", structural_faults().values(), ids=structural_faults().keys())
def test_what_is_refused_for_its_structure_does_not_fit_the_schema(raw: bytes) -> None:
    assert not INPUTS["input"].is_valid(json.loads(raw))


def test_a_topic_of_one_kind_takes_no_other() -> None:
    social = {"id": "1", "source": "s", "published_at": "2024-05-06T11:00:00Z", "text": "x", "kind": "social"}
    assert INPUTS["social"].is_valid(social)
    assert not INPUTS["news"].is_valid(social)


def test_every_part_is_described_and_every_schema_has_a_name_of_its_own() -> None:
    schemas = [schema_of(name) for name in MESSAGES]
    assert len({schema["$id"] for schema in schemas}) == len(schemas)
    for schema in schemas:
        assert schema["$id"].startswith("urn:tocsin:")
        for definition in (schema, *schema.get("$defs", {}).values()):
            assert len(definition["description"]) > 20, definition
    assert all(len(field["description"]) > 10 for field in schema_of("input")["properties"].values())


def test_an_unknown_topic_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match="alert'.*alerts"):
        schema_of("alert")


@pytest.mark.parametrize("name", UNDEFINED)
def test_a_topic_whose_messages_are_not_defined_yet_is_told_as_such(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"'{name}' are not defined yet: choose one of input"):
        schema_of(name)
    assert name not in MESSAGES
