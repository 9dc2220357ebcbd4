"""The company master: what is shipped, what is refused, and that reloading is safe."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from processors.companies import CompanyMaster
from processors.errors import ConfigurationError

SHIPPED = Path(__file__).parents[2] / "processors" / "company_master.json"
SECOND_LISTINGS = {"BBL": "BHP", "UN": "UL"}


@pytest.fixture(scope="module")
def master() -> CompanyMaster:
    return CompanyMaster.parse(SHIPPED.read_bytes())


def entry(**changes: Any) -> dict[str, Any]:
    return {
        "id": "TGT",
        "name": "Target Corporation",
        "sector": "Services",
        "time_zone": "America/New_York",
        "names": ["Target Corporation", {"text": "Target", "needs": "context"}],
        "tickers": [{"symbol": "TGT", "exchange": "NYSE"}],
    } | changes


def written(*entries: dict[str, Any]) -> bytes:
    return json.dumps({"version": 1, "companies": entries}).encode()


def test_the_shipped_master_knows_the_companies_under_the_names_they_had(master: CompanyMaster) -> None:
    def names(company: str, day: date) -> set[str]:
        return {
            name.text
            for name in master.company(company).names
            if (name.since or date.min) <= day <= (name.until or date.max)
        }

    assert "Meta Platforms" not in names("FB", date(2021, 10, 27))
    assert "Meta Platforms" in names("FB", date(2021, 10, 28))
    assert "Philip Morris" in names("MO", date(1987, 4, 1)) and "Philip Morris" in names("PM", date(2014, 1, 1))
    assert "Priceline Group" in names("PCLN", date(2014, 6, 1)) and "Booking Holdings" in names(
        "PCLN", date(2020, 1, 1)
    )
    assert "American Telephone & Telegraph" in names("T", date(1987, 4, 1))
    assert not names("BABA", date(1987, 4, 1)) and not names("GOOG", date(1987, 4, 1))


def test_tickers_end_where_they_were_given_up(master: CompanyMaster) -> None:
    facebook = {ticker.symbol: ticker for ticker in master.company("FB").tickers}
    assert facebook["FB"].until == date(2022, 6, 8) and facebook["META"].since == date(2022, 6, 9)


def test_sectors_are_few_and_spelled_right(master: CompanyMaster) -> None:
    assert {company.sector for company in master.companies.values()} == {
        "Basic Materials", "Conglomerates", "Consumer Goods", "Financial", "Healthcare", "Industrial Goods",
        "Services", "Technology", "Utilities",
    }  # fmt: skip


@pytest.mark.data
def test_every_company_of_the_data_is_in_the_master_with_its_sector_and_symbol(
    master: CompanyMaster, data_dir: Path
) -> None:
    rows = [line.split("\t") for line in (data_dir / "companies.tsv").read_text("utf-8").splitlines()[1:]]
    assert len(rows) == 88
    for sector, cashtag, _ in rows:
        symbol = cashtag.removeprefix("$")
        company = master.company(SECOND_LISTINGS.get(symbol, symbol))
        assert symbol.replace("-", ".") in {ticker.symbol for ticker in company.tickers}
        assert company.sector == sector.replace("Matierials", "Materials")


def test_the_hash_follows_the_content_and_not_the_layout(master: CompanyMaster) -> None:
    document = json.loads(SHIPPED.read_bytes())
    assert CompanyMaster.parse(json.dumps(document, indent=7, sort_keys=True).encode()).hash == master.hash
    document["companies"][0]["name"] += " again"
    assert CompanyMaster.parse(json.dumps(document).encode()).hash != master.hash


def test_parsing_again_gives_an_equal_master_and_leaves_the_former_alone(master: CompanyMaster) -> None:
    again = CompanyMaster.parse(SHIPPED.read_bytes())
    assert again == master and again is not master
    with pytest.raises(TypeError):
        master.companies["NEW"] = master.company("AAPL")  # type: ignore[index]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "is not JSON: line 1"),
        (b"\xff", "is not UTF-8: byte 0"),
        (b"[]", "must be an object"),
        (b'{"version": 1, "version": 1, "companies": []}', "'version'] twice"),
        (b'{"version": 2, "companies": []}', "reads 1"),
        (b'{"version": 1, "companies": []}', "at least one company"),
        (b'{"version": 1, "company": []}', "did you mean 'companies'"),
    ],
)
def test_a_file_that_is_no_master_is_refused_with_the_place(content: bytes, told: str) -> None:
    with pytest.raises(ConfigurationError, match="company master") as refusal:
        CompanyMaster.parse(content)
    assert told in str(refusal.value)


@pytest.mark.parametrize("id", ["BRK/B", "BRK\nB", "BRK\u2028B", "B" * 65])
def test_an_id_that_cannot_name_a_series_is_refused_with_the_mend(id: str) -> None:
    with pytest.raises(ConfigurationError, match="64 characters: write another, BRK-B for BRK/B"):
        CompanyMaster.parse(written(entry(id=id)))
    assert CompanyMaster.parse(written(entry(id="B" * 64))).companies


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"alias": []}, "unknown key 'alias'; did you mean 'aliases'?"),
        ({"names": []}, "at least one entry in names"),
        ({"names": ["..."]}, "holds no word"),
        ({"names": [{"text": "Target", "need": "context"}]}, "did you mean 'needs'?"),
        ({"names": [{"text": "Target", "needs": "luck"}]}, "known: nothing, capitals, context"),
        ({"names": [{"text": "Target", "from": "1.2.2014"}]}, "write a day as 2014-01-31"),
        ({"names": [{"text": "Target", "from": "2015-01-01", "until": "2014-01-01"}]}, "before it begins"),
        ({"tickers": [{"symbol": "$TGT"}]}, "write capitals and digits"),
        ({"tickers": [{"symbol": "TGT", "ambiguous": "yes"}]}, "true or false"),
        ({"time_zone": "America/Minneapolis"}, "unknown time zone"),
        ({"context": ["big box"]}, "single words only"),
        ({"context": ["target"]}, "cannot vouch for itself"),
        ({"not_meant": ["target"]}, "both as a name and as not meant"),
        ({"identifiers": {"isin": ["US0378331006"]}}, "check digit"),
        ({"identifiers": {"lei": ["HWUPKR0MPOU8FGXBT395"]}}, "check digit"),
        ({"identifiers": {"figi": ["BBG000B9XRY5"]}}, "check digit"),
        ({"identifiers": {"cusip": ["037833100"]}}, "did you mean"),
        ({"sector": " "}, "sector"),
    ],
)
def test_a_wrong_entry_is_named_with_the_mend(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match="company 'TGT'") as refusal:
        CompanyMaster.parse(written(entry(**changes)))
    assert told in str(refusal.value)


def test_an_id_listed_twice_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'TGT' is listed twice, the second time as entry 2"):
        CompanyMaster.parse(written(entry(), entry()))


@pytest.mark.parametrize(
    "claim",
    [
        {"names": ["Target corporation"]},
        {"aliases": ["Target"]},
        {"tickers": [{"symbol": "TGT"}]},
    ],
)
def test_a_name_that_means_two_companies_at_once_is_refused(claim: dict[str, Any]) -> None:
    other = entry(id="OTHER", names=["Other"], tickers=[]) | claim
    with pytest.raises(ConfigurationError, match=r"'OTHER' claims .* which means 'TGT' at the same time"):
        CompanyMaster.parse(written(entry(), other))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"text": "Acme", "until": "2008-03-27"}, {"text": "Acme", "from": "2008-03-28"}),
        ({"text": "Acme", "needs": "context"}, {"text": "ACME", "needs": "context"}),
    ],
)
def test_two_companies_may_share_a_name_at_different_times_or_with_context(
    first: dict[str, str], second: dict[str, str]
) -> None:
    parse: Callable[[bytes], CompanyMaster] = CompanyMaster.parse
    parsed = parse(written(entry(names=[first]), entry(id="OTHER", names=[second], tickers=[])))
    assert list(parsed.companies) == ["TGT", "OTHER"]
