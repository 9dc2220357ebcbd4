"""What people call a company, in both languages of the console."""

import re
from typing import Any, Final

from processors.companies import CompanyMaster
from processors.labels import TOPICS

_HAN: Final = re.compile(r"[\u4e00-\u9fff]")
_LEGAL_FORMS: Final = frozenset(
    "AG Co Company Corp Corporation Group Holding Holdings Inc Incorporated International Limited Ltd N.V S.A SA/NV SE p.l.c "
    "plc".split()
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
    words = name.removeprefix("The ").split(" ")
    while len(words) > 1 and words[-1].removesuffix(".") in _LEGAL_FORMS:
        words.pop()
        words[-1] = words[-1].removesuffix(",")
    return " ".join(words).removesuffix(" &")
