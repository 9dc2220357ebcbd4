"""What people call a company, in both languages of the console."""

import re
from typing import Any, Final

from processors.companies import CompanyMaster
from processors.labels import TOPICS

_HAN: Final = re.compile(r"[\u4e00-\u9fff]")
_LEGAL_FORM: Final = re.compile(
    r"(,? (Inc|Incorporated|Corporation|Corp|Company|Co|Limited|Ltd|plc|p\.l\.c|N\.V|S\.A|SE|AG|Group|Holdings?"
    r"|International|Company Limited|SA/NV|& Co)\.?)+$"
)


def names_of(master: CompanyMaster) -> dict[str, Any]:
    """Every company's short name, Chinese name where the master has one, and sector, by its id; topics; sectors."""
    companies = {
        company.id: {
            "name": _short(company.name),
            "zh": next((name.text for name in company.names if _HAN.search(name.text)), None),
            "sector": company.sector,
        }
        for company in master.companies.values()
    }
    sectors = sorted({company.sector for company in master.companies.values()})
    return {"companies": companies, "sectors": sectors, "topics": list(TOPICS)}


def _short(name: str) -> str:
    return _LEGAL_FORM.sub("", name.removeprefix("The ")).removesuffix(" &") or name
