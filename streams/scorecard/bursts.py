"""Bursts: made-up events of human-labelled texts, told about a company in the middle of its real background."""

import hashlib
import random
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from typing import Final, Literal, NamedTuple

from processors.detection import DetectorSettings
from processors.identity import partition_of
from processors.labels import SentimentLabel
from processors.messages import DocumentSummary, Mention, Sentiment
from processors.seasons import DAY, HOUR
from streams.scorecard.runs import PARTITIONS, Branch, Course, alarms, background, divided
from streams.scorecard.texts import Injected, Pools

Shape = Literal["step", "ramp", "trickle"]
Group = Literal["low", "middle", "high", "busiest"]
Content = Literal["negative", "perfect", "neutral", "positive"]
"""What a burst is made of: texts of one human label, read by the model; `perfect` are the negative ones as people read
them."""

GROUPS: Final[tuple[Group, ...]] = ("low", "middle", "high", "busiest")
TERCILES: Final[tuple[Group, ...]] = GROUPS[:3]
BUSIEST: Final = 15
TAIL: Final = 6 * HOUR
"""Seconds that a branch goes on behind its last document, to see whether one event rings twice."""

# The days of a burst that lasts longer than this begin to be folded into what its partition pools: few share its branch.
_SLOW: Final = 96 * HOUR
_SLOW_TOGETHER: Final = 4


class Form(NamedTuple):
    """How many documents, within how many hours, and how they are spread over them."""

    documents: int
    hours: int
    shape: Shape

    def __str__(self) -> str:
        return f"{self.documents} in {self.hours} h, {self.shape}"


_SHAPES: Final[tuple[Shape, ...]] = ("step", "ramp")
FORMS: Final = (
    *(Form(n, hours, shape) for hours, shape, n in product((3, 24), _SHAPES, (4, 8, 15))),
    *(Form(n, hours, "trickle") for hours, n in product((72, 144), (8, 15))),
)


@dataclass(frozen=True, slots=True)
class Burst:
    """One made-up event about `company`: its documents, in order of time."""

    company: str
    form: Form
    group: Group
    content: Content
    mentions: tuple[Mention, ...]

    @property
    def first(self) -> int:
        """The second of its first document."""
        return int(self.mentions[0].document.published_at.timestamp())

    @property
    def last(self) -> int:
        """The second of its last document."""
        return int(self.mentions[-1].document.published_at.timestamp())


@dataclass(frozen=True, slots=True)
class Scene:
    """What bursts are placed into: the background's companies by group, the seconds at which something was published
    within the period, the days with documents (since 1970), reaches as they occur, and a mention of each company."""

    groups: Mapping[Group, Sequence[str]]
    moments: Sequence[int]
    days: frozenset[int]
    end: int
    reaches: Sequence[int]
    samples: Mapping[str, Mention]


def scene_of(
    mentions: Sequence[Mention], companies: Iterable[str], start: datetime, end: datetime, every: int = 1
) -> Scene:
    """The scene of the period from `start` up to `end`, from the whole background; companies by their mentions.

    With `every` more than 1, bursts begin on each such day only: more of them share a branch, which saves time.
    """
    counts = Counter(mention.company for mention in mentions)
    ranked = sorted(companies, key=lambda company: (counts[company], company))
    third = len(ranked) / 3
    cuts = [round(third * n) for n in range(4)]
    groups: dict[Group, Sequence[str]] = {
        group: ranked[low:high] for group, low, high in zip(TERCILES, cuts, cuts[1:], strict=False)
    }
    groups["busiest"] = ranked[-BUSIEST:]
    seconds = [int(mention.document.published_at.timestamp()) for mention in mentions]
    first, last = int(start.timestamp()), int(end.timestamp())
    return Scene(
        groups,
        [
            second
            for second in seconds[bisect_left(seconds, first) : bisect_right(seconds, last)]
            if second // (DAY * HOUR) % every == 0
        ],
        frozenset(second // (DAY * HOUR) for second in seconds),
        last,
        [mention.document.reach for mention in mentions if mention.document.reach is not None],
        {mention.company: mention for mention in reversed(mentions)},
    )


def offsets_of(form: Form, generator: random.Random) -> list[int]:
    """Seconds after the first document of a burst's documents, rising from 0 and at most `form.hours`.

    A step is uniform; a ramp grows steadily to its end; a trickle comes at nearly regular intervals.
    """
    length, rest = form.hours * HOUR, form.documents - 1
    if form.shape == "step":
        drawn = [generator.random() for _ in range(rest)]
    elif form.shape == "ramp":
        drawn = [generator.random() ** 0.5 for _ in range(rest)]
    else:
        drawn = [(n + generator.random()) / rest for n in range(rest)]
    return [0, *sorted(max(1, round(part * length)) for part in drawn)]


def planned(
    scene: Scene, pools: Pools, content: Content, per_cell: int, seed: int, forms: Sequence[Form] = FORMS
) -> list[Burst]:
    """`per_cell` bursts of every form and group, cell by cell; those of other contents differ in their texts only (and
    `perfect` from `negative` in the labels only). Equal arguments give equal bursts.

    Companies are uniform in their group. A burst begins when some document of the background was published, so as news does: in
    busy hours rather than at night; and only where the feed has documents on each of its days. A company whose pool
    is too small for a form (its ticker is a word, so that the linker refuses many texts) takes no part in it.
    """
    bursts = []
    label: SentimentLabel = "negative" if content == "perfect" else content
    for form, group in product(forms, GROUPS):
        companies = [company for company in scene.groups[group] if len(pools[company][label]) >= form.documents]
        for number in range(per_cell):
            name = f"{seed}/{form}/{group}/{number}"
            generator = random.Random(name)
            company = generator.choice(companies)
            first = _beginning(scene, form, generator)
            moments = [first + offset for offset in offsets_of(form, generator)]
            texts = generator.sample(pools[company][label], form.documents)
            mentions = tuple(
                _mention(scene, company, text, second, f"{name}/{place}", content == "perfect", generator)
                for place, (text, second) in enumerate(zip(texts, moments, strict=True))
            )
            bursts.append(Burst(company, form, group, content, mentions))
    return bursts


def _beginning(scene: Scene, form: Form, generator: random.Random) -> int:
    while True:
        first = generator.choice(scene.moments)
        last = first + form.hours * HOUR
        if last + TAIL <= scene.end and all(
            day in scene.days for day in range(first // (DAY * HOUR), last // (DAY * HOUR) + 1)
        ):
            return first


def _mention(
    scene: Scene, company: str, text: Injected, second: int, name: str, perfect: bool, generator: random.Random
) -> Mention:
    sample = scene.samples[company]
    key = hashlib.sha256(name.encode()).hexdigest()[:16]
    document = DocumentSummary(
        identity=f"{sample.document.source}/injected-{key}",
        source=sample.document.source,
        kind="social",
        published_at=datetime.fromtimestamp(second, UTC),
        sentiment=_certain(text.human) if perfect else text.sentiment,
        topic=text.topic,
        excerpt=text.text,
        signature=text.signature,
        author=key,
        reach=generator.choice(scene.reaches),
        repost_of=None,
        url=None,
        language="en",
        late=False,
        versions=sample.document.versions,
    )
    return Mention(company, sample.sector, sample.time_zone, 1, document)


def _certain(label: SentimentLabel) -> Sentiment:
    shares: dict[SentimentLabel, float] = dict.fromkeys(("negative", "neutral", "positive"), 0.01)
    shares[label] = 0.98
    return Sentiment(label, shares["negative"], shares["neutral"], shares["positive"])


class Placed(NamedTuple):
    """Bursts by number, gathered into a branch of one partition."""

    partition: int
    branch: Branch
    numbers: tuple[int, ...]


def branches_of(bursts: Sequence[Burst]) -> list[Placed]:
    """Gathers bursts into branches: those of one partition that begin on one day, a company once in each."""
    waiting: dict[tuple[int, int, int], list[list[int]]] = {}
    for number, burst in enumerate(bursts):
        slow = burst.form.hours * HOUR > _SLOW
        # Those of like length together: a branch goes on for as long as the longest.
        key = partition_of(burst.company, PARTITIONS), burst.first // (DAY * HOUR), max(burst.form.hours, 24)
        for batch in waiting.setdefault(key, []):
            if all(bursts[other].company != burst.company for other in batch) and not (
                slow and len(batch) >= _SLOW_TOGETHER
            ):
                batch.append(number)
                break
        else:
            waiting[key].append([number])
    placed = []
    for (partition, day, _), batches in sorted(waiting.items()):
        for batch in batches:
            mentions = [mention for number in batch for mention in bursts[number].mentions]
            branch = Branch(
                day,
                max(bursts[number].last for number in batch) + TAIL,
                frozenset(bursts[number].company for number in batch),
                tuple(sorted(mentions, key=lambda m: (m.document.published_at, m.document.identity))),
            )
            placed.append(Placed(partition, branch, tuple(batch)))
    return placed


def injected(
    settings: DetectorSettings, mentions: Sequence[Mention], bursts: Sequence[Burst], workers: int
) -> tuple[list[Course], list[list[Course]]]:
    """Drives the background's `mentions`, with `bursts` in branches off it, one process a partition, `workers` at once.

    Gives the courses of the background, and for each burst those of its company in its branch.
    """
    placed = branches_of(bursts)
    parts = divided(mentions)
    mine = [[item for item in placed if item.partition == partition] for partition in range(PARTITIONS)]
    work = [(settings, part, [item.branch for item in items]) for part, items in zip(parts, mine, strict=True)]
    if workers == 1:
        driven = [background(*one) for one in work]
    else:
        with ProcessPoolExecutor(workers) as pool:
            driven = [task.result() for task in [pool.submit(background, *one) for one in work]]
    courses: list[Course] = []
    found: list[list[Course]] = [[] for _ in bursts]
    for items, (background_courses, branched) in zip(mine, driven, strict=True):
        courses += background_courses
        for item, branch_courses in zip(items, branched, strict=True):
            for number in item.numbers:
                found[number] = [c for c in branch_courses if c.company == bursts[number].company]
    return courses, found


class Ring(NamedTuple):
    """What a burst brought about at a threshold. `documents` of it came before the one that rang, `seconds` after its
    first; `alarms` is how many alarms its company had from its first document to the end of its branch, `events` the
    alerts they told."""

    documents: int
    seconds: int
    alarms: int
    events: int


def ring_of(burst: Burst, courses: Iterable[Course], threshold: float) -> Ring | str | None:
    """What `burst` brought about, by the courses of its branch: nothing (None), or a ring before its last document and
    an hour; "before" where the company rang already when it began, so that it says nothing."""
    mine = [course for course in courses if course.company == burst.company]
    found = [alarm for alarm in alarms(mine, threshold) if alarm.until >= burst.first]
    if any(alarm.second < burst.first for alarm in found):
        return "before"
    rung = [alarm for alarm in found if alarm.second <= burst.last + HOUR]
    if not rung:
        return None
    second = rung[0].second
    before = sum(int(mention.document.published_at.timestamp()) < second for mention in burst.mentions)
    return Ring(before, second - burst.first, len(found), sum(alarm.events for alarm in found))
