"""The ledger must catch what it is there for: planted loss, doubling, swaps and corruption."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from ledger import IndexedDocument, InputRecord, Place, judge


@dataclass
class World:
    """A sound run: five documents, one of them sent twice, and one record that is no JSON."""

    records: list[InputRecord]
    documents: list[IndexedDocument]
    letters: list[dict[str, Any]]


def _value(number: int) -> dict[str, Any]:
    return {
        "id": str(number),
        "source": "wire",
        "published_at": "2026-03-02T09:30:00Z",
        "title": f"Headline {number}",
        "text": "",
    }


def _sound() -> World:
    values = [json.dumps(_value(number)).encode() for number in range(5)]
    values += [values[2], b"no json"]
    records = [InputRecord(Place("tocsin.news", 0, offset), value) for offset, value in enumerate(values)]
    documents = [
        IndexedDocument(
            f"wire/{number}",
            "tocsin-documents-2026.03",
            {**_value(number), "kind": "news", "status": "labelled", "sentiment": {"label": "neutral"}},
        )
        for number in range(5)
    ]
    letter = {
        "stage": "enrich",
        "reason": "invalid-json",
        "message": "Expecting value at character 0: send one JSON object",
        "origin": {"place": "tocsin.news", "partition": 0, "offset": 6},
        "original": base64.b64encode(b"no json").decode(),
        "sha256": hashlib.sha256(b"no json").hexdigest(),
        "length": 7,
    }
    return World(records, documents, [letter])


def _judged(world: World) -> list[str]:
    return judge(world.records, world.documents, world.letters).faults


def test_a_sound_run_has_no_faults_and_every_record_is_counted_once() -> None:
    world = _sound()
    verdict = judge(world.records, world.documents, world.letters)
    assert verdict.faults == []
    assert (verdict.indexed, verdict.duplicates, dict(verdict.dead)) == (5, 1, {"invalid-json": 1})
    assert verdict.indexed + verdict.duplicates + verdict.dead.total() == len(world.records)


def test_the_same_dead_letter_written_twice_is_no_fault() -> None:
    world = _sound()
    world.letters.append(dict(world.letters[0]))
    assert _judged(world) == []


def _lose_document(world: World) -> None:
    del world.documents[3]


def _lose_letter(world: World) -> None:
    world.letters.clear()


def _double_document(world: World) -> None:
    world.documents.append(replace(world.documents[1], index="tocsin-documents-2026.04"))


def _swap_texts(world: World) -> None:
    one, two = world.documents[0], world.documents[1]
    world.documents[0] = replace(one, source={**one.source, "title": two.source["title"]})


def _invent_document(world: World) -> None:
    world.documents.append(replace(world.documents[0], id="wire/99"))


def _corrupt_letter(world: World) -> None:
    world.letters[0]["original"] = base64.b64encode(b"no joke").decode()


def _misplace_letter(world: World) -> None:
    world.letters[0]["origin"] = {"place": "tocsin.news", "partition": 0, "offset": 60}


def _refuse_what_is_indexed(world: World) -> None:
    sound = world.records[0].value or b""
    world.letters.append(
        {
            **world.letters[0],
            "origin": {"place": "tocsin.news", "partition": 0, "offset": 0},
            "original": base64.b64encode(sound).decode(),
            "sha256": hashlib.sha256(sound).hexdigest(),
            "length": len(sound),
        }
    )


def _invent_label(world: World) -> None:
    document = world.documents[0]
    world.documents[0] = replace(document, source={**document.source, "status": "unlabelled"})


def _shift_time(world: World) -> None:
    document = world.documents[4]
    world.documents[4] = replace(document, source={**document.source, "published_at": "2026-03-02T09:30:01Z"})


@pytest.mark.parametrize(
    ("plant", "told"),
    [
        (_lose_document, "wire/3 is not in the index"),
        (_lose_letter, "no dead letter tells of it"),
        (_double_document, "wire/1 is doubled"),
        (_swap_texts, "title differ"),
        (_invent_document, "wire/99 is in the index, but no input record has it"),
        (_corrupt_letter, "does not keep its bytes"),
        (_misplace_letter, "where there is no input record"),
        (_refuse_what_is_indexed, "wire/0 is in the index, but no input record has it"),
        (_invent_label, "status differ"),
        (_shift_time, "published_at differ"),
    ],
)
def test_a_planted_fault_is_told(plant: Callable[[World], None], told: str) -> None:
    world = _sound()
    plant(world)
    faults = _judged(world)
    assert any(told in fault for fault in faults), faults


def test_of_two_contents_under_one_identity_the_first_of_the_partition_must_be_indexed() -> None:
    world = _sound()
    later = {**_value(2), "title": "Another headline"}
    world.records[5] = InputRecord(world.records[5].place, json.dumps(later).encode())
    assert _judged(world) == []
    world.documents[2] = replace(world.documents[2], source={**world.documents[2].source, "title": "Another headline"})
    assert any("title differ" in fault for fault in _judged(world))


def _letter_of_index(world: World, number: int) -> dict[str, Any]:
    held = json.dumps({**_value(number), "identity": f"wire/{number}"}).encode()
    return {
        **world.letters[0],
        "stage": "index",
        "reason": "refused-by-index",
        "origin": {"place": "tocsin.documents", "partition": 0, "offset": 3},
        "original": base64.b64encode(held).decode(),
    }


def test_what_the_index_refused_is_told_of_and_not_lost() -> None:
    world = _sound()
    world.letters.append(_letter_of_index(world, 3))
    del world.documents[3]
    verdict = judge(world.records, world.documents, world.letters)
    assert verdict.faults == []
    assert verdict.dead == {"invalid-json": 1, "refused-by-index": 1}
    del world.documents[0]
    assert any("wire/0 is not in the index" in fault for fault in _judged(world)), "another one is"
