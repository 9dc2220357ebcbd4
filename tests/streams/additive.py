"""Whether a schema changed as readers, or writers, of its first form can live with."""

from collections.abc import Iterator
from typing import Any

_WORDS = {"description", "title", "default", "$id", "$schema"}


def breaks(before: Any, after: Any, *, written: bool, where: str = "$") -> Iterator[str]:
    """What of `after` breaks a program that was made for `before`: one that reads what Tocsin writes, or (not `written`)
    one that writes what Tocsin reads. New fields break none, unless a writer has to know them."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        if before != after:
            yield f"{where} was {before!r}, and is {after!r}"
        return
    for key in sorted((before.keys() | after.keys()) - _WORDS - {"properties", "required", "$defs"}):
        if key not in before or key not in after:
            yield f"{where}: {key} {'is new' if key in after else 'is gone'}"
        else:
            yield from breaks(before[key], after[key], written=written, where=f"{where}.{key}")
    for group in ("$defs", "properties"):
        for name, part in before.get(group, {}).items():
            if name not in after.get(group, {}):
                yield f"{where}: {name} is gone"
            else:
                yield from breaks(part, after[group][name], written=written, where=f"{where}.{name}")
    needed, needed_now = set(before.get("required", ())), set(after.get("required", ()))
    for name in sorted(needed - needed_now if written else needed_now - needed):
        yield f"{where}: {name} {'may be missing now' if written else 'is needed now'}"
