"""The floor plan: which rooms a request walks through, in the order it walks."""

import os
from collections.abc import Mapping
from functools import partial

import requests
from flask import Flask

from app import ledger, metrics_page, refusals, router, routes
from app.admission import known_keys
from app.application import Application
from app.entrance import Entrance, without_keys
from app.ledger import Observers
from app.relay.completion import Library
from app.relay.upstream import upstream_session
from app.relay.ways import Ways
from app.settings import snapshot
from app.settings.gateway import Gateway
from app.telemetry.exchange_log import log_exchange
from app.telemetry.exposition import Exposition
from app.telemetry.metrics import Metrics
from app.telemetry.metrics_folder import appointed
from app.telemetry.reserve import Reserve


def create_app(
    gateway: Gateway | None = None,
    environ: Mapping[str, str] = os.environ,
    session: requests.Session | None = None,
    library: Library | None = None,
) -> Flask:
    """Return the gateway as a WSGI application.

    Without `gateway`, serves the file that CONFIG_FILE_PATH names. Raises SettingsInvalid with every
    problem of that file. Call it once per worker, after the fork: `session` owns the worker's connections
    and needs an adapter that takes `UpstreamRequest`s; `library` is litellm, or what stands for it.
    """
    gateway = gateway or snapshot.current(environ)
    app = Application("tollhouse", static_folder=None)
    folder = appointed(environ)
    metrics = Metrics(Reserve(folder).has_room) if folder else Metrics()
    refusals.init_app(app)
    router.init_app(app)
    entrance = _entrance(app, gateway, environ)
    exposition = Exposition(metrics.registry, folder, entrance.is_limiter_degraded)
    metrics_page.init_app(app, exposition, None if gateway.has_open_metrics else entrance.admission.require_master)
    # Around everything: sees refusals too. The log is told last, of what has been counted.
    answered = (*entrance.announce, metrics.answered)
    log = partial(log_exchange, keys=known_keys(gateway))
    ledger.init_app(app, Observers((metrics.opened,), answered, (metrics.closed, log)))
    ways = Ways(gateway, session or _session(gateway, environ), library)
    for route in gateway.routes:
        app.register_blueprint(routes.blueprint(route, entrance.gates, ways.of(route)))
    routes.close_paths(app, gateway.routes)
    return app


def _session(gateway: Gateway, environ: Mapping[str, str]) -> requests.Session:
    return upstream_session(partial(snapshot.authorities, environ), gateway.max_waiting_per_upstream)


def _entrance(app: Flask, gateway: Gateway, environ: Mapping[str, str]) -> Entrance:
    if not gateway.needs_keys:
        return without_keys(app, gateway)
    from app import keyed

    return keyed.init_app(app, gateway, environ)
