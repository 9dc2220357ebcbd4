// The desk that this browser uses, if it does.

const KEY = "tocsin.desk";

/** `{series, chance_per_year}`, or null. */
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

/** Whether a desk lets an incident pass. */
export const passes = (desk, incident) =>
  incident.kind !== "no-data" && desk.series.includes(incident.series) && incident.chance_per_year <= desk.chance_per_year;
