"""litellm does nothing in the background of a call."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.kit.gateway import ROOT
from tests.kit.openai_server import OpenAIServer

# As a worker has it; in a process of its own, since litellm and gevent change the one they are loaded in.
SCRIPT = """
from gevent import monkey

monkey.patch_all()

import asyncio
import os
import sys

import gevent

from app.adapters.litellm_library import load

library = load()
messages = [{"role": "user", "content": "Hello"}]
params = {"model": "openai/gpt-say", "api_key": "-", "api_base": sys.argv[1]}


class Loops(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self):
        print("an event loop was made")
        return super().new_event_loop()


def exchange(stream):
    answer = library.complete({"messages": messages, "stream": stream, **params}, params)
    return len(list(library.chunks(answer, params)) if stream else answer.choices) > 0


asyncio.set_event_loop_policy(Loops())
print([gevent.spawn(exchange, stream).get() for stream in (False, True)], flush=True)
os._exit(0)  # it has loops to make as it ends
"""


def test_a_call_runs_no_event_loop_in_its_greenlet(openai_server: OpenAIServer) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, openai_server.base_url],
        cwd=ROOT, env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "[True, True]\n"
