"""Door: one YAML route becomes one blueprint.

The paths that werkzeug matches here are raw (see `app.arrival`), so a spelling that is not exactly a
route's is no route. The most specific path wins, and only then its methods are asked.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

from flask import Blueprint, Flask, Response, request
from werkzeug.routing import BaseConverter, Rule

from app.errors import MethodNotAllowed, RouteNotFound
from app.exchange import EXCHANGE, Exchange
from app.settings.gateway import Route
from app.targets import PLACEHOLDER

Carry = Callable[[Exchange, Mapping[str, str], str], Response]

# The name of the rule's part that stands for everything below the route; no {name} can be spelled so.
BELOW = "below__"


class RawRemainder(BaseConverter):
    """What stands below a route's path, slashes and empty segments included."""

    regex = ".*?"
    weight = 10_000
    part_isolating = False


class ExactRule(Rule):
    """A rule for the methods named and no others; werkzeug would add HEAD to GET."""

    def __init__(self, string: str, *, methods: Iterable[str] | None = None, **options: Any) -> None:
        super().__init__(string, methods=methods, **options)
        self.methods = None if methods is None else set(methods)


def init_app(app: Flask) -> None:
    """Make the app's router exact: no redirects, no merged slashes, no methods of its own."""
    app.url_rule_class = ExactRule  # type: ignore[assignment]
    app.url_map.converters["remainder"] = RawRemainder
    app.url_map.merge_slashes = False
    app.url_map.redirect_defaults = False


def blueprint(route: Route, carry: Carry) -> Blueprint:
    """Return the blueprint that takes this route's exchanges to `carry`."""
    door = Blueprint(route.place.replace(".", "/"), __name__)

    def enter(**segments: str) -> Response:
        exchange = request.environ[EXCHANGE]
        exchange.route, exchange.error_format = route.path, route.error_format
        below = segments.pop(BELOW, None)
        return carry(exchange, segments, "" if below is None else "/" + below)

    for rule in rules(route):
        door.add_url_rule(
            rule,
            endpoint=rule.replace(".", "%2E"),
            view_func=enter,
            methods=route.methods,
            provide_automatic_options=False,
        )
    return door


def rules(route: Route) -> list[str]:
    """Return the werkzeug rules for a route: its path, and what is below where that is included."""
    path = PLACEHOLDER.sub(lambda found: f"<{found[1]}>", route.path)
    if not route.include_subpath:
        return [path]
    return [path, f"{path.removesuffix('/')}/<remainder:{BELOW}>"]


def close_paths(app: Flask, routes: Iterable[Route]) -> None:
    """Answer 405 on every route's path for the methods that no route of that path takes.

    Without this werkzeug would go on to a less specific route that takes the method. Call it when all
    blueprints are registered: rules of one path are tried in the order they came.
    """
    allowed: dict[str, list[Route]] = defaultdict(list)
    for route in routes:
        for rule in rules(route):
            allowed[rule].append(route)
    for rule, sharing in allowed.items():
        _add(app, rule, f"405 {rule}", _refuse_method(sharing))
        # werkzeug would answer /a for a rule /a/ as well.
        if len(rule) > 1 and rule.endswith("/") and rule[:-1] not in allowed:
            _add(app, rule[:-1], f"404 {rule[:-1]}", _refuse_path)


def _add(app: Flask, rule: str, endpoint: str, view: Callable[..., NoReturn]) -> None:
    app.view_functions[endpoint] = view
    app.url_map.add(ExactRule(rule, endpoint=endpoint))


def _refuse_method(routes: list[Route]) -> Callable[..., NoReturn]:
    path, allow = routes[0].path, tuple(dict.fromkeys(method for route in routes for method in route.methods))

    def refuse(**_segments: str) -> NoReturn:
        exchange = request.environ[EXCHANGE]
        exchange.route, exchange.error_format = path, routes[0].error_format
        raise MethodNotAllowed(f"The route {path} takes {', '.join(allow)}.", allow=allow)

    return refuse


def _refuse_path(**_segments: str) -> NoReturn:
    raise RouteNotFound("No route has this path.")
