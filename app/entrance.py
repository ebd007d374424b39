"""Who lets exchanges in: the seam between the floor plan and what only a gateway with keys has."""

from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask

from app import health
from app.admission import Admission, FileKeys, known_keys
from app.ledger import Announce
from app.routes import Gate
from app.settings.gateway import Gateway


@dataclass(frozen=True, slots=True)
class Entrance:
    """What the factory needs of it."""

    admission: Admission
    gates: tuple[Gate, ...]
    """What every exchange of a route passes, in this order: 401 must win over 429."""
    announce: tuple[Announce, ...] = ()
    """What tells a client, on every answer, where its key stands."""
    is_limiter_degraded: Callable[[], bool] = lambda: False


def without_keys(app: Flask, gateway: Gateway) -> Entrance:
    """Return the entrance of a gateway whose routes are all open and that has nobody to manage keys."""
    health.init_app(app)
    admission = Admission(FileKeys(gateway), known_keys(gateway))
    return Entrance(admission, (admission.admit,))
