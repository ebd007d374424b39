"""Processes that are measured: started, asked about, ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.005
ANSWER_DEADLINE_S = 180.0
STOP_DEADLINE_S = 1.0
# What a measured program may know of the machine; anything else it gets is written in its recipe.
INHERITED = ("PATH", "LANG", "TMPDIR", "LD_LIBRARY_PATH")


@dataclass(frozen=True, slots=True)
class Tree:
    """A process with all its descendants (Linux)."""

    pid: int

    def pids(self) -> list[int]:
        found = [self.pid]
        for pid in found:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                with suppress(OSError):
                    found += map(int, children.read_text().split())
        return found

    def cpu_s(self) -> float:
        """Return the seconds that all their threads have run, to the nanosecond (first number of schedstat)."""
        return sum(_first_number(path) for pid in self.pids() for path in _schedstats(pid)) / 1e9

    def rss_kib(self) -> int:
        return sum(_kib(f"/proc/{pid}/status", "VmRSS:") for pid in self.pids())

    def pss_kib(self) -> int:
        """Return the resident memory, each shared page counted once over all that share it."""
        return sum(_kib(f"/proc/{pid}/smaps_rollup", "Pss:") for pid in self.pids())

    def children(self) -> list[Tree]:
        """Return the descendants, each by itself: a server's workers."""
        return [Tree(pid) for pid in self.pids()[1:]]

    def high_water_kib(self) -> int:
        """Return the highest resident size so far (VmHWM), summed."""
        return sum(_kib(f"/proc/{pid}/status", "VmHWM:") for pid in self.pids())


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def launch(command: Sequence[str], environ: Mapping[str, str], log: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Start a program in a group of its own, its words in a file."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    with log.open("wb") as words:
        return subprocess.Popen(  # noqa: S603
            command, env={**inherited, **environ}, cwd=folder, stdin=subprocess.DEVNULL,
            stdout=words, stderr=words, process_group=0,
        )  # fmt: skip


def await_answer(port: int, process: subprocess.Popen[bytes], path: str = "/") -> None:
    """Wait until a server answers anything at all; raises ChildProcessError when it has ended instead."""
    end_s = time.monotonic() + ANSWER_DEADLINE_S
    while not answers(port, path):
        if process.poll() is not None:
            raise ChildProcessError(f"{process.args!r} ended with status {process.returncode}")
        if time.monotonic() > end_s:
            raise TimeoutError(f"{process.args!r} did not answer")
        time.sleep(POLL_S)


def answers(port: int, path: str) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
        return client.recv(12).startswith(b"HTTP/1.1 ")
    return False


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that `launch` started, with its group where it does not end by itself."""
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        process.wait(STOP_DEADLINE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def running(
    command: Sequence[str], environ: Mapping[str, str], log: Path, folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    process = launch(command, environ, log, folder)
    try:
        yield process
    finally:
        end(process)


def _schedstats(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/task").glob("*/schedstat"))


def _first_number(path: Path) -> int:
    try:
        return int(path.read_text().split()[0])
    except OSError:
        return 0


def _kib(path: str, name: str) -> int:
    with suppress(OSError):
        for line in Path(path).read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1])
    return 0
