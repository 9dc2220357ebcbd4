"""Feedback on its way to the topic: sent in the background, again until the broker has it."""

import threading
from collections import deque
from typing import Final

from kafka import KafkaProducer

from processors.errors import TocsinError
from processors.messages import Feedback
from streams.codec import encode
from streams.kafka_clients import broker_errors, producer
from streams.service_settings import KafkaSettings
from streams.topics import Topics

_SECONDS: Final = 20
_PAUSE: Final = 5.0


class Outbox:
    """Sends feedback to `tocsin.feedback`, keyed by incident, in its order. What is not sent when the process ends stays
    in the store alone. `waiting` says how much is not sent yet, `trouble` why."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._topic = Topics(settings).name("feedback")
        self._queue: deque[Feedback] = deque()
        self._wake = threading.Event()
        self._producer: KafkaProducer | None = None
        self.trouble = ""
        threading.Thread(target=self._work, name="outbox", daemon=True).start()

    @property
    def waiting(self) -> int:
        """Not sent yet."""
        return len(self._queue)

    def put(self, feedback: Feedback) -> None:
        """Send it, soon."""
        self._queue.append(feedback)
        self._wake.set()

    def _work(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            while self._queue:
                try:
                    self._send(self._queue[0])
                except TocsinError as error:
                    self.trouble = str(error)
                    self._wake.wait(_PAUSE)
                    self._wake.clear()
                else:
                    self.trouble = ""
                    self._queue.popleft()

    def _send(self, feedback: Feedback) -> None:
        with broker_errors(self._settings, f"sending to {self._topic}"):
            if self._producer is None:
                self._producer = producer(self._settings)
            sent = self._producer.send(self._topic, encode(feedback), key=feedback.incident.encode())
            sent.get(timeout=_SECONDS)
