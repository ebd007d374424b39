"""The routes of a file as a table for people."""

from app.settings.gateway import AdapterTarget, Route
from app.settings.load import Inspection
from app.settings.masking import masked, starred_query

_HEAD = ("PATH", "METHODS", "TARGET", "AUTH", "HEADERS")
_ALL_METHODS = 7


def listing(inspection: Inspection) -> str:
    """Return one line for each route, under a head; secrets are stars."""
    rows = [_HEAD, *(_row(route) for route in masked(inspection).routes)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _row(route: Route) -> tuple[str, ...]:
    below = "/..." if route.include_subpath else ""
    methods = "all" if len(route.methods) == _ALL_METHODS else ",".join(route.methods)
    headers = ", ".join(name for name, _ in route.headers)
    return (route.path + below, methods, _target(route), "key" if route.auth else "open", headers)


def _target(route: Route) -> str:
    target = route.target
    if isinstance(target, AdapterTarget):
        return target.name
    query = target.query.get_secret_value()
    return f"{target.scheme}://{target.authority}{target.path}" + (f"?{starred_query(query)}" if query else "")


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
