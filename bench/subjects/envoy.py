"""Envoy as a reverse proxy with one worker thread."""

from __future__ import annotations

from pathlib import Path

from bench.processes import free_port
from bench.subject import Recipe, Subject, Upstreams, chat_path

NAME = "envoy"
TYPES = "type.googleapis.com/envoy.extensions"
CONFIG = """
static_resources:
  listeners:
    - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": {types}.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: bench
                stream_idle_timeout: 0s
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config: {{"@type": {types}.filters.http.router.v3.Router}}
                route_config:
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        - match: {{prefix: /http/}}
                          route: {{cluster: http, prefix_rewrite: /, timeout: 0s}}
                        - match: {{prefix: /events/}}
                          route: {{cluster: events, prefix_rewrite: /, timeout: 0s}}
  clusters: [{http}, {events}]
"""
CLUSTER = """
    {{name: {name}, type: STATIC, connect_timeout: 5s,
     circuit_breakers: {{thresholds: [{{max_connections: 20000, max_pending_requests: 20000, max_requests: 20000}}]}},
     load_assignment: {{cluster_name: {name}, endpoints: [{{lb_endpoints: [{{endpoint: {{address:
       {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}}}]}}]}}}}"""


def envoy(program: str) -> Recipe:
    """Return a recipe for this Envoy binary."""

    def recipe(folder: Path, upstreams: Upstreams) -> Subject:
        port, path = free_port(), folder / "envoy.yaml"
        clusters = {name: CLUSTER.format(name=name, port=getattr(upstreams, name)) for name in ("http", "events")}
        config = CONFIG.format(port=port, types=TYPES, **clusters)
        path.write_text(config)
        command = [program, "-c", str(path), "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
        return Subject(NAME, command, port, lambda what: (chat_path(what), ()), config, folder=folder)

    return recipe
