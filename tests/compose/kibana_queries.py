"""What Kibana sends to Elasticsearch for a panel: what the panel's file holds, filled in as Kibana fills it in."""

import json
from collections.abc import Mapping
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

Saved = Mapping[str, Any]

_STEPS = ((1_200, "10m"), (2_700, "30m"), (7_200, "1h"), (21_600, "3h"), (86_400, "12h"), (604_800, "24h"))


def state_of(saved: Saved) -> Any:
    return json.loads(saved["attributes"]["visState"])


def spec_of(saved: Saved) -> Any:
    return json.loads(state_of(saved)["params"]["spec"])


def source_of(saved: Saved) -> Any:
    return json.loads(saved["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])


def vega_request(spec: Any, since: datetime, until: datetime, context: Any) -> tuple[str, dict[str, Any]]:
    """Index and body of a Vega panel's request, under the dashboard's query `context`."""
    url = deepcopy(spec["data"]["url"])
    body = url["body"]
    body["query"] = _filled(body["query"], since, until, context)
    body["aggs"] = _filled(body["aggs"], since, until, context)
    assert "%" not in json.dumps(body), "something is left that nobody fills in"
    return url["index"], body


def search_request(saved: Saved, time: str | None, since: datetime, until: datetime, context: Any) -> dict[str, Any]:
    """The body of a saved search's request."""
    query = source_of(saved)["query"]
    assert query["language"] == "lucene"
    filters: list[Any] = [{"query_string": {"query": query["query"]}}] if query["query"] else []
    if time:
        filters.append({"range": {time: _bounds(since, until)}})
    sort = [{name: {"order": order}} for name, order in saved["attributes"]["sort"]]
    return {"query": {"bool": {"filter": [*filters, *context]}}, "sort": sort, "size": 100}


def any_of_fields(hint: str) -> list[Any]:
    """A query like ``a: "x" or b: "y"`` of Kibana's language, as filters."""
    parts = [part.partition(": ") for part in hint.split(" or ")]
    should = [{"match_phrase": {name: json.loads(value)}} for name, _, value in parts]
    return [{"bool": {"should": should, "minimum_should_match": 1}}]


def _filled(value: Any, since: datetime, until: datetime, context: Any, key: str = "") -> Any:
    if isinstance(value, list):
        found = []
        for item in value:
            if item == "%dashboard_context-filter_clause%":
                found += context
            elif item not in ("%dashboard_context-must_clause%", "%dashboard_context-must_not_clause%"):
                found.append(_filled(item, since, until, context))
        return found
    if not isinstance(value, dict):
        return value
    if value.get("%timefilter%") is True:
        return _bounds(since, until)
    filled = {}
    for name, item in value.items():
        if name == "interval" and key == "date_histogram":
            filled["fixed_interval"] = _interval((until - since) / item["%autointerval%"])
        else:
            filled[name] = _filled(item, since, until, context, name)
    return filled


def _bounds(since: datetime, until: datetime) -> dict[str, str]:
    return {"gte": since.isoformat(), "lte": until.isoformat(), "format": "strict_date_optional_time"}


def _interval(step: timedelta) -> str:
    return next((name for most, name in _STEPS if step.total_seconds() <= most), "7d")
