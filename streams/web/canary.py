"""How long ago the last canary came all the way through, as clock says."""

from http.client import HTTPException
from math import isfinite
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from streams.services.runner import addresses_of
from streams.settings import Settings

_SECONDS: Final = 1.0


def canary_of(settings: Settings) -> dict[str, float | None] | None:
    """Age of the latest canary: ``seconds``, None where none has come through yet. None where no clock answers, or where
    it sends none."""
    try:
        with urlopen(f"http://{addresses_of(settings)['clock'][1]}/metrics", timeout=_SECONDS) as answer:
            text = answer.read().decode()
        for family in text_string_to_metric_families(text):
            if family.name == "tocsin_canary_seconds":
                seconds = float(family.samples[0].value)
                return {"seconds": round(seconds, 1) if isfinite(seconds) else None}
    except (URLError, OSError, HTTPException, ValueError, IndexError):
        return None
    return None
