"""Refused records as values: what was refused, where, why, and enough of it to mend and send again."""

import base64
import hashlib
from typing import Final

from processors.errors import FatalError, PoisonError, RetryableError
from processors.messages import DeadLetter, Origin, Stage

KEPT_BYTES: Final = 64 * 1024


def dead_letter(stage: Stage, error: PoisonError, origin: Origin, original: bytes) -> DeadLetter:
    """The dead letter of `original`, refused at `stage` because of `error`.

    Keeps the first 64 KiB in base64; `sha256` and `length` are of the whole.
    """
    return DeadLetter(
        stage=stage,
        reason=error.reason,
        message=str(error).encode("utf-8", "backslashreplace").decode(),
        origin=origin,
        original=base64.b64encode(original[:KEPT_BYTES]).decode("ascii"),
        sha256=hashlib.sha256(original).hexdigest(),
        length=len(original),
    )


def refusal_of(error: Exception) -> PoisonError:
    """Why a record is refused whose processing raised `error`: what was not foreseen is an ``internal-error``.

    Raises `error` again where going on is wrong: FatalError, RetryableError, MemoryError.
    """
    if isinstance(error, FatalError | RetryableError | MemoryError):
        raise error
    if isinstance(error, PoisonError):
        return error
    return PoisonError("internal-error", f"{type(error).__name__}: {error}")
