"""Makes Flask's router exact: raw paths, no redirects, no methods of its own."""

from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from flask import Flask
from werkzeug.routing import BaseConverter, Rule

from app.errors import MethodNotAllowed


def init_app(app: Flask) -> None:
    """Set the app's router up; call it before any rule is added."""
    app.url_rule_class = ExactRule  # type: ignore[assignment]
    app.url_map.converters |= {"remainder": RawRemainder, "nothing": Nothing}
    app.url_map.merge_slashes = False
    app.url_map.redirect_defaults = False


def close(app: Flask, rule: str, refuse: Callable[..., NoReturn]) -> None:
    """Let a rule that is registered already end here for every method it does not take."""
    endpoint = f"405 {rule}"
    app.view_functions[endpoint] = refuse
    app.url_map.add(ExactRule(rule, endpoint=endpoint))


def close_page(app: Flask, path: str, methods: tuple[str, ...]) -> None:
    """Let one of the gateway's own pages end here for other methods, lest a route for everything below "/" get them."""

    def refuse() -> NoReturn:
        raise MethodNotAllowed(f"This page takes {' and '.join(methods)}.", allow=methods)

    close(app, path, refuse)


class RawRemainder(BaseConverter):
    """What stands below a route's path, slashes and empty segments included."""

    regex = ".*?"
    weight = 10_000
    part_isolating = False


class Nothing(BaseConverter):
    """What stands behind a trailing slash; a rule that ends in one would match without it, too."""

    regex = ""
    weight = 0


class ExactRule(Rule):
    """A rule for the methods named and no others; werkzeug would add HEAD to GET."""

    def __init__(self, string: str, *, methods: Iterable[str] | None = None, **options: Any) -> None:
        super().__init__(string, methods=methods, **options)
        self.methods = None if methods is None else set(methods)

    def _compile_builder(self, *_: Any, **__: Any) -> Callable[..., NoReturn]:
        """Nobody asks here for the URL of a rule, and to compile what would tell it takes two thirds of adding one."""
        return _tell_no_url


def _tell_no_url(*_: Any, **__: Any) -> NoReturn:
    raise NotImplementedError("a rule of the gateway is matched, no URL is made of it")
