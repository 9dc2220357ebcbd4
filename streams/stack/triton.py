"""The local Triton server: the real one, as the package pytriton carries it, with its Python backend only."""

import os
import sysconfig
from pathlib import Path
from typing import ClassVar
from urllib.error import URLError
from urllib.request import urlopen

from processors.errors import ConfigurationError
from streams.stack.install import TRITON, Say, cache_folder, installed
from streams.stack.ports import HOST
from streams.stack.server import Launch, Server

SHARED_MEMORY = Path("/dev/shm")


class Triton(Server):
    """A server of the model repository `models`, with the default ports (HTTP, gRPC, metrics)."""

    name: ClassVar[str] = "triton"
    title: ClassVar[str] = "Triton"
    start_seconds: ClassVar[float] = 180
    stop_seconds: ClassVar[float] = 15
    control: ClassVar[tuple[str, ...]] = ("--model-control-mode=explicit", "--load-model=*")
    """All models at the start; from then on what `tocsin models push` lets it load."""

    def __init__(self, folder: Path, ports: tuple[int, ...], say: Say, models: Path) -> None:
        super().__init__(folder, ports, say)
        self.models = models

    @property
    def address(self) -> str:
        """``host:port`` for gRPC."""
        return f"{HOST}:{self.ports[1]}"

    @property
    def http_address(self) -> str:
        """``host:port`` for HTTP."""
        return f"{HOST}:{self.ports[0]}"

    @property
    def metrics_address(self) -> str:
        """The URL of its metrics."""
        return f"http://{HOST}:{self.ports[2]}/metrics"

    def prepare(self) -> Launch:
        """Fetch the server, and free the memory that a killed one could not give back."""
        if not self.models.is_dir():
            raise ConfigurationError(f"Triton has no model repository at {self.models}: `tocsin models repository`")
        packages = installed(TRITON, cache_folder(os.environ), self.say) / "site-packages"
        region = f"tocsin_triton_{self.ports[0]}_"
        for left in SHARED_MEMORY.glob(f"{region}*"):
            left.unlink(missing_ok=True)
        http, grpc, metrics = (str(port) for port in self.ports)
        server = packages / "pytriton" / "tritonserver"
        command = (
            str(server / "bin" / "tritonserver"),
            *("--model-repository", str(self.models), "--backend-directory", str(server / "backends")),
            *("--http-address", HOST, "--http-port", http, "--grpc-address", HOST, "--grpc-port", grpc),
            *("--metrics-address", HOST, "--metrics-port", metrics, "--allow-gpu-metrics", "false"),
            *("--backend-config", f"python,shm-region-prefix-name={region}"),
            *("--exit-timeout-secs", "5"),
            *self.control,
        )
        libraries = f"{sysconfig.get_config_var('LIBDIR')}:{packages / 'nvidia_pytriton.libs'}"
        # The interpreter inside ignores PYTHONPATH: the model puts these packages on its path itself.
        environment = {"LD_LIBRARY_PATH": libraries, "MODEL_SITE_PACKAGES": str(packages)}
        return Launch(command, {**os.environ, **environment}, self.folder)

    def is_ready(self) -> bool:
        """It has loaded and warmed up every model."""
        try:
            with urlopen(f"http://{self.http_address}/v2/health/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False
