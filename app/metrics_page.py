"""Door: /metrics, what Prometheus scrapes."""

import logging
from collections.abc import Callable
from typing import Protocol

from flask import Blueprint, Flask, Response, request

from app import router
from app.arrival import current_exchange
from app.exchange import Exchange
from app.store_errors import StoreUnavailable
from app.stores.native_thread import NativeThread, ThreadBusy, ThreadStuck

logger = logging.getLogger("tollhouse")

PATH = "/metrics"
METHODS = ("GET", "HEAD")

# Prometheus waits for 10 s, unless it is told otherwise.
TIMEOUT_S = 10.0


class Exposition(Protocol):
    """Tells the metrics of all workers."""

    def told(self, accept: str) -> tuple[bytes, str]:
        """Return the text and its media type."""


def init_app(app: Flask, exposition: Exposition, require_master: Callable[[Exchange], object] | None) -> None:
    """Serve the page; `require_master` raises for who may not see it, and is None where everybody may."""
    door = Blueprint("metrics", __name__)
    # Adding up takes longer the more there is, and other exchanges go on meanwhile.
    thread = NativeThread()

    def metrics() -> Response:
        if require_master is not None:
            require_master(current_exchange())
        accept = request.headers.get("Accept", "")
        try:
            text, media_type = thread.run(lambda: exposition.told(accept), TIMEOUT_S)
        except (ThreadBusy, ThreadStuck) as late:
            raise StoreUnavailable("The metrics could not be added up in time; try again.") from late
        except OSError as fault:
            logger.error("the files of the metrics cannot be read: %s", fault)
            raise StoreUnavailable("The metrics cannot be read; the gateway's log says why.") from fault
        return Response(text, content_type=media_type, headers={"Cache-Control": "no-store"})

    door.add_url_rule(PATH, view_func=metrics, methods=METHODS, provide_automatic_options=False)
    app.register_blueprint(door)
    router.close_page(app, PATH, METHODS)
