"""Door: one YAML route becomes one blueprint.

The paths that werkzeug matches here are raw (see `app.arrival`), so a spelling that is not exactly a
route's is no route. The most specific path wins, and only then its methods are asked.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from re import compile as compile_pattern
from typing import NoReturn

from flask import Blueprint, Flask, Response

from app import router
from app.arrival import current_exchange
from app.errors import MethodNotAllowed
from app.exchange import Exchange
from app.settings.gateway import Route
from app.targets import PLACEHOLDER

Gate = Callable[[Exchange, Route], None]
Carry = Callable[[Exchange, Mapping[str, str], str], Response]

# Names for what stands below a route, and behind its trailing slash; no {name} can be spelled so.
BELOW = "below__"
BEHIND = "behind__"
# Two routes may name the parts of one path differently.
PART_NAME = compile_pattern(r"<[^>:]*(?=>)")


def blueprint(route: Route, gates: Sequence[Gate], carry: Carry) -> Blueprint:
    """Return the blueprint that takes this route's exchanges through the gates, in order, and to `carry`.

    A gate lets an exchange pass by returning, and refuses it by raising.
    """
    door = Blueprint(route.place.replace(".", "/"), __name__)

    def enter(**segments: str) -> Response:
        exchange = current_exchange()
        exchange.route, exchange.error_format = route.path, route.error_format
        for gate in gates:
            gate(exchange, route)
        below = segments.pop(BELOW, None)
        segments.pop(BEHIND, None)
        return carry(exchange, segments, "" if below is None else "/" + below)

    for rule in rules(route):
        endpoint = rule.replace(".", "%2E")  # flask keeps dots for the blueprint's name
        door.add_url_rule(rule, endpoint, enter, provide_automatic_options=False, methods=route.methods)
    return door


def rules(route: Route) -> list[str]:
    """Return the werkzeug rules for a route: its path, and what is below where that is included."""
    path = PLACEHOLDER.sub(lambda found: f"<{found[1]}>", route.path)
    exact = f"{path}<nothing:{BEHIND}>" if path.endswith("/") else path
    if not route.include_subpath:
        return [exact]
    return [exact, f"{path.removesuffix('/')}/<remainder:{BELOW}>"]


def close_paths(app: Flask, routes: Iterable[Route]) -> None:
    """Answer 405 on every route's path for the methods that no route of that path takes.

    Without this werkzeug would go on to a less specific route that takes the method. Call it when all
    blueprints are registered: rules of one path are tried in the order they came.
    """
    sharing: dict[str, list[Route]] = defaultdict(list)
    first_rule: dict[str, str] = {}
    for route in routes:
        for rule in rules(route):
            shape = PART_NAME.sub("<", rule)
            first_rule.setdefault(shape, rule)
            sharing[shape].append(route)
    for shape, rule in first_rule.items():
        router.close(app, rule, _refuse_method(sharing[shape]))


def _refuse_method(routes: list[Route]) -> Callable[..., NoReturn]:
    path, allow = routes[0].path, tuple(dict.fromkeys(method for route in routes for method in route.methods))

    def refuse(**_segments: str) -> NoReturn:
        exchange = current_exchange()
        exchange.route, exchange.error_format = path, routes[0].error_format
        raise MethodNotAllowed(f"The route {path} takes {', '.join(allow)}.", allow=allow)

    return refuse
