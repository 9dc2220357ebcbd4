// Trends: the sentiment of a company, topic, sector or source over time; several side by side.

import { get } from "./api.js";
import { columns, line, timeChart } from "./charts.js";
import { foreign, h, plain, replace, s } from "./dom.js";
import { clock, day, incidentLink, moment, number, seriesName } from "./format.js";
import { live } from "./live.js";
import { documentItem, failure, folded, heading, incidentRow, legend, seriesTitle, waiting } from "./parts.js";
import { seriesPicker } from "./picker.js";
import { t } from "./words.js";

const HOUR = 3600e3;
const RANGES = [1, 7, 30, 90, 365];
const MOST = 4;

export function seriesPage(content, path, query, state) {
  const chosen = path ? path.split("~").filter(Boolean).slice(0, MOST) : [];
  const days = Number(query.get("days")) || 7;
  const [since, until] = [query.get("since"), query.get("until")];
  const go = (series, changes = {}) => {
    const parameters = new URLSearchParams();
    const wanted = { days, since, until, ...changes };
    for (const [name, value] of Object.entries(wanted)) if (value) parameters.set(name, value);
    location.hash = `#/series/${encodeURIComponent(series.join("~"))}?${parameters}`;
  };
  const known = state.names.series.filter((one) => !chosen.includes(one));
  const main = h("div", { class: "series-main" });
  replace(
    content,
    h(
      "section",
      { class: "page-head" },
      heading(1, chosen.length === 1 ? seriesName(chosen[0]) : t("trend"), t("trend-more")),
      h(
        "div",
        { class: "controls" },
        h("ul", { class: "chosen" }, chosen.map((one, index) => h("li", { class: `compare-${index}` }, seriesTitle(one), h("button", { type: "button", class: "icon-button", "aria-label": t("remove", { name: plain(seriesName(one)) }), onclick: () => go(chosen.filter((other) => other !== one)) }, "×")))),
        chosen.length < MOST && seriesPicker(known, (one) => go([...chosen, one])),
        h("div", { class: "ranges", role: "group", "aria-label": t("range") }, RANGES.map((length) => h("button", { type: "button", "aria-pressed": String(!since && length === days), onclick: () => go(chosen, { days: length, since: null, until: null }) }, t("range-days", { n: length })))),
        customRange(since, until, (from, to) => go(chosen, { days: null, since: from, until: to })),
      ),
    ),
    main,
  );
  if (!chosen.length) {
    replace(main, suggestions(go));
    return null;
  }
  const load = async () => {
    replace(main, waiting());
    try {
      const range = since && until ? { since, until } : { days };
      const views = await Promise.all(chosen.map((one) => get(`/v1/series/${encodeURIComponent(one)}`, range)));
      draw(main, views, chosen.length === 1 ? range : null);
    } catch (error) {
      replace(main, failure(error, load));
    }
  };
  load();
  return null;
}

function customRange(since, until, choose) {
  const from = h("input", { type: "date", value: since?.slice(0, 10), "aria-label": t("from") });
  const to = h("input", { type: "date", value: until?.slice(0, 10), "aria-label": t("to") });
  const change = () => {
    if (from.value && to.value && from.value < to.value) choose(`${from.value}T00:00:00Z`, `${to.value}T00:00:00Z`);
  };
  from.addEventListener("change", change);
  to.addEventListener("change", change);
  return h("div", { class: "dates" }, from, h("span", { class: "faint" }, "–"), to);
}

function suggestions(go) {
  const rows = live.now?.pulse.rows ?? [];
  return h("div", { class: "empty" }, h("p", {}, t("pick-first")), rows.length > 0 && [h("p", { class: "faint" }, t("suggested")), h("p", { class: "suggested" }, rows.slice(0, 8).map((row) => h("button", { type: "button", onclick: () => go([`company:${row.company}`]) }, foreign(seriesName(`company:${row.company}`)))))]);
}

const PRIOR = 3; // documents that say nothing: a few of one mind are no trend

/** Net sentiment smoothed over about a twelfth of the range, weighted by volume, drawn to 0 where little was read; null
 * where nothing was. */
export function netSentiment(points) {
  const reach = Math.max(1, Math.round(points.length / 24));
  return points.map((_, middle) => {
    let [net, all] = [0, 0];
    for (let at = Math.max(0, middle - reach); at <= Math.min(points.length - 1, middle + reach); at += 1) {
      net += points[at][3] - points[at][1];
      all += points[at][1] + points[at][2] + points[at][3];
    }
    return all ? net / (all + PRIOR) : null;
  });
}

function aligned(views) {
  const length = views[0].step_hours * HOUR;
  const starts = new Set(views.flatMap((view) => view.points.map((point) => Date.parse(point[0]))));
  if (!starts.size) return { slots: [], length };
  const [first, last] = [Math.min(...starts), Math.max(...starts)];
  const slots = [];
  for (let at = first; at <= last; at += length) slots.push(at);
  return { slots, length };
}

function spread(view, slots) {
  const found = new Map(view.points.map((point) => [Date.parse(point[0]), point]));
  return slots.map((at) => found.get(at) ?? [at, 0, 0, 0, 0, 0, null, null, 0]);
}

function draw(main, views, range) {
  const { slots, length } = aligned(views);
  if (!slots.length) {
    replace(main, h("p", { class: "empty faint" }, t("incidents-none")));
    return;
  }
  const points = views.map((view) => spread(view, slots));
  const nets = points.map(netSentiment);
  const one = views.length === 1;
  const highest = Math.max(0.1, ...nets.flat().map((value) => Math.abs(value ?? 0))) * 1.15;
  const xFormat = (at, step) => (step < 24 * HOUR && new Date(at).getUTCHours() ? clock(at) : day(at));
  const when = (index) => (length > HOUR ? day(slots[index]) : moment(slots[index]));
  const incidents = views.flatMap((view) => view.incidents);
  const volumes = points.map((of) => of.map((point) => point[1] + point[2] + point[3]));
  replace(
    main,
    h(
      "section",
      { class: "panel", "aria-label": t("net-sentiment") },
      heading(2, t("net-sentiment"), t("net-sentiment-more")),
      timeChart({
        label: `${t("net-sentiment")}: ${views.map((view) => seriesName(view.series)).join(", ")}`,
        slots, length, top: Math.min(1, highest), bottom: -Math.min(1, highest), height: 230,
        yFormat: (value) => `${value > 0 ? "+" : ""}${number(100 * value)}`,
        xFormat,
        layers: (x, y, box) => [
          ...views.flatMap((view) => view.incidents.filter((incident) => Date.parse(incident.opened_at) >= slots[0]).map((incident) => marker(x, box, incident))),
          ...nets.map((values, index) => line({ slots, length, values, x, y, name: `trend compare-${index}` })),
        ],
        describe: (index) => [when(index), ...views.map((view, which) => `${one ? t("net-sentiment") : plain(seriesName(view.series))}: ${nets[which][index] === null ? "–" : `${nets[which][index] > 0 ? "+" : ""}${number(100 * nets[which][index])}`}`), ...opened(incidents, slots[index], length)],
      }),
      h("p", { class: "legend faint" }, views.map((view, index) => h("span", { class: `compare-${index}` }, h("i", { class: "swatch-trend", "aria-hidden": "true" }), foreign(seriesName(view.series)))), h("span", {}, h("i", { class: "swatch-fire", "aria-hidden": "true" }), t("incidents"))),
    ),
    views.map((view, which) =>
      h(
        "section",
        { class: "panel", "aria-label": t("volume") },
        heading(2, one ? t("volume") : seriesTitle(view.series), which ? null : t("volume-more")),
        timeChart({
          label: `${t("volume")}: ${seriesName(view.series)}`,
          slots, length, top: Math.max(2, ...volumes[which]), height: one ? 180 : 130, yTicks: 3,
          yFormat: (value) => number(value),
          xFormat,
          layers: (x, y) => [columns({ slots, length, parts: points[which].map((point) => [point[1], point[2], point[3]]), classes: ["fill-negative", "fill-neutral", "fill-positive"], x, y })],
          describe: (index) => [when(index), ...[["negative", 1], ["neutral", 2], ["positive", 3]].map(([name, at]) => `${t(name)}: ${points[which][index][at]}`)],
        }),
        which === 0 && legend([["fill-negative", t("negative")], ["fill-neutral", t("neutral")], ["fill-positive", t("positive")]]),
      ),
    ),
    range ? h("div", { class: "columns story-columns" }, storyList(views[0].series, range), incidentList(incidents)) : incidentList(incidents),
  );
}

function opened(incidents, start, length) {
  return incidents.filter((incident) => Date.parse(incident.opened_at) >= start && Date.parse(incident.opened_at) < start + length).map((incident) => `◆ ${t(`tier-${incident.tier}`)}`);
}

function marker(x, box, incident) {
  const at = x(Date.parse(incident.opened_at));
  const link = s("a", { href: incidentLink(incident.incident), class: `firing tier-${incident.tier}`, "aria-label": `${t(`tier-${incident.tier}`)} ${moment(incident.opened_at)}` });
  link.append(s("line", { x1: at, x2: at, y1: box.top - 2, y2: box.bottom }), s("path", { d: `M${at} ${box.top - 12}l6 6-6 6-6-6z` }));
  return link;
}

function incidentList(incidents) {
  const now = live.now?.at ?? new Date().toISOString();
  return h("section", { class: "panel", "aria-label": t("incidents") }, heading(2, t("incidents"), incidents.length ? t("row-legend") : null), incidents.length ? folded(incidents.map((incident) => incidentRow(incident, now)), 8, "rows") : h("p", { class: "faint" }, t("incidents-none")));
}

function storyList(series, range) {
  const list = h("div", {}, waiting());
  const only = h("input", { type: "checkbox", id: "only-negative" });
  let found = null;
  const show = () => {
    if (!found) return;
    const stories = found.stories.filter((story) => !only.checked || story.sentiment?.label === "negative");
    replace(list, stories.length ? folded(stories.map((story) => documentItem(story)), 12, "documents") : h("p", { class: "faint" }, t("stories-none")), !found.whole && h("p", { class: "faint small" }, t("stories-read", { n: number(found.read) })));
  };
  const load = async () => {
    try {
      found = await get(`/v1/stories/${encodeURIComponent(series)}`, range);
      show();
    } catch (error) {
      replace(list, failure(error, load));
    }
  };
  only.addEventListener("change", show);
  load();
  return h("section", { class: "panel", "aria-label": t("novel-stories") }, heading(2, t("novel-stories"), t("novel-stories-more"), h("label", { class: "check" }, only, t("only-negative"))), list);
}
