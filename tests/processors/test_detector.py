"""The detector counts novel stories once, rings when both questions say so, and shows why."""

from dataclasses import replace
from datetime import timedelta

import pytest
from detector_events import EARLY, NOON, START, VERSIONS, Partition, burst, document, events_of, history, mention, words

from processors.identity import canonical_json
from processors.messages import Mention, Sentiment

SETTINGS = EARLY.detection


def test_ordinary_weeks_ring_nothing(ordinary_pieces: tuple[dict[str, bytes], Partition]) -> None:
    assert ordinary_pieces[1].alerts == []


def test_a_surge_of_negative_stories_rings_on_the_document_that_crosses_the_line(ordinary: Partition) -> None:
    surge = burst(12, NOON)
    raised = ordinary.feed(surge)
    opened = next(alert for alert in raised if alert.kind == "sentiment")
    assert (opened.event, opened.sequence, opened.series, opened.company) == ("open", 0, "company:ACME", "ACME")
    assert opened.at in {m.document.published_at for m in surge}
    assert opened.at < surge[-1].document.published_at
    assert opened.count is not None and opened.share is not None
    assert opened.count.observed > opened.count.expected_high
    assert opened.chance_per_year <= opened.rung <= 12
    assert opened.silent_below <= opened.count.observed


def test_an_alert_shows_its_documents_terms_versions_and_reason(ordinary: Partition) -> None:
    last = ordinary.feed(burst(12, NOON))[-1]
    assert last.evidence and all(shown.identity.startswith("twitter/burst") for shown in last.evidence)
    assert last.versions == (VERSIONS,)
    assert last.reason
    assert canonical_json(last)


def test_a_surge_of_neutral_stories_rings_nothing(ordinary: Partition) -> None:
    assert ordinary.feed(burst(40, NOON, label="neutral")) == []


def test_negatives_within_a_surge_of_everything_are_a_volume_incident_at_most(ordinary: Partition) -> None:
    everything = burst(150, NOON, 2, "neutral") + burst(10, NOON + 0.01, 2)
    raised = [alert for alert in ordinary.feed(everything) if alert.series_kind == "company"]
    assert {alert.kind for alert in raised} == {"volume"}
    assert {alert.tier for alert in raised} == {"watch"}


def test_one_author_counts_once_however_much_he_writes(ordinary: Partition) -> None:
    ranting = [mention(document(f"rant-{i}", NOON + i / 20, "negative", author="one")) for i in range(30)]
    assert ordinary.feed(ranting) == []


def test_texts_of_one_newsroom_count_each(ordinary: Partition) -> None:
    wires = [
        mention(document(f"wire-{i}", NOON + i / 20, "negative", author="desk", kind="news", source="wire"))
        for i in range(12)
    ]
    assert "open" in events_of(ordinary.feed(wires))


def test_two_negatives_of_a_quiet_company_are_too_little_evidence(ordinary: Partition) -> None:
    pair = [mention(document(f"pair-{i}", NOON + i / 10, "negative"), "INITECH") for i in range(2)]
    assert ordinary.feed(pair) == []


def test_reposts_of_one_negative_text_count_once(ordinary: Partition) -> None:
    text = words("one text")
    copies = [mention(document(f"copy-{i}", NOON + i / 40, "negative", text=text)) for i in range(60)]
    assert ordinary.feed(copies) == []


def test_a_text_that_lists_many_companies_is_about_none(ordinary: Partition) -> None:
    before = ordinary.state()
    ordinary.apply(*[replace(m, companies_in_document=5) for m in burst(12, NOON)])
    assert ordinary.state() == before


def test_nothing_rings_before_there_is_a_history() -> None:
    partition = Partition()
    assert partition.feed([*history(3), *burst(30, 24 * 3.5)]) == []


def test_of_history_that_is_only_learnt_from_nothing_is_told_and_all_is_known() -> None:
    told, silent = Partition(), Partition()
    silent.clock = silent.clock.advance("", START, START + timedelta(hours=24 * 24))
    records = [*history(26), *burst(12, 24 * 23 + 10), *burst(12, 24 * 25 + 10)]
    told.feed(records)
    silent.feed(records)
    assert silent.state() == told.state()
    assert silent.points == told.points
    assert silent.alerts == [a for a in told.alerts if a.opened_at > START + timedelta(days=24)]
    assert 0 < len(silent.alerts) < len(told.alerts)


def test_it_tells_from_when_something_may_ring_and_keeps_its_word() -> None:
    partition = Partition()
    assert partition.detector.warm_from is None, "no tick has said what time it is"
    partition.tick(0)
    promised = partition.detector.warm_from
    assert promised is not None
    hours = (promised - START) / timedelta(hours=1)
    days = int(hours / 24)
    partition.feed(history(days))
    assert partition.detector.warm_from == promised, "with documents on every day it stays as it was told"
    assert partition.restored().detector.warm_from == promised
    partition.tick(hours)
    assert partition.detector.warm_from is None
    assert partition.feed(burst(30, hours + 12))


def test_a_day_without_documents_puts_off_from_when_something_may_ring() -> None:
    partition = Partition()
    partition.feed(history(2))
    promised = partition.detector.warm_from
    partition.tick(24 * 10)
    put_off = partition.detector.warm_from
    assert promised is not None and put_off is not None and put_off > promised


def test_an_incident_lives_under_one_id_and_does_not_flap(ordinary: Partition) -> None:
    ordinary.feed(burst(20, NOON))
    ordinary.feed(mention(document(f"after-{i}", NOON + 3 + 5 * i, "negative")) for i in range(4))
    ordinary.tick(NOON + 60)
    sentiment = [alert for alert in ordinary.alerts if alert.kind == "sentiment"]
    assert len({alert.incident for alert in sentiment}) == 1
    assert [alert.sequence for alert in sentiment] == list(range(len(sentiment)))
    assert sentiment[0].event == "open" and sentiment[-1].event == "close"
    rungs = [alert.rung for alert in sentiment]
    assert rungs == sorted(rungs, reverse=True)
    assert len(sentiment) <= 7


def test_a_crisis_is_told_as_it_grows_and_closes_at_its_height(ordinary: Partition) -> None:
    raised = ordinary.feed(burst(90, NOON, 0.9) + burst(400, NOON + 1, 4.9))
    life = [a for a in raised if a.kind == "sentiment" and a.series_kind == "company"]
    assert life[0].at < life[-1].at - timedelta(hours=3)
    assert life[-1].count is not None and life[-1].count.observed > 250
    tiers = [a.tier for a in life]
    assert tiers == sorted(tiers, key=["watch", "urgent", "flash"].index) and tiers[-1] == "flash"
    assert next(a for a in life if a.tier == "flash").event == "escalate"
    assert len(life) < 15
    (closed,) = [a for a in ordinary.tick(NOON + 40) if a.event == "close" and a.series_kind == "company"]
    assert closed.count is not None and closed.count.observed >= 490
    assert closed.chance_per_year <= min(a.chance_per_year for a in life)


def test_what_was_told_once_opens_no_second_incident(ordinary: Partition) -> None:
    ordinary.feed(burst(20, NOON))
    ordinary.tick(NOON + 20)
    assert events_of(ordinary.alerts)[-1] == "close"
    again = ordinary.feed([mention(document("straggler", NOON + 21, "negative"))])
    assert again == []


def test_a_topic_is_not_told_beside_its_company(ordinary: Partition) -> None:
    raised = ordinary.feed(burst(20, NOON))
    ordinary.tick(NOON + 48)
    open_together = [alert.series_kind for alert in raised if alert.kind == "sentiment" and alert.event != "close"]
    assert "company" in open_together
    company_opened = next(a.at for a in raised if a.kind == "sentiment" and a.series_kind == "company")
    assert not [a for a in raised if a.series_kind == "company-topic" and a.event == "open" and a.at > company_opened]


def test_a_companys_volume_does_not_silence_the_sentiment_of_its_topic(ordinary: Partition) -> None:
    noise = [mention(document(f"noise-{i}", NOON + i / 40, "neutral", topic="markets")) for i in range(160)]
    grumbles = [mention(document(f"grumble-{i}", NOON + i / 5, "negative", topic="markets")) for i in range(20)]
    suits = [mention(document(f"suit-{i}", NOON + 1 + i / 5, "negative", topic="legal-regulation")) for i in range(10)]
    raised = ordinary.feed(noise + grumbles + suits)
    about = [(a.event, a.kind) for a in raised if a.series == "company-topic:ACME/legal-regulation"]
    assert events_of(raised, "volume")[0] == "open" and "sentiment" not in {a.kind for a in raised if not a.topic}
    assert ("open", "sentiment") in about and ("close", "sentiment") not in about


def test_a_volume_that_becomes_sentiment_keeps_its_evidence(ordinary: Partition) -> None:
    mixed = burst(40, NOON, 1, "neutral") + burst(8, NOON + 0.01, 1)
    ordinary.feed(mixed + burst(30, NOON + 1.02, 1.5))
    converted = next(a for a in ordinary.alerts if a.kind == "volume" and a.event == "close" and not a.topic)
    after = [a for a in ordinary.alerts if a.kind == "sentiment" and not a.topic and a.at >= converted.at]
    assert after[0].event == "open" and after[1].event in ("escalate", "update")
    counted = [a.count.observed for a in after if a.count is not None]
    assert counted[0] > 8 and counted[1] > 8
    assert converted.continued_by == after[0].incident
    assert "told from here on by another incident" in converted.reason and ": over" not in converted.reason


def doubtful(name: str, hours: float, probability: float, author: str | None = None) -> Mention:
    """A story that the model calls negative with this probability."""
    said = mention(document(name, hours, "negative", author=author))
    sentiment = Sentiment("negative", probability, 1 - probability, 0.0)
    return replace(said, document=replace(said.document, sentiment=sentiment))


def test_a_story_counts_by_its_probability(ordinary: Partition) -> None:
    raised = ordinary.feed([doubtful(f"perhaps-{i}", NOON + i / 10, 0.55) for i in range(8)])
    rang = next(a for a in raised if a.kind == "sentiment" and not a.topic)
    assert rang.count is not None and rang.share is not None
    assert rang.count.observed == pytest.approx(0.55 * rang.share.total)
    assert rang.count.observed >= SETTINGS.minimum_negatives


def test_stories_that_hardly_lean_negative_do_not_count(ordinary: Partition) -> None:
    raised = ordinary.feed(
        [doubtful(f"hardly-{i}", NOON + i / 50, SETTINGS.least_probability - 0.01) for i in range(60)]
    )
    assert [a for a in raised if a.kind == "sentiment"] == []
    assert ordinary.final_points()["company:ACME", START + timedelta(hours=NOON)].novel_negative == 0


def test_doubts_alone_do_not_add_up_to_evidence(ordinary: Partition) -> None:
    few = [doubtful(f"doubt-{i}", NOON + i / 10, 0.3) for i in range(4)]
    assert 4 * 0.3 < SETTINGS.minimum_negatives
    assert [a for a in ordinary.feed(few) if a.kind == "sentiment"] == []


def test_an_author_counts_at_the_surest(ordinary: Partition) -> None:
    said = [doubtful(f"again-{i}", NOON + i / 20, 0.4 + i / 10, author="one") for i in range(5)]
    raised = ordinary.feed([*said, *burst(4, NOON + 0.5, 0.4)])
    last = [a for a in raised if a.kind == "sentiment" and not a.topic][-1]
    assert last.count is not None and last.count.observed == pytest.approx(0.8 + 4.0)


def test_more_of_everything_is_no_surge_of_sentiment(ordinary: Partition) -> None:
    lively = [
        mention(document(f"lively-{i}", NOON + i / 50, "negative" if i % 10 == 0 else "neutral")) for i in range(150)
    ]
    raised = ordinary.feed(lively)
    assert {a.kind for a in raised if not a.topic} == {"volume"}
