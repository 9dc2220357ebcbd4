"""Signatures: equal for copies, alike for near-duplicates, unlike for the rest."""

import gzip
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.neighbours import Neighbours
from processors.normalise import normalise
from processors.signatures import HEX_DIGITS, canonical_form, packed, signature_of, similarities

HEADLINE = "Acme recalls 2,000 heaters after three fires in Ohio"


def similarity(a: str, b: str) -> float:
    return float(similarities(packed(a), packed(b)[None, :])[0])


@pytest.mark.parametrize(
    "copy",
    [
        "ACME RECALLS 2,000 HEATERS AFTER THREE FIRES IN OHIO",
        f"RT @wire: {HEADLINE} http://t.co/abc",
        f"RT @a: RT @b: {HEADLINE} …",
        f"{HEADLINE}. https://example.org/x via @AcmeWatch",
        f"{HEADLINE} - http://t.co/abc $ACM $AAPL $FB #stocks #recall",
        f"@friend {HEADLINE}!",
        f"{HEADLINE} http://t.co/abc tru…",
    ],
)
def test_copies_have_the_same_signature(copy: str) -> None:
    assert signature_of(copy) == signature_of(HEADLINE)


def test_a_copy_with_edits_is_alike() -> None:
    edited = "UPDATE 1-Acme recalls 2,000 heaters after three fires in Ohio and Iowa"
    assert similarity(signature_of(HEADLINE), signature_of(edited)) > 0.5


def test_one_template_with_other_numbers_is_less_alike_than_with_other_words() -> None:
    base = "Acme third quarter revenue 4.1 billion, earnings 0.57 a share, expected 0.61"
    numbers = "Acme third quarter revenue 5.2 billion, earnings 0.97 a share, expected 0.88"
    words = "Acme third quarter revenue 4.1 billion, profits 0.57 per share, consensus 0.61"
    assert similarity(signature_of(base), signature_of(numbers)) < 0.5
    assert similarity(signature_of(base), signature_of(words)) > similarity(signature_of(base), signature_of(numbers))


@pytest.mark.parametrize(("one", "other"), [("buy", "sell"), ("$AAPL", "$FB"), ("aapl up", "aapl down"), ("great", "")])
def test_short_texts_are_alike_only_when_equal(one: str, other: str) -> None:
    assert similarity(signature_of(one), signature_of(other)) == 0
    assert signature_of(one) == signature_of(one.upper())


def test_texts_of_nothing_but_links_and_tags_stay_apart() -> None:
    assert signature_of("$AAPL http://t.co/a") != signature_of("$AAPL http://t.co/b")
    assert signature_of("@one @two") != signature_of("@three")


def test_chinese_near_duplicates_are_alike() -> None:
    one = signature_of("海关总署公布一季度进出口数据,钢材出口同比下降百分之十二")
    edited = signature_of("【快讯】海关总署公布一季度进出口数据,钢材出口同比下降百分之十二")
    other = signature_of("央行宣布下调存款准备金率零点五个百分点,释放长期资金约一万亿元")
    assert similarity(one, edited) > 0.6
    assert similarity(one, other) < 0.2


@given(st.text(max_size=400) | st.text("aA1.…@#$ \n", max_size=400))
def test_every_text_has_a_signature_that_is_like_itself(text: str) -> None:
    signature = signature_of(text)
    assert len(signature) == HEX_DIGITS
    assert signature == signature.lower()
    assert similarity(signature, signature) == 1.0
    assert canonical_form(canonical_form(text)) == canonical_form(text)


@pytest.mark.parametrize("piece", ["a", " ", "@", "$a ", "x…", "http://", "rt @a: ", "1.1.", "#é#", "\U0001f600"])
def test_a_megabyte_of_anything_takes_no_longer_than_its_beginning(piece: str) -> None:
    text = piece * (2**20 // len(piece))
    assert signature_of(text) == signature_of(text[:8192])


def test_the_signature_is_the_same_on_every_platform() -> None:
    """A change of this value is a new version of the signatures: alerts already written hold the old ones."""
    assert signature_of(HEADLINE)[:32] == "ea1821520d0beb4a06f06165d42c21b7"


@pytest.mark.parametrize("damaged", ["", "00", "0" * 127, "x" * 128])
def test_what_is_no_signature_is_refused(damaged: str) -> None:
    with pytest.raises(ValueError, match=r"hex|signature"):
        packed(damaged)


@given(st.integers(0, 300), st.integers(0, 300), st.integers(1, 300))
def test_the_estimate_is_near_the_jaccard_similarity(left: int, right: int, shared: int) -> None:
    """Of words drawn apart: 5 standard errors either side, shingles across words allowed for."""
    generator = np.random.default_rng([left, right, shared])
    words = ["".join(map(chr, generator.integers(97, 123, 8))) for _ in range(left + right + shared)]
    both, one, other = words[:shared], words[shared : shared + left], words[shared + left :]
    a, b = " ".join([*both, *one])[:2000], " ".join([*both, *other])[:2000]
    shingles = [{text[at : at + 5] for at in range(len(text) - 4)} for text in (a, b)]
    if min(map(len, shingles)) < 12:
        return
    exact = len(shingles[0] & shingles[1]) / len(shingles[0] | shingles[1])
    assert abs(similarity(signature_of(a), signature_of(b)) - exact) < 0.32


@pytest.mark.data
def test_real_reposts_are_near_duplicates_and_unrelated_tweets_are_not(data_dir: Path) -> None:
    with gzip.open(data_dir / "tweets-2014.jsonl.gz", "rt", encoding="utf-8") as lines:
        tweets = [json.loads(line) for line in lines]
    signatures = {tweet["id"]: signature_of(normalise(tweet["text"])) for tweet in tweets}
    index = Neighbours(0.5)
    for signature in set(signatures.values()):
        index.add(signature)

    groups: dict[str, list[str]] = defaultdict(list)
    for tweet in tweets:
        if tweet.get("repost_of"):
            groups[tweet["repost_of"]].append(tweet["id"])
    pairs = [(group[0], other) for group in groups.values() for other in group[1:]]
    pairs += [(original, group[0]) for original, group in groups.items() if original in signatures]
    found = sum(signatures[a] == signatures[b] or signatures[b] in index.near(signatures[a]) for a, b in pairs)
    assert len(pairs) > 4_900
    assert found / len(pairs) >= 0.999

    rows = np.array([packed(signature) for signature in signatures.values()])
    generator = np.random.default_rng(2014)
    some = generator.choice(len(rows), 2_000, replace=False)
    alike = [similarities(rows[one], rows[some]) >= 0.5 for one in some[:500]]
    assert np.mean(alike) < 0.002  # itself among 2,000, and the templates of spam
