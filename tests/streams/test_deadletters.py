"""A dead letter keeps what is needed to mend a record and send it again."""

import base64
import hashlib

from processors.errors import PoisonError
from processors.messages import DeadLetter, Origin
from streams.codec import decode, encode
from streams.deadletters import dead_letter

ORIGIN = Origin("tocsin.news", 3, 41)
ERROR = PoisonError("invalid-json", "Expecting value at character 0")


def test_it_keeps_reason_message_origin_and_the_original_bytes() -> None:
    letter = dead_letter("enrich", ERROR, ORIGIN, b"\xff\x00{")
    assert (letter.stage, letter.reason, letter.message) == ("enrich", "invalid-json", str(ERROR))
    assert letter.origin == ORIGIN
    assert base64.b64decode(letter.original) == b"\xff\x00{"


def test_of_a_large_record_it_keeps_the_first_64_kib_with_length_and_hash_of_the_whole() -> None:
    original = bytes(range(256)) * 4096
    letter = dead_letter("enrich", ERROR, ORIGIN, original)
    assert base64.b64decode(letter.original) == original[: 64 * 1024]
    assert letter.length == len(original)
    assert letter.sha256 == hashlib.sha256(original).hexdigest()


def test_the_same_record_refused_twice_has_one_id_and_another_place_another() -> None:
    first = dead_letter("enrich", ERROR, ORIGIN, b"{")
    again = dead_letter("enrich", PoisonError("other", "another release says it otherwise"), ORIGIN, b"{")
    elsewhere = dead_letter("enrich", ERROR, Origin("tocsin.news", 3, 42), b"{")
    assert first.id == again.id
    assert first.id != elsewhere.id


def test_a_message_with_half_a_character_is_still_written_as_utf8() -> None:
    letter = dead_letter("detect", PoisonError("bad", "text \ud83d"), ORIGIN, b"{")
    assert decode(DeadLetter, encode(letter)) == letter
    assert "\\ud83d" in letter.message
