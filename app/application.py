"""The Flask application, without what a gateway never uses and would pay for with each request."""

from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any

from flask import Flask, Request, Response
from flask.ctx import AppContext, RequestContext
from flask.globals import _cv_app, _cv_request
from flask.sessions import NullSession, SessionInterface
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter, Rule

# Of so many paths is remembered which rule they met. Clients think of paths, so long ones are not kept.
MOST_PATHS = 1024
LONGEST_PATH = 256
NO_SESSION = NullSession()


class NoSessions(SessionInterface):
    """Nobody logs in here: no cookie is read, none is written."""

    def open_session(self, _app: Flask, _request: Request) -> NullSession:
        return NO_SESSION

    def is_null_session(self, _session: object) -> bool:
        return True

    def save_session(self, *_: Any) -> None:
        """There is none."""


class LateRequest(Request):
    """Flask's request, whose parts are worked out when the first of them is asked for: the rooms read the environ."""

    def __init__(self, environ: dict[str, Any]) -> None:
        self.environ = environ

    def __getattr__(self, name: str) -> Any:
        if "method" in vars(self):
            raise AttributeError(name, name=name, obj=self)
        # Not into the environ: what refers to itself in a circle waits for the collector.
        super().__init__(self.environ, populate_request=False)
        return getattr(self, name)


class PlainContext(RequestContext):
    """The context of a request in an app that is plain: no hook and no signal waits for its beginning or its end."""

    app: "Application"

    def push(self) -> None:
        self._before = _cv_app.set(AppContext(self.app)), _cv_request.set(self)
        self.match_request()

    def match_request(self) -> None:
        environ, request = self.request.environ, self.request
        match = self.app.remembered_match if len(environ["PATH_INFO"]) <= LONGEST_PATH else self.app.match
        try:
            request.url_rule, request.view_args = match(environ["PATH_INFO"], environ["REQUEST_METHOD"])
        except HTTPException as fault:
            request.routing_exception = fault

    def pop(self, _fault: BaseException | None = None) -> None:
        no_app, no_request = self._before
        _cv_request.reset(no_request)
        _cv_app.reset(no_app)


class Application(Flask):
    """Flask, whose routes are the same on every host, and which looks for hooks once and not with each request."""

    session_interface = NoSessions()
    request_class = LateRequest

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Return what matches the request's path and method, its Host having no say; a plain context does without."""
        if request is None or self.is_plain:
            return None
        return self._adapter(request.environ["PATH_INFO"], request.environ["REQUEST_METHOD"])

    def _adapter(self, path: str, method: str) -> MapAdapter:
        return MapAdapter(self.url_map, "", "", "", "http", path, method)

    def match(self, path: str, method: str) -> tuple[Rule, dict[str, Any]]:
        """Return the rule that takes this path and method, and the parts of the path. Raises HTTPException."""
        rule, parts = self._adapter(path, method).match(return_rule=True)
        return rule, dict(parts)

    @cached_property
    def remembered_match(self) -> Callable[[str, str], tuple[Rule, dict[str, Any]]]:
        """As `match`, which takes werkzeug 5 us and leaves eight objects to collect; most clients ask for few paths.

        No rule is added once requests come, and what raises is not remembered.
        """
        return lru_cache(MOST_PATHS)(self.match)

    @cached_property
    def is_plain(self) -> bool:
        """Only app-wide `before_request` hooks are registered; once requests come, Flask takes no more of them."""
        hooks = (self.url_value_preprocessors, self.after_request_funcs, self.teardown_request_funcs)
        return not any(hooks) and not self.teardown_appcontext_funcs and set(self.before_request_funcs) <= {None}

    def request_context(self, environ: dict[str, Any]) -> RequestContext:
        if not self.is_plain:
            return super().request_context(environ)
        return PlainContext(self, environ, session=NO_SESSION)

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
        request = _cv_request.get().request
        if request.routing_exception is not None or request.url_rule is None:
            self.raise_routing_exception(request)
        return self.view_functions[request.url_rule.endpoint](**(request.view_args or {}))
