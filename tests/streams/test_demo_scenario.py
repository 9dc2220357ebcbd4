"""The demo's scenario is what its truth says it is. No detector and no model take part here."""

from collections import Counter, defaultdict
from datetime import timedelta
from random import Random

import pytest

from processors.errors import PoisonError
from processors.messages import Document
from streams.codec import decode_document
from streams.demo.broken import BREAKAGES
from streams.demo.cast import PLAYERS, WIRE
from streams.demo.newsroom import Newsroom
from streams.demo.scenario import DAYS, START, Scenario, make_scenario
from streams.demo.scenes import HISTORY_DAYS
from streams.demo.texts import Writer, _parts
from streams.settings import load_master, load_settings


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return make_scenario(1)


@pytest.fixture(scope="module")
def documents(scenario: Scenario) -> dict[str, Document]:
    """The sound documents by identity, first ones only, in the order of arrival."""
    found: dict[str, Document] = {}
    for arrival in scenario.arrivals:
        try:
            document = decode_document(arrival.raw, now=arrival.at)
        except PoisonError:
            continue
        found.setdefault(document.identity, document)
    return found


def test_equal_seeds_give_equal_bytes_and_others_give_others(scenario: Scenario) -> None:
    assert make_scenario(1) == scenario
    other = make_scenario(2)
    assert {arrival.raw for arrival in other.arrivals}.isdisjoint(
        arrival.raw for arrival in scenario.arrivals if len(arrival.raw) > 50
    )


def test_records_arrive_in_order_within_the_days_of_the_scenario(scenario: Scenario) -> None:
    instants = [arrival.at for arrival in scenario.arrivals]
    assert instants == sorted(instants)
    assert START <= instants[0] and instants[-1] < START + timedelta(days=DAYS)


def test_every_record_is_a_document_a_duplicate_or_refused_for_the_reason_told(scenario: Scenario) -> None:
    reasons: Counter[str] = Counter()
    identities = []
    for arrival in scenario.arrivals:
        try:
            identities.append(decode_document(arrival.raw, now=arrival.at).identity)
        except PoisonError as error:
            reasons[error.reason] += 1
    truth = scenario.truth
    assert reasons == Counter(truth.refused)
    assert set(reasons) == {reason for reason, _ in BREAKAGES.values()}
    assert len(set(identities)) == truth.documents
    assert len(identities) - len(set(identities)) == truth.duplicates > 100
    assert len(scenario.arrivals) == truth.documents + truth.duplicates + sum(truth.refused.values())


@pytest.mark.parametrize("name", BREAKAGES)
def test_a_broken_record_breaks_the_rule_it_is_meant_to_break(name: str) -> None:
    piece = Newsroom(1, "test").post(START, PLAYERS[0], "post.negative.claim", "negative")
    decode_document(piece.raw, now=piece.arrived_at)
    reason, damage = BREAKAGES[name]
    with pytest.raises(PoisonError) as caught:
        decode_document(damage(dict(piece.fields), piece.arrived_at), now=piece.arrived_at)
    assert caught.value.reason == reason


def test_late_documents_are_late_by_more_than_the_allowance_and_the_others_are_not(
    scenario: Scenario, documents: dict[str, Document]
) -> None:
    arrived: dict[str, timedelta] = {}
    for arrival in scenario.arrivals:
        try:
            document = decode_document(arrival.raw, now=arrival.at)
        except PoisonError:
            continue
        arrived.setdefault(document.identity, arrival.at - document.published_at)
    late = {identity for identity, delay in arrived.items() if delay > timedelta(hours=24)}
    assert late == scenario.truth.late
    assert len(late) > 50
    # Nothing stands so near to the line that the grain of the ticks could decide it.
    assert not any(timedelta(hours=22) < delay < timedelta(hours=25) for delay in arrived.values())


def test_what_is_unlabelled_is_chinese_and_nothing_else_is(scenario: Scenario, documents: dict[str, Document]) -> None:
    def ideographs(document: Document) -> int:
        return sum("\u4e00" <= character <= "\u9fff" for character in document.title + document.text)

    chinese = {identity for identity, document in documents.items() if ideographs(document)}
    assert chinese == scenario.truth.unlabelled
    assert len(chinese) > 100


def test_the_stopped_feed_sends_nothing_while_it_stands_and_plenty_at_other_times(scenario: Scenario) -> None:
    stop = next(item for item in scenario.truth.expectations if item.kind == "no-data")
    arrivals = [a.at for a in scenario.arrivals if f'"source": "{WIRE}"'.encode() in a.raw]
    assert not [at for at in arrivals if stop.since <= at < stop.until]
    week = timedelta(days=7)
    assert len([at for at in arrivals if stop.since - week <= at < stop.until - week]) > 30


def test_history_is_long_and_ordinary(scenario: Scenario) -> None:
    eventful_from = START + timedelta(days=HISTORY_DAYS)
    expectations = scenario.truth.expectations
    assert all(item.since >= eventful_from for item in expectations)
    before = sum(arrival.at < eventful_from for arrival in scenario.arrivals)
    assert 6_000 < before < 9_000  # enough to learn from, and read by the model within a minute
    assert len(scenario.arrivals) < 20_000


def test_daily_volumes_vary_more_than_chance_alone_would_make_them(scenario: Scenario) -> None:
    days = Counter(
        (arrival.at - START).days for arrival in scenario.arrivals if arrival.at < START + timedelta(days=HISTORY_DAYS)
    )
    weekdays = [days[day] for day in range(HISTORY_DAYS) if day % 7 < 5]
    mean = sum(weekdays) / len(weekdays)
    variance = sum((count - mean) ** 2 for count in weekdays) / (len(weekdays) - 1)
    assert variance > 4 * mean  # of a Poisson number it would equal the mean
    assert max(days[day] for day in range(HISTORY_DAYS) if day % 7 >= 5) < min(weekdays)


def test_the_crisis_is_many_different_negative_texts_and_the_campaign_is_one(
    scenario: Scenario, documents: dict[str, Document]
) -> None:
    texts: dict[str, list[str]] = defaultdict(list)
    for identity, document in documents.items():
        if scenario.truth.meant.get(identity) == "negative" and document.repost_of is None:
            texts[scenario.truth.scene[identity]].append(f"{document.title} {document.text}")
    assert len(set(texts["crisis"])) > 250
    assert len(texts["campaign"]) > 100
    claim = "pages of failed booster data leak"
    assert all(claim in text for text in texts["campaign"])


def test_every_company_of_the_scenario_is_known_and_every_expectation_names_a_series_that_exists(
    scenario: Scenario,
) -> None:
    master = load_master(load_settings(None, {}, {}))
    sectors = {master.company(player.id).sector for player in PLAYERS}
    names = {f"company:{player.id}" for player in PLAYERS} | {f"sector:{sector}" for sector in sectors}
    names.add(f"source:{WIRE}")
    assert {item.series for item in scenario.truth.expectations} <= names


def test_no_template_names_a_slot_that_does_not_exist() -> None:
    writer = Writer(Random(1))
    context = PLAYERS[0].context | {"product": "x", "text": "x", "tickers": "x", "link": "x", "source": "x"}
    for symbol, templates in _parts().items():
        for template in templates:
            assert "{" not in writer.fill(template, context), symbol


def test_texts_hardly_repeat(documents: dict[str, Document], scenario: Scenario) -> None:
    originals = [
        f"{document.title} {document.text}"
        for identity, document in documents.items()
        if document.repost_of is None and scenario.truth.scene[identity] == "ordinary" and document.kind == "social"
    ]
    assert len(set(originals)) / len(originals) > 0.9
