"""Portkey's gateway (Node), told in each request where to go."""

from __future__ import annotations

from pathlib import Path

from bench.processes import free_port
from bench.subject import Recipe, Subject, Upstreams

NAME = "portkey gateway"
PATH = "/v1/chat/completions"


def portkey(program: str) -> Recipe:
    """Return a recipe for this `gateway` command."""

    def recipe(folder: Path, upstreams: Upstreams) -> Subject:
        port = free_port()
        environ = {"HOME": str(folder), "NODE_ENV": "production", "TRUSTED_CUSTOM_HOSTS": "127.0.0.1"}

        def target(what: str) -> tuple[str, list[tuple[str, str]]]:
            host = f"127.0.0.1:{upstreams.events}" if what == "events" else f"127.0.0.1:{upstreams.http}/{what}"
            return PATH, [
                ("x-portkey-provider", "openai"),
                ("x-portkey-custom-host", f"http://{host}/v1"),
                ("Authorization", "Bearer sk-upstream"),
            ]

        return Subject(NAME, [program, f"--port={port}", "--headless"], port, target, environ=environ, folder=folder)

    return recipe
