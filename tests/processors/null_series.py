"""Series without any event, and how often they ring: what calibrates the chances that alarms tell.

A null series has `stories_a_year` novel stories: Poisson within the hours of the week (working hours 7 times as busy,
weekends a third), with a gamma liveliness for each day (relative variance `liveliness`), and a share of negatives that is
beta for each day (correlation `correlation`). Its law is known to the test, so this measures the allowance for
looking often, nothing else; what estimation adds is measured on whole detectors in `test_calibration`.

Measured with ``python tests/processors/null_series.py`` (seed 1, 7 % negative): incidents a year that tell a chance
of at most 12, 1 and 0.1 a year, with the upper 95 % bound of the rate in brackets.

    stories a year   years   count                                     share
               100    4000   0.029 (0.034)  0.029 (0.034)  0.013 (0.016)   0.029 (0.034)  0.029 (0.034)  0.009 (0.012)
               220    2500   0.24 (0.26)    0.11 (0.12)    0.016 (0.021)   0.24 (0.26)    0.21 (0.23)    0.047 (0.055)
             1,000     800   1.5 (1.5)      0.22 (0.25)    0.029 (0.041)   5.5 (5.7)      0.45 (0.49)    0.028 (0.039)
             5,000     800   2.4 (2.5)      0.34 (0.37)    0.064 (0.081)   7.8 (8.0)      0.42 (0.46)    0.054 (0.069)
            30,000     300   2.3 (2.5)      0.33 (0.39)    0.053 (0.081)   6.0 (6.2)      0.64 (0.72)    0.060 (0.089)
"""

import math
from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from processors.detection import DetectionSettings
from processors.seasons import Profile
from processors.surprise import HOURS_PER_YEAR, count_chance, share_chance

SETTINGS = DetectionSettings()
RUNGS = (12.0, 1.0, 0.1)
SHARE = 0.07
CORRELATION = 0.03
CASES = ((100.0, 1.0, 4000), (220.0, 1.0, 2500), (1000.0, 1.0, 800), (5000.0, 0.7, 800), (30000.0, 0.3, 300))


def week() -> Profile:
    """A week of office hours."""
    hours = np.arange(168)
    day, night = (hours % 24 >= 8) & (hours % 24 < 20), hours >= 120
    return Profile(np.where(day, 2.1, 0.3) * np.where(night, 0.35, 1.0))


@dataclass(frozen=True)
class Rings:
    """How many incidents reached each rung in `years`."""

    years: float
    at: dict[float, int]

    def upper(self, rung: float) -> float:
        """The upper 95 % bound of their yearly rate (one-sided, Poisson; Garwood 1936)."""
        from scipy.special import gammaincinv

        return float(gammaincinv(self.at[rung] + 1, 0.95)) / self.years


def rings(stories_a_year: float, liveliness: float, years: int, question: str, seed: int) -> Rings:
    """Asks one question (``count`` or ``share``) at every negative of a null series; incidents live as in the detector."""
    rng = np.random.default_rng(seed)
    profile, days = week(), int(365.25 * years)
    alpha, beta = SHARE * (1 / CORRELATION - 1), (1 - SHARE) * (1 / CORRELATION - 1)
    shape = 1 / ((1 + liveliness) * (1 + (1 - SHARE) / SHARE * CORRELATION) - 1)
    per_year = stories_a_year * SHARE
    hourly = [profile.shape[24 * d : 24 * d + 24] for d in range(7)]
    start = 3  # 1970-01-01 was a Thursday
    levels = rng.gamma(1 / liveliness, liveliness, days) * stories_a_year / HOURS_PER_YEAR
    shares = rng.beta(alpha, beta, days)
    stories: list[float] = []
    told: list[float] = []
    opened: tuple[float, float] | None = None
    since, reached = -math.inf, []
    for day in range(days):
        weekday = hourly[(day + start) % 7]
        number = rng.poisson(levels[day] * weekday.sum())
        if not number:
            continue
        hours = np.sort(rng.choice(24, number, p=weekday / weekday.sum()) + rng.random(number))
        for hour, negative in zip(hours.tolist(), (rng.random(number) < shares[day]).tolist(), strict=True):
            now = (24 * day + hour) * 3600
            stories.append(now)
            if not negative:
                continue
            told.append(now)
            if opened is not None and now - opened[1] >= SETTINGS.quiet_hours * 3600:
                reached.append(opened[0])
                since, opened = opened[1], None
            chance = math.inf
            for length in SETTINGS.windows_hours:
                begin = max(now - length * 3600, since)
                observed = len(told) - bisect_right(told, begin)
                mean = per_year / HOURS_PER_YEAR * profile.exposure(begin, now, 0)
                if observed < SETTINGS.minimum_stories or observed <= mean:
                    continue
                if question == "count":
                    found = count_chance(observed, mean, shape, per_year, SETTINGS.count_looks)
                else:
                    total = len(stories) - bisect_right(stories, begin)
                    found = share_chance(observed, total, alpha, beta, per_year, SETTINGS.share_looks)
                chance = min(chance, found)
            if chance <= (SETTINGS.rungs[0] if opened is None else SETTINGS.leave_chance):
                opened = min(chance, opened[0] if opened else math.inf), now
    reached += [opened[0]] if opened is not None else []
    return Rings(years, {rung: sum(chance <= rung for chance in reached) for rung in RUNGS})


if __name__ == "__main__":
    for question in ("count", "share"):
        for stories_a_year, liveliness, years in CASES:
            found = rings(stories_a_year, liveliness, years, question, seed=1)
            rates = ", ".join(f"{rung:g}: {found.at[rung] / years:.3g} (≤ {found.upper(rung):.3g})" for rung in RUNGS)
            print(f"{question:6}{stories_a_year:8.0f} stories a year, {years:5} years: {rates}", flush=True)
