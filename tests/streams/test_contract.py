"""What programs rely on: the schemas only grow, alerts are CloudEvents, and the AsyncAPI document says all of it truly.

The schemas as they were agreed on lie in `streams/contract`. After a change that only adds, write them anew:
``python tests/streams/test_contract.py``; it refuses any other within a version.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from additive import breaks
from cloudevents_binding import event_of
from hypothesis import given
from jsonschema import Draft7Validator, Draft202012Validator
from message_strategies import NAME, messages
from sample_messages import alert

from processors.errors import ConfigurationError
from processors.messages import SCHEMA_VERSION, Alert
from streams.asyncapi import asyncapi_of
from streams.cloud_events import event_headers
from streams.codec import encode
from streams.replacing import replaced
from streams.schema import schema_of
from streams.service_settings import KafkaSettings
from streams.stack.install import cache_folder
from streams.topics import Topics

ASYNCAPI = "6.11.1"
"""The release of the package that carries AsyncAPI's own schema."""

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "streams" / "contract"
READ = ("input", "news", "social")
WRITTEN = ("alerts", "documents", "series", "deadletters", "feedback")


def path_of(name: str) -> Path:
    return FOLDER / f"{name}.v{SCHEMA_VERSION}.json"


def agreed(name: str) -> Any:
    return json.loads(path_of(name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", [*READ, *WRITTEN])
def test_a_schema_is_the_one_that_was_agreed_on(name: str) -> None:
    added = "run `python tests/streams/test_contract.py` where the change only adds; else raise SCHEMA_VERSION"
    assert list(breaks(agreed(name), schema_of(name), written=name in WRITTEN)) == []
    assert agreed(name) == schema_of(name), added


@pytest.mark.parametrize("name", [*READ, *WRITTEN])
def test_no_commit_ever_broke_a_schema_within_its_version(name: str) -> None:
    path = path_of(name).relative_to(ROOT)
    log = subprocess.run(
        ["git", "log", "--format=%H", "--", str(path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if log.returncode or not log.stdout:
        pytest.skip("there is no history here")
    for commit in log.stdout.split():
        shown = subprocess.run(["git", "show", f"{commit}:{path}"], cwd=ROOT, capture_output=True, check=False)
        if shown.returncode == 0:  # it was not moved or removed by that commit
            before = json.loads(shown.stdout)
            assert list(breaks(before, schema_of(name), written=name in WRITTEN)) == [], f"since {commit}"


def changed(**properties: Any) -> Any:
    """The schema of alerts with other properties: None takes one out."""
    schema = schema_of("alerts")
    schema["properties"] = {
        name: part for name, part in (schema["properties"] | properties).items() if part is not None
    }
    return schema


def test_a_new_field_breaks_nobody_and_any_other_change_somebody() -> None:
    now = schema_of("alerts")
    text = {"type": "string"}
    assert list(breaks(now, changed(company_name=text), written=True)) == []
    assert list(breaks(now, changed(tier=None), written=True)) == ["$: tier is gone"]
    assert list(breaks(now, changed(tier=text), written=True)) == ["$.tier: enum is gone"]
    optional = {**now, "required": [name for name in now["required"] if name != "tier"]}
    assert list(breaks(now, optional, written=True)) == ["$: tier may be missing now"]
    more = {**now, "required": [*now["required"], "more"]}
    assert list(breaks(now, more, written=True)) == []
    assert list(breaks(now, more, written=False)) == ["$: more is needed now"]
    kinds = now["properties"]["kind"]["enum"]
    louder = changed(kind={**now["properties"]["kind"], "enum": [*kinds, "trickle"]})
    assert [line.split(" was")[0] for line in breaks(now, louder, written=True)] == ["$.kind.enum"]
    inner = schema_of("alerts")
    del inner["$defs"]["Measure"]["properties"]["chance"]
    assert list(breaks(now, inner, written=True)) == ["$.Measure: chance is gone"]


@given(messages(Alert, id=NAME, series=NAME.map("source:{}".format)))
def test_every_alert_is_a_cloud_event_whose_value_it_leaves_as_it_is(one: Alert) -> None:
    event = event_of(event_headers(one, "tocsin"), encode(one))
    assert event["data"] == json.loads(encode(one))
    assert event["type"] == f"tocsin.alert.{one.event}"
    assert event_headers(one, "tocsin") == event_headers(one, "tocsin"), "nothing but the alert and the prefix is in it"


def test_an_events_id_and_source_name_it_for_good() -> None:
    event = event_of(event_headers(alert(), "tocsin"), b"{}")
    assert (event["id"], event["source"], event["subject"]) == ("alert-00aa", "urn:tocsin:tocsin", "company:BA")
    assert event["time"] == "2024-05-06T12:00:00Z"
    assert event["dataschema"] == schema_of("alerts")["$id"]
    assert event_of(event_headers(alert(), "history"), b"{}")["source"] != event["source"]


def test_the_document_names_the_topics_of_a_prefix_as_they_are() -> None:
    settings = KafkaSettings(servers=("a:1", "b:2"), prefix="ours", alert_days=9, security="SASL_SSL")
    document = asyncapi_of(settings)
    assert [server["host"] for server in document["servers"].values()] == ["a:1", "b:2"]
    assert {server["protocol"] for server in document["servers"].values()} == {"kafka-secure"}
    specs = {spec.name: spec for spec in Topics(settings).specs()}
    for channel in document["channels"].values():
        spec = specs[channel["address"]]
        assert channel["bindings"]["kafka"]["partitions"] == spec.partitions
    kept = document["channels"]["alerts"]["bindings"]["kafka"]["topicConfiguration"]
    assert kept["retention.ms"] == 9 * 86_400_000
    assert {one["action"] for name, one in document["operations"].items() if "news" in name} == {"receive"}


def test_a_message_fits_what_the_document_says_of_its_topic() -> None:
    document = asyncapi_of(KafkaSettings())
    schema = {"$ref": "#/components/schemas/alerts", "components": document["components"]}
    Draft202012Validator.check_schema(schema)
    fits = Draft202012Validator(schema)
    fits.validate(json.loads(encode(alert())))
    assert not fits.is_valid(json.loads(encode(alert())) | {"tier": "loud"})
    headers = Draft202012Validator(document["components"]["messages"]["alerts"]["headers"])
    headers.validate({name: value.decode() for name, value in event_headers(alert(), "tocsin")})


@pytest.fixture(scope="session")
def official(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The JSON Schema that AsyncAPI 3.0 documents have to fit, as its makers publish it; fetched once."""
    kept = cache_folder(os.environ) / f"asyncapi-specs-{ASYNCAPI}.json"
    if not kept.exists():
        folder = tmp_path_factory.mktemp("asyncapi")
        fetched = None
        if shutil.which("npm"):
            command = ["npm", "pack", "--silent", f"@asyncapi/specs@{ASYNCAPI}"]
            fetched = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=120)
        if fetched is None or fetched.returncode:
            pytest.skip("the schema of AsyncAPI is fetched with npm, once")
        with tarfile.open(next(folder.glob("*.tgz"))) as archive:
            member = archive.extractfile("package/schemas/3.0.0-without-$id.json")
            assert member is not None
            kept.parent.mkdir(parents=True, exist_ok=True)
            with replaced(kept) as part:
                part.write_bytes(member.read())
    return json.loads(kept.read_text())


def test_the_document_is_what_asyncapi_allows(official: Any) -> None:
    fits = Draft7Validator(official)
    for settings in (KafkaSettings(), KafkaSettings(servers=("a:1", "b:2"), security="SASL_SSL", prefix="p-1")):
        fits.validate(asyncapi_of(settings))
    broken = asyncapi_of(KafkaSettings())
    broken["operations"]["send-alerts"]["action"] = "publish"
    assert not fits.is_valid(broken), "the judge sees errors"


def test_every_reference_of_the_document_leads_somewhere() -> None:
    document = asyncapi_of(KafkaSettings())

    def references(part: Any) -> set[str]:
        if isinstance(part, list):
            return set().union(*map(references, part)) if part else set()
        if not isinstance(part, dict):
            return set()
        found = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return found.union(*(references(value) for value in part.values()))

    for reference in references(document):
        part: Any = document
        for step in reference.removeprefix("#/").split("/"):
            part = part[step]


def write() -> None:
    """Agree on the schemas as they are now, where they only grew."""
    FOLDER.mkdir(exist_ok=True)
    for name in (*READ, *WRITTEN):
        if path_of(name).exists() and (broken := list(breaks(agreed(name), schema_of(name), written=name in WRITTEN))):
            raise ConfigurationError(f"{name} would break within version {SCHEMA_VERSION}: {'; '.join(broken)}")
        path_of(name).write_text(json.dumps(schema_of(name), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    write()
