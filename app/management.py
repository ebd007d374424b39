"""Door: the pages under /key, for the master key alone, and the document that describes them."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from flask import Blueprint, Flask, Response

from app import router
from app.arrival import current_exchange
from app.errors import RequestTooLarge
from app.exchange import Exchange
from app.issuing.answers import Answer
from app.issuing.issuer import Issuer
from app.issuing.openapi import PAGES, Page, document
from app.issuing.reading import json_form, query_form

MOST_BODY_BYTES = 256 * 1024
DOCUMENT_PATH = "/openapi.json"


def init_app(app: Flask, issuer: Issuer, require_master: Callable[[Exchange], object]) -> None:
    """Serve the pages and the document; `require_master` raises for every exchange that has not the master key."""
    door = Blueprint("management", __name__)
    for page in PAGES:
        _add(door, page.path, page.act, _view(page, getattr(issuer, page.act), require_master), _methods(page))
    _add(door, DOCUMENT_PATH, "document", lambda: Response(_text(), mimetype="application/json"), ("GET", "HEAD"))
    app.register_blueprint(door)
    for page in PAGES:
        router.close_page(app, page.path, _methods(page))
    router.close_page(app, DOCUMENT_PATH, ("GET", "HEAD"))


def _view(
    page: Page, act: Callable[[Any], Answer], require_master: Callable[[Exchange], object]
) -> Callable[[], Response]:
    def view() -> Response:
        exchange = current_exchange()
        require_master(exchange)
        form = query_form(page.form, exchange.query) if page.is_read else json_form(page.form, _body(exchange))
        # A secret may be in it, which no cache may keep (RFC 9111 §5.2.2.5).
        return Response(act(form).model_dump_json(), mimetype="application/json", headers={"Cache-Control": "no-store"})

    return view


def _body(exchange: Exchange) -> bytes:
    """Return the whole body. Raises RequestTooLarge, without reading on."""
    octets = bytearray()
    for piece in exchange.body.pieces():
        octets += piece
        if len(octets) > MOST_BODY_BYTES:
            raise RequestTooLarge(f"The body is larger than {MOST_BODY_BYTES} bytes.")
    return bytes(octets)


@cache
def _text() -> str:
    """Return the document; written when somebody asks for it, which takes 20 ms."""
    return json.dumps(document(), indent=2)


def _methods(page: Page) -> tuple[str, ...]:
    return ("GET", "HEAD") if page.is_read else ("POST",)


def _add(door: Blueprint, path: str, name: str, view: Callable[[], Response], methods: tuple[str, ...]) -> None:
    door.add_url_rule(path, endpoint=name, view_func=view, methods=methods, provide_automatic_options=False)
