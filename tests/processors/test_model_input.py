"""The one input contract of training and serving."""

from hypothesis import given
from hypothesis import strategies as st

from processors.model_input import MAX_CHARACTERS, URL_WORD, model_text, place_of, tokens_in

TEXTS = st.text(max_size=300) | st.lists(
    st.sampled_from(
        ["&amp;", "&lt;", "amp;", "&", "http://t.co/x", "www.", " ", "ﬁ", "\u00a0", "$V", "…", "#39;", "＆lt;"]
    ),
    max_size=12,
).map("".join)


@given(TEXTS, TEXTS)
def test_what_the_model_reads_is_a_fixed_point(title: str, text: str) -> None:
    once = model_text(title, text)
    assert model_text("", once) == once


@given(TEXTS, TEXTS)
def test_white_space_is_single_and_length_is_bounded(title: str, text: str) -> None:
    read = model_text(title, text)
    assert read == " ".join(read.split())
    assert len(read) <= MAX_CHARACTERS


def test_where_a_link_leads_does_not_matter() -> None:
    assert model_text("", "Oil falls https://t.co/abc") == model_text("", "Oil falls  http://example.com/x?y=1")
    assert model_text("", "Oil falls https://t.co/abc") == f"Oil falls {URL_WORD}"


def test_entities_are_decoded_however_often_they_were_encoded() -> None:
    assert model_text("", "S&amp;amp;P 500 &#39;soars&#39;") == "S&P 500 'soars'"


def test_a_title_is_read_before_the_text_as_a_sentence_of_its_own() -> None:
    assert model_text("Apple cuts guidance", "Shares fell.") == "Apple cuts guidance. Shares fell."
    assert model_text("Apple cuts guidance!", "Shares fell.") == "Apple cuts guidance! Shares fell."


def test_a_title_that_the_text_repeats_is_read_once() -> None:
    assert (
        model_text("Apple cuts guidance", "Apple cuts guidance and shares fall")
        == "Apple cuts guidance and shares fall"
    )


def test_either_part_may_be_missing() -> None:
    assert model_text("Only a title", "") == "Only a title"
    assert model_text("", "Only a text") == "Only a text"
    assert model_text("", " \n ") == ""


def test_a_text_of_a_mebibyte_is_cut_before_it_is_worked_on() -> None:
    assert len(model_text("", "&amp;" * 200_000)) <= MAX_CHARACTERS


def test_a_name_is_found_where_it_first_stands_alone_and_nowhere_else() -> None:
    text = model_text("", "Pineapple, $TWTR and $T: Apple&#39;s  Mac, AT&amp;T Apple @Boeing https://x.y/Visa")
    assert [text[slice(*place_of(name, text))] for name in ("Apple", "$T", "AT&amp;T", "@Boeing")] == [
        "Apple",
        "$T",
        "AT&T",
        "@Boeing",
    ]
    assert place_of("Apple", text)[0] == text.index("Apple's")
    assert place_of("$T", text)[0] == text.index("$T:")
    assert [place_of(name, text) for name in ("Visa", "apple", "", " ")] == [(0, 0)] * 4


@given(TEXTS, TEXTS, TEXTS)
def test_the_place_of_words_is_within_the_text_and_says_the_words(before: str, words: str, after: str) -> None:
    text = model_text("", f"{before} {words} {after}")
    start, end = place_of(words, text)
    assert 0 <= start <= end <= len(text)
    assert text[start:end] == (model_text("", words) if end else "")


def test_the_tokens_of_a_name_are_those_that_touch_it() -> None:
    offsets = [(0, 0), (0, 3), (3, 6), (7, 9), (0, 0)]
    assert tokens_in(offsets, 0, 6) == (1, 2)
    assert tokens_in(offsets, 4, 8) == (2, 3)
    assert tokens_in(offsets, 6, 7) == tokens_in(offsets, 0, 0) == tokens_in(offsets, 10, 20) == ()
