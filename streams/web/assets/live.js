// The pushes of the server: the latest view of *Now*, and how the line is.
//
// A browser keeps six connections to a server over HTTP/1.1, and a stream holds one for good. So of all tabs one listens
// and tells the others; when it is closed, the next one listens.

import { get } from "./api.js";

const listeners = new Set();
const channel = new BroadcastChannel("tocsin");

export const live = { now: null, line: "connecting", trouble: null };

let stream = null;

/** Whether this tab is the one that listens. */
export const listens = () => stream !== null;

/** Listen for good; `listener(event)` with "now", "line" or "alarm" and, for an alarm, the incident. Returns what ends it. */
export function listen(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell(event, data) {
  for (const listener of [...listeners]) listener(event, data);
}

/** Take what was heard, here or in another tab: `{line, trouble, now}`. */
function take({ line, trouble = null, now = null }) {
  const before = live.now;
  const changed = live.line !== line || live.trouble !== trouble;
  Object.assign(live, { line, trouble, now: now ?? before });
  if (changed) tell("line");
  if (!now) return;
  tell("now");
  if (before) for (const incident of rung(before, now)) tell("alarm", incident);
}

function heard(what) {
  take(what);
  channel.postMessage(what);
}

function open() {
  stream = new EventSource("/v1/stream");
  stream.addEventListener("now", (event) => heard({ line: "open", now: JSON.parse(event.data) }));
  stream.addEventListener("trouble", (event) => heard({ line: "trouble", trouble: JSON.parse(event.data).why }));
  stream.addEventListener("error", () => {
    heard({ line: "broken" });
    if (stream.readyState === EventSource.CLOSED) setTimeout(open, 3000);
  });
}

/** Connect for as long as the page lives: listen, or hear it from the tab that does. */
export function connect() {
  channel.addEventListener("message", (event) => take(event.data));
  addEventListener("pagehide", () => stream?.close()); // a page that is kept for "back" would hold the line
  addEventListener("pageshow", (event) => event.persisted && stream && open());
  if (!navigator.locks) {
    open(); // not over plain HTTP from another machine
    return;
  }
  navigator.locks.request("tocsin-stream", () => new Promise(open));
  get("/v1/now").then(
    (now) => live.now ?? take({ line: "open", now }),
    () => {}, // whoever listens tells what is the matter
  );
}

/** The incidents that opened or got louder from one view to the next. */
function rung(before, now) {
  const known = new Map(before.incidents.map((incident) => [incident.incident, incident]));
  return now.incidents.filter((incident) => {
    const earlier = known.get(incident.incident);
    return !incident.muted_until && (!earlier || (incident.sequence > earlier.sequence && incident.event === "escalate"));
  });
}
