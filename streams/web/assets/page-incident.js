// One incident: why it rang, what it rests on, what to do about it.

import { get, post } from "./api.js";
import { band, columns, gauge, line, timeChart } from "./charts.js";
import { append, foreign, h, plain, replace, s } from "./dom.js";
import { ago, clock, day, expected, expectedShort, fullMoment, hours, howOften, incidentLink, moment, number, percent, seriesName } from "./format.js";
import { listen, live } from "./live.js";
import { documentItem, failure, heading, incidentRow, legend, seriesTitle, shareLine, tierBadge, tierSign, waiting } from "./parts.js";
import { t } from "./words.js";

const HOUR = 3600e3;

export function incidentPage(content, id, _query, state) {
  let current = null;
  state.thanked = null;
  replace(content, waiting());
  const load = async () => {
    try {
      const view = await get(`/v1/incidents/${encodeURIComponent(id)}`);
      const mark = JSON.stringify([view.events.length, view.handling, view.muted_until, view.points.length]);
      if (mark === current) return;
      current = mark;
      draw(content, view, state, load);
    } catch (error) {
      if (!current) replace(content, failure(error, load));
    }
  };
  load();
  let known = null;
  return listen((event) => {
    if (event !== "now") return;
    const mark = JSON.stringify(live.now.incidents.find((incident) => incident.incident === id) ?? live.now.closed.find((incident) => incident.incident === id) ?? null);
    if (known !== null && mark !== known) load();
    known = mark;
  });
}

function draw(content, view, state, reload) {
  const latest = view.events.at(-1);
  const told = view.events.findLast((event) => event.event !== "close") ?? latest;
  const now = live.now?.at ?? latest.at;
  replace(
    content,
    head(view, latest, state, reload),
    h(
      "div",
      { class: "columns incident-columns" },
      h("div", {}, why(latest, view.continued), chart(view, latest), evidence(latest)),
      h("div", {}, terms(latest), judgement(view, latest, state, reload), history(view, told), related(view, now), technical(latest)),
    ),
  );
}

function head(view, latest, state, reload) {
  const closed = latest.event === "close";
  const { acknowledged, assignee } = view.handling;
  const act = actions(view, latest, state, reload);
  return h(
    "section",
    { class: `incident-top tier-${closed ? "closed" : latest.tier}` },
    h("div", { class: "incident-top-line" }, tierBadge(latest.tier, { closed }), h("span", { class: "faint" }, t(`kind-${latest.kind}`), ": ", t(`kind-${latest.kind}-more`))),
    h("h1", {}, seriesTitle(latest.series, { link: true })),
    h(
      "p",
      { class: "faint" },
      t("opened"), " ", h("time", { datetime: latest.opened_at }, fullMoment(latest.opened_at)), latest.event !== "open" && " · ",
      latest.continued_by ? h("a", { href: `#/incident/${encodeURIComponent(latest.continued_by)}` }, t("event-continued")) : latest.event !== "open" && [t(`event-${latest.event}`), " ", h("time", { datetime: latest.at }, moment(latest.at))],
      acknowledged && [" · ✓ ", t("acknowledged", { who: plain(acknowledged.by), ago: ago(acknowledged.at, new Date()) })],
      assignee && [" · ", t("assigned-to", { who: plain(assignee) })],
      view.muted_until && [" · ", t("muted-until", { at: moment(view.muted_until) })],
    ),
    act,
  );
}

/** Who acts: the name that came with the password, or the one kept in this browser, asked for once. */
async function whoActs(state, place) {
  if (state.names.user) return state.names.user;
  const kept = localStorage.getItem("tocsin.name");
  if (kept) return kept;
  return new Promise((resolve) => {
    const field = h("input", { name: "by", maxlength: 200, required: true, autocomplete: "name", "aria-label": t("your-name"), placeholder: t("your-name") });
    const form = h("form", { class: "inline-form" }, h("p", { class: "faint" }, t("name-needed")), field, h("button", { type: "submit", class: "primary" }, t("send")));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!field.value.trim()) return;
      localStorage.setItem("tocsin.name", field.value.trim());
      replace(place);
      resolve(field.value.trim());
    });
    replace(place, form);
    field.focus();
  });
}

function actions(view, latest, state, reload) {
  const place = h("div", { class: "action-place" });
  const send = async (said) => {
    const by = await whoActs(state, place);
    try {
      await post("/v1/feedback", { incident: view.incident, by, ...said });
      replace(place);
      await reload();
    } catch (error) {
      replace(place, failure(error));
    }
  };
  const assign = () => {
    const field = h("input", { maxlength: 200, "aria-label": t("assign-to"), placeholder: t("assign-to"), value: view.handling.assignee || localStorage.getItem("tocsin.name") || "" });
    const form = h("form", { class: "inline-form" }, field, h("button", { type: "submit", class: "primary" }, t("assign")), h("button", { type: "button", onclick: () => replace(place) }, t("cancel")));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send({ kind: "assign", assignee: field.value.trim() });
    });
    replace(place, form);
    field.focus();
  };
  const mute = () => {
    const until = (hoursFrom) => new Date(Date.now() + hoursFrom * HOUR).toISOString();
    const choices = [[t("for-hours", { n: 1 }), 1], [t("for-hours", { n: 8 }), 8], [t("for-days", { n: 1 }), 24], [t("for-days", { n: 7 }), 168]];
    replace(
      place,
      h("div", { class: "inline-form", role: "group", "aria-label": t("mute") }, h("span", { class: "faint" }, t("mute-for", { name: plain(seriesName(latest.series)) })), choices.map(([name, length]) => h("button", { type: "button", onclick: () => send({ kind: "mute", until: until(length) }) }, name)), h("button", { type: "button", class: "quiet", onclick: () => replace(place) }, t("cancel"))),
    );
    place.querySelector("button").focus();
  };
  const share = h("button", { type: "button" }, t("share"));
  share.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(location.href);
      share.textContent = t("copied");
    } catch {
      replace(place, h("input", { class: "link-field", readonly: true, value: location.href, "aria-label": t("share") }));
      place.firstChild.select();
    }
  });
  return [
    h(
      "div",
      { class: "actions" },
      h("button", { type: "button", class: view.handling.acknowledged ? "" : "primary", disabled: Boolean(view.handling.acknowledged), onclick: () => send({ kind: "acknowledge" }) }, t("acknowledge")),
      h("button", { type: "button", onclick: assign }, t("assign")),
      view.muted_until ? h("button", { type: "button", onclick: () => send({ kind: "unmute" }) }, t("unmute")) : h("button", { type: "button", onclick: mute }, t("mute")),
      share,
    ),
    place,
  ];
}

function why(alert, continued) {
  const window = hours(alert.window_hours);
  const { count, share } = alert;
  const sentences = [];
  if (alert.kind === "no-data") {
    sentences.push(alert.event === "close" ? t("why-heard", { window }) : t("why-silence", { window, expected: expected(count?.expected ?? 0), often: howOften(alert.chance_per_year) }));
  } else {
    if (count) sentences.push(t("why-count", { window, at: fullMoment(alert.window_end), n: expected(count.observed), expected: expected(count.expected), high: number(count.expected_high) }));
    if (alert.kind === "sentiment" && share?.total) sentences.push(t("why-share", { share: percent(share.observed, share.total), total: share.total, usual: percent(share.expected, share.total) }));
    else if (alert.kind === "volume") sentences.push(share?.total ? t("why-no-share", { share: percent(share.observed, share.total), total: share.total }) : t("why-share-untested"));
    sentences.push(t("why-chance", { often: howOften(alert.chance_per_year) }));
    if (alert.coordinated) sentences.push(t("why-coordinated"));
  }
  const silent = alert.kind === "no-data" ? t("silent-if-data") : alert.silent_below ? t("silent-if-count", { n: number(alert.silent_below, 1) }) : null;
  return h(
    "section",
    { class: "panel why", "aria-label": t("why") },
    h("h2", {}, t("why")),
    continued && h("p", { class: "continued" }, t(continued.series === alert.series ? "continued-sentiment" : "continued-company"), " ", h("a", { href: incidentLink(continued.incident) }, tierSign(continued.tier), " ", foreign(seriesName(continued.series)))),
    sentences.map((sentence) => h("p", { class: "reason" }, sentence)),
    alert.kind !== "no-data" && h("div", { class: "measures" }, measure(t("stories-window"), count, alert.tier), share?.total > 0 && measure(t("share-window"), share, alert.tier, true)),
    alert.kind !== "no-data" && h("p", { class: "faint small counted-by" }, t("counted-by")),
    silent && h("div", { class: "silent-if" }, h("h3", {}, t("silent-if")), h("p", {}, silent)),
  );
}

function measure(name, given, tier, share = false) {
  if (!given) return null;
  const seen = share ? `${percent(given.observed, given.total)}` : expected(given.observed);
  const usual = share ? percent(given.expected, given.total) : expected(given.expected);
  const range = share ? [percent(given.expected_low, given.total), percent(given.expected_high, given.total)] : [number(given.expected_low), number(given.expected_high)];
  return h(
    "div",
    { class: "measure" },
    h("p", { class: "measure-name faint" }, name),
    h("p", { class: "measure-value" }, h("strong", {}, seen), share && h("span", { class: "faint" }, t("of-total", { n: expected(given.observed), total: given.total })), h("span", { class: "faint" }, t("usual", { expected: usual }))),
    gauge({ seen: given.observed, low: given.expected_low, high: given.expected_high, expected: given.expected, top: share ? given.total : 0, tier, label: `${name}: ${seen}, ${t("usual-range", { low: range[0], high: range[1] })}` }),
    h("p", { class: "faint small" }, t("usual-range", { low: range[0], high: range[1] })),
  );
}

function chart(view, latest) {
  if (view.points.length < 2) return null;
  const slots = view.points.map((point) => Date.parse(point[0]));
  const seen = view.points.map((point) => point[4]);
  const usual = view.points.map((point) => point[5]);
  const low = view.points.map((point) => point[6]);
  const high = view.points.map((point) => point[7]);
  const top = Math.max(2, ...seen, ...high) * 1.12;
  const told = view.events.filter((event) => event.event === "open" || event.event === "escalate");
  const loudest = view.events.reduce((best, event) => (event.chance_per_year < best.chance_per_year ? event : best), latest);
  const windowEnd = Date.parse(loudest.window_end);
  const windowStart = windowEnd - loudest.window_hours * HOUR;
  const silence = latest.kind === "no-data";
  const value = silence ? view.points.map((point) => point[1] + point[2] + point[3]) : seen;
  const highest = silence ? Math.max(2, ...value) * 1.12 : top;
  return h(
    "section",
    { class: "panel", "aria-label": t("over-time") },
    heading(2, t("over-time"), silence ? null : t("over-time-more")),
    timeChart({
      label: `${t("over-time")}: ${seriesName(latest.series)}`,
      slots,
      length: HOUR,
      top: highest,
      height: 240,
      yFormat: (tick) => number(tick, 1),
      xFormat: (at, step) => (step < 24 * HOUR && new Date(at).getUTCHours() ? clock(at) : day(at)),
      layers: (x, y, box) => [
        s("rect", { class: "window", x: x(Math.max(windowStart, slots[0])), y: box.top, width: Math.max(2, x(windowEnd) - x(Math.max(windowStart, slots[0]))), height: box.bottom - box.top }),
        !silence && band({ slots, length: HOUR, low, high, x, y, name: "band" }),
        !silence && line({ slots, length: HOUR, values: usual, x, y, name: "usual-line", steps: true }),
        columns({ slots, length: HOUR, parts: value.map((count) => [count]), classes: [silence ? "fill-neutral" : "fill-negative"], x, y }),
        ...apart(told, x).map((event) => firing(x(Date.parse(event.at)), box, event)),
      ],
      describe: (index) => [
        moment(slots[index]),
        `${t("observed")}: ${number(value[index], 1)}`,
        silence ? "" : `${t("expected")}: ${expected(usual[index])} (${number(low[index])} – ${number(high[index])})`,
        ...told.filter((event) => Date.parse(event.at) >= slots[index] && Date.parse(event.at) < slots[index] + HOUR).map((event) => `◆ ${t(`tier-${event.tier}`)} ${t(`event-${event.event}`)} ${clock(event.at)}`),
      ],
    }),
    legend([[silence ? "fill-neutral" : "fill-negative", t("observed")], !silence && ["swatch-band", t("expected-band")], ["swatch-window", t("window-shaded")], ["swatch-fire", t("rang-here")]].filter(Boolean)),
    table(view, silence),
  );
}

/** Of events that would be drawn over each other, the first. */
function apart(events, x) {
  let last = -Infinity;
  return events.filter((event) => {
    const at = x(Date.parse(event.at));
    if (at - last < 12) return false;
    last = at;
    return true;
  });
}

function firing(x, box, event) {
  return s("g", { class: `firing tier-${event.tier}` }, s("line", { x1: x, x2: x, y1: box.top - 4, y2: box.bottom }), s("path", { d: `M${x} ${box.top - 12}l6 6-6 6-6-6z` }));
}

function table(view, silence) {
  const details = h("details", {}, h("summary", { class: "faint" }, t("as-table")));
  details.addEventListener("toggle", () => {
    if (!details.open || details.children.length > 1) return;
    append(details, [
      h(
        "div",
        { class: "scroll tall", tabindex: 0, role: "region", "aria-label": t("as-table") },
        h(
          "table",
          { class: "plain" },
          h("thead", {}, h("tr", {}, [t("time"), t("observed"), t("expected"), t("expected-band")].map((name) => h("th", { scope: "col" }, name)))),
          h("tbody", {}, view.points.map((point) => h("tr", {}, h("td", {}, moment(point[0])), h("td", {}, number(silence ? point[1] + point[2] + point[3] : point[4], 1)), h("td", {}, expected(point[5])), h("td", {}, `${number(point[6])} – ${number(point[7])}`)))),
        ),
      ),
    ]);
  });
  return details;
}

function evidence(alert) {
  const items = alert.evidence.map((document) => documentItem(document));
  const about = h("p", { class: "faint small", role: "status" });
  if (items.length) carried(alert, items, about);
  return h(
    "section",
    { class: "panel", "aria-label": t("evidence") },
    heading(2, t("evidence"), items.length ? t("evidence-more") : null),
    items.length ? [h("ol", { class: "documents" }, items), about] : h("p", { class: "faint" }, t("evidence-none")),
  );
}

/** Underline in `items` what carried their labels, once the model has said so; `about` tells what that means. */
async function carried(alert, items, about) {
  let found;
  try {
    found = await get(`/v1/alerts/${encodeURIComponent(alert.id)}/words`);
  } catch (error) {
    replace(about, t("failed", { why: error.message }));
    return;
  }
  const label = t(found.label);
  found.documents.forEach((document, place) => {
    if (!document.pieces.length) return;
    const read = h("p", { class: `document-read ${found.label}`, dir: "auto" }, document.pieces.map(([text, level]) => (level ? h("span", { class: `carried ${level < 0 ? "against" : "for"}-${Math.abs(level)}` }, plain(text)) : plain(text))));
    items[place].querySelector(".document-title").replaceWith(read);
    items[place].querySelector(".document-text")?.remove();
    if (document.leading.length) read.after(h("p", { class: "visually-hidden" }, t("words-carried", { label, words: plain(document.leading.join(", ")) })));
  });
  const refused = new Set(found.documents.map((document) => document.refused));
  replace(
    about,
    refused.has("") && t("words-about", { label, model: plain(`${found.model.name} ${found.model.version} (${found.model.hash.slice(0, 12)})`) }),
    refused.has("other-model") && t("words-other-model"),
    refused.has("text-cut") && [" ", t("words-text-cut")],
  );
}

function terms(alert) {
  if (!alert.terms.length) return null;
  const most = Math.max(...alert.terms.map((term) => term.count));
  return h(
    "section",
    { class: "panel", "aria-label": t("leading-terms") },
    h("h2", {}, t("leading-terms")),
    h("ul", { class: "terms" }, alert.terms.map((term) => h("li", {}, foreign(term.term), h("span", { class: "bar-cell", style: { "--share": term.count / most } }), h("span", { class: "faint" }, `×${term.count}`)))),
  );
}

function judgement(view, latest, state, reload) {
  const thanks = () => h("p", { class: "thanks", role: "status" }, t("feedback-thanks"));
  const place = h("div", { class: "action-place" }, state.thanked === view.incident && thanks()); // drawn anew once it is read back
  const note = h("input", { maxlength: 2000, "aria-label": t("note"), placeholder: t("note") });
  const send = async (kind) => {
    const by = await whoActs(state, place);
    try {
      await post("/v1/feedback", { incident: view.incident, kind, by, note: note.value.trim() });
      state.thanked = view.incident;
      await reload();
      replace(document.querySelector(".feedback .action-place") ?? place, thanks());
    } catch (error) {
      replace(place, failure(error));
    }
  };
  const kinds = ["useful", "false-alarm", "wrong-label", "wrong-company"];
  return h(
    "section",
    { class: "panel feedback", "aria-label": t("feedback") },
    h("h2", {}, t("feedback")),
    h("div", { class: "choices" }, kinds.map((kind) => h("button", { type: "button", onclick: () => send(kind) }, t(kind)))),
    note,
    place,
    view.handling.judgements.length > 0 &&
      h("ul", { class: "judgements faint" }, view.handling.judgements.map((said) => h("li", {}, foreign(t("judged", { who: said.by, what: t(said.kind) })), said.note && [" – ", foreign(said.note)]))),
  );
}

function history(view) {
  return h(
    "section",
    { class: "panel", "aria-label": t("history-of") },
    h("h2", {}, t("history-of")),
    h(
      "ol",
      { class: "timeline" },
      view.events.map((event) =>
        h(
          "li",
          { class: `tier-${event.event === "close" ? "closed" : event.tier}` },
          tierSign(event.tier),
          h("div", {}, h("p", {}, h("strong", {}, event.continued_by ? t("event-continued") : t(`event-${event.event}`)), " ", h("span", { class: "faint" }, t(`tier-${event.tier}`))), h("p", { class: "faint" }, moment(event.at), event.count && event.kind !== "no-data" ? ` · ${expected(event.count.observed)} / ${expectedShort(event.count.expected)} · ${hours(event.window_hours)}` : "", shareLine(event) ? ` · ${shareLine(event)}` : "")),
        ),
      ),
    ),
  );
}

function related(view, now) {
  return h(
    "section",
    { class: "panel", "aria-label": t("related") },
    heading(2, t("related"), view.related.length ? t("row-legend") : null),
    view.related.length ? h("ul", { class: "rows" }, view.related.map((incident) => incidentRow(incident, now))) : h("p", { class: "faint" }, t("related-none")),
  );
}

function technical(alert) {
  return h(
    "details",
    { class: "technical faint" },
    h("summary", {}, t("technical")),
    h("p", {}, alert.incident),
    h("p", {}, `${alert.id} · ${alert.sequence}`),
    alert.versions.map((version) => h("p", {}, `${version.model} ${version.model_version} · ${version.model_hash} · ${version.dictionary_hash} · ${version.settings_hash}`)),
    h("p", {}, plain(alert.reason)),
  );
}
