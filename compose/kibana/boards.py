"""The five dashboards, and the panels on them."""

from typing import Final

from compose.kibana.charts import (
    BAND,
    BAND_AGGS,
    BY_SENTIMENT,
    EXPECTED,
    LABELLED,
    NEGATIVE,
    OBSERVED,
    SENTIMENTS,
    TIERS,
    Board,
    Chart,
    Note,
    Table,
    by_time,
    field,
    flat,
    heat,
    of,
    of_kind,
    ranked,
    share,
    stacked,
    stacked_in_time,
    surprising,
    terms,
    time_axis,
)

COMPANY_HINT: Final = 'companies.company: "AMZN" or company: "AMZN" or series: "company:AMZN"'

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
    stacked_in_time(
        "coordinated",
        "Alerts",
        {"domain": ["false", "true"], "range": ["#999999", "#CC79A7"]},
        legend="coordinated",
        key="key_as_string",
    ),
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
        "encoding": {"y": field("key", "nominal", None, sort=None), "x": time_axis("latest.value")},
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
            "y": field("key", "nominal", None, sort=None),
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
