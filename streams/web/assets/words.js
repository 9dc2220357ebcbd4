// The words of the page, in the language that is chosen.

import { words as en } from "./words-en.js";
import { words as zh } from "./words-zh.js";

const LANGUAGES = { en, zh };

function first() {
  const kept = localStorage.getItem("tocsin.language");
  if (kept in LANGUAGES) return kept;
  return (navigator.language ?? "").toLowerCase().startsWith("zh") ? "zh" : "en";
}

let language = first();
document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";

export const languageNow = () => language;
export const locale = () => (language === "zh" ? "zh-CN" : "en-GB");

/** Choose a language for good. */
export function choose(name) {
  language = name;
  localStorage.setItem("tocsin.language", name);
  document.documentElement.lang = name === "zh" ? "zh-Hans" : "en";
}

/** The words called `key`, with `{name}` filled in; `{n|story|stories}` chooses by the number `n`. */
export function t(key, given = {}) {
  const text = LANGUAGES[language][key] ?? en[key] ?? key;
  return text.replace(/\{(\w+)(?:\|([^|}]*)\|([^}]*))?\}/g, (_, name, one, many) => {
    if (one === undefined) return given[name] ?? "";
    return Number(given[name]) === 1 ? one : many;
  });
}

/** Whether there are words called `key`. */
export const knows = (key) => key in en;
