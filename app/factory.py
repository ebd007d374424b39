"""The floor plan: which rooms a request walks through, in the order it walks."""

import os
from collections.abc import Mapping

import requests
from flask import Flask

from app import health, ledger, refusals, router, routes
from app.admission import Admission, FileKeys, known_keys
from app.relay.passthrough import Passthrough
from app.relay.upstream import upstream_session
from app.relay.watch import DepartureWatch
from app.settings import snapshot
from app.settings.gateway import Gateway


def create_app(
    gateway: Gateway | None = None,
    environ: Mapping[str, str] = os.environ,
    session: requests.Session | None = None,
) -> Flask:
    """Return the gateway as a WSGI application.

    Without `gateway`, serves the file that CONFIG_FILE_PATH names. Raises SettingsInvalid with every
    problem of that file. Call it once per worker, after the fork: `session` owns the worker's connections
    and needs an adapter that takes `UpstreamRequest`s.
    """
    gateway = gateway or snapshot.current(environ)
    app = Flask("tollhouse", static_folder=None)
    ledger.init_app(app)  # first in, last out: sees refusals too
    refusals.init_app(app)
    router.init_app(app)
    health.init_app(app)
    session, watch = session or upstream_session(environ), DepartureWatch()
    gates = [Admission(FileKeys(gateway), known_keys(gateway)).admit]
    for route in gateway.routes:
        passthrough = Passthrough(route, session, watch, gateway.max_request_bytes)
        app.register_blueprint(routes.blueprint(route, gates, passthrough.relay))
    routes.close_paths(app, gateway.routes)
    return app
