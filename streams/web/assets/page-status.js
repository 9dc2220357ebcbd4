// Status: how much there is, how fresh, what was refused, how the services are.

import { get } from "./api.js";
import { foreign, h, plain, replace } from "./dom.js";
import { ago, fullMoment, number } from "./format.js";
import { failure, heading, waiting } from "./parts.js";
import { t } from "./words.js";

const EVERY_MS = 10_000;

export function statusPage(content) {
  const main = h("div", {}, waiting());
  replace(content, h("section", { class: "page-head" }, heading(1, t("status"))), main);
  let shown = false;
  const load = async () => {
    try {
      replace(main, draw(await get("/v1/status")));
      shown = true;
    } catch (error) {
      if (!shown) replace(main, failure(error, load));
    }
  };
  load();
  const timer = setInterval(load, EVERY_MS);
  return () => clearInterval(timer);
}

function draw(status) {
  const { counts } = status;
  const sentiments = Object.entries(counts.sentiments).map(([label, count]) => `${number(count)} ${t(label)}`);
  const figure = (name, value, more) => h("div", { class: "figure" }, h("p", { class: "figure-name" }, name), h("p", { class: "figure-value" }, value), more && h("p", { class: "faint" }, more));
  const refused = Object.entries(counts.dead_letters).sort(([, one], [, other]) => other - one);
  return [
    h(
      "section",
      { class: "strip", "aria-label": t("documents") },
      figure(t("documents"), number(counts.documents), sentiments.join(" · ")),
      figure(t("unlabelled"), number(counts.unlabelled), `${number(counts.late)} ${t("late")}`),
      figure(t("incidents"), number(counts.incidents), `${number(counts.alerts)} ${t("alerts")}`),
      figure(t("points"), number(counts.points)),
      figure(t("freshness"), !status.latest ? "–" : status.live ? ago(status.latest, status.at) : t("of-history"), status.latest && fullMoment(status.latest)),
    ),
    h(
      "div",
      { class: "columns even" },
      h(
        "div",
        {},
        h("section", { class: "panel", "aria-label": t("services") }, h("h2", {}, t("services")), status.services ? services(status.services, status.live) : h("p", { class: "faint" }, t("services-none")), h("p", { class: "faint small" }, t("store"), ": ", plain(status.store))),
        h("section", { class: "panel", "aria-label": t("sources") }, h("h2", {}, t("sources")), table([t("source"), t("latest"), t("documents-24h")], status.sources.map((source) => [foreign(source.source), ago(source.latest, status.at), number(source.documents)]))),
      ),
      h(
        "section",
        { class: "panel", "aria-label": t("refused") },
        h("h2", {}, t("refused")),
        refused.length ? table([t("reason"), t("count")], refused.map(([reason, count]) => [foreign(reason), number(count)])) : h("p", { class: "faint" }, t("refused-none")),
      ),
    ),
  ];
}

function services(found, live) {
  const state = (name, one) => (one.unknown && name === "clock" && !live ? h("span", { class: "faint" }, t("clock-history", { why: plain(one.unknown) })) : one.unknown ? h("span", { class: "bad" }, t("away", { why: plain(one.unknown) })) : one.ready ? h("span", { class: "good" }, "✓ ", t("ready")) : h("span", { class: "bad" }, t("waits", { what: plain(one.waiting_for ?? "") })));
  const behind = (Array.isArray(found.lag) ? found.lag : []).filter((one) => one.lag);
  return [
    table([t("service"), t("status")], Object.entries(found.services).map(([name, one]) => [name, state(name, one)])),
    h("h3", {}, t("lag")),
    behind.length ? table([t("service"), t("partition"), t("lag")], behind.map((one) => [one.service, `${plain(one.topic)}/${one.partition}`, number(one.lag ?? 0)])) : h("p", { class: "faint" }, found.lag?.unknown ? plain(found.lag.unknown) : t("lag-none")),
  ];
}

function table(names, rows) {
  return h("table", { class: "plain" }, h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((cell) => h("td", {}, cell))))));
}
