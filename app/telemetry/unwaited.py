"""Writing to a pipe or socket without waiting for its reader, whoever shares it."""

import _socket
import os
import select
import stat
from collections.abc import Callable
from typing import Any

from gevent import monkey

Write = Callable[[bytes], int]


def unwaited(fd: int) -> tuple[Write, int, Callable[[], None]]:
    """Return how to write to a pipe or socket without waiting, an own descriptor of it, and how to close that.

    The write raises BlockingIOError where nothing can be written, and may write a part. O_NONBLOCK on `fd` itself
    would be O_NONBLOCK for every process that shares it: a pipe is opened a second time for that (Linux).
    """
    if stat.S_ISSOCK(os.fstat(fd).st_mode):
        sock = _socket.socket(fileno=os.dup(fd))
        return lambda octets: sock.send(octets, _socket.MSG_DONTWAIT), sock.fileno(), sock.close
    try:
        own = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        own = os.dup(fd)
        return _polled(own), own, lambda: os.close(own)
    return lambda octets: os.write(own, octets), own, lambda: os.close(own)


def _polled(fd: int) -> Write:
    """Return a write that asks first: a pipe that polls writable takes so much at once (POSIX).

    Where two processes ask at the same moment, and there is room for one, the other waits for the reader.
    """
    poll = poll_of(fd)

    def write(octets: bytes) -> int:
        if not poll.poll(0):
            raise BlockingIOError
        return os.write(fd, octets[: select.PIPE_BUF])

    return write


def poll_of(fd: int) -> Any:
    """Return what tells whether it can be written to, and waits for that with all that the process does."""
    poll = monkey.get_original("select", "poll")()  # gevent's would let other greenlets run
    poll.register(fd, select.POLLOUT)
    return poll
