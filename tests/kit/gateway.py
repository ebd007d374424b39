"""The real gateway: `gunicorn wsgi:app` from the repository root, its words kept in files."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.kit.client import Answer, Client
from tests.kit.waiting import eventually

ROOT = Path(__file__).parents[2]
START_DEADLINE_S = 60.0  # litellm takes some seconds, more on a busy machine
STOP_DEADLINE_S = 40.0  # 25 s are a worker's own
LINE_DEADLINE_S = 20.0


def free_port() -> int:
    """Return a port of loopback that nobody listens on, and that nobody else is given while this process lives.

    It stays bound here. A server that sets SO_REUSEADDR, as all do that the tests start, may listen on it all the
    same (socket(7)); until one does, connections are refused.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    port = int(holder.getsockname()[1])
    holder.detach()
    return port


class Gateway:
    """One gateway process tree; started by `start`, ended by `stop`."""

    def __init__(self, folder: Path, config: str, environ: Mapping[str, str], workers: int = 2) -> None:
        self.port = free_port()
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.config_path = folder / "config.yaml"
        self.config_path.write_text(config, encoding="utf-8")
        self.prefix: tuple[str, ...] = ()
        """A command that runs the gateway's, such as `prlimit --nofile=256`."""
        self._clients: list[Client] = []
        self._environ = {
            **{name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TMPDIR")},
            "PORT": str(self.port),
            "CONFIG_FILE_PATH": str(self.config_path),
            "DATA_DIR": str(folder / "var"),
            "WEB_CONCURRENCY": str(workers),
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "DEBUG",
            "HOME": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "DRAIN_SECONDS": "0",
            **environ,
        }

    def launch(self) -> None:
        """Start, and wait for nothing."""
        self._is_stopping = False
        with self._path("stdout").open("wb") as out, self._path("stderr").open("wb") as err:
            self.process = subprocess.Popen(
                [*self.prefix, sys.executable, "-m", "gunicorn", "wsgi:app"],
                cwd=ROOT, env=self._environ, stdout=out, stderr=err, stdin=subprocess.DEVNULL,
            )  # fmt: skip

    def start(self) -> Gateway:
        """Start and wait until /health/liveliness answers 200."""
        self.launch()
        try:
            eventually(self._is_live, START_DEADLINE_S, "the gateway answers")
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        return self

    def begin_stop(self) -> None:
        """Send SIGTERM, once: a second one would end the master before it has ended well."""
        if not self._is_stopping:
            self.process.send_signal(signal.SIGTERM)
        self._is_stopping = True

    def stop(self) -> None:
        """End by SIGTERM; the end must be clean: status 0 and no traceback in all the gateway said."""
        self.close_clients()
        self.begin_stop()
        try:
            status = self.process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        assert status == 0, f"the gateway ended with status {status}: {self.words()[-2000:]!r}"
        assert b"Traceback" not in self.words(), self.words().partition(b"Traceback")[2][:4000].decode()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the master."""
        self.process.send_signal(number)

    def client(self, receive_buffer_bytes: int | None = None) -> Client:
        """Return a new connection, closed with the test at the latest."""
        self._clients.append(Client(self.port, receive_buffer_bytes))
        return self._clients[-1]

    def ask(
        self, method: str, target: str, fields: Iterable[tuple[str, str]] = (), body: bytes | None = None
    ) -> Answer:
        """Return the answer to a well-formed request on a connection of its own."""
        return self.client().ask(method, target, fields, body)

    def close_clients(self) -> None:
        """Close every connection of the test's: a worker that is replaced waits some seconds for idle ones."""
        while self._clients:
            self._clients.pop().close()

    def words(self) -> bytes:
        """Return all that the gateway has written to stdout and stderr."""
        return self._path("stdout").read_bytes() + self._path("stderr").read_bytes()

    def records(self) -> list[dict[str, Any]]:
        """Return the JSON lines of stdout, then those of stderr; a line that is no JSON object fails."""
        whole_lines = (self._path(stream).read_bytes().split(b"\n")[:-1] for stream in ("stdout", "stderr"))
        return [json.loads(line) for lines in whole_lines for line in lines]

    def exchanges(self, request_id: str) -> list[dict[str, Any]]:
        """Return the exchange lines with that request id, waiting for the first."""

        def look() -> list[dict[str, Any]]:
            lines = (line for line in self.records() if line.get("event") == "exchange")
            return [line for line in lines if line["request_id"] == request_id]

        return eventually(lambda: look() or None, LINE_DEADLINE_S, f"exchange line of {request_id}")

    def exchange(self, request_id: str) -> dict[str, Any]:
        """Return the one exchange line with that request id."""
        (line,) = self.exchanges(request_id)
        return line

    def exchange_of_path(self, path: str) -> dict[str, Any]:
        """Return the one exchange line of a path used once: for clients that saw no answer."""

        def look() -> dict[str, Any] | None:
            lines = [line for line in self.records() if line.get("path") == path and line.get("event") == "exchange"]
            assert len(lines) < 2
            return lines[0] if lines else None

        return eventually(look, LINE_DEADLINE_S, f"exchange line of {path}")

    def worker_pids(self) -> list[int]:
        """Return the process ids of the workers (Linux)."""
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def high_water_kib(self) -> int:
        """Return the workers' highest resident size so far (VmHWM), summed."""
        return sum(_status_kib(pid, "VmHWM") for pid in self.worker_pids())

    def _path(self, stream: str) -> Path:
        return self.folder / f"{stream}.log"

    def _is_live(self) -> bool:
        assert self.process.poll() is None, f"the gateway ended at start: {self.words().decode()}"
        try:
            return self.ask("GET", "/health/liveliness").status == 200
        except OSError:
            return False
        finally:
            self.close_clients()


def _status_kib(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise LookupError(name)
