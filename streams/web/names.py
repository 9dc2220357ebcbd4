"""What the console's pages call companies, sectors and topics, in both of its languages."""

from typing import Any

from processors.companies import CompanyMaster
from processors.labels import TOPICS
from streams.names import chinese_name, short_name


def names_of(master: CompanyMaster) -> dict[str, Any]:
    """Every company's short name, Chinese name where the master has one, and sector, by its id; topics; sectors."""
    companies = {
        company.id: {"name": short_name(company), "zh": chinese_name(company), "sector": company.sector}
        for company in master.companies.values()
    }
    sectors = sorted({company.sector for company in master.companies.values()})
    return {"companies": companies, "sectors": sectors, "topics": list(TOPICS)}
