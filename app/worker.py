"""The gunicorn worker of this gateway: gevent's, with a way of its own to speak HTTP/1.1.

gunicorn joins and renames header fields for WSGI, waits until a read is filled, asks for the body before the
application wants it, drains an unread body without end, answers unreadable requests in HTML, quoting them, and
sends an answer's head and its body apart. What it is here for is the process: sockets, signals, the master.
"""

import logging
import os
import re
import resource
import socket
import ssl
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import gevent
from gunicorn.workers.ggevent import GeventWorker

from app.arriving import ArrivingBody
from app.errors import InternalError, Refusal, ServerOverloaded, ServerStopping
from app.framing import END_OF_HEAD
from app.master import Flag
from app.parting import Leaving, is_silent, linger, reset
from app.serving.answer import Answer
from app.serving.environ import Surroundings
from app.serving.head import Limits, RequestHead, request_head
from app.serving.incoming import WHOLE_HEAD_S, Incoming
from app.serving.pump import Pump
from app.unreadable import refuse_unread

logger = logging.getLogger("tollhouse")

# What is unfinished is cut this much before the master sends SIGKILL, so that clients and log can be told.
CUT_BEFORE_KILL_S = 1.5
# For a client that does not read its answer, where no route says otherwise; as nginx's send_timeout.
CLIENT_IDLE_S = 60.0
# A worker that is replaced keeps a client for so long after its last answer: its next request may be on the way, and
# would be lost. One that has connected and not asked yet is waited for. When all end, the drain has gone before.
QUIET_S = 10.0
QUIET_WHEN_ALL_END_S = 3.0
# What a worker opens for itself: stores, metrics, log, event loop.
OWN_FILES = 64
# How many clients are told at a time that there is no room for them, and how long each may take to send what it asks:
# that is divided by their number, so that a crowd is told as soon, down to what a question takes in one network.
TOLD_CONNECTIONS = 32
ASKS_WITHIN_S = 0.05
ASKS_WITHIN_A_CROWD_S = 0.02
# How long one may take that is served all the same, or its TLS.
TURN_AWAY_S = 1.0
# How many of these, once told, are listened to that go on sending, and how long.
LEAVING_CONNECTIONS = 32
LEAVING_S = 1.0
SPARE_CONNECTIONS = TOLD_CONNECTIONS + LEAVING_CONNECTIONS
# Whether it lives is asked of a full worker most of all: who gets no answer would end it with all that it serves.
HEALTH_ASKED = re.compile(rb"(?:GET|HEAD) /health/(?:liveliness|liveness|readiness)[ ?]")
OUT_OF_MEMORY = b'{"level": "error", "event": "a worker is out of memory and is replaced", "logger": "tollhouse"}\n'
UNFINISHED = (ServerStopping, gevent.GreenletExit, SystemExit, TimeoutError)


class GatewayWorker(GeventWorker):  # type: ignore[misc]
    """Serves the app; see the module."""

    alive: bool
    stopping: Flag
    """Set by the master (gunicorn.conf.py): the whole service is about to end, not this worker alone."""

    def init_process(self) -> None:
        self.idle: dict[gevent.Greenlet, Incoming] = {}
        self.busy: set[gevent.Greenlet] = set()
        self.spare = 0
        self.leaving = Leaving(LEAVING_CONNECTIONS, LEAVING_S)
        self.is_told = False
        cfg = self.cfg
        self.most_connections = most_connections(cfg.worker_connections)
        # gunicorn takes no connection beyond these: some more, so that one too many is told so.
        self.worker_connections = self.most_connections + TOLD_CONNECTIONS
        self.limits = Limits(cfg.limit_request_line, cfg.limit_request_fields, cfg.limit_request_field_size)
        hub = gevent.get_hub()
        hub.handle_error = partial(self.hear_of_fault, hub.handle_error)
        super().init_process()

    def handle(self, listener: Any, client: socket.socket, addr: Any) -> None:
        """Serve one connection, request after request, and close it."""
        greenlet, incoming = gevent.getcurrent(), Incoming(client)
        is_full = len(self.idle) + len(self.busy) >= self.most_connections
        if not is_full:
            self.idle[greenlet] = incoming
        try:
            around = Surroundings(client, addr, listener.getsockname(), is_tls=self.cfg.is_ssl)
            if is_full:
                self.turn_away(greenlet, incoming, around)
                return
            self.shake_hands(client, WHOLE_HEAD_S)
            while self.serve_next(greenlet, incoming, around):
                pass
        except Refusal as refusal:
            refuse_unread(client, refusal, self.enter, self.leaving.take if is_full else linger)
        except (OSError, gevent.GreenletExit) as gone:
            logger.debug("a client's connection ended: %s", type(gone).__name__)
        except Exception:
            logger.exception("a connection could not be served")
            refuse_unread(client, InternalError("The gateway failed; its log has the cause."), self.enter)
        finally:
            self.idle.pop(greenlet, None)
            incoming.close()
            with suppress(OSError):
                client.close()

    def shake_hands(self, client: socket.socket, within_s: float) -> None:
        """Where the client speaks TLS. Raises TimeoutError for one that does not begin, or comes to no end."""
        if isinstance(client, ssl.SSLSocket):
            with gevent.Timeout(within_s, TimeoutError("the client's TLS handshake did not end in time")):
                client.do_handshake()

    def turn_away(self, greenlet: gevent.Greenlet, incoming: Incoming, around: Surroundings) -> None:
        """Refuse a client for want of room, and be quick about it: others want to be told, too.

        Its request is read where it comes at once: octets that nobody has read would reset the connection, and it
        may be the one that is served nevertheless.
        """
        asked = b""
        self.spare += 1
        try:
            self.shake_hands(incoming.client, TURN_AWAY_S / self.spare)
            with gevent.Timeout(TURN_AWAY_S, False):
                asked = incoming.arrive(max(ASKS_WITHIN_S / self.spare, ASKS_WITHIN_A_CROWD_S))
            if not HEALTH_ASKED.match(asked) or END_OF_HEAD not in asked:
                raise ServerOverloaded("This gateway holds as many connections as it can; try again.")
            with gevent.Timeout(TURN_AWAY_S, False):
                self.serve_next(greenlet, incoming, around, is_last=True)
        finally:
            self.spare -= 1

    def serve_next(
        self, greenlet: gevent.Greenlet, incoming: Incoming, around: Surroundings, *, is_last: bool = False
    ) -> bool:
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
        client.settimeout(CLIENT_IDLE_S)
        if self.stopping:
            self.wsgi.extensions["readiness"].stop()
        answer = Answer(client, head, lambda: self.takes_more and not body.failed and not is_last)
        try:
            self.serve(head, body, around, answer)
        except UNFINISHED:
            # The graceful time is over, or the client reads no more: what is unfinished must not look finished.
            reset(client)
            return False
        except Exception as fault:
            if not answer.is_begun or isinstance(fault, OSError):
                raise
            # An error page would be read as the rest of the body.
            logger.exception("an answer could not be finished")
            reset(client)
            return False
        finally:
            self.busy.discard(greenlet)
            self.idle[greenlet] = incoming
            incoming.idle_since_s = time.monotonic()
        if not body.is_whole:
            linger(client)
        return answer.is_kept

    @property
    def takes_more(self) -> bool:
        """Another request may come on a connection after this one."""
        return self.alive and not self.stopping and bool(self.cfg.keepalive > 0)

    def serve(self, head: RequestHead, body: ArrivingBody, around: Surroundings, answer: Answer) -> None:
        """Take one request through the app, and its answer to the client."""
        pieces = self.wsgi(around.environ(head, body), answer.start_response)
        try:
            source = pieces.source if answer.takes_offers else None
            if source is not None:
                Pump(iter(pieces), source, answer).run()
            else:
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
        """SIGTERM: done with what runs, then gone. Others may serve on: that is no word about the service."""
        if self.is_told:
            return
        self.is_told = True
        super().handle_exit(sig, frame)
        grace_s = self.cfg.graceful_timeout
        gevent.spawn_later(max(grace_s / 2, grace_s - CUT_BEFORE_KILL_S), self.cut)

    def cut(self) -> None:
        """End what still runs, each in its own way: an answer, a last event, a reset."""
        for greenlet in list(self.busy):
            greenlet.kill(ServerStopping("The gateway is stopping; try again."), block=False)

    def hear_of_fault(self, report: Callable[..., None], context: Any, kind: type[BaseException], *fault: Any) -> None:
        """Report a fault that nobody caught. Who found no memory may hear of no client any more: another takes over.

        A traceback is not made then: where no source can be read for want of memory, that takes minutes.
        """
        if issubclass(kind, MemoryError):
            self.alive = False
            os.write(sys.stderr.fileno(), OUT_OF_MEMORY)
        else:
            report(context, kind, *fault)

    def notify(self) -> None:
        """Runs each second; a worker that is stopping lets go of clients that have nothing in flight."""
        super().notify()
        if not self.alive:
            quiet_since_s = time.monotonic() - (QUIET_WHEN_ALL_END_S if self.stopping else QUIET_S)
            for greenlet, incoming in list(self.idle.items()):
                if incoming.idle_since_s < quiet_since_s and is_silent(incoming.client):
                    greenlet.kill(block=False)


def most_connections(wanted: int) -> int:
    """Return how many clients a worker can serve with the files it may open: each takes one, and one upstream."""
    files, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    possible = max(1, (files - OWN_FILES - SPARE_CONNECTIONS) // 2)
    if possible < wanted:
        logger.warning("a worker takes %d connections at most: it may open only %d files", possible, files)
    return min(wanted, possible)
