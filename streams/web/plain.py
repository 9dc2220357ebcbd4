"""Messages as JSON-ready values."""

import json
from typing import Any

from processors.identity import canonical_json


def plain(value: Any) -> Any:
    """`value` as dicts, lists and scalars: what its canonical JSON says."""
    return json.loads(canonical_json(value))
