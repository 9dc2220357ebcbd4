from datetime import UTC, datetime
from pathlib import Path

import pytest

from processors.companies import CompanyMaster
from processors.enrichment import Classification
from processors.linking import Linker
from processors.messages import Topic
from streams.scorecard.texts import GAP, HumanLabelled, cashtag_of, entities_of, pools_of, templates, with_gap
from streams.settings import DEFAULT_MASTER
from tests.streams.scorecard.made import PROBABILITIES

MASTER = CompanyMaster.parse(DEFAULT_MASTER.read_bytes())
LINKER = Linker(MASTER)
AT = datetime(2014, 10, 1, tzinfo=UTC)


def each_alone(texts: list[str]) -> list[int]:
    return list(range(len(texts)))


@pytest.mark.parametrize(
    ("text", "gapped"),
    [
        ("$CMP - profit falls short http", f"{GAP} - profit falls short http"),
        ("Boeing, suppliers slip as costs mount", f"{GAP}, suppliers slip as costs mount"),
        ("Burberry says the outbreak hurts demand", f"{GAP} says the outbreak hurts demand"),
        ("Wirecard's audit is not done; Wirecard falls", f"{GAP}'s audit is not done; {GAP} falls"),
    ],
)
def test_the_company_of_a_text_makes_way(text: str, gapped: str) -> None:
    assert with_gap(text, None, LINKER, AT) == gapped


def test_the_entity_that_people_judged_makes_way_and_not_a_part_of_a_word() -> None:
    assert with_gap("At Wipro, growth remains a mirage", "Wipro", LINKER, AT) == f"At {GAP}, growth remains a mirage"
    assert with_gap("Oilfield stays shut", "Oil", LINKER, AT) is None


@pytest.mark.parametrize(
    "text",
    [
        "$CCL $RCL - weakness at both",
        "Boeing and Apple fall",
        "Stocks fall again",
        "the company nobody names falls",
    ],
)
def test_a_text_about_several_companies_or_none_is_left_out(text: str) -> None:
    assert with_gap(text, None, LINKER, AT) is None


def test_headlines_with_several_entities_have_none(tmp_path: Path) -> None:
    path = tmp_path / "headlines.csv"
    path.write_text(
        "S No.,Title,Decisions,Words\n"
        "1,MMTC loses money,{'MMTC': 'negative'},3\n"
        "2,Tech falls and oil rises,\"{'tech': 'negative', 'oil': 'positive'}\",5\n"
        '3,Arby\'s shrinks,"{""Arby\'s"": \'negative\'}",2\n',
        encoding="utf-8",
    )
    assert entities_of(path) == {"MMTC loses money": "MMTC", "Arby's shrinks": "Arby's"}


def test_a_company_is_called_as_its_tweets_call_it() -> None:
    assert cashtag_of(MASTER.company("BRK-A"), AT.date()) == "$BRK.A"
    assert cashtag_of(MASTER.company("XOM"), AT.date()) == "$XOM"


def test_texts_of_a_pool_name_their_company_alone_and_resemble_no_other() -> None:
    texts = [HumanLabelled(f"$ZZZ number {n} tells of trouble", "negative", "tweets") for n in range(6)]
    texts.append(HumanLabelled("$ZZZ is sued by Facebook", "negative", "tweets"))
    groups = [0, 0, 1, 2, 3, 4, 5]
    found = templates(texts, {}, MASTER, AT, lambda gapped: groups)
    asked: list[str] = []

    def classify(texts: list[str]) -> list[Classification]:
        asked.extend(texts)
        return [Classification(PROBABILITIES["neutral"], Topic("earnings", 0.9)) for _ in texts]

    pools = pools_of(found, ["KO"], MASTER, AT, classify, seed=1)  # type: ignore[arg-type]
    drawn = pools["KO"]["negative"]
    assert sorted(text.group for text in drawn) == [0, 1, 2, 3, 4]
    assert all(text.text.startswith("$KO number") for text in drawn)
    assert [text.sentiment.label for text in drawn] == ["neutral"] * 5, "as the model reads it"
    assert {text.human for text in drawn} == {"negative"}
    assert sorted(asked) == sorted(text.text for text in drawn)


def test_each_set_gives_half_of_a_pool_as_far_as_it_goes() -> None:
    texts = [HumanLabelled(f"$ZZZ tweet {n} tells of trouble", "neutral", "tweets") for n in range(30)]
    texts += [HumanLabelled(f"$ZZZ headline {n} tells of trouble", "neutral", "headlines") for n in range(100)]
    found = templates(texts, {}, MASTER, AT, each_alone)  # type: ignore[arg-type]
    answer = Classification(PROBABILITIES["neutral"], Topic("earnings", 0.9))
    drawn = pools_of(found, ["KO"], MASTER, AT, lambda texts: [answer] * len(texts), seed=1)["KO"]["neutral"]
    assert len(drawn) == 40
    assert sum("tweet" in text.text for text in drawn) == 20
