// Numbers, times and names as people read them.

import { languageNow, locale, t, knows } from "./words.js";

const formats = new Map();

function dates(options) {
  const key = locale() + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat(locale(), { timeZone: "UTC", ...options }));
  return formats.get(key);
}

export const number = (value, digits = 0) =>
  new Intl.NumberFormat(locale(), { maximumFractionDigits: digits }).format(value);

export const percent = (part, whole) => (whole ? `${number((100 * part) / whole)}${languageNow() === "zh" ? "%" : " %"}` : "–");

/** A count of stories, each by its probability, or an expected one: whole from 10 on, one digit below. */
export function expected(value) {
  if (value >= 10 || Number.isInteger(value)) return number(value);
  return value >= 0.05 ? number(value, 1) : t("almost-none");
}

/** The same, as short as it goes. */
export const expectedShort = (value) => (value >= 0.05 || value === 0 ? expected(value) : `<${number(0.1, 1)}`);

export const clock = (at) => dates({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(new Date(at));
export const day = (at) => dates({ day: "numeric", month: "short" }).format(new Date(at));
export const dayOfWeek = (at) => dates({ weekday: "short", day: "numeric", month: "short" }).format(new Date(at));
export const moment = (at) =>
  dates({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(new Date(at)) + " UTC";
export const fullMoment = (at) =>
  dates({ weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(new Date(at)) + " UTC";

/** How long before `now` `at` was, in one unit. */
export function ago(at, now) {
  const seconds = Math.max(0, (new Date(now) - new Date(at)) / 1000);
  if (seconds < 90) return t("just-now");
  if (seconds < 5400) return t("minutes-ago", { n: Math.round(seconds / 60) });
  if (seconds < 129600) return t("hours-ago", { n: Math.round(seconds / 3600) });
  return t("days-ago", { n: Math.round(seconds / 86400) });
}

export function hours(value) {
  if (value >= 48 && value % 24 === 0) return t("n-days", { n: value / 24 });
  const rounded = Math.round(value * 10) / 10;
  return t("n-hours", { n: number(rounded, 1), one: rounded });
}

function twoDigits(value) {
  const power = 10 ** (Math.floor(Math.log10(value)) - 1);
  return number(Math.round(value / power) * power);
}

/** How often chance alone rings so loudly. */
export function howOften(perYear) {
  if (perYear >= 1.5) return t("times-a-year", { n: twoDigits(perYear) });
  if (perYear > 0.75) return t("once-a-year");
  if (perYear <= 1e-6) return t("once-in-a-million");
  const years = 1 / perYear;
  return t("once-in-years", { n: years >= 2 ? twoDigits(years) : number(years, 1) });
}

export const topicName = (topic) => (knows(`topic-${topic}`) ? t(`topic-${topic}`) : topic);
export const sectorName = (sector) => (knows(`sector-${sector}`) ? t(`sector-${sector}`) : sector);

let companies = {};

/** The names of companies, from the server. */
export function setCompanies(given) {
  companies = given;
}

export function companyName(id) {
  const company = companies[id];
  if (!company) return id;
  return (languageNow() === "zh" && company.zh) || company.name;
}

export const isCompany = (id) => id in companies;

/** What people call a series. */
export function seriesName(series) {
  const kind = series.slice(0, series.indexOf(":"));
  const name = series.slice(series.indexOf(":") + 1);
  if (kind === "company") return companyName(name);
  if (kind === "company-topic") {
    const [company, topic] = name.split("/");
    return `${companyName(company)} · ${topicName(topic)}`;
  }
  if (kind === "topic") return topicName(name);
  if (kind === "sector") return sectorName(name);
  if (kind === "market") return t("whole-market");
  return name;
}

export const seriesKind = (series) => series.slice(0, series.indexOf(":"));
export const seriesLink = (series) => `#/series/${encodeURIComponent(series)}`;
export const incidentLink = (incident) => `#/incident/${encodeURIComponent(incident)}`;
