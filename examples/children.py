"""Programs that run beside the demo, and end with it."""

import contextlib
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import IO

# A gateway with nothing to finish stops at once; this is for one that still holds a stream.
GRACE_S = 3.0


class Child:
    """A running program, and the lines it prints on either stream."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str]) -> None:
        # Its own session: Ctrl-C is for the demo, which then stops its children in order.
        self._process = subprocess.Popen(
            argv,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        assert self._process.stdout is not None
        threading.Thread(target=self._collect, args=(self._process.stdout,), daemon=True).start()

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def next_line(self, within_s: float) -> str:
        """The next line it printed, waiting for it if need be; empty when none came within `within_s`."""
        try:
            return self._lines.get(timeout=within_s)
        except queue.Empty:
            return ""

    def line_with(self, text: str, within_s: float) -> str:
        """The next line that holds `text`, passing over those before it; empty when none came in time."""
        deadline = time.monotonic() + within_s
        while (left_s := deadline - time.monotonic()) > 0:
            if text in (line := self.next_line(left_s)):
                return line
        return ""

    def printed(self, wait_s: float = 0.0) -> list[str]:
        """The lines it printed since last asked, waiting up to `wait_s` for the first."""
        lines = []
        with contextlib.suppress(queue.Empty):
            lines.append(self._lines.get(timeout=wait_s) if wait_s else self._lines.get_nowait())
            while True:
                lines.append(self._lines.get_nowait())
        return lines

    def stop(self) -> None:
        """Ask it to end, and end its whole process group if it has not done so in GRACE_S."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.terminate()
        try:
            self._process.wait(GRACE_S)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _collect(self, output: IO[str]) -> None:
        with output:
            for line in output:
                self._lines.put(line.rstrip("\n"))


@contextlib.contextmanager
def running(argv: Sequence[str], environ: Mapping[str, str]) -> Iterator[Child]:
    """Start a program for the length of a `with` block."""
    child = Child(argv, environ)
    try:
        yield child
    finally:
        child.stop()
