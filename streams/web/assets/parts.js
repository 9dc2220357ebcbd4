// Pieces that several pages show.

import { h, s, foreign, plain, safeUrl } from "./dom.js";
import { gauge } from "./charts.js";
import {
  ago, clock, day, expected, expectedShort, fullMoment, hours, howOften, incidentLink, moment, number, percent, seriesKind, seriesLink,
  seriesName, topicName,
} from "./format.js";
import { t } from "./words.js";

const DAY = 86400e3;

const SHAPES = {
  watch: ["M8 2.200 13.800 8 8 13.800 2.200 8z", "none"],
  urgent: ["M8 2.200 13.800 8 8 13.800 2.200 8z", "half"],
  flash: ["M8 1.200 14.800 8 8 14.800 1.200 8z", "full"],
};

/** The sign of a tier: told apart by shape, not by colour alone. */
export function tierSign(tier) {
  const [path, how] = SHAPES[tier];
  return s(
    "svg",
    { class: `sign sign-${tier}`, viewBox: "0 0 16 16", "aria-hidden": "true" },
    s("path", { d: path, class: how === "full" ? "sign-full" : "sign-line" }),
    how === "half" && s("path", { d: "M8 2.200 13.800 8 8 13.800z", class: "sign-full" }),
  );
}

export function tierBadge(tier, { closed = false } = {}) {
  return h("span", { class: `badge tier-${closed ? "closed" : tier}` }, tierSign(tier), t(`tier-${tier}`));
}

/** The name of a series, with what tells it apart. */
export function seriesTitle(series, { link = false, tag = "span" } = {}) {
  const kind = seriesKind(series);
  const code = kind === "company" || kind === "company-topic" ? series.split(":")[1].split("/")[0] : t(kind === "market" ? "market" : kind);
  const inside = [foreign(seriesName(series), "span", { class: "series-name" }), " ", h("span", { class: "code" }, plain(code))];
  return link ? h("a", { href: seriesLink(series), class: "series-title" }, inside) : h(tag, { class: "series-title" }, inside);
}

/** The line that says what was seen. */
export function finding(incident) {
  if (incident.kind === "no-data") {
    return t("silence-line", { window: hours(incident.window_hours), expected: expected(incident.count?.expected ?? 0) });
  }
  if (!incident.count) return "";
  return t("count-line", {
    n: expected(incident.count.observed), window: hours(incident.window_hours), expected: expected(incident.count.expected),
  });
}

export function shareLine(incident) {
  if (incident.kind !== "sentiment" || !incident.share?.total) return null;
  const { observed, expected: usual, total } = incident.share;
  return t("share-line", { share: percent(observed, total), usual: percent(usual, total) });
}

export function countGauge(incident) {
  const count = incident.count;
  if (!count || incident.kind === "no-data") return null;
  return gauge({
    seen: count.observed, low: count.expected_low, high: count.expected_high, expected: count.expected, tier: incident.tier,
    label: `${t("seen", { n: expected(count.observed) })}, ${t("usual-range", { low: count.expected_low, high: count.expected_high })}`,
  });
}

/** An incident as a card: what, how much against what is usual, the strongest text. */
export function incidentCard(incident, now, { fresh = false, others = [] } = {}) {
  const closed = incident.event === "close";
  return h(
    "li",
    { class: `card incident tier-${closed ? "closed" : incident.tier}${fresh ? " fresh" : ""}`, "data-incident": incident.incident },
    h(
      "a",
      { class: "cover", href: incidentLink(incident.incident), "aria-label": `${t(`tier-${incident.tier}`)}: ${plain(seriesName(incident.series))}. ${finding(incident)}` },
    ),
    h(
      "div",
      { class: "incident-head" },
      tierBadge(incident.tier, { closed }),
      seriesTitle(incident.series),
      h("time", { class: "faint when", datetime: incident.at, title: fullMoment(incident.at) }, `${t(`event-${incident.event}`)} ${ago(incident.at, now)}`),
    ),
    h("p", { class: "finding" }, finding(incident)),
    countGauge(incident),
    incident.headline &&
      h("p", { class: "headline" }, foreign(incident.headline), " ", h("span", { class: "faint" }, "— ", foreign(incident.headline_source))),
    h(
      "p",
      { class: "facts faint" },
      [shareLine(incident), t("chance-line", { often: howOften(incident.chance_per_year) }), ...handled(incident)]
        .filter(Boolean)
        .map((fact) => h("span", {}, fact)),
    ),
    others.length > 0 && h("p", { class: "others" }, h("span", { class: "faint" }, t("also")), others.map((other) => h("a", { href: incidentLink(other.incident), title: finding(other) }, tierSign(other.tier), other.topic ? topicName(other.topic) : plain(seriesName(other.series))))),
  );
}

function handled(incident) {
  return [
    incident.coordinated && h("span", { class: "mark" }, t("coordinated")),
    incident.acknowledged && h("span", { class: "mark" }, "✓ ", t("acknowledged-by", { who: plain(incident.acknowledged) })),
    incident.assignee && h("span", { class: "mark" }, t("assigned-to", { who: plain(incident.assignee) })),
    incident.muted_until && h("span", { class: "mark" }, t("muted-until", { at: moment(incident.muted_until) })),
  ];
}

/** An incident on one line. */
export function incidentRow(incident, now) {
  const closed = incident.event === "close";
  return h(
    "li",
    { class: `row incident-row tier-${closed ? "closed" : incident.tier}` },
    h(
      "a",
      { href: incidentLink(incident.incident), title: finding(incident) },
      tierSign(incident.tier),
      h("span", { class: "visually-hidden" }, t(`tier-${incident.tier}`), closed && `, ${t("closed")}`, ": "),
      foreign(seriesName(incident.series), "span", { class: "series-name" }),
      h("span", { class: "row-figure" }, incident.kind === "no-data" ? hours(incident.window_hours) : incident.count ? `${expected(incident.count.observed)} / ${expectedShort(incident.count.expected)}` : ""),
      h("time", { class: "faint", datetime: incident.at }, closed ? (new Date(now) - new Date(incident.at) < DAY ? clock : day)(incident.at) : ago(incident.at, now)),
    ),
  );
}

/** A document of evidence, or of a search. `given` is its place in the list; `more` what stands below it. */
export function documentItem(document, more = []) {
  const [title, ...rest] = plain(document.excerpt ?? document.text).trim().split("\n");
  const url = safeUrl(document.url);
  const sentiment = document.sentiment;
  return h(
    "li",
    { class: "document" },
    h(
      "p",
      { class: "document-meta faint" },
      h("time", { datetime: document.published_at, title: fullMoment(document.published_at) }, moment(document.published_at)),
      foreign(document.source, "span", { class: "source" }),
      document.author && foreign(document.author, "span", { class: "author" }),
      document.reach !== null && document.reach !== undefined && document.reach > 0 && h("span", {}, t("reach", { n: number(document.reach) })),
      document.spread > 1 && h("span", {}, t("spread", { n: document.spread, authors: document.authors })),
      document.coordinated && h("span", { class: "mark" }, t("coordinated")),
    ),
    h("p", { class: "document-title" }, foreign(title)),
    rest.join(" ").trim() && foreign(rest.join(" "), "p", { class: "document-text" }),
    h(
      "p",
      { class: "document-labels" },
      sentiment && sentimentMark(sentiment.label, sentiment[sentiment.label]),
      document.p_negative !== undefined && sentimentMark("negative", document.p_negative),
      document.status === "unlabelled" && h("span", { class: "faint" }, t("unlabelled")),
      h("span", { class: "faint" }, topicName(document.topic?.label ?? document.topic ?? "")),
      (document.companies ?? []).map((company) => [h("a", { class: "code", href: seriesLink(`company:${company}`) }, plain(company)), own(document, company)]),
      url && h("a", { class: "faint", href: url, target: "_blank", rel: "noopener noreferrer nofollow" }, t("read-original"), " ↗"),
      more,
    ),
  );
}

/** What a document says of one of the companies that it tells apart. */
function own(document, company) {
  const said = document.company_sentiments?.[company];
  return said && sentimentMark(said.label, said[said.label]);
}

function sentimentMark(label, probability) {
  return h("span", { class: `sentiment ${label}` }, h("i", { "aria-hidden": "true" }), `${t(label)} ${percent(probability, 1)}`);
}

/** A heading with what explains it. */
export function heading(level, text, more, ...beside) {
  return h("div", { class: "heading" }, h(`h${level}`, {}, text), more && h("p", { class: "faint" }, more), beside);
}

/** A legend: pairs of a class and a text. */
export function legend(entries) {
  return h("p", { class: "legend faint" }, entries.map(([name, text]) => h("span", {}, h("i", { class: name, "aria-hidden": "true" }), text)));
}

/** A list of which only the first are shown at once. */
export function folded(items, shown, className) {
  const list = h("ul", { class: className }, items.slice(0, shown));
  if (items.length <= shown) return list;
  const button = h("button", { class: "quiet", type: "button", "aria-expanded": "false" }, t("show-all", { n: items.length }));
  button.addEventListener("click", () => {
    const open = button.getAttribute("aria-expanded") === "false";
    button.setAttribute("aria-expanded", String(open));
    button.textContent = open ? t("show-less") : t("show-all", { n: items.length });
    list.replaceChildren(...(open ? items : items.slice(0, shown)));
  });
  return [list, button];
}

/** What stands where something is being loaded or could not be. */
export const waiting = () => h("p", { class: "waiting faint", role: "status" }, t("loading"));

export function failure(error, again) {
  return h("div", { class: "failure", role: "alert" }, h("p", {}, t("failed", { why: error.message })), again && h("button", { type: "button", onclick: again }, t("again")));
}
