"""Near-duplicates collapse into stories, whatever the order of arrival."""

import hashlib
import json
import tracemalloc
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from story_documents import START, Stories, document

from processors.detection import StorySettings
from processors.errors import InvariantError, PoisonError
from processors.identity import canonical_json, content_id
from processors.messages import DocumentSummary
from processors.neighbours import Neighbours
from processors.stories import Sighted, Story

RECALL = "Acme recalls 2,000 heaters after three fires in Ohio, shares slide"
RECALL_EDITED = "Acme recalls 2,000 heaters after three fires in Ohio, its shares slide sharply"
RECALL_LONGER = "UPDATE: Acme recalls 2,000 heaters after three fires in Ohio, its shares slide sharply, police say"
MERGER = "Globex agrees to buy Initech for 4.1 billion dollars in cash"


def filled(documents: Iterable[DocumentSummary]) -> Stories:
    stories = Stories()
    for each in documents:
        stories.add(each)
    return stories


def test_a_text_of_its_own_is_novel() -> None:
    sighting = Stories().add(document("1", RECALL))
    assert sighting.is_first
    assert sighting.displaced == ()
    assert sighting.story.id == content_id("story", "twitter/1")
    assert (sighting.story.spread, sighting.story.authors) == (1, 1)


def test_a_reposted_text_joins_the_story_of_its_original() -> None:
    stories = filled([document("1", RECALL)])
    sighting = stories.add(document("2", f"RT @acme_watch: {RECALL[:50]}…", 1, repost_of="1", author="other"))
    assert not sighting.is_first
    assert sighting.story.first.identity == "twitter/1"
    assert (sighting.story.spread, sighting.story.authors) == (2, 2)


def test_a_repost_with_words_of_its_own_joins_the_story_of_its_original_by_the_link() -> None:
    stories = filled([document("1", RECALL)])
    assert not stories.add(document("2", "This is what I warned about for years", 1, repost_of="1")).is_first
    assert stories.add(document("3", "This is what I warned about for years", 200)).is_first


def test_an_original_that_arrives_after_its_reposts_takes_over_the_story() -> None:
    stories = filled(
        [
            document("2", f"RT @x: {RECALL}", 1, repost_of="1"),
            document("3", "Told you so, people of Ohio", 2, repost_of="1"),
        ]
    )
    assert len(stories) == 1
    sighting = stories.add(document("1", RECALL))
    assert sighting.is_first
    assert sighting.displaced == (Sighted(START + timedelta(hours=1), "twitter/2"),)
    assert stories.story_of("twitter/2") is None


def test_a_wire_copy_with_edits_joins_the_story() -> None:
    stories = filled([document("1", RECALL)])
    assert not stories.add(document("2", f"{RECALL_EDITED} http://t.co/x via @wire", 5)).is_first


def test_another_number_or_another_event_is_another_story() -> None:
    stories = filled([document("1", MERGER)])
    assert stories.add(document("2", RECALL, 1)).is_first
    assert stories.add(document("3", "Globex reports earnings of 0.57 a share against 0.61 expected", 2)).is_first
    assert stories.add(document("4", "Globex reports earnings of 1.12 a share against 1.02 expected", 3)).is_first


def test_a_bridging_document_merges_two_stories_and_the_later_first_is_displaced() -> None:
    near, far = document("1", RECALL), document("2", RECALL_LONGER, 60)
    stories = filled([near, far])
    assert len(stories) == 2
    sighting = stories.add(document("3", RECALL_EDITED, 30))
    assert not sighting.is_first
    assert sighting.story.first.identity == "twitter/1"
    assert sighting.displaced == (Sighted(far.published_at, "twitter/2"),)
    assert sighting.story.spread == 3


def test_a_story_told_again_after_the_gap_is_a_follow_up() -> None:
    stories = filled([document("1", RECALL), document("2", RECALL, 40), document("3", RECALL_EDITED, 100)])
    assert stories.story_of("twitter/3") is not None
    assert stories.follow_up_of("twitter/3") == content_id("story", "twitter/1")
    assert stories.follow_up_of("twitter/1") is None


def test_authors_are_counted_once_and_copies_without_author_once_per_source() -> None:
    stories = filled(
        [
            document("1", RECALL, author="a"),
            document("2", RECALL, author="a"),
            document("3", RECALL, author=None, source="wire"),
            document("4", RECALL, author=None, source="wire"),
        ]
    )
    story = stories.story_of("twitter/1")
    assert story is not None
    assert (story.spread, story.authors) == (4, 2)


def test_many_authors_are_estimated_within_a_quarter() -> None:
    stories = filled(document(str(n), RECALL, n / 3600, author=f"author {n}") for n in range(2000))
    story = stories.story_of("twitter/0")
    assert story is not None
    assert 1500 < story.authors < 2500


def test_a_first_added_again_changes_nothing() -> None:
    stories = filled([document("1", RECALL), document("2", RECALL, 1)])
    before = stories.pieces()
    assert stories.add(document("1", RECALL)).is_first
    assert stories.pieces() == before


def test_an_identity_that_comes_again_with_another_text_stays_in_its_story() -> None:
    stories = filled([document("1", RECALL), document("1", MERGER, 1), document("2", RECALL, 2)])
    story = stories.story_of("twitter/1")
    assert story is not None
    assert (story.first.published_at, story.spread, len(stories)) == (START, 3, 1)


def test_a_damaged_signature_is_poison_and_changes_nothing() -> None:
    stories = filled([document("1", RECALL)])
    before = stories.pieces()
    for damaged in ("", "00", "zz" * 64, "é" * 128):
        with pytest.raises(PoisonError, match="signature") as caught:
            stories.add(replace(document("2", RECALL, 1), signature=damaged))
        assert caught.value.reason == "bad-signature"
    assert stories.pieces() == before
    assert not stories.add(document("2", RECALL, 1)).is_first


def test_pieces_of_another_form_are_refused_by_name() -> None:
    pieces = filled([document("1", RECALL)]).pieces()
    key = next(iter(pieces))
    del pieces[key]["spread"]["first"]
    with pytest.raises(InvariantError, match=key):
        Stories().restore(pieces)


@pytest.mark.parametrize(
    ("place", "damaged"), [(0, "abcd"), (0, "no hex"), (1, 1.5), (2, 2**70), (2, None)], ids=lambda value: repr(value)
)
def test_an_original_that_does_not_fit_is_refused_by_name(place: int, damaged: object) -> None:
    pieces = filled([document("1", RECALL), document("2", RECALL, 1)]).pieces()
    key = next(key for key, piece in pieces.items() if piece["originals"])
    original = list(pieces[key]["originals"][0])
    original[place] = damaged
    pieces[key]["originals"][0] = original
    with pytest.raises(InvariantError, match=key):
        Stories().restore(pieces)


# -- properties

# Texts between which near-duplicates form chains: neighbours in the list resemble each other, the ends do not.
_WORDS = (
    "acme recalls thousands of heaters after three fires in ohio while lawyers prepare claims and regulators open an "
    "inquiry that analysts expect to last into spring as rivals raise output and retailers clear their shelves"
).split()
TEXTS = [" ".join(_WORDS[start : start + 12]) for start in range(0, 18, 2)] + ["$ACME", "great", MERGER]


@st.composite
def documents(draw: st.DrawFn, most: int = 14) -> list[DocumentSummary]:
    """Documents of a week, some reposts, in order of time."""
    count = draw(st.integers(1, most))
    made = []
    for n in range(count):
        made.append(
            document(
                str(n),
                draw(st.sampled_from(TEXTS)),
                draw(st.integers(0, 160)),
                author=f"author {draw(st.integers(0, 4))}",
                reach=draw(st.none() | st.integers(0, 5000)),
                repost_of=draw(st.none() | st.integers(0, count - 1).map(str)),
            )
        )
    return sorted(made, key=lambda each: (each.published_at, each.identity))


def told(stories: Stories, among: Iterable[DocumentSummary]) -> set[tuple[Story, str | None]]:
    found = ((stories.story_of(each.identity), stories.follow_up_of(each.identity)) for each in among)
    return {(story, former) for story, former in found if story is not None}


def components(among: list[DocumentSummary]) -> set[tuple[str, int, int]]:
    """(first, documents, authors) of each story by the definition, every pair compared."""
    index = Neighbours(StorySettings().similarity)
    for signature in {each.signature for each in among}:
        index.add(signature)
    near = {each.signature: {each.signature, *index.near(each.signature)} for each in among}

    def linked(a: DocumentSummary, b: DocumentSummary) -> bool:
        origins = {each.repost_of or each.identity for each in (a, b)}
        return abs(a.published_at - b.published_at) <= timedelta(hours=48) and (
            b.signature in near[a.signature] or len(origins) == 1
        )

    rest, found = list(among), set()
    while rest:
        group = [rest.pop(0)]
        for member in group:
            joining = [each for each in rest if linked(member, each)]
            group += joining
            rest = [each for each in rest if each not in joining]
        first = min((each.published_at, each.identity) for each in group)[1]
        found.add((first, len(group), len({each.author for each in group})))
    return found


@given(documents())
@settings(max_examples=300, deadline=None)
def test_stories_are_the_connected_components_of_the_definition(among: list[DocumentSummary]) -> None:
    found = {(s.first.identity, s.spread, s.authors) for s, _ in told(filled(among), among)}
    assert found == components(among)


@given(documents(), st.data())
@settings(max_examples=300, deadline=None)
def test_stories_do_not_depend_on_the_order_of_arrival(among: list[DocumentSummary], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(among))
    assert told(filled(shuffled), among) == told(filled(among), among)


@given(documents(), st.data())
@settings(max_examples=300, deadline=None)
def test_following_the_changes_gives_the_novel_documents_at_any_time(
    among: list[DocumentSummary], data: st.DataObject
) -> None:
    stories, novel = Stories(), set()
    for each in data.draw(st.permutations(among)):
        sighting = stories.add(each)
        novel |= {each.identity} if sighting.is_first else set()
        assert novel >= {gone.identity for gone in sighting.displaced}
        novel -= {gone.identity for gone in sighting.displaced}
        assert novel == {other.identity for other in among if stories.story_of(other.identity)}
    assert len(novel) == len(stories)


@given(documents(), st.data())
@settings(max_examples=200, deadline=None)
def test_an_addition_taken_back_leaves_no_trace(among: list[DocumentSummary], data: st.DataObject) -> None:
    order = data.draw(st.permutations(among))
    stories, plain = Stories(), Stories()
    for each in order[:-1]:
        stories.add(each)
        stories.undo()
        stories.undo()
        stories.add(each)
        plain.add(each)
    stories.changed()
    before = stories.pieces()
    stories.add(order[-1])
    stories.undo()
    assert stories.pieces() == before == plain.pieces()
    assert stories.changed() == set()
    assert stories.add(order[-1]) == plain.add(order[-1])


@given(documents(), st.data())
@settings(max_examples=200, deadline=None)
def test_state_written_piece_by_piece_restores_the_memory_at_any_point(
    among: list[DocumentSummary], data: st.DataObject
) -> None:
    """Late arrivals and the passing of time included: only changed pieces are written, as a changelog would."""
    pause = data.draw(st.integers(0, len(among)))
    delays = data.draw(st.lists(st.integers(0, 24), min_size=len(among), max_size=len(among)))
    arrivals = sorted(zip(among, delays, strict=True), key=lambda pair: pair[0].published_at + timedelta(hours=pair[1]))
    stories, written = Stories(), {}
    for n, (each, delay) in enumerate(arrivals):
        stories.add(each)
        stories.expire(each.published_at + timedelta(hours=delay))
        written |= stories.pieces(stories.changed())
        if n == pause:
            alive = {key: json.loads(canonical_json(piece)) for key, piece in written.items() if piece is not None}
            stories = Stories()
            stories.restore(alive)
    straight = Stories()
    for each, delay in arrivals:
        straight.add(each)
        straight.expire(each.published_at + timedelta(hours=delay))
    assert told(stories, among) == told(straight, among)
    assert {key: piece for key, piece in written.items() if piece is not None} == stories.pieces()
    assert canonical_json(stories.pieces()) == canonical_json(straight.pieces())


@given(documents(), st.data())
@settings(max_examples=200, deadline=None)
def test_forgetting_touches_nothing_that_a_document_within_the_lateness_allowance_can_see(
    among: list[DocumentSummary], data: st.DataObject
) -> None:
    delays = data.draw(st.lists(st.integers(0, 24), min_size=len(among), max_size=len(among)))
    arrivals = sorted(zip(among, delays, strict=True), key=lambda pair: pair[0].published_at + timedelta(hours=pair[1]))
    forgetful, keeping = Stories(), Stories()
    for each, delay in arrivals:
        forgetful.expire(each.published_at + timedelta(hours=delay))
        assert forgetful.add(each) == keeping.add(each)
        assert forgetful.follow_up_of(each.identity) == keeping.follow_up_of(each.identity)


def test_all_is_forgotten_when_its_time_is_over() -> None:
    stories = filled(document(str(n), text, n) for n, text in enumerate(TEXTS))
    stories.changed()
    keys = set(stories.pieces())
    stories.expire(START + timedelta(days=30))
    assert len(stories) == 0
    assert stories.pieces(stories.changed()) == dict.fromkeys(keys)
    assert stories.__dict__["_firsts"] == stories.__dict__["_due"] == {} and not len(stories.__dict__["_threads"])


def test_a_piece_of_which_only_one_telling_is_forgotten_is_written_again() -> None:
    """The same words at both ends of a story, held together by others in between."""
    ends = [document(name, RECALL, hours, repost_of="0") for name, hours in (("1", 0), ("3", 80))]
    stories = filled([ends[0], document("2", RECALL_EDITED, 40), ends[1]])
    (key,) = stories.changed()
    written = stories.pieces()
    stories.expire(START + timedelta(hours=120 + 24 + 2))
    assert stories.changed() == {key}
    assert stories.pieces([key]) != written


def test_a_copy_costs_a_counter_and_no_piece_outgrows_its_limit() -> None:
    stories = Stories()
    long_name = "source with a long name é"
    for n in range(3000):
        # Half are exact copies, half have another wording each; every one is an original of another author.
        text = RECALL_LONGER if n % 2 else f"{RECALL_LONGER} says {chr(0x4E00 + n)}{chr(0x5E00 + n)}"
        each = document(f"{'é' * 200}{n}", text, n / 40, author=f"author {n}", source=f"{long_name} {n % 30}")
        stories.add(each)
    assert len(stories) <= 3
    assert max(len(canonical_json(piece)) for piece in stories.pieces().values()) <= 64 * 1024


def test_a_text_told_every_day_for_a_year_stays_small() -> None:
    stories = Stories()
    for day in range(365):
        stories.add(document(str(day), RECALL, 24 * day))
        stories.expire(START + timedelta(days=day))
    (piece,) = stories.pieces().values()
    assert piece["spread"]["documents"] == 365
    assert len(canonical_json(piece)) < 2048


def test_a_copy_costs_little_more_than_a_counter() -> None:
    texts = [
        " ".join(hashlib.sha256(str(number).encode()).hexdigest()[i : i + 7] for i in range(9)) for number in range(100)
    ]
    memory, traced = Stories(), []
    tracemalloc.start()
    try:
        for copy in range(90):
            for number, text in enumerate(texts):
                memory.add(document(f"{number}-{copy}", text, copy / 60))
            memory.changed()
            traced.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert len(memory) == len(texts)
    assert (traced[-1] - traced[20]) / (69 * len(texts)) < 80
