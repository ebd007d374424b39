"""Door: whether this worker lives, and whether it should be sent work."""

from typing import NoReturn

from flask import Blueprint, Flask, Response, jsonify

from app import router
from app.errors import MethodNotAllowed

METHODS = ("GET", "HEAD")


class Readiness:
    """Ready until told to stop; the gunicorn worker tells it on SIGTERM."""

    def __init__(self) -> None:
        self.is_stopping = False

    def stop(self) -> None:
        self.is_stopping = True


def init_app(app: Flask) -> None:
    """Serve /health/liveliness, its usual spelling /health/liveness, and /health/readiness."""
    readiness = app.extensions["readiness"] = Readiness()
    door = Blueprint("health", __name__, url_prefix="/health")

    def liveliness() -> Response:
        return _no_store(jsonify("I'm alive!"))

    def ready() -> Response:
        response = jsonify(status="stopping" if readiness.is_stopping else "ready")
        response.status_code = 503 if readiness.is_stopping else 200
        return _no_store(response)

    for path, view in (("/liveliness", liveliness), ("/liveness", liveliness), ("/readiness", ready)):
        door.add_url_rule(path, endpoint=path[1:], view_func=view, methods=METHODS, provide_automatic_options=False)
    app.register_blueprint(door)
    for path in ("/liveliness", "/liveness", "/readiness"):
        # A route for everything below "/" must not get what is meant for these pages.
        router.close(app, f"/health{path}", _refuse_method)


def _refuse_method() -> NoReturn:
    raise MethodNotAllowed("This page takes GET and HEAD.", allow=METHODS)


def _no_store(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
