"""Receive alarms as webhooks: check the signature, answer at once, take each message once. Needs nothing of Tocsin.

SECRET=whsec_… python streams/examples/receive_webhooks.py [PORT]
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer

TOLERANCE = 5 * 60
"""Seconds that a message may be under way: an old one, sent again by somebody who overheard it, is refused."""


def is_genuine(secret: str, headers: Message, body: bytes) -> bool:
    """Whether whoever sent this knows the secret (Standard Webhooks, v1)."""
    id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > TOLERANCE:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256).digest())
    # While a secret is exchanged for another there is a signature by each.
    given = (
        part.removeprefix("v1,") for part in headers.get("webhook-signature", "").split() if part.startswith("v1,")
    )
    return any(hmac.compare_digest(expected, signature.encode()) for signature in given)


SEEN: set[str] = set()  # where it matters, keep this in a database


class Receiver(BaseHTTPRequestHandler):
    """Prints what comes."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if not is_genuine(os.environ["SECRET"], self.headers, body):
            self.send_error(401)
            return
        self.send_response(204)
        self.end_headers()
        if self.headers["webhook-id"] in SEEN:
            return  # it was sent again because nobody heard the answer
        SEEN.add(self.headers["webhook-id"])
        message = json.loads(body)
        data = message["data"]
        what = data.get("text") or data.get("name") or f"{len(data['alerts'])} incidents"
        print(message["type"], data["desk"], what.encode("unicode_escape").decode(), flush=True)

    def log_message(self, *arguments: object) -> None:
        """Nothing beside what was received is printed."""


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8090), Receiver).serve_forever()
