"""The gunicorn worker of this gateway: gevent's, with a way of its own to speak HTTP/1.1.

gunicorn joins and renames header fields for WSGI, waits until a read is filled, asks for the body before the
application wants it, drains an unread body without end, answers unreadable requests in HTML, quoting them, and
sends an answer's head and its body apart. What it is here for is the process: sockets, signals, the master.
"""

import logging
import socket
import ssl
from contextlib import suppress
from typing import Any

import gevent
from gunicorn.workers.ggevent import GeventWorker

from app.arriving import ArrivingBody
from app.errors import InternalError, Refusal, ServerStopping
from app.parting import is_silent, linger, reset
from app.serving.answer import Answer
from app.serving.environ import Surroundings
from app.serving.head import Limits, RequestHead, request_head
from app.serving.incoming import Incoming
from app.unreadable import refuse_unread

logger = logging.getLogger("tollhouse")

# What is unfinished is cut this much before the master sends SIGKILL, so that clients and log can be told.
CUT_BEFORE_KILL_S = 1.5
UNFINISHED = (ServerStopping, gevent.GreenletExit, SystemExit, TimeoutError)


class GatewayWorker(GeventWorker):  # type: ignore[misc]
    """Serves the app; see the module."""

    alive: bool

    def init_process(self) -> None:
        self.idle: dict[gevent.Greenlet, socket.socket] = {}
        self.busy: set[gevent.Greenlet] = set()
        cfg = self.cfg
        self.limits = Limits(cfg.limit_request_line, cfg.limit_request_fields, cfg.limit_request_field_size)
        super().init_process()

    def handle(self, listener: Any, client: socket.socket, addr: Any) -> None:
        """Serve one connection, request after request, and close it."""
        greenlet = gevent.getcurrent()
        self.idle[greenlet] = client
        try:
            if isinstance(client, ssl.SSLSocket) and not self.cfg.do_handshake_on_connect:
                client.do_handshake()
            incoming = Incoming(client)
            around = Surroundings(client, addr, listener.getsockname(), is_tls=self.cfg.is_ssl)
            while self.serve_next(greenlet, incoming, around):
                pass
        except Refusal as refusal:
            refuse_unread(client, refusal, self.enter)
        except (OSError, gevent.GreenletExit) as gone:
            logger.debug("a client's connection ended: %s", type(gone).__name__)
        except Exception:
            logger.exception("a connection could not be served")
            refuse_unread(client, InternalError("The gateway failed; its log has the cause."), self.enter)
        finally:
            self.idle.pop(greenlet, None)
            with suppress(OSError):
                client.close()

    def serve_next(self, greenlet: gevent.Greenlet, incoming: Incoming, around: Surroundings) -> bool:
        """Serve the connection's next request; tells whether another may follow.

        Raises the Refusal of a request that cannot be read, and OSError where the connection breaks.
        """
        octets = incoming.head(self.cfg.keepalive, self.limits)
        if octets is None:
            return False
        head = request_head(octets, self.limits)
        self.idle.pop(greenlet, None)
        self.busy.add(greenlet)
        self.count_request()
        body = ArrivingBody(head, incoming)
        client = incoming.client
        client.settimeout(None)
        answer = Answer(client, head, lambda: self.alive and not body.failed and self.cfg.keepalive > 0)
        try:
            self.serve(head, body, around, answer)
        except UNFINISHED:
            # The graceful time is over, or the client reads no more: what is unfinished must not look finished.
            reset(client)
            return False
        finally:
            self.busy.discard(greenlet)
            self.idle[greenlet] = client
        if not body.is_whole:
            linger(client)
        return answer.is_kept

    def serve(self, head: RequestHead, body: ArrivingBody, around: Surroundings, answer: Answer) -> None:
        """Take one request through the app, and its answer to the client."""
        pieces = self.wsgi(around.environ(head, body), answer.start_response)
        try:
            for piece in pieces:
                answer.write(piece)
            answer.finish()
        finally:
            pieces.close()

    def count_request(self) -> None:
        """Notice when this is the last request that gunicorn's `max_requests` lets a worker serve."""
        self.nr += 1
        if self.nr >= self.max_requests and self.alive:
            logger.info("this worker has served its max_requests and is replaced")
            self.alive = False

    def enter(self, *unread: Any) -> None:
        self.wsgi.extensions["ledger"].enter(*unread)

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
