"""Structured logs: one JSON object a line on standard error; silent in normal operation."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final

from streams.terminal import escaped_json

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class JsonLines(logging.Formatter):
    """Time (UTC), level, service, logger, message; then what was given as `extra`, then the traceback."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update((name, value) for name, value in vars(record).items() if name not in _STANDARD)
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return escaped_json(json.dumps(line, ensure_ascii=False, default=str))


def configure_logs(service: str, level: str) -> None:
    """Send everything from `level` on to standard error, as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(service))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    if level in ("warning", "error"):
        # Clients complain of what they mend, or what is tried again: a closed connection, a slow poll, each call that
        # fails. What they can't mend they raise, and we tell of it once.
        for client in ("kafka", "elastic_transport"):
            logging.getLogger(client).setLevel(logging.CRITICAL)
