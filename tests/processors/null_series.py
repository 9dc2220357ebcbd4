"""Series without any event, and how often they ring: what calibrates the chances that alarms tell.

A null series has `stories_a_year` novel stories: Poisson within the hours of the week (working hours 7 times as busy,
weekends a third), with a gamma liveliness for each day (relative variance `liveliness`), a share that leans negative which
is beta for each day (correlation `correlation`), and weights of those drawn from `WEIGHTS`. Its law is known to the
test, so this measures the allowance for looking often and the unit of weights, nothing else; what estimation adds is
measured on whole detectors in `test_calibration`.

Measured with ``python tests/processors/null_series.py`` (seed 1, 7 % lean negative): incidents a year that tell a chance
of at most 12, 1 and 0.1 a year, with the upper 95 % bound of the rate in brackets.

    stories a year   years   count                                            sentiment: count and share
               100    3000   0.0157 (0.02)    0.015 (0.0192)   0.00633 (0.00929)  0.0147 (0.0189)  0.0137 (0.0177)  0.00467 (0.0073)
               220    2000   0.165 (0.181)    0.0655 (0.0757)  0.012 (0.0169)   0.136 (0.15)     0.0615 (0.0714)  0.0065 (0.0103)
             1,000     600   1.49 (1.58)      0.25 (0.286)     0.06 (0.0792)    1.05 (1.12)      0.227 (0.261)    0.0367 (0.0524)
             5,000     400   2.64 (2.78)      0.328 (0.379)    0.0575 (0.0815)  2.25 (2.37)      0.3 (0.349)      0.0375 (0.0577)
            30,000     100   2.58 (2.86)      0.37 (0.487)     0.04 (0.0915)    2.04 (2.29)      0.25 (0.349)     0 (0.03)
"""

import math
from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from processors.detection import DetectionSettings
from processors.seasons import Profile
from processors.surprise import HOURS_PER_YEAR, count_chance, share_tail

SETTINGS = DetectionSettings()
RUNGS = (12.0, 1.0, 0.1)
SHARE = 0.07
CORRELATION = 0.03
WEIGHTS = np.array([0.21, 0.28, 0.35, 0.5, 0.7, 0.85, 0.92, 0.95])  # about what a model says of real texts
UNIT = float((WEIGHTS**2).mean() / WEIGHTS.mean())
CASES = ((100.0, 1.0, 3000), (220.0, 1.0, 2000), (1000.0, 1.0, 600), (5000.0, 0.7, 400), (30000.0, 0.3, 100))


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
    """Asks one question (``count``, or ``sentiment``: both) at every leaning story of a null series; incidents live as
    in the detector."""
    rng = np.random.default_rng(seed)
    profile, days = week(), int(365.25 * years)
    weight = float(WEIGHTS.mean())
    alpha, beta = SHARE * (1 / CORRELATION - 1), (1 - SHARE) * (1 / CORRELATION - 1)
    shape = 1 / ((1 + liveliness) * (1 + (1 - SHARE) / SHARE * CORRELATION) - 1)
    per_year = stories_a_year * SHARE * weight / UNIT
    mass_share = SHARE * weight
    mass_alpha, mass_beta = mass_share * (1 / CORRELATION - 1), (1 - mass_share) * (1 / CORRELATION - 1)
    hourly = [profile.shape[24 * d : 24 * d + 24] for d in range(7)]
    start = 3  # 1970-01-01 was a Thursday
    levels = rng.gamma(1 / liveliness, liveliness, days) * stories_a_year / HOURS_PER_YEAR
    shares = rng.beta(alpha, beta, days)
    stories: list[float] = []
    told: list[float] = []
    sums: list[float] = [0.0]
    opened: tuple[float, float, float] | None = None  # the least chance, when it was loud last, when it closes
    since, reached = -math.inf, []
    for day in range(days):
        weekday = hourly[(day + start) % 7]
        number = rng.poisson(levels[day] * weekday.sum())
        if not number:
            continue
        hours = np.sort(rng.choice(24, number, p=weekday / weekday.sum()) + rng.random(number))
        leaning = (rng.random(number) < shares[day]) * rng.choice(WEIGHTS, number)
        for hour, lean in zip(hours.tolist(), leaning.tolist(), strict=True):
            now = (24 * day + hour) * 3600
            stories.append(now)
            if not lean:
                continue
            told.append(now)
            sums.append(sums[-1] + lean)
            if opened is not None and now >= opened[2]:
                reached.append(opened[0])
                since, opened = opened[1], None
            loud = []
            for length in SETTINGS.windows_hours:
                begin = max(now - length * 3600, since)
                first = bisect_right(told, begin)
                observed = (sums[-1] - sums[first]) / UNIT
                mean = per_year / HOURS_PER_YEAR * profile.exposure(begin, now, 0)
                little = observed * UNIT < SETTINGS.minimum_negatives or len(told) - first < SETTINGS.minimum_stories
                if little or observed <= mean:
                    continue
                found = count_chance(observed, mean, shape, per_year, SETTINGS.count_looks)
                if found <= SETTINGS.leave_chance:
                    loud.append((found, length, observed, (len(stories) - bisect_right(stories, begin)) / UNIT))
            if question == "sentiment":
                looks = max((observed for _, _, observed, _ in loud), default=1.0)
                asked = [
                    (found, length, looks * share_tail(observed, total, mass_alpha, mass_beta))
                    for found, length, observed, total in loud
                ]
                chances = [
                    (max(found, SETTINGS.rungs[0] * share), length)
                    for found, length, share in asked
                    if share <= SETTINGS.share_significance
                ]
            else:
                chances = [(found, length) for found, length, _, _ in loud]
            chance, length = min(chances, default=(math.inf, 0))
            if chance <= (SETTINGS.rungs[0] if opened is None else SETTINGS.leave_chance):
                closes = now + 3600 * max(SETTINGS.quiet_hours, length)
                least, until = (opened[0], opened[2]) if opened else (math.inf, 0.0)
                opened = min(chance, least), now, max(closes, until)
    reached += [opened[0]] if opened is not None else []
    return Rings(years, {rung: sum(chance <= rung for chance in reached) for rung in RUNGS})


if __name__ == "__main__":
    for question in ("count", "sentiment"):
        for stories_a_year, liveliness, years in CASES:
            found = rings(stories_a_year, liveliness, years, question, seed=1)
            rates = ", ".join(f"{rung:g}: {found.at[rung] / years:.3g} (≤ {found.upper(rung):.3g})" for rung in RUNGS)
            print(f"{question:10}{stories_a_year:8.0f} stories a year, {years:5} years: {rates}", flush=True)
