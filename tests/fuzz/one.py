"""One target under libFuzzer, in a process of its own: `one.py TARGET [option of libFuzzer…]`.

It ends with an error on the first input that makes the target raise, takes too long, or takes too much memory, and
leaves that input where ``-artifact_prefix`` says.
"""

import sys

import atheris


def main() -> None:
    """Fuzz; never returns."""
    with atheris.instrument_imports(include=["streams", "processors"], enable_loader_override=False):
        from tests.fuzz.planted import PLANTED
        from tests.fuzz.targets import TARGETS
    name, *options = sys.argv[1:]
    target = {**TARGETS, **PLANTED}[name]
    target.run(target.seeds[0])  # what is loaded once is no matter of one input
    atheris.Setup([sys.argv[0], *options], target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
