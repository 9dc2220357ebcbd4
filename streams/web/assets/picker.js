// A field that completes the name of a series, in the words of the page.

import { h, plain } from "./dom.js";
import { seriesKind, seriesName } from "./format.js";
import { t } from "./words.js";

let made = 0;

/** A form that calls `choose(series)` with one of `series`. */
export function seriesPicker(series, choose, label = t("add-series")) {
  const id = `series-${(made += 1)}`;
  const byText = new Map();
  const options = series.map((one) => {
    const kind = seriesKind(one);
    const code = kind.startsWith("company") ? one.split(":")[1].split("/")[0] : t(kind === "market" ? "market" : kind);
    const text = plain(`${seriesName(one)} (${code})`);
    byText.set(text.toLowerCase(), one);
    return h("option", { value: text });
  });
  const field = h("input", { list: id, "aria-label": t("choose-series"), placeholder: t("choose-series"), autocomplete: "off", class: "picker-field" });
  const form = h("form", { class: "picker" }, field, h("datalist", { id }, options), h("button", { type: "submit" }, label));
  const take = () => {
    const text = field.value.trim().toLowerCase();
    const found = byText.get(text) ?? series.find((one) => one.split(":")[1].toLowerCase() === text) ?? series.find((one) => seriesName(one).toLowerCase().startsWith(text));
    if (text && found) {
      field.value = "";
      choose(found);
    } else field.setAttribute("aria-invalid", "true");
  };
  field.addEventListener("input", () => {
    field.removeAttribute("aria-invalid");
    if (byText.has(field.value.trim().toLowerCase())) take();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    take();
  });
  return form;
}
