"""Starts a service with something in it changed, for these tests only: a crash at some point,
a client that skips a record, a measure reverted, confined to the servers that it is told of.

    python tests/faults/injected.py crash:POINT:N skip:N revert:MEASURE confine -- run detect --set …

What is changed are functions of the running process, from outside: the services themselves have no such points or
switches, so that nothing of it can be set, or costs anything, where they run in earnest.
"""

import sys

import confined
import crash_points
import reverted
import skipping


def main() -> None:
    """Change what is asked for, then be Tocsin's command."""
    split = sys.argv.index("--")
    for change in sys.argv[1:split]:
        kind, _, name = change.partition(":")
        if kind == "crash":
            point, _, number = name.partition(":")
            crash_points.arm(point, int(number))
        elif kind == "skip":
            skipping.arm(int(name))
        elif kind == "confine":
            confined.arm()
        elif kind == "revert":
            reverted.MEASURES[name].revert()
        else:
            raise SystemExit(f"nothing is called {change}")
    sys.argv = ["tocsin", *sys.argv[split + 1 :]]
    from streams.cli import main as tocsin

    tocsin()


if __name__ == "__main__":
    main()
