"""Telling the language of short texts full of tickers."""

import csv
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.language import language_of, primary_subtag
from processors.normalise import normalise


@settings(deadline=None)  # the first call reads the model
@given(st.text(max_size=200), st.sampled_from([None, "", "en", "zh-Hans-CN", "xx", "in", "not a tag"]))
def test_any_text_gets_a_lower_case_subtag_and_always_the_same(text: str, hint: str | None) -> None:
    language = language_of(text, hint)
    assert language.isalpha() and language.islower()
    assert language_of(text, hint) == language


@pytest.mark.parametrize("text", ["", "   ", "$CAT http://t.co/x", "$$ 5.3% !!", "@CNBC $T $VZ 47.75", "😀😀"])
def test_with_nothing_to_read_the_language_is_undetermined(text: str) -> None:
    assert language_of(text, "en") == "und"


@pytest.mark.parametrize(
    ("text", "hint", "language"),
    [
        ("Better Dividend Stock: Johnson & Johnson or Pfizer, Inc? $PFE", "de", "en"),
        ("$BIDU $CELG Top picks http://t.co/x", "vi", "en"),
        ("Les valeurs à suivre à Wall Street $BAC", None, "fr"),
        ("Las acciones de $FB #Facebook bajan -5 %", None, "es"),
        ("BOEING SAYS FIRST QUARTER NET FELL", None, "en"),
        ("苹果公司股价大跌", "en", "zh"),
        ("看到同事们都在聊 $BABA $BIDU $GOOG 我默默地关掉了窗口", None, "zh"),
        ("$TMUS のCEOが $T のパーティで警備員につまみ出された", None, "ja"),
        ("삼성전자 주가 하락", None, "ko"),
        ("Акции Apple упали на три процента, сообщили вчера в компании", None, "ru"),
    ],
)
def test_the_language_is_that_of_the_words_not_of_the_tag(text: str, hint: str | None, language: str) -> None:
    assert language_of(text, hint) == language


def test_the_hint_tips_the_scales_only_where_the_words_leave_it_open() -> None:
    assert language_of("Gracias", "es") == "es"
    assert language_of("Shares of Apple fell sharply after the report", "es") == "en"


def test_withdrawn_codes_and_regions_are_read_as_the_language_they_mean() -> None:
    assert [primary_subtag(tag) for tag in ("in", "iw", "pt-BR", "zh_Hant", "EN", None)] == [
        "id", "he", "pt", "zh", "en", "und",
    ]  # fmt: skip


@pytest.mark.data
def test_english_and_chinese_texts_are_told_with_hardly_an_error(data_dir: Path) -> None:
    with (data_dir / "sentfin-train.csv").open(encoding="utf-8", newline="") as file:
        headlines = [max(row.values(), key=len) for row in csv.DictReader(file)][::4]
    posts = [row[0] for row in json.loads((data_dir / "zh-finfe-train.json").read_text("utf-8"))][::8]
    with gzip.open(data_dir / "tweets-2014.jsonl.gz", "rt", encoding="utf-8") as lines:
        tweets = [tweet for tweet in map(json.loads, lines) if tweet["language"] == "en"][::20]
    shares = {
        "headlines": _share([language_of(normalise(text), None) for text in headlines], "en"),
        "posts": _share([language_of(normalise(text), None) for text in posts], "zh"),
        "tweets": _share([language_of(normalise(tweet["text"]), None) for tweet in tweets], "en"),
    }
    print(shares)
    assert min(shares.values()) >= 0.99


def _share(languages: list[str], wanted: str) -> float:
    return sum(language == wanted for language in languages) / len(languages)
