"""The saved objects: built by code, whole, of fields that are mapped; each panel's own query finds the tweets of 2014, and
what it draws is drawn. Kibana itself is not run."""

import gzip
import json
import re
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import vl_convert
from elasticsearch import Elasticsearch
from kibana_queries import Saved, any_of_fields, search_request, source_of, spec_of, state_of, vega_request

from compose.kibana.boards import BOARDS, COMPANY_HINT
from compose.kibana.build import TARGET, built
from compose.kibana.charts import Chart, Note, Table
from processors.errors import PoisonError
from processors.messages import Alert, Feedback, LabelledDocument, Origin, SeriesPoint
from streams.codec import decode
from streams.deadletters import dead_letter
from streams.elastic_client import connect
from streams.elastic_indices import Indices
from streams.elastic_store import ElasticStore
from streams.replay import embedded_labeller, replay_documents
from streams.service_settings import ElasticsearchSettings
from streams.settings import Settings

OBJECTS = [json.loads(line) for line in TARGET.read_text().splitlines()]
BY_ID = {(saved["type"], saved["id"]): saved for saved in OBJECTS}
CHARTS = [saved for saved in OBJECTS if saved["type"] == "visualization" and state_of(saved)["type"] == "vega"]
TABLES = [saved for saved in OBJECTS if saved["type"] == "search"]
DASHBOARDS = [saved for saved in OBJECTS if saved["type"] == "dashboard"]

INDICES = Indices(ElasticsearchSettings())
MAPPINGS = {name: body["template"]["mappings"]["properties"] for name, body in INDICES.templates()}
VIEWS = {saved["id"]: saved["attributes"] for saved in OBJECTS if saved["type"] == "index-pattern"}

BEGIN = datetime(2014, 1, 1, tzinfo=UTC)
END = datetime(2014, 2, 1, tzinfo=UTC)

COUNTED_BY = {
    "terms": {"keyword", "boolean"},
    "date_histogram": {"date_nanos"},
    "min": {"double"},
    "max": {"double", "date_nanos"},
    "sum": {"double"},
    "avg": {"double"},
    "cardinality": {"keyword"},
}


def by_id(saved: Saved) -> str:
    return str(saved["id"])


def mapping_of(view: str, name: str) -> dict[str, Any]:
    """The mapping of the field `name`; fails where the index has none."""
    found: dict[str, Any] = {"properties": MAPPINGS[view]}
    for part in name.split("."):
        assert part in found.get("properties", {}), f"{view} has no field {name}"
        found = found["properties"][part]
    return found


def test_the_file_is_what_the_code_builds() -> None:
    assert TARGET.read_text(encoding="utf-8") == built(), "run python -m compose.kibana.build"


def test_each_object_has_an_id_of_its_own_and_points_at_what_is_there() -> None:
    assert len(BY_ID) == len(OBJECTS)
    for saved in OBJECTS:
        for reference in saved["references"]:
            assert (reference["type"], reference["id"]) in BY_ID, f"{saved['id']} -> {reference['id']}"


def test_a_view_reads_each_alias_by_its_own_time() -> None:
    assert {attributes["title"] for attributes in VIEWS.values()} == {
        INDICES.alias(kind) for kind in ("documents", "series", "alerts", "feedback", "deadletters")
    }
    for view, attributes in VIEWS.items():
        if "timeFieldName" in attributes:
            assert mapping_of(view, attributes["timeFieldName"])["type"] == "date_nanos"
        else:
            assert view == "tocsin-deadletters", "a dead letter has no time"


@pytest.mark.parametrize("saved", CHARTS, ids=by_id)
def test_a_chart_asks_for_fields_that_can_be_counted_by(saved: Saved) -> None:
    spec = spec_of(saved)
    index = spec["data"]["url"]["index"]
    asked = list(_aggregated(spec["data"]["url"]["body"]["aggs"]))
    assert asked
    for measure, name in asked:
        assert mapping_of(index, name)["type"] in COUNTED_BY[measure], f"{measure} of {name}"
    for name in _asked(spec["data"]["url"]["body"]["query"]):
        mapping_of(index, name)


def _aggregated(aggregations: Any) -> Iterator[tuple[str, str]]:
    """Every aggregation by a field: what it does, and the field."""
    for body in aggregations.values():
        for measure, what in body.items():
            if measure == "aggs":
                yield from _aggregated(what)
            elif "field" in what:
                yield measure, what["field"]


def _asked(query: Any) -> Iterator[str]:
    """The fields of conditions."""
    if isinstance(query, list):
        for part in query:
            yield from _asked(part)
    elif isinstance(query, dict):
        for name, inner in query.items():
            if name in ("term", "range"):
                yield from inner
            elif name == "exists":
                yield inner["field"]
            else:
                yield from _asked(inner)


@pytest.mark.parametrize("saved", TABLES, ids=by_id)
def test_a_table_shows_and_asks_for_fields_that_there_are(saved: Saved) -> None:
    (reference,) = saved["references"]
    source = source_of(saved)
    assert source["indexRefName"] == reference["name"]
    view = reference["id"]
    named = [*saved["attributes"]["columns"], *(name for name, _ in saved["attributes"]["sort"])]
    for name in [*named, *re.findall(r"([a-z_.]+):", source["query"]["query"])]:
        mapping_of(view, name)


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=by_id)
def test_a_dashboard_shows_its_panels_side_by_side(dashboard: Saved) -> None:
    panels = json.loads(dashboard["attributes"]["panelsJSON"])
    references = {reference["name"]: reference for reference in dashboard["references"]}
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        reference = references[f"{panel['panelIndex']}:{panel['panelRefName']}"]
        assert reference["type"] == panel["type"]
        place = panel["gridData"]
        assert place["x"] + place["w"] <= 48
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        taken |= cells


def test_the_five_dashboards_show_everything_that_there_is() -> None:
    assert {saved["id"] for saved in DASHBOARDS} == {
        f"tocsin-{name}" for name in ("market", "company", "topics", "alerts", "pipeline")
    }
    shown = {(one["type"], one["id"]) for saved in DASHBOARDS for one in saved["references"]}
    assert shown == {key for key in BY_ID if key[0] in {"search", "visualization"}}


def test_no_chart_loads_anything_from_elsewhere() -> None:
    for saved in CHARTS:
        assert not isinstance(spec_of(saved)["data"]["url"], str)
        assert "http" not in json.dumps({**spec_of(saved), "$schema": ""})


@pytest.fixture(scope="module")
def weeks(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a replay makes of the first weeks of the tweets of 2014."""
    folder = tmp_path_factory.mktemp("weeks")
    file = folder / "weeks.jsonl"
    begin, end = BEGIN.isoformat(), END.isoformat()
    with gzip.open(data_dir / "tweets-2014.jsonl.gz", "rt", encoding="utf-8") as lines, file.open("w") as chosen:
        chosen.writelines(line for line in lines if begin <= json.loads(line)["published_at"] < end)
    settings = Settings()
    replay_documents([file], folder / "out", settings, embedded_labeller(settings), now=END + timedelta(days=1))
    return folder / "out"


@pytest.fixture
def indexed(elastic_settings: ElasticsearchSettings, weeks: Path) -> Iterator[tuple[Elasticsearch, str]]:
    """Those weeks in Elasticsearch; with what such a run does not have: what people said, and a record that was refused."""
    store = ElasticStore(elastic_settings, refresh=True)
    alerts = _read(Alert, weeks / "alerts.jsonl")
    store.write_documents(_read(LabelledDocument, weeks / "documents.jsonl.gz"))
    store.write_points(_read(SeriesPoint, weeks / "series.jsonl.gz"))
    store.write_alerts(alerts)
    said = alerts[0]
    store.write_feedback([Feedback(said.incident, said.id, said.series, "useful", said.at, "ann")])
    refusal = PoisonError("invalid-json", "Expecting value")
    store.write_dead_letters([dead_letter("enrich", refusal, Origin("tocsin.news", 0, 0), b"{")])
    store.close()
    with connect(elastic_settings) as client:
        yield client, elastic_settings.prefix


def _read(message: type[Any], path: Path) -> list[Any]:
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        return [decode(message, line) for line in file]


def test_every_panels_own_query_finds_rows_in_the_tweets_of_2014_and_draws_them(
    indexed: tuple[Elasticsearch, str],
) -> None:
    client, prefix = indexed
    empty = []
    for saved in CHARTS:
        spec = spec_of(saved)
        index, body = vega_request(spec, BEGIN, END, [])
        answered = dict(client.search(index=index.replace("tocsin", prefix, 1), **body))
        if not answered["aggregations"]["rows"]["buckets"]:
            empty.append(saved["id"])
            continue
        assert _drawn(spec, answered) > 0, f"{saved['id']} draws nothing"
    for saved in TABLES:
        (reference,) = saved["references"]
        time = VIEWS[reference["id"]].get("timeFieldName")
        body = search_request(saved, time, BEGIN, END, [])
        if not client.search(index=reference["id"].replace("tocsin", prefix, 1), **body)["hits"]["hits"]:
            empty.append(saved["id"])
    assert empty == []


def test_one_company_is_asked_for_with_one_query_on_every_panel_of_its_board(
    indexed: tuple[Elasticsearch, str],
) -> None:
    client, prefix = indexed
    (board,) = [board for board in BOARDS if board.id == "tocsin-company"]
    by_company = client.search(index=f"{prefix}-alerts", aggs={"company": {"terms": {"field": "company", "size": 1}}})
    (loudest,) = by_company["aggregations"]["company"]["buckets"]
    context = any_of_fields(COMPANY_HINT.replace("AMZN", loudest["key"]))
    panels = [panel for _, row in board.rows for panel, _ in row]
    assert any(isinstance(panel, Note) and COMPANY_HINT in panel.text for panel in panels)
    for panel in panels:
        if isinstance(panel, Chart):
            index, body = vega_request(panel.spec, BEGIN, END, context)
            found = client.search(index=index.replace("tocsin", prefix, 1), **body)
            assert found["aggregations"]["rows"]["buckets"], panel.id
        elif isinstance(panel, Table):
            saved = BY_ID["search", panel.id]
            time = VIEWS[f"tocsin-{panel.index}"]["timeFieldName"]
            body = search_request(saved, time, BEGIN, END, context)
            assert client.search(index=f"{prefix}-{panel.index}", **body)["hits"]["hits"], panel.id


def _drawn(spec: Any, answered: Any) -> int:
    """How many marks the chart has over what Elasticsearch answered; raises where it is no valid specification."""
    filled = deepcopy(spec)
    rows = answered["aggregations"]["rows"]["buckets"]
    filled["data"] = {"name": "rows", "values": rows}
    drawing = vl_convert.vegalite_to_svg(filled, vl_version="5.20")
    marks = re.findall(r'<g class="mark-(?:rect|symbol|line|area)[^"]*"[^>]*>(.*?)</g>', drawing, re.DOTALL)
    return sum(len(re.findall(r'<path [^>]*d="M[^"]{4,}', mark)) for mark in marks)
