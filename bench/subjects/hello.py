"""The floor: gunicorn with its gevent worker and an application that says hello, and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.processes import free_port
from bench.subject import Subject, Upstreams

NAME = "bare gunicorn hello"
APPLICATION = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]
"""


def hello(folder: Path, _upstreams: Upstreams) -> Subject:
    # In a folder of its own, where gunicorn finds no settings file.
    (folder / "hello.py").write_text(APPLICATION)
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-k", "gevent", "-w", "1", "-b", f"127.0.0.1:{port}"]
    command += ["--keep-alive", "95", "--no-control-socket", "hello:app"]
    return Subject(NAME, command, port, lambda _what: ("/", ()), APPLICATION, folder=folder)
