"""Linking companies: what names one, what only looks like it, and where in the text it stands."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from work import steps

from processors.companies import CompanyMaster
from processors.linking import Linker
from processors.messages import CompanyLink

SHIPPED = Path(__file__).parents[2] / "processors" / "company_master.json"
LINKER = Linker(CompanyMaster.parse(SHIPPED.read_bytes()))
NOW = datetime(2014, 6, 2, 14, 0, tzinfo=UTC)
IN_1987 = datetime(1987, 4, 1, tzinfo=UTC)

PIECES = st.lists(
    st.sampled_from(
        "$T $t $AAPL $BRK.A $UL.AS $C… $C 350M Apple apple APPLE pie Visa visa card UPS ups Total said oil shares Inc "
        "JPMorgan J.P. Morgan AT&T AT & T and Wells Fargo Fargo (T) NYSE:T <GE> CMCSA, MCD, T @Boeing @UPS_News #Apple "
        "via RT http://t.co/x 苹果 股价 阿里巴巴 3M 1.3M % £€ CO$T $$ … \n . ' - / & $".split(" ")
    ),
    max_size=30,
)
TEXTS = st.one_of(st.text(max_size=200), PIECES.map(" ".join), PIECES.map("".join))
TIMES = st.datetimes(datetime(1980, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
TAGS = st.lists(st.sampled_from(["AAPL", "T", "BRK-A", "brk.b", "", "$", "UL.AS", "?", "MMM", "ÄÖ"]), max_size=4)


def linked(text: str, at: datetime = NOW, symbols: tuple[str, ...] = ()) -> list[str]:
    return [link.company for link in LINKER.link(text, at, symbols)]


@given(TEXTS, TIMES, TAGS)
def test_any_text_is_read_and_every_link_points_at_its_surface(text: str, at: datetime, tags: list[str]) -> None:
    links = LINKER.link(text, at, tags)
    for link in links:
        assert link.surface and text[link.offset : link.offset + len(link.surface)] == link.surface
    assert [link.offset for link in links] == sorted(link.offset for link in links)
    assert len({link.company for link in links}) == len(links)
    assert LINKER.link(text, at, tags) == links


@given(TEXTS, TIMES, TAGS)
def test_tags_alone_link_nothing(text: str, at: datetime, tags: list[str]) -> None:
    with_tags = {link.offset: link for link in LINKER.link(text, at, tags)}
    for link in LINKER.link(text, at, ()):
        assert link.company in {other.company for other in with_tags.values()}
    assert all(link.surface for link in with_tags.values() if link.how == "symbol")
    assert LINKER.link("", at, tags) == ()


@pytest.mark.parametrize(
    ("text", "companies"),
    [
        ("$AAPL: up, $GOOGL and $goog too", ["AAPL", "GOOG"]),
        ("$T's plan lifts the stock", ["T"]),
        ("buy $BRK.A $BRK-B $RDS.B $BBL $UN now", ["BRK-A", "RDS-B", "BHP", "UL"]),
        ("amazing… $AAPL… how do I sell", ["AAPL"]),
        ("Early movers: FB, PEP, SWY, and GOOG", ["FB", "PEP", "GOOG"]),
        ("AT&T Inc. (NYSE: T) and Bank of America (BAC) rise", ["T", "BAC"]),
        ("T shares fall", ["T"]),
        ("#BankOfAmerica hires; @Boeing sells; #CSCO", ["BAC", "BA", "CSCO"]),
        ("JP Morgan, J.P. Morgan, JPMorgan Chase", ["JPM"]),
        ("Johnson and Johnson, Proctor & Gamble, PG&E, P&G", ["JNJ", "PG", "PCG"]),
        ("Royal Dutch/Shell and Wal-Mart and Coca Cola Co", ["RDS-B", "WMT", "KO"]),
        ("苹果公司股价大跌，阿里巴巴上市，买入$MSFT涨", ["AAPL", "BABA", "MSFT"]),
    ],
)
def test_a_company_is_found_by_cashtag_ticker_name_and_alias(text: str, companies: list[str]) -> None:
    assert linked(text, datetime(2014, 10, 1, tzinfo=UTC)) == companies


@pytest.mark.parametrize(
    "text",
    [
        "CO$T and U$D and LA$T and $TWTR and $5 and $T∆R and $T!K",
        "$D->userName = 1",
        "notes in $C 350M, due 2018",
        "$PM.V Prism Medical, $UL.AS and $T.TO and TSE:T",
        "$T: TELUS to invest in Alberta",
        "RT @x: what a day at the market $C…",
        "UCLA! Beat $C!",
        "UN condemns, PM resigns, MA rises, HD video, CAT scan, SO good, REX barks, PICO de gallo",
        "cross of the 50 MA today, HD 3/11, 1.3M options",
        "see http://www.apple.com/Boeing/$AAPL and www.Microsoft.com",
        "read this via @Facebook",
    ],
)
def test_letters_that_mean_something_else_name_nobody(text: str) -> None:
    assert linked(text) == []


@pytest.mark.parametrize(
    ("other_sense", "company_sense"),
    [
        ("my travel visa needs a photo", "Visa and MasterCard raise fees"),
        ("pay with your Visa card", "Visa beats estimates"),
        ("warm apple pie for dinner", "Apple unveils a watch"),
        ("the big apple never sleeps", "how apple sold so many iPhones $GTAT"),
        ("Total sales rose in March", "Total said it found oil off Angola"),
        ("the police chase went on", "Chase to drop card fees"),
        ("a charter flight to Rome", "Comcast in talks with Charter"),
        ("we have intel on the enemy", "Intel cuts its outlook"),
        ("a very hungry caterpillar", "Caterpillar dealers sell less"),
        ("dominion over the earth", "Dominion to export LNG"),
        ("in the southern states", "Southern Company builds reactors"),
        ("Firms to Shell Out More for Ads", "Exxon and Shell sell a field"),
        ("CANACCORD UPS ITS TARGET FOR THE FIRM", "FedEx and UPS add drivers"),
        ("the oracle of Delphi", "Oracle hires in the cloud"),
    ],
)
def test_an_ambiguous_name_counts_in_its_company_sense_only(other_sense: str, company_sense: str) -> None:
    assert linked(other_sense) == []
    assert len(set(linked(company_sense)) - {"MA", "CMCSA", "XOM"}) == 1


def test_any_master_gets_the_same_logic() -> None:
    target = {
        "id": "TGT",
        "name": "Target Corporation",
        "sector": "Services",
        "time_zone": "America/New_York",
        "names": [{"text": "Target", "needs": "context"}],
        "tickers": [{"symbol": "TGT"}],
        "context": ["retailer", "breach"],
        "not_meant": ["target price", "price target"],
    }
    linker = Linker(CompanyMaster.parse(json.dumps({"version": 1, "companies": [target]}).encode()))
    texts = [
        "Price Target raised to 50",
        "Target price cut by retailer",
        "our target for May",
        "Target admits a breach",
    ]
    assert [len(linker.link(text, NOW, ())) for text in texts] == [0, 0, 0, 1]


def test_names_and_tickers_count_only_while_they_were_valid() -> None:
    assert linked("FACEBOOK, ALIBABA, GOOGLE AND VERIZON", IN_1987) == []
    assert linked("PHILIP MORRIS <MO> RAISES DIVIDEND", IN_1987) == ["MO"]
    assert linked("Philip Morris cuts forecast") == ["PM"]
    assert linked("CHRYSLER <C> TO BUY; REXNORD <REX>", IN_1987) == []
    assert linked("$META and Meta Platforms") == []
    assert linked("$FB falls", datetime(2022, 6, 8, tzinfo=UTC)) == ["FB"]
    assert linked("$FB falls", datetime(2022, 6, 9, tzinfo=UTC)) == []
    assert linked("$META falls", datetime(2022, 6, 9, tzinfo=UTC)) == ["FB"]


@pytest.mark.parametrize(
    ("text", "companies"),
    [
        ("GENERAL ELECTRIC <GE> UNIT TO BUY\nGeneral Electric Co said", ["GE"]),
        ("American Telephone and\nTelegraph Co <T.N> said", ["T"]),
        ("MEDIA GENERAL <MEG.A> UPS DIVIDEND, SETS SPLIT", []),
        ("CHASE MANHATTAN AND MORGAN STANLEY SET TERMS", []),
        ("COCA-COLA ENTERPRISES <CCE> OPTIONS", []),
        ("BRITISH PETROLEUM CO PLC <BP.L> BIDS", ["BP"]),
    ],
)
def test_the_newswire_of_1987_is_read_as_it_was_written(text: str, companies: list[str]) -> None:
    assert linked(text, IN_1987) == companies


def test_a_publishers_tag_settles_a_name_that_stands_in_the_text() -> None:
    assert LINKER.link("we like apple a lot", NOW, ["AAPL"]) == (CompanyLink("AAPL", "apple", 8, "symbol"),)
    assert linked("we like apple a lot") == []
    assert linked("we like pie a lot", symbols=("AAPL",)) == []
    assert linked("CO$T of living", symbols=("T",)) == []


def test_a_company_named_in_several_ways_is_linked_once_by_the_surest() -> None:
    assert LINKER.link("Apple (AAPL): $AAPL, #Apple", NOW, ()) == (CompanyLink("AAPL", "$AAPL", 14, "cashtag"),)


@pytest.mark.parametrize(
    "piece", ["apple ", "UPS ", "$T ", "T, ", "Royal Dutch ", "visa card ", "J.P. ", "苹果", "@ups "]
)
def test_work_grows_no_faster_than_the_text(piece: str) -> None:
    small, large = piece * 100, piece * 1000
    assert steps(lambda: LINKER.link(large, NOW, ())) <= 11 * steps(lambda: LINKER.link(small, NOW, ())) + 100
