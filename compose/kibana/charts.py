"""What the dashboards are made of: aggregations, ways to draw them, and the panels that hold both.

Each chart is a Vega-Lite specification that holds the very query that it runs, with what Kibana fills in: the dashboard's
filters (``%dashboard_context-…%``), its range of time (``%timefilter%``) and an interval that fits it
(``%autointerval%``). Each table is a saved search with its query in Lucene's syntax. Colours are told apart by those who
see few (Okabe and Ito).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

TIMES: Final[Mapping[str, str | None]] = {
    "documents": "published_at",
    "series": "start",
    "alerts": "at",
    "feedback": "at",
    "deadletters": None,
}
"""The indices, each with the field of its time; a dead letter has none."""

SENTIMENTS: Final = {"domain": ["negative", "neutral", "positive"], "range": ["#D55E00", "#999999", "#0072B2"]}
TIERS: Final = {"domain": ["watch", "urgent", "flash"], "range": ["#E69F00", "#D55E00", "#CC79A7"]}
OBSERVED, EXPECTED = "#D55E00", "#56B4E9"

Json = dict[str, Any]

NEGATIVE: Final[Json] = {"filter": {"term": {"sentiment.label": "negative"}}}
LABELLED: Final[Json] = {"term": {"status": "labelled"}}


def terms(field: str, size: int, inner: Json | None = None, order: Json | None = None) -> Json:
    """Counts by the values of a keyword."""
    found: Json = {"terms": {"field": field, "size": size}}
    if order:
        found["terms"]["order"] = order
    return found | ({"aggs": inner} if inner else {})


def by_time(index: str, inner: Json | None = None, buckets: int = 60) -> Json:
    """About so many buckets over the range of the dashboard."""
    found: Json = {
        "date_histogram": {"field": TIMES[index], "interval": {"%autointerval%": buckets}, "min_doc_count": 1}
    }
    return found | ({"aggs": inner} if inner else {})


def of(measure: str, field: str) -> Json:
    """One figure: min, max, sum, avg or cardinality."""
    return {measure: {"field": field}}


def where(*conditions: Json, index: str) -> Json:
    """The query of a panel: the dashboard's filters and range, and `conditions`."""
    time = TIMES[index]
    within: list[Any] = [{"range": {time: {"%timefilter%": True}}}] if time else []
    return {
        "bool": {
            "must": ["%dashboard_context-must_clause%", *within, *conditions],
            "filter": ["%dashboard_context-filter_clause%"],
            "must_not": ["%dashboard_context-must_not_clause%"],
        }
    }


@dataclass(frozen=True)
class Chart:
    """A Vega-Lite chart over the buckets of the aggregation `rows` of `index`."""

    id: str
    title: str
    description: str
    index: str
    aggs: Json
    view: Json
    conditions: tuple[Json, ...] = ()

    @property
    def spec(self) -> Json:
        """What the panel holds."""
        url = {
            "index": f"tocsin-{self.index}",
            "body": {"size": 0, "query": where(*self.conditions, index=self.index), "aggs": {"rows": self.aggs}},
        }
        return {
            "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
            "data": {"name": "rows", "url": url, "format": {"property": "aggregations.rows.buckets"}},
            **self.view,
        }


@dataclass(frozen=True)
class Table:
    """A saved search: columns of the records that `query` (Lucene's syntax) finds, the latest first."""

    id: str
    title: str
    index: str
    columns: tuple[str, ...]
    query: str = ""


@dataclass(frozen=True)
class Note:
    """Words on a dashboard."""

    id: str
    title: str
    text: str


Panel = Chart | Table | Note


@dataclass(frozen=True)
class Board:
    """A dashboard: rows of panels, each with its width out of 48 and the row's height."""

    id: str
    title: str
    description: str
    rows: tuple[tuple[int, tuple[tuple[Panel, int], ...]], ...]


# How charts look.


def field(name: str, kind: str, title: str | None, **more: Any) -> Json:
    """One channel of an encoding; with ``sort=None`` in the order in which Elasticsearch answered."""
    return {"field": name, "type": kind, "title": title, **more}


def time_axis(name: str = "key") -> Json:
    """Time from left to right, in UTC."""
    return field(name, "temporal", None, scale={"type": "utc"})


def flat(name: str) -> list[Json]:
    """The buckets of the aggregation `name` within each row, as rows of their own."""
    return [{"flatten": [f"{name}.buckets"], "as": [name]}]


def share(of_name: str, within: str = "") -> Json:
    """The share of what `of_name` counts, as `share`."""
    path = f"datum.{within}." if within else "datum."
    return {"calculate": f"{path}{of_name}.doc_count / {path}doc_count", "as": "share"}


def stacked_in_time(
    by: str, title: str, scale: Json | None = None, legend: str | None = None, key: str = "key"
) -> Json:
    """Counts in time, stacked by what the inner aggregation `by` tells apart; of yes or no the `key` is `key_as_string`."""
    colour = field(f"{by}.{key}", "nominal", legend, **({"scale": scale} if scale else {}))
    return {
        "transform": flat(by),
        "mark": {"type": "bar", "tooltip": True},
        "encoding": {"x": time_axis(), "y": field(f"{by}.doc_count", "quantitative", title), "color": colour},
    }


def stacked(by: str, title: str, scale: Json | None = None) -> Json:
    """Counts by row, the largest above, stacked by the inner aggregation `by`."""
    colour = field(f"{by}.key", "nominal", None, **({"scale": scale} if scale else {}))
    return {
        "transform": flat(by),
        "mark": {"type": "bar", "tooltip": True},
        "encoding": {
            "y": field("key", "nominal", None, sort=None),
            "x": field(f"{by}.doc_count", "quantitative", title),
            "color": colour,
        },
    }


def ranked(value: str, title: str, colour: str = OBSERVED, **scale: Any) -> Json:
    """One figure by row, the first above."""
    return {
        "mark": {"type": "point", "filled": True, "size": 80, "color": colour, "tooltip": True},
        "encoding": {
            "y": field("key", "nominal", None, sort=None),
            "x": field(value, "quantitative", title, **({"scale": scale} if scale else {})),
        },
    }


def heat(inner: str, title: str) -> Json:
    """Rows by time, coloured by the share that is negative."""
    return {
        "transform": [*flat(inner), share("negative", inner)],
        "mark": {"type": "rect", "tooltip": True},
        "encoding": {
            "x": field(f"{inner}.key_as_string", "ordinal", None, axis={"labels": False, "ticks": False}),
            "y": field("key", "nominal", None),
            "color": field("share", "quantitative", title, scale={"scheme": "cividis", "domain": [0, 1]}),
        },
    }


STORIES_AN_HOUR: Final = "New negative stories an hour"

BAND: Final[Json] = {
    "encoding": {"x": time_axis()},
    "layer": [
        {
            "mark": {"type": "area", "opacity": 0.3, "color": EXPECTED},
            "encoding": {
                "y": field("low.value", "quantitative", STORIES_AN_HOUR),
                "y2": {"field": "high.value"},
            },
        },
        {
            "mark": {"type": "line", "strokeDash": [4, 3], "color": EXPECTED},
            "encoding": {"y": field("expected.value", "quantitative", STORIES_AN_HOUR)},
        },
        {
            "mark": {"type": "line", "point": {"color": OBSERVED}, "color": OBSERVED, "tooltip": True},
            "encoding": {"y": field("observed.value", "quantitative", STORIES_AN_HOUR)},
        },
    ],
}
"""What came against what was to be expected, with its 95 % interval: hours on average."""

BAND_AGGS: Final = by_time(
    "series",
    {
        "observed": of("avg", "novel_negative"),
        "expected": of("avg", "expected"),
        "low": of("avg", "expected_low"),
        "high": of("avg", "expected_high"),
    },
)

BY_SENTIMENT: Final = {"sentiment": terms("sentiment.label", 3)}


def of_kind(kind: str) -> tuple[Json, ...]:
    """Series of one kind."""
    return ({"term": {"kind": kind}},)


def surprising(id: str, title: str, kind: str) -> Chart:
    """The series of a kind with the most surprising hour of the range."""
    order = {"loudest": "desc"}
    return Chart(
        id,
        title,
        "The most surprising closed hour of each: 3 means by chance once in a thousand.",
        "series",
        terms("series", 15, {"loudest": of("max", "surprise")}, order),
        ranked("loudest.value", "Surprise (−log10 of the chance)"),
        of_kind(kind),
    )
