"""A rebuilt decision, step by step, for a person."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from processors.incidents import opens_at
from processors.messages import Alert
from processors.reasons import how_often
from streams.why import Decision, Heard, Verdict

_SHOWN: Final = 12

VERDICTS: Final[dict[Verdict, str]] = {
    "counts": "counts",
    "same-author": "its author counts already, at a surer text",
    "campaign": "belongs to a campaign",
    "leans-too-little": "leans too little",
    "repeats": "repeats a story",
    "many-companies": "names too many companies",
    "late": "came too late",
    "sent-again": "its identity came before",
    "not-listed": "not listed one by one (its hour is too busy), or still waiting for the clock",
}


@dataclass(frozen=True, slots=True)
class Present:
    """What is at hand now: the hashes of model, dictionary and settings."""

    model: str
    dictionary: str
    settings: str


def decision_lines(decision: Decision, present: Present) -> Iterator[str]:
    """The decision in steps: what made the labels, what counted, what was expected, which conditions held, and whether the
    alarm comes out again."""
    alert = decision.stored
    steps = [
        ("What judged", _versions(decision, present)),
        ("The record that brought it about", _record(decision)),
        ("What was heard in the window", _documents(decision)),
        ("What was to be expected", _expected(decision)),
        ("Whether chance explains the count", _chance(decision)),
        ("Whether the share is higher too", _share(decision)),
        ("What it is told as", _told(alert, decision)),
        ("Whether it comes out again", _verdict(decision)),
    ]
    yield f"{alert.id} · {alert.tier} {alert.kind} incident, event {alert.sequence} ({alert.event}) · {alert.series}"
    for number, (title, lines) in enumerate(steps, start=1):
        yield ""
        yield f"{number}. {title}"
        yield from (f"   {line}" for line in lines)


def _versions(decision: Decision, present: Present) -> Iterator[str]:
    for version in decision.stored.versions:
        yield f"model {version.model} {version.model_version} {version.model_hash[:16]}: {_same(version.model_hash, present.model)}"
        yield f"dictionary {version.dictionary_hash[:16]}: {_same(version.dictionary_hash, present.dictionary)}"
        yield f"settings {version.settings_hash[:16]}: {_same(version.settings_hash, present.settings)}"
    yield f"settings that the detector was set by then: {decision.settings_hash[:16]}, recorded with the log and used here"
    yield "labels and companies are those of the log; another model or dictionary at hand changes nothing below"


def _same(then: str, now: str) -> str:
    return "the one at hand" if then == now else f"another is at hand ({now[:16]}): its answers could differ"


def _record(decision: Decision) -> Iterator[str]:
    if decision.rang_at < 0:
        yield f"none: {decision.place} applied from its first record to its last rings nothing under this id"
        return
    yield f"{decision.place}, offset {decision.rang_at}; the clock or the document stood at {decision.stored.at:%Y-%m-%d %H:%M:%S} UTC"


def _documents(decision: Decision) -> Iterator[str]:
    account, settings = decision.account, decision.settings
    yield f"after {decision.start:%Y-%m-%d %H:%M:%S} up to {decision.end:%Y-%m-%d %H:%M:%S} UTC, {len(decision.documents)} documents name it"
    if account is None:
        return
    counting = [each for each in decision.documents if each.verdict == "counts"]
    total = sum(round(100 * each.probability) for each in counting) / 100
    yield (
        f"{len(counting)} count: novel, at least {settings.least_probability:g} {settings.polarity}, one an author; their "
        f"probabilities sum to {total:.2f}"
    )
    told = decision.stored.count
    if told and decision.stored.kind != "no-data" and round(told.observed - total, 2):
        yield (
            f"the alarm tells {told.observed:.3g}: what the window said when it was last judged, or more than is listed one by "
            "one; stories that were merged or came since are seen here as they are now"
        )
    yield from _listed(counting)
    for verdict, words in VERDICTS.items():
        others = [each for each in decision.documents if each.verdict == verdict != "counts"]
        if others:
            yield f"{len(others)} not: {words}"
            yield from _listed(others)


def _listed(documents: Sequence[Heard]) -> Iterator[str]:
    for each in documents[:_SHOWN]:
        about = f" ({each.about})" if each.about else ""
        text = " ".join(each.excerpt.split())[:90]
        yield f"  {each.probability:.2f}  {each.published_at:%m-%d %H:%M:%S}  {each.identity}{about}  {text}"
    if len(documents) > _SHOWN:
        yield f"  … and {len(documents) - _SHOWN} more"


def _expected(decision: Decision) -> Iterator[str]:
    account, count = decision.account, decision.stored.count
    if account is None or count is None:
        yield "nothing was counted"
        return
    expected, prior = account.expected, account.prior
    yield (
        f"{expected.stories_rate:.4g} stories an hour of usual weight: of its own past {account.known_stories:.1f} (older ones "
        f"count less), and its like have {prior.stories_rate:.4g} an hour"
    )
    yield f"of which {expected.share:.1%} negative; its like have {prior.share:.1%}"
    yield (
        f"{account.exposure:.2f} such hours in the window, so {count.expected:.4g} expected; negative binomial of shape "
        f"{expected.shape:.3g} (dispersion {1 / expected.shape:.3g}), 95 %: {count.expected_low:.3g} to {count.expected_high:.3g}"
    )
    if not account.warm:
        yield "there is not enough history yet: nothing may ring"


def _chance(decision: Decision) -> Iterator[str]:
    alert, settings, count = decision.stored, decision.settings, decision.stored.count
    if count is None:
        yield "not asked"
        return
    if alert.kind != "no-data":
        yield f"{count.observed:.3g} seen where {count.expected:.3g} are expected: chance {count.chance:.2e} in this window alone"
    told = decision.account.told if decision.account else None
    by_count = told.by_count if told else alert.chance_per_year
    topics = ", in any topic of the company" if alert.series_kind == "company-topic" else ""
    yield (
        f"over all looks in all windows (factor {settings.count_looks:g} for several){topics} {by_count:.3g} times a year, "
        f"{how_often(by_count)}"
    )
    if alert.kind == "no-data":
        return
    opens = opens_at(alert.kind, settings)
    yield f"an incident of this kind opens at {opens:g} a year at most, and is kept open up to {settings.leave_chance:g}"
    yield (
        f"evidence needs {settings.minimum_stories} stories by as many authors, of at least {settings.minimum_negatives:g} in sum; "
        f"silent with less than {alert.silent_below:g}"
    )


def _share(decision: Decision) -> Iterator[str]:
    alert, settings, share = decision.stored, decision.settings, decision.stored.share
    if share is None:
        yield "not asked: " + (
            "silence has no share" if alert.kind == "no-data" else "too few stories of this model, or a change of model"
        )
        return
    unit = decision.account.expected.unit if decision.account else 1.0
    told = decision.account.told if decision.account else None
    looks = told.looks if told else max(share.observed / unit, 1.0)
    product = share.chance * looks
    held = "holds" if product <= settings.share_significance else "does not hold"
    yield (
        f"{share.observed:.3g} of {share.total} stories, {share.expected:.3g} expected at that volume (95 %: "
        f"{share.expected_low:.3g} to {share.expected_high:.3g}): chance {share.chance:.2e}"
    )
    yield f"times {looks:.2f} looks in the surge {product:.2e}, at most {settings.share_significance:g} is asked: {held}"
    yield (
        f"in {settings.rungs[0]:g} surges a year {product * settings.rungs[0]:.3g} times a year; the larger of the two chances is "
        f"told: {how_often(alert.chance_per_year)}"
    )


def _told(alert: Alert, decision: Decision) -> Iterator[str]:
    settings = decision.settings
    yield f"rung {alert.rung:g} of {', '.join(f'{rung:g}' for rung in settings.rungs)} a year; tier {alert.tier}"
    yield (
        f"urgent: at most {settings.urgent_chance:g} a year and {settings.urgent_authors} authors; flash: at most "
        f"{settings.flash_chance:g}, {settings.flash_authors} authors, {settings.flash_hours} hours; a tier once reached stays"
    )
    yield alert.reason


def _verdict(decision: Decision) -> Iterator[str]:
    if decision.is_equal:
        yield "yes: the rebuilt alarm equals the stored one byte for byte"
    elif decision.rebuilt is None:
        yield "no: nothing rang under its id. Does the export begin where detection began, and is this the release that judged?"
    else:
        yield f"no: {', '.join(decision.differing)} differ. Was it judged by another release, or is the export cut?"
