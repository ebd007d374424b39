"""The part of the floor plan that only a gateway with keys has: its stores, their limits and their management.

A module of its own because what it loads (SQLAlchemy above all) takes a third of the start and 20 MB a worker.
"""

from collections.abc import Mapping

from flask import Flask

from app import health, management, ratelimit
from app.admission import Admission, known_keys
from app.entrance import Entrance
from app.issuing.issuer import Issuer
from app.settings.gateway import Gateway
from app.stores.opened import open_stores


def init_app(app: Flask, gateway: Gateway, environ: Mapping[str, str]) -> Entrance:
    """Open the stores, serve what they need, and return who lets exchanges in."""
    stores = open_stores(gateway, environ)
    admission = Admission(stores.ring, known_keys(gateway))
    limits = ratelimit.init_app(app, stores.counters)
    probes = [
        health.Probe("keys", stores.keys_away_since_s),
        health.Probe("files", stores.files.since_s),
        health.Probe("counters", stores.counters.degraded_since_s, is_needed=gateway.refuses_on_limiter_failure),
    ]
    health.init_app(app, probes)
    if gateway.master_key is not None:
        issuer = Issuer(stores.keys, stores.ring.is_own, stores.ring.own_aliases)
        management.init_app(app, issuer, admission.require_master)
    gates = (admission.admit, limits.admit)
    return Entrance(admission, gates, (limits.announce,), lambda: stores.counters.degraded_since_s() is not None)
