"""The scorecard as one self-contained HTML page."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from html import escape
from typing import Any, Final

from streams.scorecard.drawing import STYLE, Axis, Cell, Marked, Point, figure, lines, share, table
from streams.scorecard.measures import ALARMS_A_DAY

_AT: Final = ALARMS_A_DAY.index(0.25)
_SHARES: Final = Axis("share that rings", [(0, "0"), (0.25, "25 %"), (0.5, "50 %"), (0.75, "75 %"), (1, "100 %")])
_A_DAY: Final = Axis(
    "background alarms a day, all companies together", [(level, f"{level:g}") for level in ALARMS_A_DAY], True
)
_GROUP_NAMES: Final = {
    "terciles": "all",
    "low": "least third",
    "middle": "middle third",
    "high": "upper third",
    "busiest": "15 busiest",
}
_NOTES: Final = (
    (
        "An alarm: a company's sentiment incident and those of its topics that overlap in time or hand on to each other count "
        "as one, since a reader of the company hears one event. Its score is the lowest chance a year that any of them "
        "reached; its time is when that first fell to the threshold. Incidents of volume alone are no alarms here."
    ),
    (
        "Thresholds are the highest chance a year at which the real background of February to August rings at most so often. "
        "Every alarm of the background counts as false, though many are not: the strongest are judged by reading below."
    ),
    (
        "A burst is injected into a branch: the detector's state as the background had reached it on that day is restored, the "
        "burst's documents are told amid the real ones of its days, and the branch is dropped. So no burst is in a "
        "baseline that another is judged by. (Bursts of 144 h begin to be folded into their own company's baseline, as in "
        "life, and with at most four bursts a branch into what their partition pools.)"
    ),
    (
        "It begins when some document of the background was published, in busy hours rather than at night; its documents have "
        "authors of their own and reaches as they occur. A step is uniform, a ramp grows to its end, a trickle is regular. "
        "It counts as rung if its company rings by an hour behind its last document; where the company was ringing already "
        "when it began, it is left out."
    ),
    (
        "Its texts are texts with a human label that the model never learnt from, nor any near-duplicate of them (Twitter "
        "Financial News and SEntFiN, the fold held out in training; the model was chosen among four by its score on that fold). "
        "The company they name is replaced by the cashtag of the burst's, and only texts in which the linker then finds that "
        "company and no other are used. They speak of 2010 to 2020, mostly of other companies: context that a real event would "
        "give is missing. No two texts of a burst are near-duplicates; bursts share texts with each other."
    ),
    (
        "What is asked of a text is the model's own label: what it misreads is missed. Beside it stands the same burst as people "
        "read it (perfect labels), which leaves the detector's own share of the misses."
    ),
)


def page(report: Mapping[str, Any]) -> str:
    """The page of what `report.report` found, with the model and the hashes that the command adds."""
    model, periods = report["model"], report["periods"]
    intro = (
        f"<p>{report['mentions']:,} mentions of {report['companies']} companies in the tweets of 2014, read by "
        f"{escape(model['name'])} {escape(model['version'])} (<code>{escape(model['hash'][:12])}</code>); company "
        f"dictionary <code>{escape(report['dictionary_hash'][:12])}</code>, settings "
        f"<code>{escape(report['settings_hash'][:12])}</code>. Thresholds chosen on {_span(periods['chosen_on'])}; "
        f"all figures are of {_span(periods['reported_on'])} unless they say otherwise. {report['per_cell']} bursts a "
        f"cell, seed {report['seed']}; intervals of rates are 95 % (Wilson). Made by "
        f"<code>tocsin scorecard --data DIR{' --quick' if report['quick'] else ''}</code> in "
        f"{report['seconds'] / 60:.0f} minutes.</p>"
    )
    parts = [
        "<h1>Scorecard of the detector</h1>",
        intro,
        *_targets(report),
        *_thresholds(report),
        *_recall(report),
        *_not_negative(report),
        *_null(report),
        *_real_days(report["real_days"]),
        *_comparison(report["comparison"]),
        *_strongest(report["strongest"]),
        "<h2>How it is measured</h2><ul>",
        *(f"<li>{escape(note)}</li>" for note in _NOTES),
        "</ul>",
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Scorecard of the detector</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _span(period: Sequence[Any]) -> str:
    first, last = datetime.fromisoformat(period[0]), datetime.fromisoformat(period[1]) - timedelta(days=1)
    return f"{first:%B} to {last:%B %Y} ({period[2]} days with documents)"


def _held(held: bool | None) -> Cell:
    return {True: Marked("held", "good"), False: Marked("not held", "bad"), None: Marked("not judged", "faint")}[held]


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}g}"


def _targets(report: Mapping[str, Any]) -> Iterable[str]:
    yield "<h2>Targets</h2>"
    yield (
        "<p>At 0.25 background alarms a day over all companies. Steps and ramps together, companies of the three thirds of "
        "volume alike. The last column: the same bursts as people read them.</p>"
    )
    yield table(
        ["target", "wanted", "reached", "95 % interval", "", "with perfect labels"],
        [
            [
                row["name"],
                row["target"],
                _number(row["value"]),
                "–".join(f"{bound:.3f}" for bound in row["interval_95"]) if row["interval_95"] else "",
                _held(row["held"]),
                "" if row["with_perfect_labels"] is None else f"{row['with_perfect_labels']:.3f}",
            ]
            for row in report["targets"]
        ],
    )


def _thresholds(report: Mapping[str, Any]) -> Iterable[str]:
    yield "<h2>Thresholds</h2>"
    yield table(
        ["alarms a day allowed", "chance a year", "alarms where chosen", "alarms where reported", "a day, reported"],
        [
            [
                f"{row['alarms_a_day']:g}",
                _number(row["chance_per_year"]),
                str(row["chosen"]),
                str(row["reported"]),
                f"{row['reported_a_day']:.3f}",
            ]
            for row in report["thresholds"]
        ],
    )


def _find(rows: Sequence[Mapping[str, Any]], documents: int, hours: int, group: str) -> Mapping[str, Any]:
    asked = (documents, hours, "any", group)
    return next(row for row in rows if (row["documents"], row["hours"], row["shape"], row["group"]) == asked)


def _point(x: float, rate: Mapping[str, Any]) -> Point:
    return Point(x, rate["rate"] or 0.0, *rate["interval_95"])


def _recall(report: Mapping[str, Any]) -> Iterable[str]:
    negative, perfect = report["bursts"]["negative"], report["bursts"]["perfect"]
    sizes = Axis("documents of the burst", [(0, "0"), (4, "4"), (8, "8"), (15, "15")])
    yield "<h2>Bursts of negative texts</h2>"
    for hours in (3, 24):
        groups = [
            (
                _GROUP_NAMES[group],
                [_point(n, _find(negative, n, hours, group)["levels"][_AT]["recall"]) for n in (4, 8, 15)],
            )
            for group in ("low", "middle", "high", "busiest")
        ]
        people = [_point(n, _find(perfect, n, hours, "terciles")["levels"][_AT]["recall"]) for n in (4, 8, 15)]
        drawn = lines([*groups, ("all, perfect labels", people)], sizes, _SHARES)
        yield figure(f"Within {hours} h, at 0.25 alarms a day", drawn)
    frontier = [
        (
            f"{documents} in {hours} h",
            [
                _point(a_day, level["recall"])
                for a_day, level in zip(
                    ALARMS_A_DAY, _find(negative, documents, hours, "terciles")["levels"], strict=True
                )
            ],
        )
        for documents, hours in ((4, 3), (4, 24), (8, 3), (8, 24), (15, 24), (8, 72), (8, 144))
    ]
    yield figure("The frontier: what more alarms buy (all companies)", lines(frontier, _A_DAY, _SHARES))
    yield _cells([row for row in negative if row["shape"] == "any" and row["group"] in ("terciles", "busiest")])
    yield "<details><summary>Every shape and group</summary>"
    yield _cells([row for row in negative if row["shape"] != "any"])
    yield "</details>"
    yield "<h3>The classifier's share</h3>"
    yield (
        "<p>How the model reads the injected texts. Three stories by three authors are the least that rings: of four negative "
        "documents it may misread one.</p>"
    )
    read = report["classifier"]["read_as"]
    yield table(
        ["people say", "distinct texts", "read as negative", "neutral", "positive"],
        [
            [
                human,
                str(report["classifier"]["distinct_texts"][human]),
                *(f"{read[human][label] / max(1, sum(read[human].values())):.3f}" for label in read[human]),
            ]
            for human in read
        ],
    )
    yield table(
        ["burst", "recall as the model reads", "as people read"],
        [
            [
                f"{row['documents']} in {row['hours']} h",
                share(row["levels"][_AT]["recall"]),
                share(_find(perfect, row["documents"], row["hours"], "terciles")["levels"][_AT]["recall"]),
            ]
            for row in negative
            if row["shape"] == "any" and row["group"] == "terciles"
        ],
    )


def _cells(rows: Sequence[Mapping[str, Any]]) -> str:
    named = [
        [
            f"{row['documents']} in {row['hours']} h" + ("" if row["shape"] == "any" else f", {row['shape']}"),
            _GROUP_NAMES[row["group"]],
        ]
        for row in rows
    ]
    recall = table(
        ["burst", "companies", *(f"recall at {a_day:g} a day" for a_day in ALARMS_A_DAY)],
        [[*name, *(share(level["recall"]) for level in row["levels"])] for name, row in zip(named, rows, strict=True)],
    )
    at = [row["levels"][_AT] for row in rows]
    header = ["documents before the ring: median, p95", "hours: median, p95", "alarms an event", "alerts an event"]
    delays = table(
        ["burst", "companies", *header, "rang before"],
        [
            [
                *name,
                _pair(level["delay_documents"]),
                _pair(level["delay_hours"]),
                _number(level["alarms_per_incident"]),
                _number(level["alerts_per_incident"]),
                str(level["rang_before"]),
            ]
            for name, level in zip(named, at, strict=True)
        ],
    )
    return f"{recall}<p>Delays and alarms, at 0.25 a day:</p>{delays}"


def _pair(delay: Mapping[str, float | None]) -> str:
    return f"{_number(delay['median'])}, {_number(delay['p95'])}"


def _not_negative(report: Mapping[str, Any]) -> Iterable[str]:
    yield "<h2>Bursts of other texts</h2><p>None of these should ring a sentiment incident.</p>"
    for content in ("neutral", "positive"):
        yield f"<h3>{content.capitalize()}</h3>"
        yield table(
            ["burst", "companies", *(f"rings at {a_day:g} a day" for a_day in ALARMS_A_DAY)],
            [
                [
                    f"{row['documents']} in {row['hours']} h",
                    _GROUP_NAMES[row["group"]],
                    *(share(level["recall"]) for level in row["levels"]),
                ]
                for row in report["bursts"][content]
                if row["shape"] == "any" and row["group"] in ("terciles", "busiest")
            ],
        )


def _null(report: Mapping[str, Any]) -> Iterable[str]:
    null = report["null"]
    yield "<h2>When nothing is the matter</h2>"
    yield (
        "<p>Shuffled: the year's sentiments dealt out anew among its stories (all of them; or only among those of the same "
        "companies, so that companies keep their shares); times, texts and volumes stay. Simulated: series whose levels "
        "never change, as lively, seasonal and uneven as real ones.</p>"
    )
    for within, name in (("all", "among all stories"), ("company", "within companies")):
        for period, told in (("chosen_on", "February to August"), ("reported_on", "September to December")):
            yield f"<h3>Real against shuffled {name}, {told}</h3>"
            yield table(
                ["alarms a day allowed", "real alarms", "shuffled, by seed", "ratio to their mean"],
                [
                    [f"{a_day:g}", str(row["real"]), " ".join(map(str, row["shuffled"])) + " ", _number(row["ratio"])]
                    for a_day, row in zip(ALARMS_A_DAY, null["shuffled"][within]["ratios"][period], strict=True)
                ],
            )
    promises = {
        "shuffled among all stories": null["shuffled"]["all"]["promise"],
        "shuffled within companies": null["shuffled"]["company"]["promise"],
        "simulated": null["simulated"],
    }
    ticks = [(10.0**power, f"{10.0**power:g}") for power in range(-4, 3)]
    across, up = Axis("promised, a series and year", ticks[2:], True), Axis("seen, with upper bound", ticks, True)
    for kind in ("company", "company-topic"):
        drawn = [
            (
                name,
                [Point(r["promised"], r["rate"], r["rate"], r["upper_95"]) for r in rows if r["series"] == kind],
            )
            for name, rows in promises.items()
        ]
        yield figure(f"Incidents by chance, series of kind {kind}", lines(drawn, across, up, diagonal=True))
    yield table(
        ["null", "series", "promised", "incidents", "series-years", "rate", "upper 95 %", "promise"],
        [
            [
                name,
                row["series"],
                f"{row['promised']:g}",
                str(row["incidents"]),
                f"{row['series_years']:,.0f}",
                _number(row["rate"]),
                _number(row["upper_95"]),
                Marked("shown", "good")
                if row["shown"]
                else Marked("not contradicted", "faint")
                if row["held"]
                else Marked("broken", "bad"),
            ]
            for name, rows in promises.items()
            for row in rows
        ],
    )


def _real_days(real: Mapping[str, Any]) -> Iterable[str]:
    yield "<h2>Real days</h2>"
    yield (
        "<p>Well-known bad news of 2014, listed with the reason before the detector first ran on any of it and never edited. "
        "An event counts as rung if its company rings within 24 hours of the news (or up to 12 hours before, and is still "
        "open), at the threshold of 0.25 alarms a day. Enough text: at least five novel negative documents in those hours.</p>"
    )
    yield table(
        ["events", "all", "with enough text"],
        [
            [
                name,
                *(
                    f"{row['hits']} of {row['trials']}: {share(row)} "
                    for row in (real[key]["all"], real[key]["enough"])
                ),
            ]
            for key, name in (("all", "February to December"), ("reported_on", "September to December"))
        ],
    )
    yield table(
        ["company", "from (UTC)", "reason", "novel negatives", "", "by chance, a year"],
        [
            [
                row["company"],
                f"{datetime.fromisoformat(row['from']):%d %b %H:%M}",
                row["reason"],
                str(row["negatives"]),
                Marked("rang", "good")
                if row["rang"]
                else Marked("silent", "bad" if row["negatives"] >= 5 else "faint"),
                "" if row["chance_per_year"] is None else _number(row["chance_per_year"], 2),
            ]
            for row in real["events"]
        ],
    )


def _comparison(rows: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    yield "<h2>Beside other detectors, and beside itself with a part switched off</h2>"
    yield (
        "<p>All see the same novel stories with the same labels and need three stories by three authors in their window; thresholds are "
        "chosen alike. Figures at 0.25 alarms a day; alarms a day are those of the reported months.</p>"
    )
    counted = [row for row in rows if row["levels"]]
    first = counted[0]["levels"][0]["forms"]
    forms = [form["form"] for form in first]
    trials = [first[0][group]["recall"]["trials"] for group in ("terciles", "busiest")]
    yield (
        f"<p>Each form: all companies ({trials[0]} bursts), then the 15 busiest ({trials[1]}). Differences between two rows "
        "that are smaller than the intervals of so few bursts say nothing.</p>"
    )
    for at in range(len(forms)):
        drawn = [
            (
                row["name"],
                [
                    Point(a_day, level["forms"][at]["terciles"]["recall"]["rate"] or 0.0)
                    for a_day, level in zip(ALARMS_A_DAY, row["levels"], strict=True)
                ],
            )
            for row in counted
            if row["name"] == "ours" or not row["ours"]
        ]
        if forms[at].startswith(("8 in 3 h", "8 in 24 h")):
            yield figure(f"{forms[at]}, all companies", lines(drawn, _A_DAY, _SHARES))
    yield table(
        ["detector", "alarms a day", *forms, "neutral, 8 in 24 h"],
        [
            [
                row["name"],
                f"{row['levels'][_AT]['reported_a_day']:.2f}",
                *(
                    ", ".join(f"{form[group]['recall']['rate']:.2f}" for group in ("terciles", "busiest"))
                    for form in row["levels"][_AT]["forms"]
                ),
                next(
                    f"{form['neutral']['rate']:.3f}"
                    for form in row["levels"][_AT]["forms"]
                    if form["form"].startswith("8 in 24 h")
                ),
            ]
            for row in counted
        ],
    )
    for row in rows:
        if not row["levels"]:
            yield f"<p class=faint>{escape(row['name'])}: not measured, {escape(row['missing'])}.</p>"


def _strongest(strong: Mapping[str, Any]) -> Iterable[str]:
    yield "<h2>The 25 strongest alarms</h2>"
    yield (
        f"<p>What a reader made of them ({escape(strong['judge'])}): true is plainly bad news of that company, mixed is "
        "that and other things, noise is neither.</p>"
    )
    for period, name in (("reported_on", "September to December"), ("chosen_on", "February to August")):
        tally = strong[period]["tally"]
        yield f"<h3>{name}</h3>"
        yield "<p>" + ", ".join(f"{tally[key]} {key}" for key in tally) + ".</p>"
        yield "" if period == "reported_on" else "<details><summary>The alarms and their evidence</summary>"
        for place, alarm in enumerate(strong[period]["alarms"], start=1):
            yield _alarm(place, alarm)
        yield "" if period == "reported_on" else "</details>"


def _alarm(place: int, alarm: Mapping[str, Any]) -> str:
    verdict = alarm["verdict"] or "not judged"
    style = {"true": "good", "noise": "bad"}.get(verdict, "faint")
    because = f": {escape(alarm['because'])}" if alarm["because"] else ""
    documents = "".join(
        f"<li>{escape(document['text'])} <span class=faint>({document['p_negative']:.0%})</span></li>"
        for document in alarm["evidence"]
    )
    return (
        f"<article><p><b>{place}. {escape(alarm['series'].partition(':')[2])}</b>, "
        f"{datetime.fromisoformat(alarm['opened']):%d %b %H:%M} UTC · {_number(alarm['chance_per_year'], 2)} a year by "
        f'chance · <span class="{style}">{escape(verdict)}</span>{because}'
        f"{' · coordinated' if alarm['coordinated'] else ''}</p>"
        f'<p class="faint">{escape(alarm["reason"])}</p><ul>{documents}</ul></article>'
    )
