"""Turns what goes wrong before an answer has begun into an answer, in the route's dialect."""

import logging
from collections.abc import Iterator
from typing import Any

from flask import Flask, Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from app import errors
from app.arrival import current_exchange, refuse_malformed
from app.dialects import error_answer
from app.exchange import Outcome

logger = logging.getLogger("tollhouse")

# nginx's status for a client that has closed its connection; it stands in the log alone.
CLIENT_CLOSED_REQUEST = 499


def init_app(app: Flask) -> None:
    """Refuse malformed requests before they are routed, and render every refusal in one place."""
    app.before_request(lambda: refuse_malformed(current_exchange()))
    app.register_error_handler(errors.Refusal, refused)
    app.register_error_handler(errors.TransferBroken, client_left)
    app.register_error_handler(NotFound, lambda _: refused(errors.RouteNotFound("No route has this path.")))
    app.register_error_handler(MethodNotAllowed, method_not_allowed)
    app.register_error_handler(HTTPException, lambda fault: refused(errors.InvalidRequest(str(fault.description))))
    app.register_error_handler(Exception, failed)


def refused(refusal: errors.Refusal) -> Response:
    """Return the answer that tells this refusal."""
    exchange = current_exchange()
    if isinstance(refusal, errors.UpstreamError):
        exchange.fail(Outcome.UPSTREAM_FAILED, f"{refusal.code}: {refusal.__cause__ or refusal.message}", refusal.code)
    else:
        # Not its cause: a parser quotes what it could not read.
        exchange.fail(Outcome.REFUSED, f"{refusal.code}: {refusal.message}", refusal.code)
    fields, body = error_answer(refusal, exchange.error_format, exchange.request_id)
    return Response(body, status=refusal.status_line, headers=fields)


def method_not_allowed(fault: MethodNotAllowed) -> Response:
    """Return the 405 of one of the gateway's own pages."""
    allow = tuple(sorted(fault.valid_methods or ()))
    return refused(errors.MethodNotAllowed(f"This path takes {', '.join(allow)}.", allow=allow))


def client_left(fault: errors.TransferBroken) -> Response:
    """Return an answer for nobody: the client closed its connection before one began."""
    exchange = current_exchange()
    exchange.fail(Outcome.CLIENT_LEFT, str(fault.strerror))
    return HangUp(fault)


class HangUp(Response):
    """Has a status for the log, and nothing for the wire: the server closes the connection where it would begin.

    Who has only half-closed it would take anything else for an answer, and what lies behind for requests still wanted.
    """

    def __init__(self, fault: errors.TransferBroken) -> None:
        super().__init__(status=CLIENT_CLOSED_REQUEST)
        self._fault = fault

    def get_app_iter(self, _environ: Any) -> Iterator[bytes]:
        yield from ()  # the ledger hears of the fault while it asks for the body
        raise self._fault


def failed(fault: Exception) -> Response:
    """Return a 500 that tells nothing; the traceback goes to the log under the request id."""
    exchange = current_exchange()
    logger.error("fault in exchange %s", exchange.request_id, exc_info=fault)
    return refused(errors.InternalError("The gateway failed; its log tells more under this request id."))
