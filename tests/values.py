"""Plain values for tests: sound by default, so that a test names only what it is about."""

import contextlib
import logging

from hypothesis import settings

from app.exchange import Exchange, NoBody
from app.settings.gateway import Gateway, Route, Timeouts
from app.settings.urls import http_target

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

# Of the property tests: the same examples in every run, and no verdict on the speed of the machine.
PROPERTY = settings(deadline=None, derandomize=True, max_examples=150)

# So that a test that goes wrong fails soon.
QUICK = Timeouts(connect_s=5.0, first_byte_s=5.0, idle_s=5.0)


def a_route(path="/plain", target="http://127.0.0.1:9/", **facts):
    defaults = {
        "place": f"routes[{path}]",
        "methods": METHODS,
        "include_subpath": False,
        "forward_headers": True,
        "headers": (),
        "default_query_params": (),
        "timeouts": QUICK,
        "error_format": "openai",
        "auth": False,
    }
    return Route(path=path, target=http_target(target), **{**defaults, **facts})


def a_gateway(*routes, **facts):
    return Gateway(routes=routes, **{"master_key": None, "max_request_bytes": None, "warnings": (), **facts})


def an_exchange(method="GET", request_target="/plain", **facts):
    path, _, query = request_target.partition("?")
    defaults = {
        "request_id": "id-1",
        "started_s": 0.0,
        "fields": [("HOST", "gateway.test")],
        "body": NoBody(),
        "path": path,
        "query": query or None,
    }
    return Exchange(method=method, request_target=request_target, **{**defaults, **facts})


class Upload:
    """A RequestBody out of pieces; an exception among them is raised in its turn. Remembers whether it was stopped."""

    def __init__(self, *pieces, length=None, arrived=b""):
        self.length = length
        self.is_chunked = length is None
        self.received = 0
        self.is_stopped = False
        self._pieces = list(pieces)
        self._arrived = arrived

    @property
    def is_whole(self):
        return not self._pieces

    def arrived(self):
        self.received += len(self._arrived)
        return self._arrived

    def pieces(self):
        while self._pieces:
            piece = self._pieces.pop(0)
            if isinstance(piece, BaseException):
                raise piece
            self.received += len(piece)
            yield piece

    def stop(self):
        self.is_stopped = True


def ask(client, method, raw_target, **more):
    """Return the answer to a request whose target is exactly this text; werkzeug's client would resolve it."""
    overrides = {"RAW_URI": raw_target, **more.pop("environ_overrides", {})}
    return client.open("/", method=method, environ_overrides=overrides, **more)


class _Keeping(logging.Handler):
    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append(record)


@contextlib.contextmanager
def logged(name, level=logging.INFO):
    """Yield the list that the records of this logger are added to, wherever else they go."""
    logger, keeping = logging.getLogger(name), _Keeping()
    level_before = logger.level
    logger.addHandler(keeping)
    logger.setLevel(level)
    try:
        yield keeping.records
    finally:
        logger.setLevel(level_before)
        logger.removeHandler(keeping)
