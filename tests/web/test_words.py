"""The words of the pages in both languages, and colours that can be read."""

import re
from typing import get_args

import pytest

from processors.labels import SENTIMENTS, TOPICS
from processors.messages import FeedbackKind, IncidentEvent, IncidentKind, SeriesKind, Tier
from streams.settings import Settings, load_master
from streams.web.app import ASSETS

ENTRY = re.compile(r'"([\w&. -]+)":\s*"((?:[^"\\]|\\.)*)"')


def words(language: str) -> dict[str, str]:
    found = ENTRY.findall((ASSETS / f"words-{language}.js").read_text(encoding="utf-8"))
    assert len(dict(found)) == len(found), "no key twice"
    return dict(found)


def test_both_languages_have_the_same_words_with_the_same_gaps() -> None:
    english, chinese = words("en"), words("zh")
    assert english.keys() == chinese.keys()
    for key, text in english.items():
        gaps = set(re.findall(r"\{(\w+)\}", text))
        assert set(re.findall(r"\{(\w+)\}", chinese[key])) >= gaps - {"kind"}, key


def test_every_word_that_a_page_uses_exists_and_every_word_is_used() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in ASSETS.glob("*.js") if "words-" not in path.name)
    known = words("en")
    used = set(re.findall(r'\bt\("([\w-]+)"', code))
    assert used <= known.keys()
    composed = tuple(prefix for prefix in set(re.findall(r"\bt\(`([\w-]+-)\$\{", code)))
    texts = set(re.findall(r'"([\w-]+)"', code))
    assert {key for key in known if key not in texts and not key.startswith(composed)} == set()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_whatever_can_be_told_has_a_word(language: str) -> None:
    known = words(language)
    sectors = {company.sector for company in load_master(Settings()).companies.values()}
    wanted = {
        *(f"topic-{topic}" for topic in TOPICS),
        *(f"tier-{tier}" for tier in get_args(Tier)),
        *(f"kind-{kind}" for kind in get_args(IncidentKind)),
        *(f"event-{event}" for event in get_args(IncidentEvent)),
        *(f"sector-{sector}" for sector in sectors),
        *get_args(SeriesKind),
        *(kind for kind in get_args(FeedbackKind)),
        *SENTIMENTS,
    }
    assert wanted <= known.keys()


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_texts_stand_out_from_what_is_behind_them(theme: int) -> None:
    blocks = re.findall(r":root[^{]*\{(.*?)\n\}", (ASSETS / "base.css").read_text(), re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", blocks[0]))
    if theme:
        colours |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", blocks[1]))
    pairs = [(ink, ground) for ink in ("ink", "soft", "faint") for ground in ("surface", "ground")]
    pairs += [(tier, f"{tier}-soft") for tier in ("watch", "urgent", "flash", "closed")]
    pairs += [(f"heat-ink-{level}", f"heat-{level}") for level in range(1, 6)]
    pairs += [("soft", "sunk"), ("faint", "heat-0"), ("accent", "surface"), ("accent-ink", "accent")]
    for ink, ground in pairs:
        assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
    for part in ("negative", "positive"):
        assert contrast(colours[part], colours["surface"]) >= 3, part
