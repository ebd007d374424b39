"""Ways to end a client's connection."""

import socket
import struct
from contextlib import suppress

import gevent

# How long, and how patiently, an answered client is listened to that goes on sending: as in nginx's
# lingering_close, a close with unread octets would reset the connection and take the answer with it.
LINGER_S = 30.0
LINGER_IDLE_S = 5.0
ABORT = struct.pack("ii", 1, 0)  # SO_LINGER on, with no time: close() sends RST


def is_silent(client: socket.socket) -> bool:
    """Tell whether nothing of a next request has arrived."""
    timeout_s = client.gettimeout()
    client.settimeout(0.0)
    try:
        return not client.recv(1, socket.MSG_PEEK)
    except OSError:
        return True
    finally:
        client.settimeout(timeout_s)


def reset(client: socket.socket) -> None:
    """Close with RST, which no client takes for the end of an answer."""
    with suppress(OSError):
        reset_on_close(client)
        client.close()


def reset_on_close(client: socket.socket) -> None:
    """Make whoever closes it send RST."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)


class Leaving:
    """Clients that have been answered and may still be sending: few, each for a moment, in no one's place.

    Where there are too many, the oldest is let go: it has had the longest time to read its answer.
    """

    def __init__(self, most: int, most_s: float) -> None:
        self._most = most
        self._most_s = most_s
        self._clients: list[socket.socket] = []

    def __len__(self) -> int:
        return len(self._clients)

    def take(self, client: socket.socket) -> None:
        """Say that no more comes, and take the connection over from whoever would close it."""
        with suppress(OSError):
            client.shutdown(socket.SHUT_WR)
        mine = socket.socket(fileno=client.detach())
        self._clients.append(mine)
        gevent.spawn(self._see_off, mine)
        if len(self._clients) > self._most:
            self._clients[0].close()  # its greenlet hears of that
            del self._clients[0]

    def _see_off(self, client: socket.socket) -> None:
        with gevent.Timeout(self._most_s, False):
            linger(client)
        client.close()
        if client in self._clients:
            self._clients.remove(client)


def linger(client: socket.socket) -> None:
    """Say that no more comes, then throw away what the client still sends, for a bounded time."""
    with suppress(OSError), gevent.Timeout(LINGER_S, False):
        client.shutdown(socket.SHUT_WR)
        client.settimeout(LINGER_IDLE_S)
        while client.recv(64 * 1024):
            pass
