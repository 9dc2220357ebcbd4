"""A sequence in parts that are bounded by number and by size, as brokers and indices take them."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def parted(items: Iterable[Item], size_of: Callable[[Item], int], most: int, most_size: int) -> Iterator[list[Item]]:
    """`items` in their order, in parts of at most `most` of them and of at most `most_size` together, or of one item."""
    part: list[Item] = []
    size = 0
    for item in items:
        more = size_of(item)
        if part and (len(part) == most or size + more > most_size):
            yield part
            part, size = [], 0
        part.append(item)
        size += more
    if part:
        yield part
