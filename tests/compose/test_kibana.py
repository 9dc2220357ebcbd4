"""The saved objects: what they search is mapped, what they point at is in the file. Kibana itself is not run."""

import json
import re
from typing import Any

import pytest
from compose_files import COMPOSE

from streams.elastic_indices import Indices
from streams.service_settings import ElasticsearchSettings

OBJECTS = [json.loads(line) for line in (COMPOSE / "kibana" / "tocsin.ndjson").read_text().splitlines()]
BY_ID = {(saved["type"], saved["id"]): saved for saved in OBJECTS}

INDICES = Indices(ElasticsearchSettings())
MAPPINGS = {name: body["template"]["mappings"]["properties"] for name, body in INDICES.templates()}

VIEWS = {saved["id"]: saved["attributes"] for saved in OBJECTS if saved["type"] == "index-pattern"}


def _field(view: str, name: str) -> dict[str, Any]:
    """The mapping of the field `name`; fails where the index has none."""
    found: dict[str, Any] = {"properties": MAPPINGS[VIEWS[view]["title"]]}
    for part in name.split("."):
        assert part in found["properties"], f"{view} has no field {name}"
        found = found["properties"][part]
    return found


def _view_of(saved: dict[str, Any]) -> str:
    (reference,) = [r for r in saved["references"] if r["type"] == "index-pattern"]
    source = json.loads(saved["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
    assert source["indexRefName"] == reference["name"]
    return str(reference["id"])


def test_each_object_has_an_id_of_its_own_and_points_at_what_is_there() -> None:
    assert len(BY_ID) == len(OBJECTS)
    for saved in OBJECTS:
        for reference in saved["references"]:
            assert (reference["type"], reference["id"]) in BY_ID, f"{saved['id']} -> {reference['id']}"


def test_a_view_reads_each_alias_by_its_own_time() -> None:
    assert {attributes["title"] for attributes in VIEWS.values()} == {
        INDICES.alias(kind) for kind in ("documents", "series", "alerts", "deadletters")
    }
    for view, attributes in VIEWS.items():
        if "timeFieldName" in attributes:
            assert _field(view, attributes["timeFieldName"])["type"] == "date_nanos"
        else:
            assert view == "tocsin-deadletters", "a dead letter has no time"


@pytest.mark.parametrize("saved", [o for o in OBJECTS if o["type"] == "visualization"], ids=lambda saved: saved["id"])
def test_a_visualisation_counts_by_fields_that_can_be_counted_by(saved: dict[str, Any]) -> None:
    view = _view_of(saved)
    state = json.loads(saved["attributes"]["visState"])
    assert state["title"] == saved["attributes"]["title"]
    ids = [aggregation["id"] for aggregation in state["aggs"]]
    assert len(set(ids)) == len(ids)
    kinds = {
        "terms": {"keyword"},
        "date_histogram": {"date_nanos"},
        "min": {"double"},
        "max": {"double"},
        "count": set(),
    }
    for aggregation in state["aggs"]:
        name = aggregation["params"].get("field")
        allowed = kinds[aggregation["type"]]
        assert bool(name) == bool(allowed)
        if name:
            mapping = _field(view, name)
            assert mapping["type"] in allowed, name
            assert mapping.get("doc_values", True), name
        assert aggregation["params"].get("orderBy", "1") in ids


@pytest.mark.parametrize("saved", [o for o in OBJECTS if o["type"] == "search"], ids=lambda saved: saved["id"])
def test_a_search_shows_fields_that_there_are(saved: dict[str, Any]) -> None:
    view = _view_of(saved)
    for name in [*saved["attributes"]["columns"], *(name for name, _ in saved["attributes"]["sort"])]:
        _field(view, name)


def test_a_query_asks_for_fields_that_there_are() -> None:
    for saved in OBJECTS:
        if saved["type"] in {"search", "visualization"}:
            source = json.loads(saved["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
            for name in re.findall(r"([a-z_.]+):", source["query"]["query"]):
                _field(_view_of(saved), name)


def test_the_dashboard_shows_every_search_and_visualisation_side_by_side() -> None:
    dashboard = BY_ID["dashboard", "tocsin"]
    panels = json.loads(dashboard["attributes"]["panelsJSON"])
    references = {reference["name"]: reference for reference in dashboard["references"]}
    shown, taken = set(), set()
    for panel in panels:
        reference = references[f"{panel['panelIndex']}:{panel['panelRefName']}"]
        assert reference["type"] == panel["type"]
        shown.add((reference["type"], reference["id"]))
        place = panel["gridData"]
        assert place["x"] + place["w"] <= 48
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        taken |= cells
    assert shown == {key for key in BY_ID if key[0] in {"search", "visualization"}}
