// What rings, what is unusual where, what arrives.

import { sparkColumns } from "./charts.js";
import { deskKept, hearing } from "./desk-kept.js";
import { foreign, h, plain, replace } from "./dom.js";
import { ago, companyName, hours, incidentLink, number, seriesLink, seriesName, topicName } from "./format.js";
import { listen, live } from "./live.js";
import { folded, heading, incidentCard, incidentRow, legend, tierSign, waiting } from "./parts.js";
import { t } from "./words.js";

const CARDS = 6;
const FRESH_MS = 8000;

export function nowPage(content) {
  const strip = h("section", { class: "strip", "aria-label": t("now") });
  const ringing = h("section", { class: "panel ringing", "aria-label": t("ringing") });
  const pulse = h("section", { class: "panel pulse", "aria-label": t("pulse") });
  const sources = h("section", { class: "panel", "aria-label": t("sources") });
  const closed = h("section", { class: "panel", "aria-label": t("recently-closed") });
  const fresh = new Map();
  const desk = hearing(() => draw());
  replace(content, h("h1", { class: "visually-hidden" }, t("now")), strip, h("div", { class: "columns" }, h("div", {}, ringing, closed), h("div", {}, pulse, sources)));
  replace(ringing, waiting());
  const parts = [
    [strip, (now) => JSON.stringify([now.volume, now.incidents.length, now.sources, now.run, now.canary, now.pulse.rows[0], Math.floor(Date.parse(now.at) / 60000)]), drawStrip],
    [ringing, (now) => JSON.stringify([now.incidents, now.learning, desk.mark, Math.floor(Date.parse(now.at) / 60000)]), (now) => drawRinging(now, fresh, desk)],
    [pulse, (now) => JSON.stringify([now.pulse, Boolean(now.learning)]), drawPulse],
    [sources, (now) => JSON.stringify([now.sources, Math.floor(Date.parse(now.at) / 60000)]), drawSources],
    [closed, (now) => JSON.stringify(now.closed), drawClosed],
  ];
  const shown = new Map();
  const draw = () => {
    if (!live.now) return;
    desk.look(live.now);
    for (const [place, mark, drawPart] of parts) {
      const marked = mark(live.now);
      if (shown.get(place) === marked || place.contains(document.activeElement) && place === pulse && shown.has(place) && place.matches(":hover")) continue;
      shown.set(place, marked);
      keepFocus(place, () => replace(place, drawPart(live.now)));
    }
  };
  draw();
  return listen((event, incident) => {
    if (event === "alarm") {
      fresh.set(incident.incident, Date.now());
      shown.delete(ringing);
    }
    draw();
  });
}

/** Draw a part anew without taking the focus from what the reader is at. */
function keepFocus(place, draw) {
  const focused = place.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  draw();
  if (focused) place.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

function figure(name, value, more, extra, className = "") {
  return h("div", { class: `figure ${className}` }, h("p", { class: "figure-name" }, name), h("p", { class: "figure-value" }, value), more && h("p", { class: "faint" }, more), extra);
}

function drawStrip(now) {
  const heard = now.incidents.filter((incident) => !incident.muted_until);
  const tiers = ["flash", "urgent", "watch"].map((tier) => [tier, heard.filter((incident) => incident.tier === tier).length]);
  const silent = now.sources.filter((source) => source.silent).length;
  const first = now.learning ? null : [...now.pulse.rows].sort((a, b) => strongest(b) - strongest(a))[0];
  return [
    figure(
      t("open-figure"),
      number(heard.length),
      null,
      h("p", { class: "tier-counts" }, tiers.filter(([, count]) => count).map(([tier, count]) => h("span", { class: `tier-${tier}` }, tierSign(tier), `${count} ${t(`tier-${tier}`)}`)), !heard.length && h("span", { class: "faint" }, t("all-quiet"))),
    ),
    figure(
      t("per-minute"),
      number(now.volume.per_minute, 1),
      null,
      sparkColumns({
        parts: now.volume.slots.map(([negative, neutral, positive, rest]) => [negative, neutral + rest, positive]),
        classes: ["fill-negative", "fill-neutral", "fill-positive"],
        label: `${t("per-minute")}: ${t("per-minute-more")}`,
      }),
      "wide",
    ),
    first && figure(t("most-unusual"), h("a", { href: seriesLink(`company:${first.company}`) }, companyName(first.company)), t("most-unusual-more", { n: number(strongest(first), 1) }), null, "named"),
    figure(t("fresh-sources"), number(now.sources.length), t("fresh-sources-more", { fresh: now.sources.length - silent, silent })),
    now.canary && figure(t("canary"), now.canary.seconds === null ? t("canary-none") : `${number(now.canary.seconds)} s`, t("canary-more")),
    now.run && drawRun(now.run),
  ];
}

const strongest = (row) => Math.max(row.total.surprise, ...row.cells.map((cell) => cell?.surprise ?? 0));

function drawRun(run) {
  const share = run.total ? run.done / run.total : 0;
  return figure(
    t("run"),
    run.ended ? t("run-ended") : `${number(100 * share)} %`,
    run.ended || !run.total ? t("run-total", { n: number(run.total ?? run.done) }) : t("run-more", { done: number(run.done), total: number(run.total), rate: number(run.rate) }),
    [h("progress", { max: 1, value: run.ended ? 1 : share, "aria-label": t("run") }), run.invented && h("p", { class: "faint" }, t("run-invented"))],
  );
}

function drawRinging(now, fresh, desk) {
  const heard = now.incidents.filter((incident) => !incident.muted_until);
  const muted = now.incidents.filter((incident) => incident.muted_until);
  const mine = deskKept() ? heard.filter(desk.hears) : [];
  const rest = heard.filter((incident) => !mine.includes(incident));
  const surges = rest.filter((incident) => incident.kind !== "no-data");
  const loud = surges.filter((incident) => incident.tier !== "watch" && !incident.company);
  const companies = surges.filter((incident) => incident.company);
  const wider = surges.filter((incident) => !incident.company && !loud.includes(incident));
  const silent = rest.filter((incident) => incident.kind === "no-data");
  const isFresh = (incident) => Date.now() - (fresh.get(incident.incident) ?? 0) < FRESH_MS;
  const cards = (incidents) => byCompany(incidents).map(([incident, ...others]) => incidentCard(incident, now.at, { fresh: [incident, ...others].some(isFresh), others }));
  const rows = (incidents) => incidents.map((incident) => incidentRow(incident, now.at));
  const groups = [
    [t("my-desk"), mine.length && folded(cards(mine), CARDS, "cards")],
    [deskKept() ? t("everything") : null, loud.length + companies.length && folded(cards([...loud, ...companies].sort(loudest)), CARDS, "cards")],
    [[t("wider"), h("span", { class: "faint row-legend" }, t("row-legend"))], wider.length && folded(rows(wider), 6, "rows")],
    [t("sources-silent"), silent.length && folded(rows(silent), 6, "rows")],
    [t("muted"), muted.length && folded(rows(muted), 3, "rows")],
  ].filter(([, list]) => list);
  return [
    heading(2, t("ringing")),
    groups.length ? groups.map(([name, list]) => [name && h("h3", {}, name), list]) : silence(now.learning),
  ];
}

const TIERS = ["watch", "urgent", "flash"];
const loudest = (one, other) => TIERS.indexOf(other.tier) - TIERS.indexOf(one.tier) || one.chance_per_year - other.chance_per_year;

/** Incidents (the loudest first) by company: what a company's topics ring stands with what the company rings. */
function byCompany(incidents) {
  const groups = new Map();
  for (const incident of incidents) {
    const key = incident.company ?? incident.series;
    groups.set(key, [...(groups.get(key) ?? []), incident]);
  }
  const whole = (incident) => incident.series_kind !== "company-topic";
  return [...groups.values()].map((group) => (group.length > 1 && group[0].tier === group.find(whole)?.tier ? [group.find(whole), ...group.filter((incident) => incident !== group.find(whole))] : group));
}

/** Nothing rings: because all is quiet, or because the bell does not know yet what is usual. */
function silence(learning) {
  if (!learning) return h("div", { class: "empty" }, h("p", {}, t("ringing-none")), h("p", { class: "faint" }, t("ringing-none-more")));
  const { day, of } = learning;
  return h("div", { class: "empty" }, h("p", { class: "empty-title" }, t("learning")), h("progress", { max: of, value: Math.min(day, of), "aria-label": t("learning") }), h("p", {}, t("learning-day", { day, of })), h("p", { class: "faint" }, t("learning-more", { of })));
}

function drawClosed(now) {
  if (!now.closed.length) return null;
  return [heading(2, t("recently-closed"), t("closed-legend")), folded(now.closed.map((incident) => incidentRow(incident, now.at)), 6, "rows")];
}

function drawPulse(now) {
  const { rows, topics, all, hours: span } = now.pulse;
  const learning = Boolean(now.learning);
  if (!rows.length) return [heading(2, t("pulse")), h("p", { class: "faint" }, t("pulse-none"))];
  const head = h(
    "tr",
    {},
    h("td", {}),
    h("th", { scope: "col", class: "slanted" }, h("span", {}, t("all-topics"))),
    topics.map((topic) => h("th", { scope: "col", class: "slanted" }, h("a", { href: seriesLink(`topic:${topic}`) }, topicName(topic)))),
  );
  const whole = h(
    "tr",
    { class: "all" },
    h("th", { scope: "row" }, h("a", { href: seriesLink("market:all") }, t("all-companies"))),
    pulseCell(all.total, "market:all", learning),
    topics.map((topic, index) => pulseCell(all.cells[index], `topic:${topic}`, learning)),
  );
  const lines = rows.map((row) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, h("a", { href: seriesLink(`company:${row.company}`) }, foreign(companyName(row.company)), " ", h("span", { class: "code" }, plain(row.company)))),
      pulseCell(row.total, `company:${row.company}`, learning),
      topics.map((topic, index) => pulseCell(row.cells[index], `company-topic:${row.company}/${topic}`, learning)),
    ),
  );
  return [
    heading(2, t("pulse"), t(learning ? "pulse-learning" : "pulse-more", { hours: span })),
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": t("pulse") }, h("table", { class: "heat" }, h("thead", {}, head), h("tbody", {}, whole, lines))),
    !learning && h("p", { class: "legend faint" }, t("pulse-legend"), h("span", { class: "ramp", "aria-hidden": "true" }, [0, 1, 2, 3, 4, 5].map((level) => h("i", { class: `heat-${level}` }, String(level)))), h("span", {}, t("pulse-explained"))),
  ];
}

/** A cell: how surprising, or, while it is not known what is usual, how many documents. */
function pulseCell(cell, series, learning) {
  if (!cell || !cell.documents) return h("td", { class: "heat-none" }, h("span", { "aria-hidden": "true" }, "·"));
  if (learning) return h("td", { class: "heat-0" }, h("a", { href: seriesLink(series), title: seriesName(series) }, number(cell.documents)));
  const level = Math.min(5, Math.floor(cell.surprise));
  const name = t("pulse-cell", { name: seriesName(series), surprise: number(cell.surprise, 1), negative: cell.negative, documents: cell.documents });
  return h(
    "td",
    { class: `heat-${level}` },
    h("a", { href: cell.incident ? incidentLink(cell.incident) : seriesLink(series), title: name, "aria-label": name }, cell.tier ? tierSign(cell.tier) : null, cell.surprise >= 0.95 ? number(cell.surprise, cell.surprise < 9.95 ? 1 : 0) : ""),
  );
}

function drawSources(now) {
  if (!now.sources.length) return null;
  const most = Math.max(...now.sources.map((source) => source.documents), 1);
  return [
    heading(2, t("sources")),
    h(
      "table",
      { class: "plain" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("source")), h("th", { scope: "col" }, t("latest")), h("th", { scope: "col", class: "right" }, t("documents-24h")))),
      h(
        "tbody",
        {},
        [...now.sources]
          .sort((a, b) => Boolean(b.silent) - Boolean(a.silent) || b.documents - a.documents)
          .slice(0, 14)
          .map((source) =>
            h(
              "tr",
              { class: source.silent ? "is-silent" : "" },
              h("th", { scope: "row" }, h("a", { href: seriesLink(`source:${source.source}`) }, foreign(source.source))),
              h("td", {}, ago(source.latest, now.at), source.silent && [" ", h("a", { class: "mark", href: incidentLink(source.silent) }, t("silent"))]),
              h("td", { class: "right" }, h("span", { class: "bar-cell", style: { "--share": source.documents / most } }), number(source.documents)),
            ),
          ),
      ),
    ),
  ];
}
