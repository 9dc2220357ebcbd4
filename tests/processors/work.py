"""A measure of work that does not depend on how busy the machine is."""

import sys
from collections.abc import Callable


def steps(action: Callable[[], object]) -> int:
    """How many calls into Python and C code `action` makes; work inside the regex engine is not seen."""
    count = 0

    def counting(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counting)
    try:
        action()
    finally:
        sys.setprofile(None)
    return count
