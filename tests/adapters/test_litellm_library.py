"""litellm as it is loaded: nothing in the background of a call, and the operator's CA bundle."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import pytest

from app.adapters import litellm_library
from tests.conftest import CERTS
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


@pytest.mark.parametrize(
    ("ssl_cert_file", "requests_ca_bundle", "taken"),
    [("", "", None), ("/a", "", "/a"), ("", "/b", "/b"), ("/a", "/b", "/a")],
)
def test_a_ca_bundle_is_taken_from_either_variable(ssl_cert_file, requests_ca_bundle, taken):
    environ = {"SSL_CERT_FILE": ssl_cert_file, "REQUESTS_CA_BUNDLE": requests_ca_bundle}

    assert litellm_library.changes(environ).get("SSL_CERT_FILE") == taken


# litellm's own use of pydantic; which test meets it depends on who loaded litellm.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_a_ca_bundle_that_has_changed_is_read_anew_before_the_fork(monkeypatch, tmp_path):
    handler = importlib.import_module("litellm.llms.custom_httpx.http_handler")
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes((CERTS / "authority.pem").read_bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    before = handler.get_ssl_configuration()
    bundle.write_bytes((CERTS / "authority.pem").read_bytes() + (CERTS / "self-signed.pem").read_bytes())

    litellm_library.warm_up()

    assert [one.cert_store_stats()["x509"] for one in (before, handler.get_ssl_configuration())] == [1, 2]
