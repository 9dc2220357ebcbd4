// The pushes of the server: the latest view of *Now*, and how the line is.

const listeners = new Set();

export const live = { now: null, line: "connecting", trouble: null };

let stream = null;

/** Listen for good; `listener(event)` with "now", "line" or "alarm" and, for an alarm, the incident. Returns what ends it. */
export function listen(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell(event, data) {
  for (const listener of [...listeners]) listener(event, data);
}

function setLine(line, trouble = null) {
  if (live.line === line && live.trouble === trouble) return;
  live.line = line;
  live.trouble = trouble;
  tell("line");
}

/** Connect, and again whenever the line breaks. */
export function connect() {
  stream = new EventSource("/v1/stream");
  stream.addEventListener("now", (event) => {
    const before = live.now;
    live.now = JSON.parse(event.data);
    setLine("open");
    tell("now");
    if (before) for (const incident of rung(before, live.now)) tell("alarm", incident);
  });
  stream.addEventListener("trouble", (event) => setLine("trouble", JSON.parse(event.data).why));
  stream.addEventListener("error", () => {
    setLine("broken");
    if (stream.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
  });
}

/** The incidents that opened or got louder from one view to the next. */
function rung(before, now) {
  const known = new Map(before.incidents.map((incident) => [incident.incident, incident]));
  return now.incidents.filter((incident) => {
    const earlier = known.get(incident.incident);
    return !incident.muted_until && (!earlier || (incident.sequence > earlier.sequence && incident.event === "escalate"));
  });
}
