"""How surprising a count and a share are, and how often chance alone would bring them about.

**Weights.** A story counts by the probability that it is of the polarity (a weight w, 0 below a least probability), so
that a classifier's doubts count as doubts. The sum S of independent weights over a Poisson number of stories has the mean
ΛE[w] and the variance ΛE[w²]: those of u·N, N a Poisson count and u = E[w²] / E[w], the *unit*. All that follows
speaks of S/u as of a count (a scaled Poisson; Bohm and Zech 2014 find it close for weights of one order of magnitude), with
tails continued between whole numbers. n stories are likewise n/u trials for the share.

**Fixed windows.** Novel negative stories of a series in a window of exposure E (hours weighted by the series'
profile) are negative binomial: a Poisson count whose rate is a gamma variable, for what is not known of the level
and for what makes one day livelier than another. Mean m = rate·E, shape r, variance m + m²/r. Given n novel
stories in the window, x of them negative is beta-binomial: Beta(α, β) is the share.

**Looking often.** Every novel negative story looks back over every window, so probabilities of fixed windows do not
tell how often something rings. Let N be the process of novel negatives with intensity Λ a year. A story at t *tops*
a window when at least n stories, itself included, lie in (t − w, t]. By the Mecke formula (Mecke 1967; the Palm
theory of point processes) the expected number of such stories a year is

    ∫ λ(t) P(N(t − w, t) ≥ n − 1 | a story at t) dt.

For a Poisson process the condition changes nothing: Λ·P(N_w ≥ n − 1). For a gamma-mixed process a story at t makes
large rates likelier: the gamma is biased by size, shape r becomes r + 1 at the same scale, and the expected number
is Λ·P(N* ≥ n − 1), N* negative binomial of shape r + 1 and mean m(r + 1)/r. The mixture over the uncertain level is
of the same kind, so the allowance for estimation is exact for levels drawn from the prior. Where the rate varies
with the hour, ring when Λ·P(N* ≥ n − 1) ≤ c with the exposure of that very window: since the tail probability is
super-uniform under the Palm law whatever t, the integral stays ≤ c. An *episode* of ringing holds at least one
such story, so this bounds the rate of episodes from above: it is the first-moment (Markov) bound on the scan
statistic (Naus 1982; Glaz, Naus and Wallenstein 2001), conservative where one surge makes many stories ring.
Over a set of windows W the bounds add up: Σ Λ·P(N* ≥ n − 1) ≤ c when each window is held to c/|W|.

Windows of lengths that grow like powers, each looked at whenever it may have changed, are a window-limited generalised
likelihood-ratio CUSUM (Lai 1995, 1998): the longest finds the slow build, the shortest the sudden burst.

**The share is asked in surges, not all year long.** More negatives may just be more of everything. So a surge of sentiment
must also show a share higher than the window's volume explains: P(X ≥ x | n) times the looks that the surge took at it,
q, must be small (`share_significance`; Bonferroni). The looks are the negatives of the longest window that is loud by
count at that moment, for each of them was a look, in whichever window. Where the model of the count holds, an alarm that
needs both rings no more often than the count alone. Real volume surges more often than any model of it: then nothing
but the share stands between a busy day and an alarm. Surges of the count are at most as many a year as open an incident by
count, s (`rungs[0]`), and of these chance makes a share so high in a part of at most q. So what is told is the larger
of the count's chance and s·q, and holds if either model does. Shuffled labels keep the real volumes and break the tie
between label and day: they are what shows it (`streams.scorecard.null`).

**Asking many alike.** Of a company's topics, twenty series, an alarm tells the chance that any of them rings so
loudly: Λ is twenty times its own, a union bound, so that a reader of the company is not alarmed by whichever of many small
series chance has picked.

**How conservative.** Nested windows ring together and a surge is many stories, so fewer *incidents* open than the
bound allows, and an allowance of |W| = 4 would cost alarms for nothing. The chance told is therefore
looks·Λ·P(…) with `looks` (the setting ``count_looks``) measured: on null series from 7 to 2,100 leaning stories a year
with daily liveliness, seasons, correlated sentiments and weights, the rate of incidents stays below what is told at 12, 1
and 0.1 a year (``tests/processors/null_series.py`` makes and counts them; rates and seeds stand there).
It is an empirical factor, no bound: below |W| it is valid for the default windows alone. Who sets other windows has to
measure it again, or to take the number of windows.
"""

import math
from collections.abc import Callable

from scipy.special import betainc

HOURS_PER_YEAR = 8766.0
_SUMMED = 4.0  # a mean up to which it is cheaper to add masses up than to search tails


def count_tail(least: float, mean: float, shape: float) -> float:
    """P(N ≥ least) for N negative binomial with `mean` ≥ 0 and `shape` > 0, continued between whole numbers by the
    incomplete beta function."""
    if least <= 0:
        return 1.0
    return float(betainc(least, shape, mean / (mean + shape)))


def surprise(observed: float, mean: float, shape: float) -> float:
    """−log10 P(N ≥ observed), at most 300."""
    return 0.0 - math.log10(max(count_tail(observed, mean, shape), 1e-300))


def count_interval(mean: float, shape: float, coverage: float = 0.95) -> tuple[int, int]:
    """The central interval of a negative binomial: least numbers whose lower tails reach (1 ∓ coverage) / 2."""
    return (
        _count_quantile((1 - coverage) / 2, mean, shape),
        _count_quantile((1 + coverage) / 2, mean, shape),
    )


def _count_quantile(probability: float, mean: float, shape: float) -> int:
    """The least k with P(N ≤ k) ≥ `probability`."""
    below = mass = (1 + mean / shape) ** -shape
    if below >= probability:
        return 0
    if mean <= _SUMMED:
        k = 0
        while below < probability:
            mass *= (shape + k) / (k + 1) * mean / (mean + shape)
            k, below = k + 1, below + mass
        return k
    low, high = 0, 2 * math.ceil(mean) + 4  # P(N ≤ low) < probability ≤ P(N ≤ high)
    while count_tail(high + 1, mean, shape) > 1 - probability:
        low, high = high, 2 * high
    return _least(lambda k: count_tail(k + 1, mean, shape) <= 1 - probability, low, high)


def _least(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The least k in (low, high] that `holds`; it does for `high` and all between."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def share_tail(least: float, total: float, alpha: float, beta: float) -> float:
    """P(X ≥ least) for X beta-binomial among `total` with a share ~ Beta(alpha, beta), continued between whole numbers
    by the gamma function."""
    if least <= 0:
        return 1.0
    if least > total:
        return 0.0
    # Summed away from the middle: the first term is the largest that matters, so none underflows that counts.
    if least > total * alpha / (alpha + beta):
        return float(min(_share_sum(least, total, alpha, beta), 1.0))
    return float(min(max(1.0 - _share_sum(total - least + 1, total, beta, alpha), 0.0), 1.0))


def _share_sum(least: float, total: float, alpha: float, beta: float) -> float:
    """P(X = least) + P(X = least + 1) + …, up to `total`."""
    if least > total:
        return 0.0
    term = _share_mass(least, total, alpha, beta)
    tail, k = term, least
    while k + 1 <= total and term >= tail * 1e-15:
        term *= (total - k) * (k + alpha) / ((k + 1) * (total - k - 1 + beta))
        tail += term
        k += 1
    return tail


def share_interval(total: float, alpha: float, beta: float, coverage: float = 0.95) -> tuple[int, int]:
    """The central interval of a beta-binomial among `total`: least numbers whose lower tails reach (1 ∓ coverage) / 2."""
    return (
        _share_quantile((1 - coverage) / 2, total, alpha, beta),
        _share_quantile((1 + coverage) / 2, total, alpha, beta),
    )


def _share_quantile(probability: float, total: float, alpha: float, beta: float) -> int:
    """The least k with P(X ≤ k) ≥ `probability`."""
    return _least(lambda k: share_tail(k + 1, total, alpha, beta) <= 1 - probability, -1, math.ceil(total))


def _share_mass(k: float, total: float, alpha: float, beta: float) -> float:
    gamma = math.lgamma
    return math.exp(
        gamma(total + 1)
        - gamma(k + 1)
        - gamma(total - k + 1)
        + gamma(k + alpha)
        + gamma(total - k + beta)
        - gamma(total + alpha + beta)
        + gamma(alpha + beta)
        - gamma(alpha)
        - gamma(beta)
    )


def count_chance(observed: float, mean: float, shape: float, per_year: float, looks: float) -> float:
    """How often a year chance opens an incident on a window with `observed` novel negatives or more, all in units.

    `mean` and `shape` are the window's, `per_year` is Λ, `looks` the allowance for several windows (see above).
    """
    return looks * per_year * count_tail(observed - 1, mean * (shape + 1) / shape, shape + 1)
