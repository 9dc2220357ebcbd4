// The frame around all pages: navigation, how the line is, what rings while one looks elsewhere.

import { get } from "./api.js";
import { h, s, plain, replace } from "./dom.js";
import { clock, incidentLink, moment, seriesName, setCompanies } from "./format.js";
import { connect, listen, listens, live } from "./live.js";
import { finding, tierBadge } from "./parts.js";
import { ring, soundWanted, toggleSound } from "./bell.js";
import { deskPage } from "./page-desk.js";
import { incidentPage } from "./page-incident.js";
import { nowPage } from "./page-now.js";
import { searchPage } from "./page-search.js";
import { seriesPage } from "./page-series.js";
import { statusPage } from "./page-status.js";
import { choose, languageNow, t } from "./words.js";

const PAGES = { now: nowPage, series: seriesPage, search: searchPage, desk: deskPage, status: statusPage, incident: incidentPage };
const KEYS = { 1: "now", 2: "series", 3: "search", 4: "desk", 5: "status" };

const NAMES_MS = 60_000;
const SOON_MS = 1500;
const state = { names: { known: 0, companies: {}, topics: [], sectors: [], sources: [], series: [], user: "" } };
let leave = null;

function themeNow() {
  return localStorage.getItem("tocsin.theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
}

function icon(path) {
  return s("svg", { viewBox: "0 0 20 20", "aria-hidden": "true", class: "icon" }, s("path", { d: path }));
}

const MOON = "M16.500 12.500A7 7 0 0 1 7.500 3.500a7 7 0 1 0 9 9z";
const BELL = "M10 2.500c-2.800 0-4.500 2-4.500 4.800v3L4 13h12l-1.500-2.700v-3c0-2.800-1.700-4.800-4.500-4.800zM8.500 14.500a1.500 1.500 0 0 0 3 0z";

function frame() {
  const lineState = h("span", { class: "line" }, h("i", { "aria-hidden": "true" }), h("span", { role: "status" }), h("span", { class: "line-at" }));
  const sound = h("button", { type: "button", class: "icon-button", title: t("sound"), "aria-label": t("sound"), "aria-pressed": String(soundWanted()) }, icon(BELL));
  sound.addEventListener("click", () => sound.setAttribute("aria-pressed", String(toggleSound())));
  const theme = h("button", { type: "button", class: "icon-button", title: t("theme"), "aria-label": t("theme") }, icon(MOON));
  theme.addEventListener("click", () => {
    const next = themeNow() === "dark" ? "light" : "dark";
    localStorage.setItem("tocsin.theme", next);
    setTheme(next);
  });
  const language = h("button", { type: "button", class: "text-button", "aria-label": t("language-label"), lang: languageNow() === "zh" ? "en" : "zh-Hans" }, t("language"));
  language.addEventListener("click", () => {
    choose(languageNow() === "zh" ? "en" : "zh");
    start();
  });
  const links = Object.values(KEYS).map((name, index) =>
    h("a", { href: `#/${name}`, "data-page": name, "aria-keyshortcuts": String(index + 1) }, t(name)),
  );
  const bar = h(
    "header",
    { class: "bar" },
    h("a", { class: "skip", href: "#content", onclick: (event) => { event.preventDefault(); document.getElementById("content").focus(); } }, t("skip")),
    h("a", { class: "brand", href: "#/now" }, h("img", { src: "/assets/icon.svg", alt: "", width: 22, height: 22 }), "Tocsin"),
    h("nav", { "aria-label": t("navigation") }, links),
    h("div", { class: "bar-end" }, lineState, sound, language, theme),
  );
  replace(
    document.body,
    h("div", { class: "top" }, bar, h("div", { class: "notice", id: "notice", role: "alert", hidden: true })),
    h("main", { id: "content", tabindex: -1 }),
    h("div", { class: "toasts", id: "toasts", role: "log", "aria-live": "polite" }),
  );
  showLine();
}

/** How the line and what is behind it are. Written only where it changed: whoever listens to the page hears it once. */
function showLine() {
  const now = live.now;
  const broken = live.line === "broken" || live.line === "trouble";
  const place = document.querySelector(".line");
  const [said, at = ""] = broken ? [t(live.line)] : now ? standing(now) : [t("connecting")];
  place.className = `line line-${broken ? "broken" : live.line}`;
  const [, state, moves] = place.children; // the moment moves on, and is not said each time
  if (state.textContent !== said) state.textContent = said;
  moves.textContent = at;
  const notice = document.getElementById("notice");
  const held = broken ? [] : heldUp(now?.held_up ?? []);
  const mark = JSON.stringify([languageNow(), live.line, live.trouble, held]);
  if (notice.dataset.said !== mark) {
    notice.dataset.said = mark;
    notice.hidden = !broken && !held.length;
    notice.classList.toggle("notice-held", !broken);
    if (broken) replace(notice, h("strong", {}, t(live.line)), " · ", t("last-known"), live.trouble && h("span", { class: "small" }, " ", plain(live.trouble)));
    else replace(notice, held.length > 0 && [h("strong", {}, t("held-up")), " ", held.join(" · ")]);
  }
  const open = now ? now.incidents.filter((incident) => !incident.muted_until && incident.tier !== "watch").length : 0;
  document.title = open ? `(${open}) Tocsin` : "Tocsin";
}

/** What holds up, in words: services with the same trouble together. */
function heldUp(all) {
  const alike = new Map();
  for (const { service, state, what } of all) {
    const key = JSON.stringify([state, what]);
    alike.set(key, { state, what, services: [...(alike.get(key)?.services ?? []), service] });
  }
  return [...alike.values()].map(({ state, what, services }) => t(`held-${state}`, { services: services.join(t("comma")), n: services.length, what: plain(what) }));
}

/** What the page shows and its moment: the present, history that is being replayed, or its end. */
function standing(now) {
  if (now.run && !now.latest) return [t("replay")]; // nothing was read yet
  if (now.live && !now.run) return [t("live"), `${clock(now.at)} UTC`];
  return [t(now.moving && !now.run?.ended ? "replay" : "history"), moment(now.at)];
}

function toast(incident) {
  const toasts = document.getElementById("toasts");
  const item = h(
    "div",
    { class: `toast tier-${incident.tier}` },
    h("a", { href: incidentLink(incident.incident), onclick: () => item.remove() }, tierBadge(incident.tier), " ", h("strong", {}, plain(seriesName(incident.series))), h("span", { class: "toast-text" }, finding(incident))),
    h("button", { type: "button", class: "icon-button", "aria-label": t("dismiss"), onclick: () => item.remove() }, "×"),
  );
  toasts.append(item);
  while (toasts.children.length > 3) toasts.firstChild.remove();
  setTimeout(() => item.remove(), 12000);
}

async function show() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [name = "now", ...rest] = path.split("/");
  const page = name || "now";
  leave?.();
  leave = null;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.page === page) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const content = document.getElementById("content");
  content.className = `page page-${page in PAGES ? page : "none"}`;
  window.scrollTo(0, 0);
  if (!(page in PAGES)) {
    replace(content, h("h1", {}, t("not-found")));
    return;
  }
  leave = PAGES[page](content, decodeURIComponent(rest.join("/")), new URLSearchParams(query), state) ?? null;
}

function start() {
  frame();
  show();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
  if (event.key in KEYS) location.hash = `#/${KEYS[event.key]}`;
  else if (event.key === "/") {
    event.preventDefault();
    location.hash = "#/search";
  } else if (event.key === "j" || event.key === "k") step(event.key === "j" ? 1 : -1);
});

/** The next or the previous incident of the page gets the focus. */
function step(by) {
  const links = [...document.querySelectorAll("main .cover, main .incident-row a")];
  if (!links.length) return;
  const at = links.indexOf(document.activeElement);
  const next = links[Math.max(0, Math.min(links.length - 1, at + by))];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

let line = live.line;
listen(async (event, incident) => {
  if (event === "alarm") {
    toast(incident);
    if (listens()) ring(incident.tier); // one tab is enough
    return;
  }
  showLine();
  const back = live.line === "open" && line !== "open";
  line = live.line;
  if (!back) return;
  if (!state.names.known && (await learnNames())) start();
  for (const again of document.querySelectorAll("main .failure button")) again.click();
});

/** What everything is called; series that were not there yet come with the next page. Whether the server told it. */
async function learnNames() {
  try {
    state.names = { known: Date.now(), ...(await get("/v1/names")) };
  } catch {
    return false;
  }
  setCompanies(state.names.companies);
  return true;
}

/** What `promise` comes to, nothing where that takes long: no page waits for it. */
function soon(promise) {
  return Promise.race([promise, new Promise((resolve) => setTimeout(resolve, SOON_MS))]);
}

setTheme(themeNow());
const named = learnNames();
if (!(await soon(named))) named.then((learnt) => learnt && start());
start();
window.addEventListener("hashchange", async () => {
  if (Date.now() - state.names.known > NAMES_MS) await soon(learnNames());
  show();
});
connect();
