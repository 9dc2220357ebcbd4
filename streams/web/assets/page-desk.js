// Desk: a watch-list and a budget of false alarms, and what they would have rung.

import { get } from "./api.js";
import { deskKept, keepDesk } from "./desk-kept.js";
import { h, plain, replace } from "./dom.js";
import { number, seriesName } from "./format.js";
import { live } from "./live.js";
import { failure, folded, heading, incidentRow, seriesTitle, waiting } from "./parts.js";
import { seriesPicker } from "./picker.js";
import { t } from "./words.js";

const BUDGETS = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];

export function deskPage(content, _path, _query, state) {
  const kept = deskKept();
  let watched = kept?.series ?? state.names.series.filter((one) => one.startsWith("company:"));
  let budget = kept?.budget ?? 0.2;
  const list = h("section", { class: "panel", "aria-label": t("watch-list") });
  const preview = h("section", { class: "panel", "aria-label": t("desk-title") });
  replace(content, h("section", { class: "page-head" }, heading(1, t("desk-title"), t("desk-more"))), h("div", { class: "columns even" }, list, preview));
  let asked = 0;
  const ask = async () => {
    const mine = (asked += 1);
    replace(preview, waiting());
    try {
      const view = await get("/v1/desk", { series: watched, budget });
      if (mine === asked) replace(preview, drawPreview(view));
    } catch (error) {
      if (mine === asked) replace(preview, failure(error, ask));
    }
  };
  const change = (series) => {
    watched = [...new Set(series)].slice(0, 200);
    drawList();
    ask();
  };
  const drawList = () => {
    const slider = h("input", { type: "range", min: 0, max: BUDGETS.length - 1, step: 1, value: BUDGETS.indexOf(budget), id: "budget", "aria-valuetext": String(budget) });
    const shown = h("output", { for: "budget" }, number(budget, 2));
    slider.addEventListener("input", () => {
      budget = BUDGETS[Number(slider.value)];
      shown.textContent = number(budget, 2);
      slider.setAttribute("aria-valuetext", String(budget));
    });
    slider.addEventListener("change", ask);
    replace(
      list,
      h("h2", {}, t("watch-list"), " ", h("span", { class: "faint" }, watched.length)),
      seriesPicker(state.names.series.filter((one) => !watched.includes(one)), (one) => change([...watched, one]), t("add")),
      h("p", { class: "list-actions" }, h("button", { type: "button", onclick: () => change([...watched, ...state.names.series.filter((one) => one.startsWith("company:"))]) }, t("add-all-companies")), h("button", { type: "button", class: "quiet", onclick: () => change([]) }, t("clear"))),
      watched.length ? folded(watched.map((one) => h("li", {}, seriesTitle(one), h("button", { type: "button", class: "icon-button", "aria-label": t("remove", { name: plain(seriesName(one)) }), onclick: () => change(watched.filter((other) => other !== one)) }, "×"))), 12, "watched") : h("p", { class: "faint" }, t("watch-none")),
      h("div", { class: "budget" }, h("label", { for: "budget" }, t("budget")), slider, shown),
    );
  };
  const drawPreview = (view) => {
    const days = Object.entries(view.by_day);
    const most = Math.max(1, ...days.map(([, count]) => count));
    const inUse = deskKept() !== null;
    return [
      h("p", { class: "desk-answer" }, t("desk-would", { days: view.days, n: view.passed })),
      h("p", { class: "faint" }, t("desk-of", { n: view.passed, of: view.incidents }), " ", t("desk-noise", { n: number(view.noise, 1) }), " ", t("budget-more", { n: number(view.chance_per_year, view.chance_per_year < 1 ? 2 : 1) })),
      days.length > 0 && [h("h3", {}, t("by-day")), h("ul", { class: "by-day" }, days.map(([date, count]) => h("li", { title: `${date}: ${count}` }, h("span", { class: "bar-cell", style: { "--share": count / most } }), h("span", { class: "faint" }, `${date.slice(5)} · ${count}`))))],
      view.list.length > 0 && folded(view.list.map((incident) => incidentRow(incident, live.now?.at ?? new Date().toISOString())), 8, "rows"),
      h(
        "p",
        { class: "list-actions" },
        h("button", { type: "button", class: "primary", onclick: () => { keepDesk({ series: watched, budget }); replace(preview, drawPreview(view)); } }, t("desk-save")),
        inUse && h("button", { type: "button", onclick: () => { keepDesk(null); replace(preview, drawPreview(view)); } }, t("desk-clear")),
        inUse && h("span", { class: "thanks", role: "status" }, t("desk-saved")),
      ),
    ];
  };
  drawList();
  ask();
  return null;
}
