"""An upstream in a process of its own, for the tests in which it is killed.

Answers each request with the octets of the file named on the command line, then stays silent for ever.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path


class MortalUpstream:
    """Starts the process; `kill` ends it by SIGKILL, so that the kernel closes its connections."""

    def __init__(self, folder: Path, octets: bytes) -> None:
        octets_path = folder / "octets"
        octets_path.write_bytes(octets)
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(octets_path)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        assert self._process.stdout
        self.port = int(self._process.stdout.readline())

    @property
    def authority(self) -> str:
        return f"127.0.0.1:{self.port}"

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()


def serve(octets: bytes) -> None:
    """Answer connection after connection, and keep them all open."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        kept = []
        while True:
            connection, _ = listener.accept()
            while b"\r\n\r\n" not in connection.recv(1 << 16):
                pass
            connection.sendall(octets)
            kept.append(connection)


if __name__ == "__main__":
    serve(Path(sys.argv[1]).read_bytes())
