"""LiteLLM's proxy with pass-through endpoints: one worker, no key, no database."""

from __future__ import annotations

from pathlib import Path

from bench.processes import free_port
from bench.subject import Recipe, Subject, Upstreams, chat_path

NAME = "litellm proxy"
CONFIG = """
general_settings:
  pass_through_endpoints:
    - {{path: /http, target: "http://127.0.0.1:{upstreams.http}", include_subpath: true, forward_headers: true}}
    - {{path: /events, target: "http://127.0.0.1:{upstreams.events}", include_subpath: true, forward_headers: true}}
"""


def litellm(program: str) -> Recipe:
    """Return a recipe for this `litellm` command."""

    def recipe(folder: Path, upstreams: Upstreams) -> Subject:
        port, path = free_port(), folder / "config.yaml"
        path.write_text(CONFIG.format(upstreams=upstreams))
        command = [program, "--config", str(path), "--port", str(port), "--host", "127.0.0.1", "--num_workers", "1"]
        environ = {
            "HOME": str(folder), "LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_MODE": "PRODUCTION", "NO_DOCS": "True",
            "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
        }  # fmt: skip
        text, health = path.read_text(), "/health/liveliness"
        return Subject(NAME, command, port, lambda what: (chat_path(what), ()), text, environ, folder, health)

    return recipe
