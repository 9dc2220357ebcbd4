"""How the workers of a group share the partitions of its topics."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from kafka import TopicPartition
from kafka.coordinator.assignors.abstract import (
    AbstractPartitionAssignor,
    ConsumerProtocolAssignment,
    ConsumerProtocolSubscription,
)

_VERSION: Final = 0


class Dealer(AbstractPartitionAssignor):  # type: ignore[misc]
    """Deals the partitions of all topics out as one, so that no worker has two more than another.

    Which partitions there are is given, not asked of the client's metadata: a leader that joins before it knows them would
    assign nothing to anybody, and nobody would notice.
    """

    name = "tocsin-deal"

    def __init__(self, partitions: Iterable[TopicPartition]) -> None:
        self._partitions = sorted(partitions)

    def assign(self, cluster: Any, members: Sequence[Any]) -> dict[str, ConsumerProtocolAssignment]:
        """What each member gets; the same whoever is asked."""
        names = sorted(member.member_id for member in members)
        dealt: dict[str, dict[str, list[int]]] = {name: {} for name in names}
        for index, partition in enumerate(self._partitions):
            of_member = dealt[names[index % len(names)]]
            of_member.setdefault(partition.topic, []).append(partition.partition)
        return {
            name: ConsumerProtocolAssignment(_VERSION, sorted(topics.items()), b"") for name, topics in dealt.items()
        }

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolSubscription:
        """What a member tells the leader."""
        return ConsumerProtocolSubscription(_VERSION, sorted(topics), b"")

    def on_assignment(self, assignment: Any, generation: int) -> None:
        """Nothing is remembered."""
