"""gunicorn's settings; `gunicorn wsgi:app` finds this file by itself.

Every value can still be set on the command line or in GUNICORN_CMD_ARGS, which win.
"""

# Before anything else is imported: what is imported earlier keeps the blocking sockets and locks.
from gevent import monkey

monkey.patch_all()

import logging
import os
import resource
import sys
from typing import Any

from app.settings import snapshot
from app.settings.problems import SettingsInvalid
from app.telemetry import metrics_folder
from app.telemetry.logs import logging_config

# Before prometheus_client is imported, which decides then where it counts.
_metrics = metrics_folder.appoint(os.environ)

from app.telemetry.ended import EndedWorkers

_ended = EndedWorkers(_metrics)

bind = f"0.0.0.0:{os.environ.get('PORT', '4000')}"
workers = int(os.environ.get("WEB_CONCURRENCY") or os.cpu_count() or 1)
worker_class = "app.worker.GatewayWorker"
worker_connections = 10_000
backlog = 2048
# Longer than a client's or a load balancer's own idle time (Heroku's router: 90 s), so that they close first.
keepalive = 95
# Heroku kills 30 s after SIGTERM. Raise it where long streams shall end by themselves: --graceful-timeout 600.
graceful_timeout = 25
# The heartbeat must not wait for a disk.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108

# The request head: one line of 8,190 octets, 100 fields of 8,190 octets; 64 KiB in all (app/worker.py).
limit_request_line = 8190
limit_request_fields = 100
limit_request_field_size = 8190
# Names with underscores are forwarded; app/worker.py keeps them out of the WSGI environ, where they could
# pass for others. No peer may set SCRIPT_NAME, PATH_INFO, REMOTE_USER or the scheme by a header.
header_map = "dangerous"
forwarder_headers = ""
secure_scheme_headers: dict[str, str] = {}

logconfig_dict = logging_config(os.environ)
# The control socket lives in the user's home and needs a thread of asyncio in the master; signals do here.
control_socket_disable = True


def on_starting(_server: Any) -> None:
    """Read the settings before a port is bound; a file with problems ends the start with all of them."""
    _allow_many_sockets()
    try:
        gateway = snapshot.take(os.environ)
    except SettingsInvalid as invalid:
        print(invalid, file=sys.stderr)
        sys.exit(1)
    try:
        metrics_folder.clear(_metrics)
    except OSError as fault:
        sys.exit(f"DATA_DIR cannot be used, name a folder that can be written to: {fault}")
    for warning in gateway.warnings:
        logging.getLogger("tollhouse").warning(warning)


def on_reload(_server: Any) -> None:
    """SIGHUP: the workers about to start serve the file as it is now, or as it was when it has problems."""
    logger = logging.getLogger("tollhouse")
    try:
        gateway = snapshot.take(os.environ)
    except SettingsInvalid as invalid:
        logger.error("the file was not reloaded, the settings before it stay in force:\n%s", invalid)
        return
    for warning in gateway.warnings:
        logger.warning(warning)


def child_exit(server: Any, worker: Any) -> None:
    """Keep what a worker counted that has ended, and forget what it had under way."""
    _ended.add(worker.pid, server.WORKERS)


def _allow_many_sockets() -> None:
    """Raise the limit of open files as far as the system lets us: a stream takes two."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
