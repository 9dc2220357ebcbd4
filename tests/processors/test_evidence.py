"""What an alarm shows: documents, terms and the reason."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from story_documents import START, document

from processors.detection import EvidenceSettings
from processors.errors import InvariantError
from processors.evidence import TermBackground, leading_documents, leading_terms, terms_of
from processors.identity import canonical_json
from processors.messages import Alert, DocumentSummary, Measure, Term
from processors.reasons import reason_of
from processors.spread import Spread
from processors.stories import Story

SETTINGS = EvidenceSettings()
TEXTS = (
    "Acme recalls heaters after fires in Ohio",
    "Regulators open an inquiry into Acme's safety tests",
    "Class action filed against Acme over burnt homes",
    "Acme shares fall twelve percent on heater recall",
    "Retailers stop selling heaters made by Acme",
    "Analysts cut their targets for Acme after the recall",
    "Insurers count the cost of the Ohio fires",
)


def candidate(
    document: DocumentSummary, *, spread: int = 1, coordinated: bool = False
) -> tuple[DocumentSummary, Story]:
    counters = Spread.of(document)._replace(documents=spread, author_hashes=tuple(range(spread)))
    return document, Story(counters, coordinated)


def shown(*candidates: tuple[DocumentSummary, Story]) -> list[str]:
    return [each.identity.removeprefix("twitter/") for each in leading_documents(candidates, "negative", SETTINGS)]


# -- documents


def test_the_surer_the_further_reaching_and_the_newer_document_leads() -> None:
    base = document("base", TEXTS[0], 10, author="a", negative=0.9, reach=500)
    for name, better in {
        "sure": document("sure", TEXTS[1], 10, author="b", negative=0.99, reach=500),
        "far": document("far", TEXTS[1], 10, author="b", negative=0.9, reach=50_000),
        "new": document("new", TEXTS[1], 20, author="b", negative=0.9, reach=500),
        "wire": document("wire", TEXTS[1], 10, author="b", negative=0.9, reach=None, kind="news"),
    }.items():
        assert shown(candidate(base), candidate(better)) == [name, "base"]


def test_a_document_like_a_better_one_gives_way_to_another_subject() -> None:
    best = document("best", TEXTS[0], author="a", negative=0.95)
    alike = document("alike", f"{TEXTS[0]} and Iowa", author="b", negative=0.94)
    other = document("other", TEXTS[2], author="c", negative=0.7)
    assert shown(candidate(best), candidate(alike), candidate(other)) == ["best", "other", "alike"]


def test_coordinated_stories_and_further_documents_of_one_author_come_last() -> None:
    pushed = candidate(document("pushed", TEXTS[0], author="a", negative=0.99), spread=500, coordinated=True)
    one = candidate(document("one", TEXTS[1], author="b", negative=0.9))
    again = candidate(document("again", TEXTS[2], author="b", negative=0.89))
    other = candidate(document("other", TEXTS[3], author="c", negative=0.6))
    assert shown(pushed, one, again, other)[:2] == ["one", "other"]


def test_a_story_is_shown_once_and_no_more_than_the_most() -> None:
    many = [candidate(document(str(n), TEXTS[n], author=str(n))) for n in range(7)]
    assert len(shown(*many, *many)) == SETTINGS.documents
    assert shown() == []


def test_what_is_shown_is_all_that_a_reader_needs() -> None:
    made = document("1", TEXTS[0], author="a", reach=12, negative=0.8)
    (evidence,) = leading_documents([candidate(made, spread=9)], "negative", SETTINGS)
    assert (evidence.excerpt, evidence.author, evidence.reach, evidence.p_negative) == (TEXTS[0], "a", 12, 0.8)
    assert (evidence.spread, evidence.authors, evidence.coordinated) == (9, 9, False)
    assert evidence.story.startswith("story-")


@given(
    st.lists(st.tuples(st.sampled_from(TEXTS), st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=9),
    st.randoms(),
)
@settings(max_examples=100, deadline=None)
def test_the_choice_does_not_depend_on_the_order_of_the_candidates(
    drawn: list[tuple[str, int, int]], shuffle: random.Random
) -> None:
    made = [
        candidate(document(str(n), text, hours, author=str(hours), negative=tenth / 10), coordinated=tenth == 3)
        for n, (text, hours, tenth) in enumerate(drawn)
    ]
    before = shown(*made)
    shuffle.shuffle(made)
    assert shown(*made) == before


# -- terms


def usual(texts: int = 200) -> TermBackground:
    background = TermBackground()
    for n in range(texts):
        background.add(
            f"Acme stock to watch today, earnings on {('Monday', 'Tuesday')[n % 2]}", START + timedelta(hours=4 * n)
        )
    return background


def test_terms_leave_out_addresses_handles_cashtags_numbers_and_small_words() -> None:
    assert terms_of("RT @wire: Acme’s heaters recalled after 3 fires in the state http://t.co/x $ACM #recall") == {
        "acme", "heaters", "recalled", "fires", "state", "recall",
    }  # fmt: skip


def test_terms_of_chinese_are_pairs_of_characters() -> None:
    assert terms_of("公司被立案调查") == {"公司", "司被", "被立", "立案", "案调", "调查"}


def test_words_that_are_new_lead_and_words_that_are_usual_do_not() -> None:
    texts = ["Acme recall widens", "Acme recall hits earnings", "fires behind Acme recall", "Acme fires: stock down"]
    terms = leading_terms(texts, usual(), SETTINGS)
    assert [term.term for term in terms[:2]] == ["recall", "fires"]
    assert terms[0].count == 3
    assert terms[0].score > terms[1].score > 0
    assert {"acme", "stock", "earnings"}.isdisjoint(term.term for term in terms)


def test_a_word_of_one_text_leads_nowhere_but_in_a_single_text() -> None:
    assert leading_terms(["recall widens", "fires spread"], usual(), SETTINGS) == ()
    assert {term.term for term in leading_terms(["recall widens"], usual(), SETTINGS)} == {"recall", "widens"}


def test_one_text_counts_a_word_once() -> None:
    (term, *_) = leading_terms(["fire fire fire fire", "fire"], usual(), SETTINGS)
    assert (term.term, term.count) == ("fire", 2)


def test_nothing_leads_before_anything_is_known() -> None:
    assert leading_terms(["recall now", "recall later"], TermBackground(), SETTINGS) == ()


def test_the_background_forgets_in_half_lives_of_28_days() -> None:
    background = TermBackground()
    background.add("recall", START)
    background.add("earnings", START + timedelta(days=28))
    assert background.count("recall") == pytest.approx(0.5, abs=0.01)
    background.add("earnings", START + timedelta(days=3650))
    assert background.count("recall") == 0


def test_texts_close_together_are_not_learnt() -> None:
    background = TermBackground()
    assert background.add("recall", START)
    assert not background.add("recall", START + timedelta(hours=1))
    assert not background.add("recall", START - timedelta(days=1))
    assert background.add("recall", START + timedelta(hours=5))


@given(st.lists(st.tuples(st.text(max_size=300), st.integers(0, 2000)), max_size=30), st.integers(0, 30))
@settings(max_examples=60, deadline=None)
def test_the_background_survives_serialisation_at_any_point(texts: list[tuple[str, int]], pause: int) -> None:
    straight, background = TermBackground(), TermBackground()
    for n, (text, hours) in enumerate(texts):
        straight.add(text, START + timedelta(hours=hours))
        background.add(text, START + timedelta(hours=hours))
        if n == pause:
            background = TermBackground.restore(background.piece())
    assert background.piece() == straight.piece()


def test_the_background_stays_small_whatever_it_reads() -> None:
    generator, background = random.Random(1), TermBackground()
    for n in range(300):
        words = ("".join(chr(generator.randrange(0x0E01, 0x0E2F)) for _ in range(13)) for _ in range(40))
        background.add(" ".join(words), START + timedelta(hours=4 * n))
    assert len(canonical_json(background.piece())) < 32 * 1024


@pytest.mark.parametrize("piece", [None, {}, {"counts": [], "latest": None}, {"counts": {"a": "x"}, "latest": 1}])
def test_a_piece_of_another_form_is_refused(piece: object) -> None:
    with pytest.raises(InvariantError, match="term background"):
        TermBackground.restore(piece)


# -- reason

ALARM = Alert(
    id="alert-1",
    incident="incident-1",
    continued_by=None,
    sequence=0,
    event="open",
    kind="sentiment",
    tier="urgent",
    series="company:ACM",
    series_kind="company",
    company="ACM",
    topic=None,
    sector="Industrial Goods",
    source=None,
    polarity="negative",
    at=START,
    opened_at=START,
    window_end=START,
    window_hours=3,
    count=Measure(observed=9, total=12, expected=0.8, expected_low=0, expected_high=3, chance=1e-7),
    share=Measure(observed=9, total=12, expected=1.7, expected_low=0, expected_high=5, chance=1e-5),
    chance_per_year=0.025,
    rung=0.1,
    silent_below=5,
    coordinated=False,
    reason="",
    evidence=(),
    terms=(Term("recall", 7, 4.2), Term("fires", 4, 3.1)),
    versions=(),
)


def test_the_reason_tells_what_happened_how_unlikely_it_is_and_what_would_have_kept_it_silent() -> None:
    assert reason_of(ALARM, "Acme") == (
        "Acme: 9 new negative stories in 3 hours where 0.8 are usual (95 % interval 0–3); 75 % of 12 stories are "
        "negative, usually 14 %. By chance about once in 40 years. Leading words: recall, fires. With less than 5 it "
        "would have kept silent."
    )


def test_the_reason_of_a_volume_incident_says_that_the_share_is_usual() -> None:
    reason = reason_of(replace(ALARM, kind="volume", terms=(), window_hours=72), "Acme")
    assert "in 3 days where" in reason
    assert "the share of negative stories is not unusual. By chance" in reason


def test_the_reason_of_a_silence_says_what_was_due() -> None:
    silence = replace(
        ALARM,
        kind="no-data",
        window_end=START,
        window_hours=6,
        count=Measure(0, 0, 41.2, 29, 54, 1e-18),
        share=None,
        chance_per_year=1e-9,
        silent_below=0,
    )
    assert reason_of(silence, "twitter") == (
        "twitter: nothing for 6 hours; by its usual rate 41 stories were due. By chance less than once in a million years."
    )
    assert reason_of(replace(silence, event="close"), "twitter") == (
        "twitter: heard again after 6 hours without a document."
    )


def test_the_reason_of_later_events_says_so() -> None:
    assert reason_of(replace(ALARM, event="escalate"), "Acme").startswith("Acme: louder now: 9 new negative")
    assert reason_of(replace(ALARM, event="close"), "Acme").startswith("Acme: over; at its height 9 new negative")
    assert "silent" not in reason_of(replace(ALARM, event="close"), "Acme")
    assert "pushed by many accounts" in reason_of(replace(ALARM, coordinated=True), "Acme")


@pytest.mark.parametrize(
    ("per_year", "words"),
    [
        (11.6, "about 12 times a year"),
        (1.6, "about 2 times a year"),
        (1.0, "about once a year"),
        (0.7, "about once in 1.4 years"),
        (0.0123, "about once in 81 years"),
        (0.000123, "about once in 8,100 years"),
        (0.0, "less than once in a million years"),
    ],
)
def test_chances_are_told_in_years(per_year: float, words: str) -> None:
    assert f"By chance {words}." in reason_of(replace(ALARM, chance_per_year=per_year), "Acme")


@given(
    event=st.sampled_from(["open", "escalate", "update", "revise", "close"]),
    kind=st.sampled_from(["sentiment", "volume", "no-data"]),
    hours=st.floats(0.01, 1000),
    observed=st.integers(0, 10**6),
    expected=st.floats(0, 1e6),
    per_year=st.floats(0, 1e4),
    asked=st.booleans(),
)
def test_every_alert_has_a_reason_of_one_line(event, kind, hours, observed, expected, per_year, asked) -> None:
    measure = Measure(observed, observed, expected, 0.0, 2 * expected, 0.5)
    alert = replace(
        ALARM,
        event=event,
        kind=kind,
        window_end=START,
        window_hours=hours,
        count=measure,
        share=measure if asked else None,
        chance_per_year=per_year,
    )
    reason = reason_of(alert, "Acme")
    assert reason.startswith("Acme: ")
    assert reason.endswith(".")
    assert "\n" not in reason
    assert "nan" not in reason


def test_a_term_that_is_all_there_ever_was_leads_nothing() -> None:
    background = TermBackground()
    for day in range(3):
        background.add("strike", START + timedelta(days=day))

    assert leading_terms(["strike", "strike"], background, EvidenceSettings()) == ()
