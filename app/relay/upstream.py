"""The transport: a requests adapter that sends a request as it is and returns the answer as it comes.

Mounted on the worker's `requests.Session`, which owns it. The adapter that requests brings would re-quote
the URL, add fields of its own, take a 103 for the final answer and believe a response with two lengths;
RFC 9112 asks an intermediary for more care, because the next exchange on the connection is someone else's.
"""

import os
import ssl
import weakref
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from app.exchange import RequestBody
from app.fields import Fields
from app.relay.answer import UpstreamBody, idle_time_s
from app.relay.call import Call
from app.relay.connection import Origin, dial
from app.relay.http1 import ResponseHead
from app.relay.pool import Pool
from app.relay.room import Room
from app.settings.gateway import MOST_WAITING, HttpTarget, Timeouts


class UpstreamRequest(requests.PreparedRequest):
    """A prepared request whose target, fields and body are sent exactly as given.

    `target` is the raw path with its query; `fields` are sent in order, repeats apart, after Host and
    before the framing, which follows from `upload`.
    """

    method: str

    def __init__(self, method: str, leads_to: HttpTarget, target: str, fields: Fields, upload: RequestBody) -> None:
        # Not super().__init__(): it makes hooks and empty fields, to be prepared; nothing here is.
        self.method = method
        self.url = f"{leads_to.scheme}://{leads_to.authority}{target}"
        self.origin = Origin(leads_to.scheme, leads_to.host, leads_to.port)
        self.authority = leads_to.authority
        self.target = target
        self.fields = fields
        self.upload = upload


class UpstreamResponse(requests.Response):
    """An answer as it came: `fields` in order with repeats, `raw` an UpstreamBody."""

    raw: UpstreamBody

    def __init__(self, request: UpstreamRequest, head: ResponseHead, body: UpstreamBody) -> None:
        # Not super().__init__(): it makes a cookie jar and a dict for every answer, which nobody here reads.
        self._content = None
        self._content_consumed = False
        self.request = request
        self.url = request.url or ""
        self.status_code = head.status
        self.reason = head.reason
        self.fields = head.fields
        self.raw = body
        self.history = []

    @property
    def headers(self) -> CaseInsensitiveDict[str]:  # type: ignore[override]
        """The fields as a mapping, repeats lost; `fields` has them all."""
        return CaseInsensitiveDict(self.fields)


class UpstreamAdapter(BaseAdapter):
    """Carries UpstreamRequests over pooled connections.

    Ignores proxy variables, netrc and cookies: nothing of the gateway's own environment reaches an
    upstream.
    """

    def __init__(self, authorities: Callable[[], ssl.SSLContext], max_waiting: int = MOST_WAITING) -> None:
        """`authorities` gives what verifies upstreams; asked when the first of them speaks TLS, and then each time."""
        super().__init__()
        self._authorities = authorities
        self._pool = Pool()
        self._rooms: defaultdict[Origin, Room] = defaultdict(lambda: Room(max_waiting))
        # A child process must not speak on its parent's connections.
        pool = weakref.WeakMethod(self._pool.forget)
        os.register_at_fork(after_in_child=lambda: (forget := pool()) and forget())

    def send(  # type: ignore[override]
        self, request: UpstreamRequest, *_always_streams: Any, timeout: Timeouts | None = None, **_ours: Any
    ) -> UpstreamResponse:
        """Send the request and return when the head of its answer is here; the body is still to be read.

        Raises UpstreamOverloaded, UpstreamUnreachable, UpstreamTimeout, UpstreamInvalidResponse, and whatever
        the upload raises. Sent once: a second connection is tried only where the first took not one octet.
        """
        timeouts = timeout or Timeouts()
        room = self._rooms[request.origin]
        room.enter()
        try:
            call = Call(request, timeouts, self._pool)
            call.send(lambda timeout_s: dial(request.origin, timeout_s, self._authorities))
            head, decoder = call.answer()
        except BaseException:
            room.gave_up()
            raise
        room.answered()
        idle_s = idle_time_s(head, decoder) if call.is_sent_whole else None
        keep = partial(self._pool.give_back, request.origin, idle_s=idle_s) if idle_s else None
        body = UpstreamBody(call.connection, decoder, timeouts.idle_s, call.total, keep, room.leave)
        return UpstreamResponse(request, head, body)

    def close(self) -> None:
        self._pool.close()


def upstream_session(authorities: Callable[[], ssl.SSLContext], max_waiting: int = MOST_WAITING) -> requests.Session:
    """Return the session that owns a worker's connections to all upstreams.

    Call `session.get_adapter(url).send(...)`, never `session.request(...)`: only the adapter leaves
    requests and answers alone.
    """
    session = requests.Session()
    adapter = UpstreamAdapter(authorities, max_waiting)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session
