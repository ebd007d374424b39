"""What would be sent upstream for a request, without sending it.

The request walks through the gateway's own rooms, so the answer cannot differ from what happens; only the
transport at the end writes down instead of sending, and the secrets are stars from the beginning.
"""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NoReturn, cast

import requests
from flask import Flask
from requests.adapters import BaseAdapter

from app.errors import UpstreamUnreachable
from app.exchange import EXCHANGE, Exchange, NoBody
from app.factory import create_app
from app.fields import Fields
from app.relay.upstream import UpstreamRequest
from app.settings.gateway import Gateway
from app.settings.masking import STARS, starred, starred_query


@dataclass(frozen=True, slots=True)
class Explanation:
    """A text for people, and whether anything would reach an upstream."""

    text: str
    is_relayed: bool
    status: int
    """What the gateway would answer by itself; meaningless where it relays."""


def explain(gateway: Gateway, method: str, request_target: str, fields: Fields) -> Explanation:
    """Return what the gateway would send for this request, or how it would refuse it.

    `gateway` must be a masked one (`settings.masking`); the client's own credentials are masked here.
    """
    notebook = Notebook()
    app = _house(gateway, notebook)
    environ = _environ(method, request_target, fields)
    status, body = _ask(app, environ)
    exchange: Exchange = environ[EXCHANGE]
    if notebook.request is None:
        return Explanation(f"{status}: answered by the gateway itself, nothing is sent upstream\n{body}", False, status)
    return Explanation("\n".join(_lines(exchange, notebook.request)), True, status)


class Notebook(BaseAdapter):
    """A transport that writes a request down and says that the upstream could not be reached."""

    request: UpstreamRequest | None = None

    def send(self, request: UpstreamRequest, **_: Any) -> NoReturn:  # type: ignore[override]
        self.request = request
        raise UpstreamUnreachable("Nothing was sent.")

    def close(self) -> None:
        """Nothing was opened."""


class Unsent(NoBody):
    """The body of a request that is only talked about, with the fields that came with it."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields


def _house(gateway: Gateway, notebook: Notebook) -> Flask:
    """Return the app as the factory builds it, with the notebook for a transport."""
    session = requests.Session()
    session.mount("http://", notebook)
    session.mount("https://", notebook)
    # What is asked for is what an admitted client would have sent.
    routes = tuple(replace(route, auth=False) for route in gateway.routes)
    return create_app(replace(gateway, routes=routes), session=session)


def _environ(method: str, request_target: str, fields: Fields) -> dict[str, Any]:
    if not any(name.lower() == "host" for name, _ in fields):
        fields = [("Host", "localhost:4000"), *fields]
    return {
        "REQUEST_METHOD": method,
        "RAW_URI": request_target,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "4000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": Unsent(fields),
        "wsgi.errors": io.StringIO(),
        "wsgi.version": (1, 0),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": True,
    }


def _ask(app: Flask, environ: dict[str, Any]) -> tuple[int, str]:
    answered: list[int] = []

    def start(status: str, _fields: Any, _exc_info: Any = None) -> None:
        answered.append(int(status[:3]))

    pieces = cast(Any, app.wsgi_app(environ, cast(Any, start)))
    try:
        body = b"".join(cast(Iterable[bytes], pieces)).decode()
    finally:
        pieces.close()
    return answered[-1], body


def _lines(exchange: Exchange, request: UpstreamRequest) -> Iterator[str]:
    path, mark, query = request.target.partition("?")
    yield f"route     {exchange.route}"
    host = f"[{request.origin.host}]" if ":" in request.origin.host else request.origin.host
    yield f"connects  {request.origin.scheme}://{host}:{request.origin.port}"
    yield ""
    yield f"{request.method} {path}{mark}{_readable(starred_query(query))} HTTP/1.1"
    yield f"Host: {request.authority}"
    for name, value in request.fields:
        yield f"{name}: {starred(name, value)}"
    yield "(then Content-Length or Transfer-Encoding, as the client frames its body)"


def _readable(query: str) -> str:
    """Return the query with stars that were percent-encoded on the way as stars again."""
    return query.replace("%2A" * len(STARS), STARS)
