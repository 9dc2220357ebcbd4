"""Builds `tocsin.ndjson`, what Kibana imports: data views, panels, five dashboards. Run it after a change:

    python compose/kibana/build.py

Each chart is a Vega-Lite specification that holds the very query that it runs, with what Kibana fills in: the dashboard's
filters (``%dashboard_context-…%``), its range of time (``%timefilter%``) and an interval that fits it
(``%autointerval%``). Each table is a saved search with its query in Lucene's syntax. Colours are told apart by those who
see few (Okabe and Ito).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

TARGET: Final = Path(__file__).with_name("tocsin.ndjson")

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
COMPANY_HINT: Final = 'companies.company: "AMZN" or company: "AMZN" or series: "company:AMZN"'


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


def stacked_in_time(by: str, title: str, scale: Json | None = None, legend: str | None = None) -> Json:
    """Counts in time, stacked by what the inner aggregation `by` tells apart."""
    colour = field(f"{by}.key", "nominal", legend, **({"scale": scale} if scale else {}))
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


# The panels.

DOCUMENTS_BY_SENTIMENT = Chart(
    "tocsin-documents-by-sentiment",
    "Documents by sentiment",
    "Labelled documents by the time of their publication.",
    "documents",
    by_time("documents", BY_SENTIMENT),
    stacked_in_time("sentiment", "Documents", SENTIMENTS),
    (LABELLED,),
)
NEGATIVE_SHARE = Chart(
    "tocsin-negative-share",
    "Share of negative documents",
    "Of all labelled documents of the same time.",
    "documents",
    by_time("documents", {"negative": NEGATIVE}),
    {
        "transform": [share("negative")],
        "mark": {"type": "line", "point": {"color": OBSERVED}, "color": OBSERVED, "tooltip": True},
        "encoding": {"x": time_axis(), "y": field("share", "quantitative", "Negative", axis={"format": "%"})},
    },
    (LABELLED,),
)
MARKET_BAND = Chart(
    "tocsin-market-band",
    "The whole market against what was expected",
    "New negative stories an hour, and the interval that 95 of 100 hours stay in.",
    "series",
    BAND_AGGS,
    BAND,
    of_kind("market"),
)
SECTORS = Chart(
    "tocsin-sectors",
    "Sectors: new negative stories against expected",
    "Bars: what came; ticks: what was to be expected.",
    "series",
    terms(
        "series",
        20,
        {"observed": of("sum", "novel_negative"), "expected": of("sum", "expected")},
        {"observed": "desc"},
    ),
    {
        "encoding": {"y": field("key", "nominal", None, sort=None)},
        "layer": [
            {
                "mark": {"type": "bar", "color": OBSERVED, "tooltip": True},
                "encoding": {"x": field("observed.value", "quantitative", "New negative stories")},
            },
            {
                "mark": {"type": "tick", "color": EXPECTED, "thickness": 3, "tooltip": True},
                "encoding": {"x": field("expected.value", "quantitative", None)},
            },
        ],
    },
    of_kind("sector"),
)
SURPRISING_COMPANIES = surprising("tocsin-surprising-companies", "Most surprising companies", "company")
SURPRISING_TOPICS = surprising("tocsin-surprising-topics", "Most surprising topics", "topic")
ALERTS_BY_TIER = Chart(
    "tocsin-alerts-by-tier",
    "Alerts by tier",
    "Events of incidents: an incident that grows rings more than once.",
    "alerts",
    by_time("alerts", {"tier": terms("tier", 3)}),
    stacked_in_time("tier", "Alerts", TIERS),
)
LATEST_ALERTS = Table(
    "tocsin-latest-alerts",
    "Latest alerts",
    "alerts",
    ("tier", "event", "kind", "series", "reason", "chance_per_year"),
)
NEGATIVE_DOCUMENTS = Table(
    "tocsin-negative-documents",
    "Latest negative documents",
    "documents",
    ("source", "title", "text", "companies.company", "topic.label", "sentiment.negative"),
    "sentiment.label:negative",
)

HINT = Note(
    "tocsin-company-hint",
    "One company",
    f"Every company is shown. For one, write into the search bar above, with its own symbol:\n\n    {COMPANY_HINT}",
)
COMPANY_HEAT = Chart(
    "tocsin-company-heat",
    "Share of negative documents by company",
    "The companies that most is written of.",
    "documents",
    terms("companies.company", 20, {"time": by_time("documents", {"negative": NEGATIVE}, 30)}),
    heat("time", "Negative"),
    (LABELLED,),
)
COMPANIES = Chart(
    "tocsin-companies",
    "Companies by sentiment",
    "Documents that name them.",
    "documents",
    terms("companies.company", 20, BY_SENTIMENT),
    stacked("sentiment", "Documents", SENTIMENTS),
    (LABELLED,),
)
COMPANY_BAND = Chart(
    "tocsin-company-band",
    "New negative stories against what was expected",
    "Of one company where the search bar names one; else the average of all.",
    "series",
    BAND_AGGS,
    BAND,
    of_kind("company"),
)
COMPANY_TOPICS = Chart(
    "tocsin-company-topics",
    "What it is about",
    "Topics of documents that name a company.",
    "documents",
    terms("topic.label", 20, BY_SENTIMENT),
    stacked("sentiment", "Documents", SENTIMENTS),
    (LABELLED, {"exists": {"field": "companies.company"}}),
)

TOPICS = Chart(
    "tocsin-topics",
    "Topics by sentiment",
    "All labelled documents.",
    "documents",
    terms("topic.label", 20, BY_SENTIMENT),
    stacked("sentiment", "Documents", SENTIMENTS),
    (LABELLED,),
)
TOPIC_HEAT = Chart(
    "tocsin-topic-heat",
    "Share of negative documents by topic",
    "All twenty topics.",
    "documents",
    terms("topic.label", 20, {"time": by_time("documents", {"negative": NEGATIVE}, 30)}),
    heat("time", "Negative"),
    (LABELLED,),
)
TOPIC_COMPANIES = Chart(
    "tocsin-topic-companies",
    "Which companies are in which topic",
    "Negative documents by topic and company.",
    "documents",
    terms("topic.label", 12, {"company": terms("companies.company", 12)}),
    {
        "transform": flat("company"),
        "mark": {"type": "rect", "tooltip": True},
        "encoding": {
            "x": field("company.key", "nominal", None),
            "y": field("key", "nominal", None),
            "color": field("company.doc_count", "quantitative", "Negative", scale={"scheme": "cividis"}),
        },
    },
    (NEGATIVE["filter"], {"exists": {"field": "companies.company"}}),
)

RAREST = Chart(
    "tocsin-rarest",
    "Rarest by chance",
    "How often each series would ring so loudly if nothing were the matter, at its loudest.",
    "alerts",
    terms("series", 20, {"chance": of("min", "chance_per_year")}, {"chance": "asc"}),
    ranked("chance.value", "Times a year", type="log"),
)
MOST_RINGING = Chart(
    "tocsin-most-ringing",
    "Series with most incidents",
    "Incidents, however often each of them rang.",
    "alerts",
    terms("series", 20, {"incidents": of("cardinality", "incident")}, {"incidents": "desc"}),
    ranked("incidents.value", "Incidents"),
)
ALERT_KINDS = Chart(
    "tocsin-alert-kinds",
    "What rang, by kind and event",
    "sentiment: more negative stories and a higher share; volume: more of them only; no-data: a source fell silent.",
    "alerts",
    terms("kind", 3, {"event": terms("event", 5)}),
    stacked("event", "Alerts"),
)
COORDINATED = Chart(
    "tocsin-coordinated",
    "Pushed by many small accounts at once",
    "Alerts by whether their story was flagged as coordinated.",
    "alerts",
    by_time("alerts", {"coordinated": terms("coordinated", 2)}),
    {
        "transform": flat("coordinated"),
        "mark": {"type": "bar", "tooltip": True},
        "encoding": {
            "x": time_axis(),
            "y": field("coordinated.doc_count", "quantitative", "Alerts"),
            "color": field(
                "coordinated.key_as_string",
                "nominal",
                "coordinated",
                scale={"domain": ["false", "true"], "range": ["#999999", "#CC79A7"]},
            ),
        },
    },
)
FEEDBACK = Chart(
    "tocsin-feedback-kinds",
    "What people said of alarms",
    "Judgements, and what was done about incidents.",
    "feedback",
    by_time("feedback", {"kind": terms("kind", 10)}),
    stacked_in_time("kind", "Said"),
)

BY_SOURCE = Chart(
    "tocsin-by-source",
    "Documents by source",
    "By the time of their publication.",
    "documents",
    by_time("documents", {"source": terms("source", 12)}),
    stacked_in_time("source", "Documents"),
)
FRESHNESS = Chart(
    "tocsin-freshness",
    "Latest document of each source",
    "The time that its latest document tells, in the range.",
    "documents",
    terms("source", 20, {"latest": of("max", "published_at")}, {"latest": "desc"}),
    {
        "mark": {"type": "point", "filled": True, "size": 80, "color": OBSERVED, "tooltip": True},
        "encoding": {"y": field("key", "nominal", None), "x": time_axis("latest.value")},
    },
)
LABELLING = Chart(
    "tocsin-labelling",
    "Labelled, and kept without labels",
    "What no model reads feeds no series.",
    "documents",
    by_time("documents", {"status": terms("status", 2)}),
    stacked_in_time("status", "Documents", {"domain": ["labelled", "unlabelled"], "range": ["#0072B2", "#999999"]}),
)
LATE = Chart(
    "tocsin-late",
    "Too late to count",
    "Documents that came more than a day after their publication, or in time.",
    "documents",
    terms("source", 12, {"late": terms("late", 2)}),
    {
        "transform": flat("late"),
        "mark": {"type": "bar", "tooltip": True},
        "encoding": {
            "y": field("key", "nominal", None),
            "x": field("late.doc_count", "quantitative", "Documents"),
            "color": field(
                "late.key_as_string",
                "nominal",
                "late",
                scale={"domain": ["false", "true"], "range": ["#0072B2", "#D55E00"]},
            ),
        },
    },
)
LANGUAGES = Chart(
    "tocsin-languages",
    "Languages of what is not labelled",
    "As they were recognised.",
    "documents",
    terms("language", 12),
    {
        "mark": {"type": "bar", "color": "#999999", "tooltip": True},
        "encoding": {
            "y": field("key", "nominal", None, sort=None),
            "x": field("doc_count", "quantitative", "Documents"),
        },
    },
    ({"term": {"status": "unlabelled"}},),
)
MODELS = Chart(
    "tocsin-models",
    "Models in use",
    "By the version that labelled a document: two at once are for the time of a change.",
    "documents",
    by_time("documents", {"model": terms("versions.model_version", 5)}),
    stacked_in_time("model", "Documents", legend="version"),
    (LABELLED,),
)
REFUSED = Chart(
    "tocsin-refused",
    "Refused records",
    "All that are kept, by reason and stage.",
    "deadletters",
    terms("reason", 20, {"stage": terms("stage", 5)}),
    stacked("stage", "Records"),
)
REFUSED_RECORDS = Table(
    "tocsin-refused-records",
    "Refused records",
    "deadletters",
    ("stage", "reason", "message", "origin.place", "origin.offset"),
)

BOARDS: Final = (
    Board(
        "tocsin-market",
        "Tocsin: market",
        "What is written, what stands out, what rings.",
        (
            (12, ((DOCUMENTS_BY_SENTIMENT, 24), (NEGATIVE_SHARE, 24))),
            (12, ((MARKET_BAND, 24), (ALERTS_BY_TIER, 24))),
            (14, ((SURPRISING_COMPANIES, 16), (SURPRISING_TOPICS, 16), (SECTORS, 16))),
            (16, ((LATEST_ALERTS, 48),)),
        ),
    ),
    Board(
        "tocsin-company",
        "Tocsin: company",
        "One company, or all side by side.",
        (
            (6, ((HINT, 48),)),
            (12, ((DOCUMENTS_BY_SENTIMENT, 24), (COMPANY_BAND, 24))),
            (16, ((COMPANY_HEAT, 20), (COMPANIES, 14), (COMPANY_TOPICS, 14))),
            (12, ((LATEST_ALERTS, 48),)),
            (16, ((NEGATIVE_DOCUMENTS, 48),)),
        ),
    ),
    Board(
        "tocsin-topics",
        "Tocsin: topics",
        "The twenty topics, and who is in them.",
        (
            (16, ((TOPICS, 16), (TOPIC_HEAT, 16), (SURPRISING_TOPICS, 16))),
            (14, ((TOPIC_COMPANIES, 48),)),
            (16, ((NEGATIVE_DOCUMENTS, 48),)),
        ),
    ),
    Board(
        "tocsin-alerts",
        "Tocsin: alerts",
        "What rang, how rare that is, what people said of it.",
        (
            (12, ((ALERTS_BY_TIER, 24), (ALERT_KINDS, 12), (FEEDBACK, 12))),
            (16, ((RAREST, 18), (MOST_RINGING, 18), (COORDINATED, 12))),
            (18, ((LATEST_ALERTS, 48),)),
        ),
    ),
    Board(
        "tocsin-pipeline",
        "Tocsin: pipeline",
        "Whether documents come, are labelled and are taken.",
        (
            (12, ((BY_SOURCE, 24), (LABELLING, 24))),
            (12, ((FRESHNESS, 16), (LATE, 16), (LANGUAGES, 16))),
            (12, ((MODELS, 24), (REFUSED, 24))),
            (14, ((REFUSED_RECORDS, 48),)),
        ),
    ),
)


# As Kibana stores them.


def saved(kind: str, id: str, migration: str, attributes: Json, references: Sequence[Json] = ()) -> Json:
    """One saved object."""
    return {
        "type": kind,
        "id": id,
        "attributes": attributes,
        "references": list(references),
        "coreMigrationVersion": "8.8.0",
        "typeMigrationVersion": migration,
    }


def view_of(index: str) -> Json:
    """A data view of one alias."""
    attributes: Json = {"title": f"tocsin-{index}", "name": f"Tocsin {index}"}
    attributes |= {"fieldAttrs": "{}", "fields": "[]", "runtimeFieldMap": "{}", "sourceFilters": "[]"}
    if TIMES[index]:
        attributes["timeFieldName"] = TIMES[index]
    return saved("index-pattern", f"tocsin-{index}", "8.0.0", attributes)


def panel_of(panel: Panel) -> Json:
    """A chart, a table or a note."""
    if isinstance(panel, Table):
        source = {"query": {"query": panel.query, "language": "lucene"}, "filter": []}
        reference = "kibanaSavedObjectMeta.searchSourceJSON.index"
        time = TIMES[panel.index]
        attributes: Json = {
            "title": panel.title,
            "description": "",
            "columns": list(panel.columns),
            "sort": [[time, "desc"]] if time else [],
            "grid": {},
            "hideChart": True,
            "isTextBasedQuery": False,
            "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps({**source, "indexRefName": reference})},
        }
        pointed = [{"name": reference, "type": "index-pattern", "id": f"tocsin-{panel.index}"}]
        return saved("search", panel.id, "8.0.0", attributes, pointed)
    if isinstance(panel, Chart):
        kind, parameters = "vega", {"spec": json.dumps(panel.spec, indent=2, ensure_ascii=False)}
    else:
        kind, parameters = "markdown", {"markdown": panel.text, "fontSize": 12, "openLinksInNewTab": False}
    state = {"title": panel.title, "type": kind, "aggs": [], "params": parameters}
    source = {"query": {"query": "", "language": "kuery"}, "filter": []}
    attributes = {
        "title": panel.title,
        "description": panel.description if isinstance(panel, Chart) else "",
        "version": 1,
        "uiStateJSON": "{}",
        "visState": json.dumps(state, ensure_ascii=False),
        "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps(source)},
    }
    return saved("visualization", panel.id, "8.5.0", attributes)


def board_of(board: Board) -> Json:
    """A dashboard."""
    panels: list[Json] = []
    references: list[Json] = []
    y = 0
    for height, row in board.rows:
        x = 0
        for panel, width in row:
            number = str(len(panels) + 1)
            kind = "search" if isinstance(panel, Table) else "visualization"
            panels.append(
                {
                    "version": "8.9.0",
                    "type": kind,
                    "gridData": {"x": x, "y": y, "w": width, "h": height, "i": number},
                    "panelIndex": number,
                    "embeddableConfig": {"enhancements": {}},
                    "panelRefName": f"panel_{number}",
                }
            )
            references.append({"name": f"{number}:panel_{number}", "type": kind, "id": panel.id})
            x += width
        y += height
    options = {"useMargins": True, "syncColors": True, "syncCursor": True, "syncTooltips": False}
    attributes: Json = {
        "title": board.title,
        "description": board.description,
        "hits": 0,
        "timeRestore": True,
        "timeFrom": "now-7d",
        "timeTo": "now",
        "refreshInterval": {"pause": False, "value": 60_000},
        "optionsJSON": json.dumps({**options, "hidePanelTitles": False}),
        "panelsJSON": json.dumps(panels),
        "kibanaSavedObjectMeta": {
            "searchSourceJSON": json.dumps({"query": {"query": "", "language": "kuery"}, "filter": []})
        },
        "version": 1,
    }
    return saved("dashboard", board.id, "8.9.0", attributes, references)


def objects() -> Iterator[Json]:
    """Everything, what is pointed at before what points."""
    yield from (view_of(index) for index in TIMES)
    panels = {panel.id: panel for board in BOARDS for _, row in board.rows for panel, _ in row}
    yield from (panel_of(panel) for panel in panels.values())
    yield from (board_of(board) for board in BOARDS)


def built() -> str:
    """The file as it has to be."""
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects())


if __name__ == "__main__":
    TARGET.write_text(built(), encoding="utf-8")
