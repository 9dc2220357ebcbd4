// The desk that this browser uses, if it does.

import { get } from "./api.js";

const KEY = "tocsin.desk";

/** `{series, budget}`, or null. */
export function deskKept() {
  try {
    return JSON.parse(localStorage.getItem(KEY));
  } catch {
    return null;
  }
}

export function keepDesk(desk) {
  if (desk) localStorage.setItem(KEY, JSON.stringify(desk));
  else localStorage.removeItem(KEY);
}

/** What of all that rings the desk hears, as the server judges it: `look(now)` asks when something rings anew, and `changed`
 * is called once it has answered. */
export function hearing(changed) {
  let asked = null;
  let heard = new Set();
  return {
    look(now) {
      const desk = deskKept();
      const mark = desk && JSON.stringify([desk.series, desk.budget, now.incidents.map((incident) => [incident.incident, incident.sequence])]);
      if (!desk || mark === asked) return;
      asked = mark;
      get("/v1/desk/passing", { series: desk.series, budget: desk.budget }).then(
        ({ incidents }) => {
          if (asked !== mark) return;
          heard = new Set(incidents);
          changed();
        },
        () => (asked = null), // asked again with the next push
      );
    },
    hears: (incident) => heard.has(incident.incident),
    get mark() {
      return [...heard];
    },
  };
}
