"""A client library that loses its place, as Faust has been seen to: it passes over a record and says nothing."""

import sys
from collections.abc import Sequence


def arm(number: int) -> None:
    """enrich is given every record but one: the first document of a batch, after so many batches; once in a process."""
    from streams.services.enrich_line import Event, Line

    take = Line.take
    left = number

    async def skipping(self: Line, events: Sequence[Event]) -> None:
        nonlocal left
        left -= 1
        documents = [event for event in events if "type" not in dict(event.message.headers or ())]
        dropped = documents[0] if left <= 0 and documents else None
        if dropped is not None:
            left = 1_000_000
            print(f"passes over offset {dropped.message.offset}", file=sys.stderr, flush=True)
        await take(self, [event for event in events if event is not dropped])

    Line.take = skipping  # type: ignore[method-assign]
