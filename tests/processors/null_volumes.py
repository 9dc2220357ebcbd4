"""Volume series without any event, and how often the detector rings on them: what its stated rate is held to.

Measured with ``python tests/processors/null_volumes.py`` (seed 1, 100 series of 55 days for each figure):
alarms a year, with the upper 95 % bound in brackets, by counts each five minutes. 18 a year are stated.

                              0.03        0.3          3            50
    flat                    0.1 (0.3)   1.4 (2.0)    5.8 (6.9)    8.6 (10.0)
    seasonal                0.1 (0.4)   2.0 (2.7)    0.0 (0.2)    0.0 (0.2)
    lively                  0.2 (0.5)   7.6 (8.9)    8.3 (9.7)    5.1 (6.2)
    overdispersed           0.1 (0.3)   2.0 (2.8)    7.3 (8.6)    7.9 (9.3)
    lively overdispersed    0.3 (0.6)   9.3 (10.8)  12.6 (14.2)  13.4 (15.1)
    wandering               0.3 (0.6)   7.3 (8.6)   10.0 (11.5)   8.4 (9.7)
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

from processors.volume_series import ALARM, volume_scores

Array = NDArray[np.float64]

FIVE_MINUTES = 300.0
ROWS_PER_DAY = 288
WARM_UP_DAYS = 3
SHAPES = ("flat", "seasonal", "lively", "overdispersed", "lively overdispersed", "wandering")


def instants(days: float) -> Array:
    return np.arange(int(days * ROWS_PER_DAY)) * FIVE_MINUTES


def null_values(shape: str, level: float, days: int, rng: np.random.Generator) -> Array:
    """Counts each five minutes about `level`. All but ``flat`` and ``overdispersed`` have a day (1 : 5 from trough to
    peak) and calmer weekends; ``lively`` days differ by a gamma of relative variance 0.1, ``overdispersed`` rows by one
    of 0.5, and a ``wandering`` rate is a log-normal process (0.3) with a memory of two hours."""
    day = np.arange(days * ROWS_PER_DAY) / ROWS_PER_DAY
    rate = np.full(len(day), level)
    if shape not in ("flat", "overdispersed"):
        rate *= np.exp(0.8 * np.sin(2 * np.pi * day)) * np.where(day.astype(int) % 7 >= 5, 0.6, 1.0)
    if "lively" in shape:
        rate *= rng.gamma(10.0, 0.1, days)[day.astype(int)]
    if "wandering" in shape:
        memory = np.exp(-1 / 24)
        steps, at, walk = rng.normal(0, 0.3 * np.sqrt(1 - memory**2), len(day)), 0.0, []
        for step in steps.tolist():
            at = memory * at + step
            walk.append(at)
        rate *= np.exp(walk)
    if "overdispersed" in shape:
        rate = rng.gamma(2.0, rate / 2)
    return rng.poisson(rate).astype(float)


def false_alarms(shape: str, level: float, series: int, days: int, seed: int) -> tuple[float, float]:
    """Alarms a year on so many null series, and the upper 95 % bound of that rate (one-sided, Poisson; Garwood 1936)."""
    rng, seconds = np.random.default_rng(seed), instants(days)
    alarms = sum(
        int((volume_scores(seconds, null_values(shape, level, days, rng)) >= ALARM).sum()) for _ in range(series)
    )
    years = series * (days - WARM_UP_DAYS) / 365.25
    return alarms / years, float(gammaincinv(alarms + 1, 0.95)) / years


if __name__ == "__main__":
    for shape in SHAPES:
        rates = (false_alarms(shape, level, 100, 55, 1) for level in (0.03, 0.3, 3.0, 50.0))
        print(f"{shape:22}", *(f"{rate:5.1f} ({upper:.1f})" for rate, upper in rates), flush=True)
