"""What would be sent upstream for a request, without sending it.

The request is read by the gateway's own parser and walks through its own rooms, so the answer cannot differ from
what happens; only the transport at the end writes down instead of sending, and the secrets are stars from the
beginning. No store is opened: a credential on a route that asks for a key counts as one, wherever it is looked for.
"""

import io
import json
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, replace
from typing import Any, NoReturn, cast

import requests
from flask import Flask
from pydantic import SecretStr
from requests.adapters import BaseAdapter

from app.adapters.schema import Schema
from app.admission import known_keys
from app.carriers import ISSUED, carried, elsewhere
from app.dialects import error_body
from app.errors import Refusal, UpstreamUnreachable
from app.exchange import EXCHANGE, Exchange, NoBody
from app.factory import create_app
from app.fields import Fields
from app.principal import Principal, digest_of
from app.relay.completion import Library
from app.relay.model_choice import ModelChoice
from app.relay.upstream import UpstreamRequest
from app.serving.head import Limits, RequestHead, request_head
from app.settings.gateway import AdapterTarget, Gateway, GatewayKey, Route
from app.settings.load import Inspection
from app.settings.masking import STARS, masked, starred, starred_query


@dataclass(frozen=True, slots=True)
class Explanation:
    """A text for people, and whether anything would reach an upstream."""

    text: str
    is_relayed: bool
    status: int
    """What the gateway would answer by itself; meaningless where it relays."""


def explain(inspection: Inspection, method: str, request_target: str, fields: Fields) -> Explanation:
    """Return what the gateway would send for this request, or how it would refuse it.

    The operator's secrets and the client's own credentials are masked; gateway keys stay here.
    """
    gateway, keys = masked(inspection), known_keys(inspection.gateway).own
    try:
        head = request_head(_octets(method, request_target, fields), Limits())
    except Refusal as refusal:
        return _refused(refusal.status, json.dumps(error_body(refusal, "openai", "")))
    _, query = request_target.partition("?")[::2]
    issued = {text for text in _credentials(head.fields, query) if ISSUED.fullmatch(text)}
    walk = Walk(gateway, head, keys | issued)
    route = walk.guarded_route()
    if route is not None:
        is_basic = route.custom_auth_parser == "langfuse"
        presented = carried(head.fields, query, route.key_header, is_basic=is_basic)
        walk = Walk(gateway, head, keys | issued | {*presented[:1]})
    return walk.told()


class Walk:
    """One request's way through the gateway, with these keys as the file's."""

    def __init__(self, gateway: Gateway, head: RequestHead, keys: Set[str]) -> None:
        self._gateway = gateway
        self._notebook = Notebook()
        environ = _environ(head)
        self._status, self._body = _ask(_house(gateway, keys, self._notebook), environ)
        self._exchange: Exchange = environ[EXCHANGE]

    def guarded_route(self) -> Route | None:
        """Return the route that took the request, if it asks for a key."""
        path, method = self._exchange.route, self._exchange.method
        routes = (route for route in self._gateway.routes if route.path == path and method in route.methods)
        return next((route for route in routes if route.auth), None)

    def told(self) -> Explanation:
        if self._notebook.operation is not None:
            lines = _completion_lines(self._exchange, self._gateway, self._notebook)
        elif self._notebook.request is not None:
            lines = _lines(self._exchange, self._notebook.request)
        else:
            return _refused(self._status, self._body)
        return Explanation("\n".join(lines), True, self._status)


def _refused(status: int, body: str) -> Explanation:
    return Explanation(f"{status}: answered by the gateway itself, nothing is sent upstream\n{body}", False, status)


class Notebook(BaseAdapter):
    """A transport that writes a request down and says that the upstream could not be reached."""

    request: UpstreamRequest | None = None
    operation: str | None = None
    """Of an adapter route: what its schema would do, "messages"."""
    entry: str | None = None
    """The `model_name` that serves the model in the path, where the schema has one there."""

    def listening(self, route: Route, models: ModelChoice) -> Route:
        """Return the route; if it leads to an adapter, with a schema that goes no further than the path."""
        if not isinstance(route.target, AdapterTarget):
            return route
        schema = cast(Schema, Listening(route.target.schema, self, models))
        return replace(route, target=replace(route.target, schema=schema))

    def send(self, request: UpstreamRequest, **_: Any) -> NoReturn:  # type: ignore[override]
        self.request = request
        raise UpstreamUnreachable("Nothing was sent.")

    def close(self) -> None:
        """Nothing was opened."""


class Listening:
    """A schema that writes down which operation a path asks for; what the body asks for is not known here."""

    def __init__(self, schema: Schema, notebook: Notebook, models: ModelChoice) -> None:
        self._schema = schema
        self._notebook = notebook
        self._models = models

    def operation(self, remainder: str) -> None:
        found = self._schema.operation(remainder)
        if found is not None:
            if "model" in found.path:
                self._notebook.entry = self._models.entry(found.path["model"])
            self._notebook.operation = found.name
            raise UpstreamUnreachable("Nothing was sent.")


class Unsent(NoBody):
    """The body of a request that is only talked about, with the fields that came with it."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields


def _house(gateway: Gateway, keys: Set[str], notebook: Notebook) -> Flask:
    """Return the app as the factory builds it, with the notebook for a transport."""
    session = requests.Session()
    session.mount("http://", notebook)
    session.mount("https://", notebook)
    # What is asked for is what an admitted client would have sent.
    models = ModelChoice(gateway.models)
    routes = tuple(notebook.listening(replace(route, auth=False), models) for route in gateway.routes)
    own = tuple(GatewayKey(SecretStr(key), Principal("", digest_of(key))) for key in keys)
    return create_app(replace(gateway, routes=routes, keys=own), session=session, library=cast(Library, notebook))


def _octets(method: str, request_target: str, fields: Fields) -> bytes:
    """Return the head as a client would write it."""
    if not any(name.lower() == "host" for name, _ in fields):
        fields = [("Host", "localhost:4000"), *fields]
    lines = [f"{method} {request_target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields), "", ""]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape")


def _credentials(fields: Fields, query: str) -> set[str]:
    return {*carried(fields, query), *elsewhere(fields, query)}


def _environ(head: RequestHead) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": head.method,
        "RAW_URI": head.target,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "4000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": Unsent(head.fields),
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


def _completion_lines(exchange: Exchange, gateway: Gateway, notebook: Notebook) -> Iterator[str]:
    route = next(route for route in gateway.routes if route.path == exchange.route)
    yield f"route     {exchange.route}"
    yield f"adapter   {route.target.name if isinstance(route.target, AdapterTarget) else ''}, {notebook.operation}"
    yield ""
    yield "litellm.completion, as the model that the client names stands in model_list:"
    for model in gateway.models:
        if notebook.entry not in (None, model.name):
            continue
        told = ", ".join(f"{name}={value}" for name, value in model.litellm_params.items())
        yield f"{model.name}: {told}"
    for name, value in route.headers:
        yield f"{name}: {starred(name, value.get_secret_value())}"
    yield "(with the messages, tools and other wishes of the client's body)"


def _readable(query: str) -> str:
    """Return the query with stars that were percent-encoded on the way as stars again."""
    return query.replace("%2A" * len(STARS), STARS)
