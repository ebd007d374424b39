"""The gunicorn worker of this gateway: gevent's, with the request as it came and errors as JSON.

gunicorn joins and renames header fields for WSGI, waits until a read is filled, asks for the body before the
application wants it, drains an unread body without end and answers unreadable requests in HTML, quoting them.
"""

import socket
from contextlib import suppress
from typing import Any

import gevent
from gunicorn.http import errors as unreadable
from gunicorn.workers.base_async import AsyncWorker
from gunicorn.workers.ggevent import GeventWorker

from app.arriving import ArrivingBody
from app.errors import ServerStopping
from app.parting import is_silent, linger, reset
from app.unreadable import refusal_of, refuse_unread

MAX_HEAD_BYTES = 64 * 1024
# What is unfinished is cut this much before the master sends SIGKILL, so that clients and log can be told.
CUT_BEFORE_KILL_S = 1.5


class GatewayWorker(GeventWorker):  # type: ignore[misc]
    """Serves the app; see the module."""

    def init_process(self) -> None:
        self.idle: dict[gevent.Greenlet, socket.socket] = {}
        self.busy: set[gevent.Greenlet] = set()
        super().init_process()

    def handle(self, listener: Any, client: socket.socket, addr: Any) -> None:
        greenlet = gevent.getcurrent()
        self.idle[greenlet] = client
        try:
            super().handle(listener, client, addr)
        finally:
            self.idle.pop(greenlet, None)

    def handle_request(self, listener_name: Any, req: Any, sock: socket.socket, addr: Any) -> Any:
        if sum(len(name) + len(value) + 4 for name, value in req.headers) > MAX_HEAD_BYTES:
            raise unreadable.LimitRequestHeaders("limit request head size")
        if any(name == "TRANSFER-ENCODING" and value.lower() != "chunked" for name, value in req.headers):
            raise unreadable.UnsupportedTransferCoding("not chunked alone")
        body = ArrivingBody(req, sock)
        req.body = body
        # X_Y and X-Y are one name in the environ, and SCRIPT_NAME would move the path: neither goes there.
        req.headers = [field for field in req.headers if "_" not in field[0]]
        req._expected_100_continue = False
        req.version = min(req.version, (1, 1))  # of HTTP/1.2 nobody knows what it will be (RFC 9110 §2.5)
        greenlet = gevent.getcurrent()
        self.idle.pop(greenlet, None)
        self.busy.add(greenlet)
        try:
            # Past GeventWorker, which takes a greenlet's end for the end of a request.
            return AsyncWorker.handle_request(self, listener_name, req, sock, addr)
        except (ServerStopping, gevent.GreenletExit, SystemExit, TimeoutError):
            # The graceful time is over, or the client reads no more: what is unfinished must not look finished.
            reset(sock)
            raise StopIteration from None
        except StopIteration:
            if not body.is_whole:
                linger(sock)
            raise
        finally:
            sock.settimeout(None)
            self.busy.discard(greenlet)
            self.idle[greenlet] = sock

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Answer a request that could not be read, or whose serving failed; never quote it."""
        if isinstance(exc, gevent.GreenletExit):
            return
        refusal = refusal_of(exc)
        if refusal is None:
            super().handle_error(req, client, addr, exc)
            return
        refuse_unread(client, refusal, self.wsgi.extensions["ledger"].enter)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """SIGTERM: not ready from now on, and done with what runs."""
        super().handle_exit(sig, frame)
        with suppress(AttributeError):
            self.wsgi.extensions["readiness"].stop()
        grace_s = self.cfg.graceful_timeout
        gevent.spawn_later(max(grace_s / 2, grace_s - CUT_BEFORE_KILL_S), self.cut)

    def cut(self) -> None:
        """End what still runs, each in its own way: an answer, a last event, a reset."""
        for greenlet in list(self.busy):
            greenlet.kill(ServerStopping("The gateway is stopping; try again."), block=False)

    def notify(self) -> None:
        """Runs each second; a worker that is stopping lets go of clients that have nothing in flight."""
        super().notify()
        if not self.alive:
            for greenlet, client in list(self.idle.items()):
                if is_silent(client):
                    greenlet.kill(block=False)
