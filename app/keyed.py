"""The part of the floor plan that only a gateway with keys has: its stores, their limits and their management.

A module of its own because what it loads (SQLAlchemy above all) takes a third of the start and 13 MB a worker.
"""

from collections.abc import Mapping

from flask import Flask

from app import health, management
from app.admission import Admission, known_keys
from app.issuing.office import Office
from app.routes import Gate
from app.settings.gateway import Gateway
from app.stores.opened import open_stores


def init_app(app: Flask, gateway: Gateway, environ: Mapping[str, str]) -> tuple[Admission, list[Gate]]:
    """Open the stores, serve what they need, and return who admits and the gates that exchanges pass."""
    stores = open_stores(gateway, environ)
    admission = Admission(stores.ring, known_keys(gateway))
    health.init_app(app, [health.Probe("keys", lambda: stores.desks.reach.away_since_s)])
    if gateway.master_key is not None:
        office = Office(stores.keys, stores.ring.is_own, stores.ring.own_aliases)
        management.init_app(app, office, admission.require_master)
    return admission, [admission.admit]
