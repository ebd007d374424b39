"""The Flask application, without what a gateway never uses and would pay for with each request."""

from typing import Any

from flask import Flask, Request
from flask.sessions import NullSession, SessionInterface
from werkzeug.routing import MapAdapter


class NoSessions(SessionInterface):
    """Nobody logs in here: no cookie is read, none is written."""

    _none = NullSession()

    def open_session(self, _app: Flask, _request: Request) -> NullSession:
        return self._none

    def is_null_session(self, _session: object) -> bool:
        return True

    def save_session(self, *_: Any) -> None:
        """There is none."""


class Application(Flask):
    """Flask, whose routes are the same on every host."""

    session_interface = NoSessions()

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Return what matches the request's path and method; its Host has no say in that."""
        if request is None:
            return None
        environ = request.environ
        return MapAdapter(self.url_map, "", "", "", "http", environ["PATH_INFO"], environ["REQUEST_METHOD"])
