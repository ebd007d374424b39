"""nginx as a reverse proxy, with as many processes as the gateway's one worker."""

from __future__ import annotations

from pathlib import Path

from bench.nginx import http_settings, main_settings
from bench.processes import free_port
from bench.subject import Subject, Upstreams, chat_path

NAME = "nginx"
CONFIG = """
MAIN
http {
  COMMON
  upstream http { server 127.0.0.1:HTTP; keepalive 64; keepalive_requests 1000000000; }
  upstream events { server 127.0.0.1:EVENTS; }
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_read_timeout 600s;
  proxy_request_buffering off; proxy_buffering off;
  server {
    listen 127.0.0.1:PORT backlog=4096;
    location / { return 200 ''; }
    location /http/ { proxy_pass http://http/; }
    location /events/ { proxy_pass http://events/; }
  }
}
"""


def nginx(folder: Path, upstreams: Upstreams) -> Subject:
    port, path = free_port(), folder / "nginx.conf"
    config = CONFIG.replace("MAIN", main_settings()).replace("COMMON", http_settings())
    config = config.replace("PORT", str(port)).replace("FOLDER", str(folder))
    config = config.replace("HTTP;", f"{upstreams.http};").replace("EVENTS;", f"{upstreams.events};")
    path.write_text(config)
    command = ["nginx", "-c", str(path), "-p", str(folder), "-e", str(folder / "error.log")]
    return Subject(NAME, command, port, lambda what: (chat_path(what), ()), config, folder=folder)
