"""The Flask application, without what a gateway never uses and would pay for with each request."""

from functools import cached_property
from typing import Any

from flask import Flask, Request, Response
from flask.globals import request_ctx
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
    """Flask, whose routes are the same on every host, and which looks for hooks once and not with each request."""

    session_interface = NoSessions()

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Return what matches the request's path and method; its Host has no say in that."""
        if request is None:
            return None
        environ = request.environ
        return MapAdapter(self.url_map, "", "", "", "http", environ["PATH_INFO"], environ["REQUEST_METHOD"])

    @cached_property
    def is_plain(self) -> bool:
        """Only app-wide `before_request` hooks are registered; once requests come, Flask takes no more of them."""
        hooks = (self.url_value_preprocessors, self.after_request_funcs, self.teardown_request_funcs)
        return not any(hooks) and not self.teardown_appcontext_funcs and set(self.before_request_funcs) <= {None}

    def full_dispatch_request(self) -> Response:
        """Return the answer of the request's view, or of the handler of what it raised.

        As Flask's own, without its signals and without asking every blueprint for hooks: a sixth of an exchange.
        """
        if not self.is_plain:
            return super().full_dispatch_request()
        self._got_first_request = True
        try:
            answer = self._hooked() or self._viewed()
        except Exception as fault:
            answer = self.handle_user_exception(fault)
        return answer if isinstance(answer, Response) else self.make_response(answer)

    def _hooked(self) -> Any:
        for hook in self.before_request_funcs.get(None, ()):
            if (answer := hook()) is not None:
                return answer
        return None

    def _viewed(self) -> Any:
        request = request_ctx.request
        if request.routing_exception is not None or request.url_rule is None:
            self.raise_routing_exception(request)
        return self.view_functions[request.url_rule.endpoint](**(request.view_args or {}))

    def do_teardown_request(self, *fault: Any) -> None:
        if not self.is_plain:
            super().do_teardown_request(*fault)

    def do_teardown_appcontext(self, *fault: Any) -> None:
        if not self.is_plain:
            super().do_teardown_appcontext(*fault)
