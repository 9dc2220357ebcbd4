"""Whether a consumer still brings what waits: kafka-python's can stop without a word."""

from collections.abc import Mapping
from typing import Final

from kafka import KafkaConsumer, TopicPartition

from processors.errors import RetryableError

STANDSTILL_SECONDS: Final = 120.0
MUTE_SECONDS: Final = 20.0
_LOOKS_APART: Final = 30.0
"""Looks further apart than this show nothing: whoever reads was busy with what it had."""


class Standstill:
    """Notices a consumer that brings nothing though records wait.

    kafka-python's consumer was seen to spin for good without bringing a record or raising anything, its heartbeat overdue.
    Only a new one helps.
    """

    def __init__(self) -> None:
        self._looked = float("-inf")
        self._seen: dict[TopicPartition, tuple[int, float]] = {}
        self._mute: float | None = None

    def watch(
        self,
        now: float,
        consumer: KafkaConsumer,
        positions: Mapping[TopicPartition, int],
        ends: Mapping[TopicPartition, int],
    ) -> bool:
        """Both, for a member of a group to which the broker answers at `now`; see `listen` and `look`."""
        self.listen(now, consumer)
        return self.look(now, positions, ends)

    def look(self, now: float, positions: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]) -> bool:
        """So far each partition is read at `now`, in monotonic seconds, and there it ends.

        Whether reading gets on: none stands, with records behind it, where it stood at the look before. Raises RetryableError where one has stood at the same position, with records behind it, at every look for
        `STANDSTILL_SECONDS`.
        """
        if now - self._looked > _LOOKS_APART:
            self._seen.clear()
            self._mute = None
        self._looked = now
        waiting = {place: position for place, position in positions.items() if ends[place] > position}
        self._seen = {
            place: seen if (seen := self._seen.get(place)) and seen[0] == position else (position, now)
            for place, position in waiting.items()
        }
        for place, (position, since) in self._seen.items():
            if now - since > STANDSTILL_SECONDS:
                raise RetryableError(
                    f"{ends[place] - position} records wait in {place.topic}, partition {place.partition}, and Kafka's "
                    f"client has brought none of them for {now - since:.0f} s: a new start asks anew"
                )
        return all(since == now for _, since in self._seen.values())

    def listen(self, now: float, consumer: KafkaConsumer) -> None:
        """The broker answers at `now`; whether the group still hears of the consumer, which believes itself a member.

        Raises RetryableError where it has not for `MUTE_SECONDS` beyond its session: its partitions are another's or
        nobody's by then, and it would never learn of that. Nothing but the client's own parts tells.
        """
        coordinator = consumer._coordinator
        if not (coordinator.stable() and coordinator.heartbeat.session_timeout_expired()):
            self._mute = None
            return
        self._mute = now if self._mute is None else self._mute
        if now - self._mute > MUTE_SECONDS:
            raise RetryableError(
                "Kafka's client has stopped telling its group that it lives, although the broker answers: a new start "
                "joins anew"
            )
