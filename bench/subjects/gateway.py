"""The gateway as an operator starts it: `gunicorn wsgi:app`, log lines and metrics on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from bench.processes import free_port
from bench.subject import ROOT, Recipe, Subject, Upstreams, chat_path

KEY = "sk-bench-0123456789"
MASTER = "bench-master-key-0123456789"
# More than any run sends, so that the limit is counted and never reached.
NEVER_REACHED = 100_000_000
ROUTES = """
general_settings:
  master_key: {master}
  pass_through_endpoints:
    - &route
      path: /http
      target: "http://127.0.0.1:{upstreams.http}"
      include_subpath: true
      forward_headers: true
      auth: {auth}
      headers: {{Authorization: "bearer sk-upstream"}}
    - {{<<: *route, path: /events, target: "http://127.0.0.1:{upstreams.events}"}}
"""
KEYS = """
keys:
  - {{key: {key}, key_alias: bench, rpm_limit: {limit}}}
"""


def gateway(name: str, config: Callable[[Upstreams], str], workers: int = 1, key: str | None = KEY) -> Recipe:
    """Return a recipe for a gateway with this file, asked with this key."""
    fields = [("Authorization", f"Bearer {key}")] if key else []

    def recipe(folder: Path, upstreams: Upstreams) -> Subject:
        port, path = free_port(), folder / "config.yaml"
        path.write_text(config(upstreams))
        environ = {
            "PORT": str(port), "CONFIG_FILE_PATH": str(path), "DATA_DIR": str(folder / "var"), "HOME": str(folder),
            "WEB_CONCURRENCY": str(workers), "LOG_FORMAT": "json",
        }  # fmt: skip
        command = [sys.executable, "-m", "gunicorn", "wsgi:app"]
        health = "/health/liveliness"
        return Subject(
            name, command, port, lambda what: (chat_path(what), fields), path.read_text(), environ, ROOT, health
        )

    return recipe


def open_config(upstreams: Upstreams) -> str:
    return ROUTES.format(upstreams=upstreams, master=MASTER, auth="false")


def keyed_config(upstreams: Upstreams) -> str:
    routes = ROUTES.format(upstreams=upstreams, master=MASTER, auth="true")
    return routes + KEYS.format(key=KEY, limit=NEVER_REACHED)


GATEWAY_OPEN = gateway("gateway, open route", open_config, key=None)
GATEWAY = gateway("gateway", keyed_config)
