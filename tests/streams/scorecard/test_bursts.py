import itertools
import random
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.detection import DetectionSettings, DetectorSettings
from processors.identity import partition_of
from streams.scorecard.bursts import (
    FORMS,
    TAIL,
    Burst,
    Form,
    Scene,
    branches_of,
    injected,
    offsets_of,
    planned,
    ring_of,
    scene_of,
)
from streams.scorecard.runs import PARTITIONS, divided
from streams.scorecard.runs import background as driven
from tests.streams.scorecard.made import background, course, day, mention, pools

COMPANIES = [f"C{n:02}" for n in range(18)]
SETTINGS = DetectorSettings(DetectionSettings(warm_up_days=5, share_minimum=50))


def scene() -> Scene:
    return scene_of(background(COMPANIES, day(1), 100, 40), COMPANIES, day(30), day(101))


def bursts(forms: tuple[Form, ...] = FORMS, per_cell: int = 2) -> list[Burst]:
    return planned(scene(), pools(COMPANIES), "negative", per_cell, 7, forms)


@given(st.sampled_from(FORMS), st.integers())
def test_a_burst_begins_at_once_and_keeps_to_its_hours(form: Form, seed: int) -> None:
    offsets = offsets_of(form, random.Random(seed))
    assert len(offsets) == form.documents
    assert offsets[0] == 0
    assert offsets == sorted(offsets)
    assert offsets[-1] <= form.hours * 3600


def test_a_ramp_grows_and_a_trickle_is_regular() -> None:
    generator = random.Random(1)
    ramps = [offset for _ in range(200) for offset in offsets_of(Form(15, 24, "ramp"), generator)[1:]]
    late = sum(offset > 12 * 3600 for offset in ramps) / len(ramps)
    assert 0.7 < late < 0.8, "three quarters of a steady ramp lie in its second half"
    trickle = offsets_of(Form(15, 72, "trickle"), generator)
    assert max(b - a for a, b in itertools.pairwise(trickle)) <= 2 * 72 * 3600 / 14


def test_groups_are_thirds_by_volume_and_the_busiest_apart() -> None:
    mentions = [mention(f"{c}-{n}", day(1), c) for place, c in enumerate(COMPANIES) for n in range(place + 1)]
    groups = scene_of(mentions, COMPANIES, day(1), day(2)).groups
    assert groups["low"] == COMPANIES[:6]
    assert groups["high"] == COMPANIES[12:]
    assert groups["busiest"] == COMPANIES[3:]


def test_a_plan_is_repeatable_and_has_what_it_promises() -> None:
    once = bursts()
    assert once == bursts()
    assert set(Counter((burst.form, burst.group) for burst in once).values()) == {2}
    for burst in once:
        documents = [m.document for m in burst.mentions]
        assert len({d.author for d in documents}) == len({d.excerpt for d in documents}) == burst.form.documents
        assert {m.company for m in burst.mentions} == {burst.company}
    everything = [m.document.identity for burst in once for m in burst.mentions]
    assert len(set(everything)) == len(everything)


def test_perfect_bursts_differ_from_negative_ones_in_labels_alone() -> None:
    misread = pools(COMPANIES)
    form = Form(4, 3, "step")
    negative, perfect = (planned(scene(), misread, content, 1, 7, (form,))[0] for content in ("negative", "perfect"))
    assert [m.document.excerpt for m in negative.mentions] == [m.document.excerpt for m in perfect.mentions]
    assert [m.document.published_at for m in negative.mentions] == [m.document.published_at for m in perfect.mentions]
    assert all(m.document.sentiment.negative == 0.98 for m in perfect.mentions)


def test_bursts_lie_where_the_feed_has_documents() -> None:
    gap = range(50, 60)
    whole = background(COMPANIES, day(1), 100, 40)
    mentions = [m for m in whole if m.document.published_at.timetuple().tm_yday not in gap]
    placed = planned(scene_of(mentions, COMPANIES, day(30), day(101)), pools(COMPANIES), "negative", 3, 7)
    for burst in placed:
        for told in burst.mentions:
            assert told.document.published_at.timetuple().tm_yday not in gap
        assert burst.last + TAIL <= day(101).timestamp()


def test_no_branch_holds_two_bursts_of_a_company_and_none_is_lost() -> None:
    made = bursts(per_cell=6)
    placed = branches_of(made)
    assert sorted(number for item in placed for number in item.numbers) == list(range(len(made)))
    for item in placed:
        companies = [made[number].company for number in item.numbers]
        assert len(set(companies)) == len(companies)
        assert {partition_of(company, PARTITIONS) for company in companies} == {item.partition}
        assert item.branch.day * 86_400 <= min(made[number].first for number in item.numbers)
        if max(made[number].form.hours for number in item.numbers) > 96:
            assert len(companies) <= 4


def test_a_branch_leaves_nothing_behind() -> None:
    mentions = background(COMPANIES, day(1), 60, 40)
    made = planned(scene_of(mentions, COMPANIES, day(20), day(61)), pools(COMPANIES), "negative", 2, 7)
    alone = [driven(SETTINGS, part)[0] for part in divided(mentions)]
    beside, _ = injected(SETTINGS, mentions, made, workers=1)
    assert [c for part in alone for c in part] == beside


def test_a_loud_burst_rings_and_a_neutral_one_does_not() -> None:
    mentions = background(COMPANIES, day(1), 60, 40)
    form = (Form(15, 3, "step"),)
    scene = scene_of(mentions, COMPANIES, day(20), day(61))
    made = [b for content in ("negative", "neutral") for b in planned(scene, pools(COMPANIES), content, 5, 7, form)]
    _, found = injected(SETTINGS, mentions, made, workers=1)
    rang = Counter((b.content, ring_of(b, mine, 12.0) is not None) for b, mine in zip(made, found, strict=True))
    assert rang["negative", True] == 20
    assert rang["neutral", True] <= 1, "no more than the background rings of itself"


def test_two_processes_find_what_one_does() -> None:
    mentions = background(COMPANIES, day(1), 40, 40)
    scene = scene_of(mentions, COMPANIES, day(15), day(41))
    made = planned(scene, pools(COMPANIES), "negative", 1, 7, (Form(8, 3, "step"),))
    assert injected(SETTINGS, mentions, made, workers=1) == injected(SETTINGS, mentions, made, workers=2)


def test_a_branch_begins_on_a_day_on_which_its_partition_is_silent() -> None:
    mentions = [m for m in background(COMPANIES, day(1), 40, 40) if m.document.published_at < day(30)]
    scene = scene_of(mentions, COMPANIES, day(15), day(41))
    burst = planned(scene, pools(COMPANIES), "negative", 1, 7, (Form(15, 3, "step"),))[0]
    later = Burst(
        burst.company,
        burst.form,
        burst.group,
        burst.content,
        tuple(mention(f"later-{n}", day(33) + timedelta(minutes=n), burst.company, "negative") for n in range(15)),
    )
    _, found = injected(SETTINGS, mentions, [later], workers=1)
    assert ring_of(later, found[0], 12.0) is not None


@pytest.mark.parametrize(
    ("courses", "rang"),
    [
        ([course("AAPL", 1000, (1000, 0.5))], (1, 1000, 1)),
        ([course("AAPL", 500, (500, 5.0), (2500, 0.5))], (3, 2500, 1)),
        ([course("AAPL", 500, (500, 5.0))], None),
        ([course("AAPL", -10, (-10, 0.5))], "before"),
        ([course("AAPL", -10, (-10, 5.0), (1500, 0.5))], (2, 1500, 1)),
        ([course("AAPL", -100, (-100, 0.5), closed=-50), course("AAPL", 1000, (1000, 0.5))], (1, 1000, 1)),
        ([course("AAPL", 3000 + 3601, (3000 + 3601, 0.5))], None),
        ([course("MSFT", 1000, (1000, 0.5))], None),
        ([course("AAPL", 1000, (1000, 0.5), closed=2000), course("AAPL", 9000, (9000, 0.5))], (1, 1000, 2)),
    ],
)
def test_a_ring_is_counted_from_the_first_document(courses: list, rang: object) -> None:  # type: ignore[type-arg]
    told = tuple(mention(str(n), day(1) + timedelta(seconds=1000 * n)) for n in range(4))
    burst = Burst("AAPL", Form(4, 3, "step"), "low", "negative", told)
    for one in courses:
        one.opened += burst.first
        one.closed = None if one.closed is None else one.closed + burst.first
        one.steps = [step._replace(second=step.second + burst.first) for step in one.steps]
    found = ring_of(burst, courses, 1.0)
    assert found == rang or (not isinstance(found, str) and found is not None and found[:3] == rang)
