"""The upstream of the request rows: nginx, answering from memory, or our own where it is not installed.

/small answers a JSON of 1 KB at once; /up reads the request to its end first; /down-100k and /down-1m answer with
a JSON of that size.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from bench.nginx import http_settings, main_settings
from bench.processes import free_port, launch

SIZES = {"100k": 100_000, "1m": 1_000_000}
SMALL_BYTES = 1000
CONFIG = """
MAIN
http {
  COMMON
  client_body_buffer_size 2m; default_type application/json; open_file_cache max=10;
  upstream itself { server 127.0.0.1:PORT; keepalive 64; }
  server {
    listen 127.0.0.1:PORT;
    location / { return 200 'SMALL'; }
    # The body is read whole before it is passed on, here to nobody.
    location /up/ {
      proxy_pass http://itself/small; proxy_pass_request_body off; proxy_set_header Content-Length "";
      proxy_http_version 1.1; proxy_set_header Connection "";
    }
    # A file answers no POST, unless as the page for that very error.
    location /down-100k/ { error_page 405 =200 /100k.json; return 405; }
    location /down-1m/ { error_page 405 =200 /1m.json; return 405; }
    location ~ json$ { root FOLDER; }
  }
}
"""


def completion(octets: int) -> bytes:
    """Return a chat completion of just this many octets."""
    choice = {"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}
    fields = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1790000000, "model": "gpt-4o-mini"}
    text = json.dumps({**fields, "choices": [choice], "usage": usage})
    return text.replace('"content": ""', f'"content": "{"x" * (octets - len(text))}"').encode()


def start(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Start the upstream; returns it, and its port."""
    port = free_port()
    folder.mkdir()
    if shutil.which("nginx") is None:
        command = [sys.executable, "-m", "bench.upstreams.plain", str(port)]
        return launch(command, {}, folder / "log", Path.cwd()), port
    for name, octets in SIZES.items():
        (folder / f"{name}.json").write_bytes(completion(octets))
    small = completion(SMALL_BYTES).decode()
    config = folder / "nginx.conf"
    text = CONFIG.replace("MAIN", main_settings()).replace("COMMON", http_settings()).replace("SMALL", small)
    config.write_text(text.replace("FOLDER", str(folder)).replace("PORT", str(port)))
    command = ["nginx", "-c", str(config), "-p", str(folder), "-e", str(folder / "error.log")]
    return launch(command, {}, folder / "log", folder), port
