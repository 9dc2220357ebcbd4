"""Changes that can be taken back."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

K = TypeVar("K")
V = TypeVar("V")
A = TypeVar("A")
R = TypeVar("R")

_ABSENT: Final = object()


class Journal:
    """Remembers how to take back each change since `begin`, so that `undo` restores what was exactly.

    Values in the dictionaries are replaced, never changed in place; then undoing costs as much as the changes
    did, and nothing is copied beforehand.
    """

    __slots__ = ("_steps",)

    def __init__(self) -> None:
        # How to take a step back: a dictionary, its key and what stood there; or None, a function and its argument.
        self._steps: list[tuple[dict[Any, Any] | None, Any, Any]] = []

    def begin(self) -> None:
        """Accepts all earlier changes for good."""
        self._steps.clear()

    def put(self, target: dict[K, V], key: K, value: V) -> None:
        """``target[key] = value``."""
        self._steps.append((target, key, target.get(key, _ABSENT)))
        target[key] = value

    def drop(self, target: dict[K, V], key: K) -> None:
        """``del target[key]``; nothing where there is no such key."""
        if key in target:
            self._steps.append((target, key, target.pop(key)))

    def call(self, change: Callable[[A], R], inverse: Callable[[A], object], argument: A) -> R:
        """``change(argument)`` and what it gives; ``inverse(argument)`` takes it back."""
        result = change(argument)
        self._steps.append((None, inverse, argument))
        return result

    def undo(self) -> None:
        """Takes back every change since `begin`, newest first."""
        while self._steps:
            target, key, before = self._steps.pop()
            if target is None:
                key(before)
            elif before is _ABSENT:
                target.pop(key, None)
            else:
                target[key] = before
