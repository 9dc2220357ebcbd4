"""How long ago the last canary came all the way through, as clock says."""

from http.client import HTTPException
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from streams.service_settings import ServiceSettings

_SECONDS: Final = 1.0


def canary_seconds(settings: ServiceSettings) -> float | None:
    """Age of the latest canary, in seconds; None where no clock answers, or where it sends none."""
    try:
        with urlopen(f"http://{settings.host}:{settings.clock_port}/metrics", timeout=_SECONDS) as answer:
            text = answer.read().decode()
        for family in text_string_to_metric_families(text):
            if family.name == "tocsin_canary_seconds":
                return float(family.samples[0].value)
    except (URLError, OSError, HTTPException, ValueError, IndexError):
        return None
    return None
