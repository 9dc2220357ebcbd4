"""What people call the companies and series that alerts name by id."""

import re
from typing import Final

from processors.companies import Company, CompanyMaster

_HAN: Final = re.compile(r"[\u4e00-\u9fff]")
_LEGAL_FORMS: Final = frozenset(
    "AG Co Company Corp Corporation Group Holding Holdings Inc Incorporated International Limited Ltd N.V S.A SA/NV SE p.l.c "
    "plc".split()
)


def short_name(company: Company) -> str:
    """Its name without legal form."""
    words = company.name.removeprefix("The ").split(" ")
    while len(words) > 1 and words[-1].removesuffix(".") in _LEGAL_FORMS:
        words.pop()
        words[-1] = words[-1].removesuffix(",")
    return " ".join(words).removesuffix(" &")


def chinese_name(company: Company) -> str | None:
    """Its Chinese name, where the master has one."""
    return next((name.text for name in company.names if _HAN.search(name.text)), None)


class Names:
    """The names of one company master, or of none."""

    def __init__(self, master: CompanyMaster | None = None) -> None:
        companies = master.companies.values() if master else ()
        self._companies = {company.id: short_name(company) for company in companies}

    def company(self, series: str) -> str:
        """The name of the company that a series is about; empty where it is about none, or one that is not listed."""
        kind, _, name = series.partition(":")
        return self._companies.get(name.partition("/")[0], "") if kind in ("company", "company-topic") else ""

    def series(self, series: str) -> str:
        """A series as people say it, its id beside a company's name: ``Boeing (BA), legal-regulation``."""
        kind, _, name = series.partition(":")
        if kind == "market":
            return "the whole market"
        if kind not in ("company", "company-topic"):
            return f"{kind} {name}"
        company, slash, topic = name.partition("/")
        known = self.company(series)
        title = f"{known} ({company})" if known and known != company else company
        return f"{title}, {topic}" if slash else title
