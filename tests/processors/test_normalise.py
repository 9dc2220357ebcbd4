"""Normalising: one readable form, whatever the markup, the encoding and the disguise."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from work import steps

from processors.normalise import normalise

MARKUP = st.lists(
    st.sampled_from(
        "& amp; &amp; &lt; &gt; lt; < > </ b i S script style p br div a href= \" ' !-- --> / = # #38; #x26; #8203; "
        "\u200b \u00ad \ud800 \x00 \x92 é e \u0301 ﬁ Ａ ； \u037e \u212a \u2028 \r\n $AAPL http://t.co/x".split(" ")
        + [" ", "\n", "\t", "　"]
    ),
    max_size=40,
).map("".join)
TEXTS = st.one_of(st.text(st.characters(codec=None)), MARKUP)


@given(TEXTS)
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once


@given(TEXTS)
def test_a_text_grows_at_most_threefold(text: str) -> None:
    assert len(normalise(text)) <= 3 * len(text)


@given(TEXTS)
def test_what_comes_out_is_clean(text: str) -> None:
    clean = normalise(text)
    assert unicodedata.is_normalized("NFC", clean)
    assert not {c for c in clean if unicodedata.category(c) in ("Cc", "Cs") and c != "\n"}
    assert not set(clean) & set("\u200b\u200d\u202e\u2066\ufeff\u00ad")
    assert all(line == " ".join(line.split()) and line for line in clean.split("\n")) or clean == ""
    clean.encode("utf-8")


@given(st.text("abcdefghij XYZ.,:;!?-0123456789$#@", max_size=80))
def test_plain_writing_only_loses_spare_whitespace(text: str) -> None:
    assert normalise(text) == " ".join(text.split())


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("AT&amp;T", "AT&T"),
        ("AT&amp;amp;amp;T &#x26;amp; P&#38;G", "AT&T & P&G"),
        ("it&#39;s &quot;up&quot; 5&nbsp;%", 'it\'s "up" 5 %'),
        ("Reuter\n&#3;", "Reuter"),
        ("P&G and R&D; A&copyright", "P&G and R&D; A&copyright"),
    ],
)
def test_character_references_are_decoded_however_often_they_were_encoded(raw: str, clean: str) -> None:
    assert normalise(raw) == clean


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("<p>Shares <b>fe</b>ll.</p><p class='x'>Again</p>", "Shares fell.\nAgain"),
        ("<a href=\"http://a.b/?q=1&amp;r=2\" title='5 > 4'>link</a>", "link"),
        ("&lt;div&gt;escaped markup&lt;/div&gt;", "escaped markup"),
        ("one<br>two<BR/>three", "one\ntwo\nthree"),
        ("<B>bold</B> old page", "bold old page"),
        ("a<script>if (x < y) alert('b')</script>c<!-- hidden -->d", "a\ncd"),
        ("before <script> never closed", "before\nnever closed"),
    ],
)
def test_tags_go_and_their_words_stay(raw: str, clean: str) -> None:
    assert normalise(raw) == clean


@pytest.mark.parametrize(
    "text",
    [
        "a < b and c > d",
        "if a <b and c> d",
        "STANDARD OIL <SRD> TO FORM UNIT",
        "Sears <S> and USAir <U> and Du Pont <DD>",
        "I <3 my $AAPL",
        "see <http://example.org/?a=1>",
        "5<6>4",
    ],
)
def test_comparisons_and_newswire_tickers_are_no_tags(text: str) -> None:
    assert normalise(text) == text


def test_letters_in_disguise_are_read_as_what_they_show() -> None:
    assert normalise("𝗔𝗽𝗽𝗹𝗲 ＄ＡＡＰＬ ⒶⓅⓅⓁⒺ A\u200bpp\u00adle \u202eA\u202cpple") == "Apple $AAPL APPLE Apple Apple"


def test_signs_that_carry_meaning_stay() -> None:
    assert normalise("Apple™ 2² ½ … 苹果（AAPL），上涨！") == "Apple™ 2² ½ … 苹果（AAPL），上涨！"


def test_windows_quotes_that_were_read_as_latin_1_are_mended() -> None:
    assert normalise("Apple\x92s \x93best\x94 year") == "Apple’s “best” year"


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    assert normalise("up \ud83d now") == "up \ufffd now"


def test_line_breaks_of_any_kind_become_one_newline() -> None:
    assert normalise(" title \r\n\r\n\t text\u2028more \x0b ") == "title\ntext\nmore"


def test_a_url_keeps_its_parameters() -> None:
    assert normalise("see http://a.b/?x=1&copy=2&amp;lt=3") == "see http://a.b/?x=1&copy=2&lt=3"


@pytest.mark.parametrize(
    "piece", ["&amp;", "&#38;#38;", "&am&#8203;p;", "<", "<b>", "<script>", "<!--", '<a x="', "<a b='c\" ", "</", "& <"]
)
def test_work_grows_no_faster_than_the_text(piece: str) -> None:
    small, large = piece * 200, piece * 2000
    assert steps(lambda: normalise(large)) <= 11 * steps(lambda: normalise(small)) + 100
