"""Door: whether this worker lives, and whether it should be sent work."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Blueprint, Flask, Response, jsonify

from app import router

METHODS = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Probe:
    """A store that readiness asks for."""

    name: str
    absent_since: Callable[[], float | None]
    """Returns None while all is well, or since when it is not, in Unix seconds."""
    is_needed: bool = True
    """Whether no work should be sent here without it; otherwise the gateway does worse, and goes on."""


class Readiness:
    """Ready until told to stop, and as long as each store is there that is needed."""

    def __init__(self, probes: Sequence[Probe] = ()) -> None:
        self.is_stopping = False
        self._probes = probes

    def stop(self) -> None:
        """The gunicorn worker says so on SIGTERM."""
        self.is_stopping = True

    def told(self) -> tuple[int, dict[str, object]]:
        """Return the status code, and what stands in the body: the stores that are absent, and since when."""
        if self.is_stopping:
            return 503, {"status": "stopping"}
        absent = [(probe, since_s) for probe in self._probes if (since_s := probe.absent_since()) is not None]
        is_ready = not any(probe.is_needed for probe, _ in absent)
        facts: dict[str, object] = {"status": "ready" if is_ready else "not ready"}
        if absent:
            facts["stores"] = {
                probe.name: {"status": "unavailable" if probe.is_needed else "degraded", "since": _time(since_s)}
                for probe, since_s in absent
            }
        return 200 if is_ready else 503, facts


def init_app(app: Flask, probes: Sequence[Probe] = ()) -> None:
    """Serve /health/liveliness, its usual spelling /health/liveness, and /health/readiness."""
    readiness = app.extensions["readiness"] = Readiness(probes)
    door = Blueprint("health", __name__, url_prefix="/health")

    def liveliness() -> Response:
        return _no_store(jsonify("I'm alive!"))

    def ready() -> Response:
        status, facts = readiness.told()
        response = jsonify(facts)
        response.status_code = status
        return _no_store(response)

    for path, view in (("/liveliness", liveliness), ("/liveness", liveliness), ("/readiness", ready)):
        door.add_url_rule(path, endpoint=path[1:], view_func=view, methods=METHODS, provide_automatic_options=False)
    app.register_blueprint(door)
    for path in ("/liveliness", "/liveness", "/readiness"):
        router.close_page(app, f"/health{path}", METHODS)


def _no_store(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response


def _time(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
