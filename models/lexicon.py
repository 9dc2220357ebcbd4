"""A small finance lexicon: the baseline that explanations and behaviour are set beside.

Our own, of common words of financial news and of traders, some 300 in all. It counts words and turns what stands up to
three words after a negation; it knows nothing of debt, losses or costs that fall.
"""

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

NEGATIVE: Final = frozenset(
    "abandon accident accuse accused adverse alarm antitrust bad bankrupt bankruptcy bagholder bagholders bear bearish "
    "blow breach bribery bubble burst charge charged closes closure closures collapse collapses collapsed complaint "
    "concern concerns contamination convicted correction crash crashes crashed crisis cut cuts cutting cyberattack damage "
    "damages deadly debt decline declines declined default defaults deficit delay delays delayed delist delisted derails "
    "destroys disappoint disappointing disappointed disappoints disaster dispute doubt downgrade downgraded downgrades "
    "downside downturn drag drop drops dropped dump dumping dumpster erode erodes evaporate explodes explosion fail failed "
    "fails failure fall falls fallen falling fear fears fell fine fined fines fire fired fires fizzles fraud halt halts "
    "hacked hackers hammered hit hurt illegal inquiry insolvent investigation jail junk kills lawsuit lawsuits layoff "
    "layoffs leak lose loses losing loss losses lost low lower lowest miss missed misses missing negative outage ousted "
    "outbreak overpriced panic penalty plummet plummets plunge plunges plunged poor probe problem problems prosecutors "
    "puts quits raid raids recall recalls recession rejected rejects rekt resign resigns resigned retreat retreats rip risk "
    "risks scandal scrap scraps sell selloff short shortage shortfall shrink shrinks sink sinks sank slash slashes slashed "
    "slide slides slow slows slowdown slump slumps slumped soft spill strike sue sued sues suspend suspends suspended tank "
    "tanking tanks terrible threat tough toast toxic trouble trims tumble tumbles tumbled underperform unsafe violation "
    "walkout warn warned warning warns weak weaker weakness worries worry worse worst worthless wrong".split()
)
POSITIVE: Final = frozenset(
    "accelerate accelerates achieve advance advances agreement all-time approval approve approved approves attractive "
    "award awarded beat beats beating best better bargain boom booming booms boost boosts boosted bounce bounces breakout "
    "breakthrough bull bullish bulls buy buyback buying calls climb climbs climbed confident cleared crush crushed crushes "
    "dividend doubled doubles exceed exceeded exceeds excellent expand expands favorable favourable gain gains gained good "
    "great grew grow growing grows growth healthy high higher highest highs improve improved improvement improves impressive "
    "increase increased increases jump jumps jumped leader leading love mooning moon optimism optimistic outgrows outperform "
    "outperforms outperformed overweight phenomenal popular positive profit profits profitable profitability promising raise "
    "raised raises rallies rally rallied rebound rebounds record recover recovered recovers recovery relief relieved reward "
    "ripping rise rises rising rose robust safe shine shines skyrockets skyrocket soar soared soars solid solidly strength "
    "strengthen strengthens strong stronger strongest strongly succeed success successful surge surged surges thrive thrives "
    "top tops topped triples undervalued upbeat upgrade upgraded upgrades upside win wins winner winning won wonderful".split()
)
NEGATIONS: Final = frozenset(
    "no not never neither nor none nobody nothing without cannot can't don't doesn't didn't isn't aren't wasn't weren't "
    "won't wouldn't couldn't shouldn't hasn't haven't hadn't".split()
)

_WORD: Final = re.compile(r"[a-z]+(?:['’-][a-z]+)*+")
_REACH: Final = 3


def polarities(words: Sequence[str]) -> list[int]:
    """-1, 0 or 1 for each of `words`; turned where a negation stands up to three words before."""
    found, latest = [], -_REACH - 1
    for place, written in enumerate(words):
        match = _WORD.search(written.lower())
        word = match[0].replace("’", "'") if match else ""
        if word in NEGATIONS:
            latest = place
        sign = (word in POSITIVE) - (word in NEGATIVE)
        found.append(-sign if place - latest <= _REACH else sign)
    return found


def sentiments(texts: Sequence[str]) -> NDArray[np.float64]:
    """Shares of negative, neutral and positive, [texts, 3], so that the largest is what the words say in sum.

    The more words of one side than of the other, the larger its share; with as many of both, neutral.
    """
    sums = np.array([sum(polarities(text.split())) for text in texts], np.float64)
    certain = np.abs(sums) / (np.abs(sums) + 0.5)
    return np.column_stack((np.where(sums < 0, certain, 0), 1 - certain, np.where(sums > 0, certain, 0)))
