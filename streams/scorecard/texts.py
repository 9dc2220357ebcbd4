"""Human-labelled texts that the model never learnt from, with a gap where another company's name goes.

A text of the finance tweets carries its company as a cashtag, as a name that the company master knows, or as the subject
it begins with; a headline of SEntFiN names its entity. That name is taken out and the cashtag of the company that the
burst is about is put in its place. A text counts for a company only if the linker then finds that company and no other.
"""

import csv
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

from processors.companies import Company, CompanyMaster
from processors.enrichment import Classification
from processors.errors import ConfigurationError
from processors.labels import SENTIMENTS, SentimentLabel
from processors.linking import Linker
from processors.messages import Sentiment, Topic
from processors.model_input import model_text
from processors.normalise import normalise
from processors.signatures import signature_of

GAP: Final = "\ufffc"
"""Stands where the company's name goes; no text of the sets holds it."""

ALIKE: Final = 0.35
"""Similarity of words and their pairs (Jaccard, the name left out) from which no two texts are drawn into one pool: well
below that from which the detector takes two texts for one story."""

POOL: Final[Mapping[SentimentLabel, int]] = {"negative": 60, "neutral": 40, "positive": 40}
"""Texts that are made ready for each company, half from each set as far as they go."""

_CASHTAG: Final = re.compile(r"\$[A-Za-z]{1,6}\b")
# A name at the beginning, known by the verb behind it. What is no company there is few words, listed below.
_SUBJECT: Final = re.compile(
    r"(?:[A-Z][\w&.-]*)(?: (?:[A-Z][\w&.-]*|&)){0,2}?"
    r"(?=['’]s |,? (?:EPS|Q[1-4]|says|said|to|cuts?|warns|reports|posts|misses|falls|fell|drops|slips|slides?|downgraded|"
    r"upgraded|faces|loses|lost|sees|shares|stock|sinks|plunges|tumbles|down|hit|halts|recalls|delays|postpones|has|is|"
    r"will|may|could|declares|beats|raises|rises|jumps|soars|surges|up|unveils|launches|names|appoints|buys|acquires|"
    r"announces|gets|wins|initiated|gains|price target) )"
)
_NO_COMPANY: Final = frozenset(
    "Asia Bitcoin Brazil Brexit China Coronavirus Cramer Crude Dollar Dow Economy Energy Europe Fed Futures Germany Gold "
    "Here India Iran Italy Japan Markets Mexico Nasdaq Nigeria Oil President Protests Russia Stocks Sugar Traders Trump "
    "UK Unemployment US Virus What Why Yen".split()
)


@dataclass(frozen=True, slots=True)
class HumanLabelled:
    """A text with a person's judgement; `source` is the file it comes from."""

    text: str
    sentiment: SentimentLabel
    source: str


@dataclass(frozen=True, slots=True)
class Template:
    """A text with `GAP` where a company's name goes. Texts of one `group` are near-duplicates of each other."""

    text: str
    sentiment: SentimentLabel
    source: str
    group: int


@dataclass(frozen=True, slots=True)
class Injected:
    """A text about a company, ready to be injected: what a person and what the model says of it."""

    text: str
    signature: str
    human: SentimentLabel
    sentiment: Sentiment
    topic: Topic
    group: int


Pools = Mapping[str, Mapping[SentimentLabel, Sequence[Injected]]]
"""For each company and human label the texts that bursts draw from, no two of them near-duplicates."""


def entities_of(path: Path) -> dict[str, str]:
    """For each headline of SEntFiN (as the model reads it) that names one entity alone: the entity."""
    found = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            named = re.findall(r"""['"]([^{},]{1,200}?)['"]: ?['"]\w+['"]""", row["Decisions"])
            if len(named) == 1:
                found[model_text("", normalise(row["Title"]))] = named[0]
    return found


def with_gap(text: str, entity: str | None, linker: Linker, at: datetime) -> str | None:
    """`text` with `GAP` in place of the one company that it is about; None where that is not plain."""
    if entity is not None:
        return _without(text, entity)
    tags = set(_CASHTAG.findall(text))
    if tags:
        return _without(text, tags.pop()) if len(tags) == 1 else None
    links = linker.link(text, at, ())
    if links:
        return _without(text, links[0].surface) if len(links) == 1 else None
    subject = _SUBJECT.match(text)
    if subject is None or subject[0].split()[0] in _NO_COMPANY:
        return None
    return _without(text, subject[0])


def _without(text: str, name: str) -> str | None:
    gapped = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", GAP, text)
    return gapped if GAP in gapped else None


def templates(
    texts: Iterable[HumanLabelled],
    entities: Mapping[str, str],
    master: CompanyMaster,
    at: datetime,
    groups_of: Callable[[Sequence[str]], Sequence[int]],
) -> list[Template]:
    """The texts whose company can be replaced; `groups_of` tells which are near-duplicates apart from the name."""
    linker = Linker(master)
    found = [(item, gapped) for item in texts if (gapped := with_gap(item.text, entities.get(item.text), linker, at))]
    groups = groups_of([gapped.replace(GAP, " ") for _, gapped in found])
    return [
        Template(gapped, item.sentiment, item.source, int(group))
        for (item, gapped), group in zip(found, groups, strict=True)
    ]


def cashtag_of(company: Company, day: date) -> str:
    """The cashtag by which tweets of that day name a company. Raises ConfigurationError where it has none."""
    for ticker in company.tickers:
        if (ticker.since is None or ticker.since <= day) and (ticker.until is None or day <= ticker.until):
            return f"${ticker.symbol}"
    raise ConfigurationError(f"company {company.id} of the master has no ticker on {day}")


def pools_of(
    found: Sequence[Template],
    companies: Sequence[str],
    master: CompanyMaster,
    at: datetime,
    classify: Callable[[Sequence[str]], Sequence[Classification]],
    seed: int,
) -> Pools:
    """Texts for each of `companies`, drawn with `seed`, as many as `POOL` says or as there are; labelled by `classify`."""
    linker = Linker(master)
    drawn: list[tuple[str, Template, str]] = []
    for company in companies:
        cashtag = cashtag_of(master.company(company), at.date())
        generator = random.Random(f"{seed}/{company}")
        for label in SENTIMENTS:
            for template in _drawn([t for t in found if t.sentiment == label], POOL[label], generator):
                text = template.text.replace(GAP, cashtag)
                if {link.company for link in linker.link(text, at, ())} == {company}:
                    drawn.append((company, template, text))
    answers = classify([model_text("", text) for _, _, text in drawn])
    pools: dict[str, dict[SentimentLabel, list[Injected]]] = {c: {label: [] for label in SENTIMENTS} for c in companies}
    for (company, template, text), answer in zip(drawn, answers, strict=True):
        pools[company][template.sentiment].append(
            Injected(text, signature_of(text), template.sentiment, answer.sentiment, answer.topic, template.group)
        )
    return pools


def _drawn(found: Sequence[Template], number: int, generator: random.Random) -> list[Template]:
    """Up to `number` templates, one of each group, the sources in turn."""
    shuffled = generator.sample(found, len(found))
    by_source: dict[str, list[Template]] = {}
    seen: set[int] = set()
    for template in shuffled:
        if template.group not in seen:
            seen.add(template.group)
            by_source.setdefault(template.source, []).append(template)
    chosen: list[Template] = []
    queues = [by_source[source] for source in sorted(by_source)]
    while len(chosen) < number and any(queues):
        chosen += [queue.pop() for queue in queues if queue]
    return chosen[:number]
