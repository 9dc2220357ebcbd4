"""Every error that Tocsin raises on purpose.

TocsinError
├── RetryableError          a dependency is away for the moment: wait and do the same again
├── PoisonError             this one record cannot be processed, ever: dead letter, go on
└── FatalError              going on could lose or falsify something: end the process
    ├── ConfigurationError  a setting, file or argument is wrong: a person must mend it
    ├── ModelError          the model's files are missing, damaged or of another contract
    └── InvariantError      something that cannot happen did: restart and read the truth from the log
"""


class TocsinError(Exception):
    """The root: catch it to catch everything that Tocsin raises on purpose."""


class RetryableError(TocsinError):
    """A dependency is away for the moment; the same call may succeed later."""


class PoisonError(TocsinError):
    """One record that can never be processed.

    `reason` is a stable slug that dead letters are counted by (``invalid-json``, ``future-timestamp`` …);
    the message says what was wrong, where in the record, and how to mend it.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class FatalError(TocsinError):
    """Going on could lose or falsify something."""


class ConfigurationError(FatalError):
    """A setting, file or argument is wrong; the message names it and the mend."""


class ModelError(FatalError):
    """The model's files are missing, damaged or of another contract."""


class InvariantError(FatalError):
    """A condition that sound runs never meet."""
