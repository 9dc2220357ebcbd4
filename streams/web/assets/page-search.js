// Search: documents by words and labels, and what was found as a file.

import { get, search } from "./api.js";
import { h, replace } from "./dom.js";
import { companyName, number, topicName } from "./format.js";
import { documentItem, failure, heading, waiting } from "./parts.js";
import { t } from "./words.js";

const FIELDS = ["words", "company", "source", "sentiment", "topic", "status", "since", "until"];

export function searchPage(content, _path, query, state) {
  const asked = Object.fromEntries(FIELDS.map((name) => [name, query.get(name) ?? ""]));
  const results = h("section", { class: "panel", "aria-label": t("search") });
  const companies = Object.keys(state.names.companies).sort((a, b) => companyName(a).localeCompare(companyName(b)));
  const select = (name, label, options) =>
    h("label", {}, h("span", {}, label), h("select", { name }, h("option", { value: "" }, t("any")), options.map(([value, text]) => h("option", { value, selected: asked[name] === value }, text))));
  const form = h(
    "form",
    { class: "filters", role: "search" },
    h("label", { class: "wide" }, h("span", {}, t("search-words")), h("input", { name: "words", type: "search", maxlength: 400, value: asked.words, placeholder: t("search-hint") })),
    select("company", t("company"), companies.map((id) => [id, `${companyName(id)} (${id})`])),
    select("source", t("source"), state.names.sources.map((source) => [source, source])),
    select("sentiment", t("sentiment"), ["negative", "neutral", "positive"].map((label) => [label, t(label)])),
    select("topic", t("topic"), state.names.topics.map((topic) => [topic, topicName(topic)])),
    select("status", t("status-field"), [["labelled", t("labelled")], ["unlabelled", t("unlabelled")]]),
    h("label", {}, h("span", {}, t("from")), h("input", { type: "date", name: "since", value: asked.since.slice(0, 10) })),
    h("label", {}, h("span", {}, t("to")), h("input", { type: "date", name: "until", value: asked.until.slice(0, 10) })),
    h("div", { class: "filter-actions" }, h("button", { type: "submit", class: "primary" }, t("find")), h("a", { class: "button", href: `/v1/documents.csv${search(asked)}`, download: "tocsin-documents.csv" }, t("export"))),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = Object.fromEntries(new FormData(form));
    for (const name of ["since", "until"]) if (given[name]) given[name] += "T00:00:00Z";
    const next = `#/search${search(given)}`;
    if (location.hash === next) find();
    else location.hash = next;
  });
  const find = async (cursor = null, before = []) => {
    if (!cursor) replace(results, waiting());
    try {
      const answer = await get("/v1/documents", { ...asked, limit: 50, cursor });
      const documents = [...before, ...answer.documents];
      const more = answer.next && h("button", { type: "button", onclick: () => find(answer.next, documents) }, t("more"));
      replace(
        results,
        documents.length
          ? [h("p", { class: "faint", role: "status" }, t("found", { n: number(documents.length) })), h("ol", { class: "documents" }, documents.map((document) => documentItem(document))), more]
          : h("p", { class: "empty faint", role: "status" }, t("found-none")),
      );
    } catch (error) {
      replace(results, failure(error, () => find(cursor, before)));
    }
  };
  replace(content, h("section", { class: "page-head" }, heading(1, t("search")), form), results);
  form.elements.words.focus({ preventScroll: true });
  find();
  return null;
}
