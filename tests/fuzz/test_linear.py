"""No text makes reading it take more than time in proportion: neither a pattern's matching nor the text functions."""

import random
import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from processors.evidence import terms_of
from processors.language import language_of
from processors.linking import Linker
from processors.model_input import model_text
from processors.normalise import normalise
from processors.signatures import signature_of
from streams.settings import Settings, load_master
from streams.words import words_of
from tests.fuzz.patterns import Found, hostile_texts, patterns, slow_at

FOUND = patterns(["processors", "streams"])


@pytest.mark.parametrize("found", FOUND, ids=[found.where for found in FOUND])
def test_a_pattern_takes_time_in_proportion_to_the_text(found: Found) -> None:
    for make in hostile_texts(found.pattern, random.Random(found.where)):
        length = slow_at(found.exhaust, make)
        assert length is None, f"{found.where}: {found.pattern.pattern!r} takes too long on {make(length)[:80]!r}…"


@pytest.mark.parametrize(
    "pattern",
    [r"(a+)+$", r"(?:a|aa)+$", r"(?:\w+\s?)*!", r"\s+$", r"a*a*a*b", r"\d+%", r"<[^>]*>", r"(?:x+x+)+y", r".*=.*"],
)
def test_a_pattern_that_is_not_linear_is_told(pattern: str) -> None:
    found = Found("planted", re.compile(pattern, re.DOTALL), False)
    assert any(slow_at(found.exhaust, make) for make in hostile_texts(found.pattern, random.Random(1)))


def test_the_patterns_are_all_found() -> None:
    places = {found.where.partition(":")[0] for found in FOUND}
    assert {"processors/normalise.py", "processors/linking.py", "streams/codec.py", "streams/settings.py"} <= places
    assert len(FOUND) > 50


LINKER = Linker(load_master(Settings()))
READERS: dict[str, Callable[[str], object]] = {
    "normalise": normalise,
    "link": lambda text: LINKER.link(text, datetime(2024, 5, 6, tzinfo=UTC), ()),
    "model text": lambda text: model_text(text, text),
    "language": lambda text: language_of(text, None),
    "signature": signature_of,
    "words": words_of,
    "terms": terms_of,
}
PIECES = [
    *(
        "&amp;",
        "&#38;#38;",
        "&am&#8203;p;",
        "<",
        "<b ",
        "<b a='",
        "<!--",
        "<script>",
        "</script",
        "</a",
        "<a b=c ",
        "< ",
    ),
    *(
        "$T ",
        "$T",
        "@Apple ",
        "Visa ",
        "T, ",
        "Apple ",
        "apple.",
        "J. P. ",
        "CMCSA/",
        "via @",
        "$C 1",
        "1.",
        "1,1",
        "NYSE: T ",
    ),
    *(
        "a",
        "1",
        " ",
        "\n",
        "\t ",
        "é",
        "e\u0301",
        "\u0301",
        "证",
        "ﷺ",
        "http://",
        "www.a ",
        "\x00",
        "\u200b",
        "…  ",
        "%",
        "$",
    ),
]


@pytest.mark.parametrize("name", READERS)
def test_reading_a_text_takes_time_in_proportion_to_it(name: str) -> None:
    for piece in PIECES:
        length = slow_at(READERS[name], lambda length, piece=piece: piece * max(1, length // len(piece)))
        assert length is None, f"{name} takes too long on {length} characters of {piece!r}"
