"""A running Triton, told what to load and asked what it serves."""

import time
from typing import Any, Final

from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

from processors.errors import ConfigurationError, RetryableError
from streams.service_settings import TritonSettings

READY_SECONDS: Final = 120.0
_LOOK_SECONDS: Final = 0.2


class TritonControl:
    """Tells the server that `settings` name, under the model that they name."""

    def __init__(self, settings: TritonSettings) -> None:
        self._settings = settings
        self._client = InferenceServerClient(settings.server)

    def ready(self) -> frozenset[str]:
        """The versions (numbers) that it answers for now. Raises RetryableError where it is away."""
        try:
            index: Any = self._client.get_model_repository_index(client_timeout=self._settings.timeout)
        except InferenceServerException as error:
            raise self._away(error) from error
        return frozenset(
            entry.version for entry in index.models if entry.name == self._settings.model and entry.state == "READY"
        )

    def load(self, number: int) -> None:
        """Let it load what the repository holds now, and wait until it answers for version `number`.

        What it served before it serves on meanwhile. Raises ConfigurationError where it cannot load it, or takes no
        orders; RetryableError where it is away.
        """
        try:
            self._client.load_model(self._settings.model, client_timeout=READY_SECONDS)
        except InferenceServerException as error:
            if error.status() == "StatusCode.UNAVAILABLE" and "explicit" not in error.message():
                raise self._away(error) from error
            raise ConfigurationError(
                f"Triton at {self._settings.server} does not load {self._settings.model!r}: {error.message()} (it takes "
                "orders only if started with --model-control-mode=explicit)"
            ) from error
        deadline = time.monotonic() + READY_SECONDS
        while str(number) not in self.ready():
            if time.monotonic() > deadline:
                raise ConfigurationError(
                    f"Triton at {self._settings.server} has loaded, but does not serve version {number}: does it read the "
                    "same repository?"
                )
            time.sleep(_LOOK_SECONDS)

    def _away(self, error: InferenceServerException) -> RetryableError:
        return RetryableError(f"Triton at {self._settings.server} is away: {error.message()}")
