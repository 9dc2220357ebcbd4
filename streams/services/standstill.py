"""Whether a consumer still brings what waits: a client that stopped without a word shows in nothing else."""

from collections.abc import Mapping
from typing import Final

from kafka import TopicPartition

from processors.errors import RetryableError

STANDSTILL_SECONDS: Final = 120.0
JOIN_SECONDS: Final = 420.0
"""While the group is shared out anew nothing comes: the broker waits up to 300 s for a member that is busy."""

_LOOKS_APART: Final = 30.0
"""Looks further apart than this show nothing: whoever reads was busy with what it had."""


class Standstill:
    """Notices a consumer that brings nothing though records wait.

    One way into that is known, and barred (see `kafka_clients.consumer`); for any other only a new consumer helps.
    """

    def __init__(self) -> None:
        self._looked = float("-inf")
        self._joining = False
        self._seen: dict[TopicPartition, tuple[int, float]] = {}

    def look(
        self,
        now: float,
        positions: Mapping[TopicPartition, int],
        ends: Mapping[TopicPartition, int],
        *,
        joining: bool = False,
    ) -> bool:
        """So far each partition is read at `now`, in monotonic seconds, and there it ends; `joining` its group meanwhile (see
        `kafka_clients.is_joining`).

        Whether reading gets on: none stands, with records behind it, where it stood at the look before. Raises
        RetryableError where one has stood at the same position, with records behind it, at every look for
        `STANDSTILL_SECONDS`, or for `JOIN_SECONDS` of one join.
        """
        if now - self._looked > _LOOKS_APART or joining != self._joining:
            self._seen.clear()
        self._looked, self._joining = now, joining
        longest = JOIN_SECONDS if joining else STANDSTILL_SECONDS
        waiting = {place: position for place, position in positions.items() if ends[place] > position}
        self._seen = {
            place: seen if (seen := self._seen.get(place)) and seen[0] == position else (position, now)
            for place, position in waiting.items()
        }
        for place, (position, since) in self._seen.items():
            if now - since > longest:
                raise RetryableError(
                    f"{ends[place] - position} records wait in {place.topic}, partition {place.partition}, and Kafka's "
                    f"client has brought none of them for {now - since:.0f} s: a new start asks anew"
                )
        return all(since == now for _, since in self._seen.values())
