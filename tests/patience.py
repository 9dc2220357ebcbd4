"""How long a test waits for what has to come: long enough for a busy machine, since only a test that fails waits so long."""

from typing import Final

PATIENCE: Final = 300.0
"""Seconds."""
