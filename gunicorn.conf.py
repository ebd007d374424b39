"""gunicorn's settings; `gunicorn wsgi:app` finds this file by itself.

Every value can still be set on the command line or in GUNICORN_CMD_ARGS, which win.
"""

import gc
import signal
import sys

# Until gunicorn hears SIGHUP, it would end the gateway. Nothing is lost: the file has not been read yet.
if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # this file is run again at a reload
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

# While modules are loaded nothing becomes garbage, and the collector would go through them all again and again.
# `_load_house` lets it begin; when this file is run again, at a reload, that has been, and they are loaded.
if "app.worker" not in sys.modules:
    gc.disable()

# Before anything else is imported: what is imported earlier keeps the blocking sockets and locks.
from app.patching import patch_all

patch_all()

import logging
import os
import resource
import socket
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

from app.adapters import litellm_library
from app.master import Master
from app.settings import environment, snapshot
from app.settings.gateway import Gateway
from app.settings.problems import SettingsInvalid
from app.telemetry import metrics_folder
from app.telemetry.logs import leave_out_unused, logging_config

# Before prometheus_client is imported, which decides then where it counts.
_metrics = metrics_folder.appoint(os.environ)

from app.telemetry.ended import EndedWorkers
from app.worker import OWN_FILES, SPARE_CONNECTIONS

_ended = EndedWorkers(_metrics)

logger = logging.getLogger("tollhouse")

NOT_RELOADED = "the file was not reloaded, the settings before it stay in force"

# Below these files a worker would serve fewer than 16 clients: nobody means that.
LEAST_FILES = OWN_FILES + SPARE_CONNECTIONS + 2 * 16

worker_class = "app.worker.GatewayWorker"
worker_connections = 10_000
backlog = 2048
# Longer than a client's or a load balancer's own idle time (Heroku's router: 90 s), so that they close first.
keepalive = 95
# Heroku kills 30 s after SIGTERM. Raise it where long streams shall end by themselves: --graceful-timeout 600.
graceful_timeout = 25
# The heartbeat must not wait for a disk.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108

# The request head: one line of 8,190 octets, 100 fields of 8,190 octets; 64 KiB in all (app/serving/head.py).
limit_request_line = 8190
limit_request_fields = 100
limit_request_field_size = 8190
# The control socket lives in the user's home and needs a thread of asyncio in the master; signals do here.
control_socket_disable = True

try:
    _environment = environment.read(os.environ)
except SettingsInvalid as invalid:
    sys.exit(str(invalid))


def on_starting(server: Any) -> None:
    """Read the settings before a port is bound; a file with problems ends the start with all of them."""
    _allow_many_sockets()
    # gunicorn means to hear it only when the settings have been read; what comes meanwhile waits in its queue.
    signal.signal(signal.SIGHUP, server.signal)
    try:
        with snapshot.taken(os.environ) as gateway:
            _load_house(gateway)
    except SettingsInvalid as invalid:
        print(invalid, file=sys.stderr)
        sys.exit(1)
    try:
        metrics_folder.clear(_metrics)
    except OSError as fault:
        sys.exit(f"DATA_DIR cannot be used, name a folder that can be written to: {fault}")
    _warn(gateway)
    server.tollhouse = Master(server, _environment.drain_s)
    # No hook of gunicorn's can refuse a reload, and this one must: workers are not replaced for a bad file.
    server.reload = partial(_reload, server.tollhouse.replace_workers)


def ssl_context(_config: Any, default: Callable[[], Any]) -> Any:
    """Leave the handshake to the worker: gevent would wait for it before `handle`, uncounted and without end."""
    context = default()
    context.wrap_socket = partial(context.wrap_socket, do_handshake_on_connect=False)
    return context


def _reload(replace_workers: Callable[[], None]) -> None:
    """SIGHUP: serve the file as it is now, or go on as before when it has problems."""
    try:
        with snapshot.taken(os.environ) as gateway:
            _load_house(gateway)
    except SettingsInvalid as invalid:
        logger.error("%s:\n%s", NOT_RELOADED, invalid)
        return
    except Exception as fault:  # an adapter's file may spoil what is loaded here: no reason to end all that is served
        # Without the exception's words, which may quote a secret.
        told = "".join(traceback.format_tb(fault.__traceback__))
        logger.error("%s: %s\n%s", NOT_RELOADED, type(fault).__name__, told)
        return
    _warn(gateway)
    replace_workers()


def _load_house(gateway: Gateway) -> None:
    """Import what every worker would, once: workers start without waiting for it, and share its pages."""
    import app.factory

    if gateway.needs_keys:
        import app.keyed  # noqa: F401
        from app.stores.opened import load_drivers

        load_drivers(os.environ)
    if gateway.needs_litellm:
        litellm_library.warm_up()
    if gc.isenabled():  # at a reload; at the start hardly anything is garbage, and to look takes an eighth of it all
        gc.unfreeze()  # what was in use the last time may be garbage now
        gc.collect()
    # What the collector never looks at, it never writes to: its marks would make copies of every page.
    gc.freeze()
    gc.enable()


def _warn(gateway: Gateway) -> None:
    for warning in gateway.warnings:
        logger.warning(warning)


def _all_interfaces(port: int) -> str:
    """Return the address to bind: IPv6 and IPv4 at once where the machine has both."""
    try:
        socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True).close()
    except (OSError, ValueError):
        return f"0.0.0.0:{port}"
    return f"[::]:{port}"


def pre_fork(server: Any, worker: Any) -> None:
    """Let a worker see when all are about to end."""
    worker.stopping = server.tollhouse.stopping


def child_exit(server: Any, worker: Any) -> None:
    """Keep what a worker counted that has ended, and forget what it had under way."""
    _ended.add(worker.pid, server.WORKERS)


def _allow_many_sockets() -> None:
    """Raise the limit of open files as far as the system lets us: a stream takes two. Too low a one ends the start."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < LEAST_FILES:
        sys.exit(
            f"a process may open only {hard} files here (RLIMIT_NOFILE); {LEAST_FILES} are the least, a client takes 2."
            " Raise the limit: ulimit -n 65536, systemd's LimitNOFILE=, Docker's --ulimit nofile="
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


bind = _all_interfaces(_environment.port)
workers = _environment.workers
logconfig_dict = logging_config(os.environ)
leave_out_unused()
