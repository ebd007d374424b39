"""litellm before a server on loopback: what it does of its own accord it does no more."""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from app.adapters import litellm_library
from app.adapters.litellm_tamed import FETCHING
from app.errors import InvalidRequest, UpstreamInvalidResponse
from app.model_errors import UpstreamRateLimited
from tests.kit.openai_server import USAGE

# litellm's own use of pydantic.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")

MESSAGES = [{"role": "user", "content": "hi"}]
URL = "https://files.example/a.png?signature=canary"


@pytest.fixture
def library():
    return litellm_library.load()


@pytest.fixture
def ask(library, openai_server):
    """Ask the model of this name, as the room does."""

    def completed(model, params=None, **more):
        params = {"model": f"openai/{model}", "api_key": "k", "api_base": openai_server.base_url, **(params or {})}
        call = {**params, "messages": MESSAGES, "max_retries": 0, **more}
        if more.get("stream"):
            call["stream_options"] = {"include_usage": True}
            return list(library.chunks(library.complete(call, params), params))
        return library.complete(call, params)

    return completed


@pytest.fixture
def answering():
    """Start a server that answers every POST with this JSON value; its `api_base`."""
    servers = []

    def start(value):
        class Visit(BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(value).encode())

            def log_message(self, *_said):
                pass

        server = HTTPServer(("127.0.0.1", 0), Visit)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def test_every_stop_sequence_is_asked_for(ask, openai_server):
    ask("gpt-say", stop=list("abcdef"))

    assert openai_server.asked[0].body["stop"] == list("abcdef")


def test_an_answer_without_a_choice_is_none(ask):
    with pytest.raises(UpstreamInvalidResponse):
        ask("gpt-choiceless")


@pytest.mark.parametrize("is_streaming", [False, True])
def test_a_redirect_is_not_followed(ask, openai_server, is_streaming):
    """The credential is for whom the operator named."""
    with pytest.raises(UpstreamInvalidResponse) as refused:
        ask("gpt-redirects", stream=is_streaming)

    assert [asked.path for asked in openai_server.asked] == ["/v1/chat/completions"]
    assert refused.value.__cause__.status == 307


def test_an_error_that_begins_a_stream_has_its_status(ask):
    with pytest.raises(UpstreamRateLimited):
        ask("gpt-limits", stream=True)


def test_no_usage_is_told_that_the_provider_has_not_told(ask):
    plain, chunks = ask("gpt-unmetered"), ask("gpt-unmetered", stream=True)

    told = [plain.usage, *(chunk.usage for chunk in chunks if getattr(chunk, "usage", None))]
    assert {(usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) for usage in told} == {(0, 0, 0)}
    assert not any(getattr(usage.completion_tokens_details, "reasoning_tokens", None) for usage in told[1:])


def test_the_usage_is_the_providers(ask):
    (told,) = [chunk.usage for chunk in ask("gpt-say", stream=True) if getattr(chunk, "usage", None)]

    assert (told.prompt_tokens, told.completion_tokens) == (USAGE["prompt_tokens"], USAGE["completion_tokens"])


def test_an_answer_that_litellm_cannot_read_is_not_the_clients_fault(ask, answering):
    """As a 422 it said, and the whole answer with it."""
    base = answering({"candidates": [{"content": {"parts": [{"text": "canary"}]}, "finishReason": "STOP"}]})
    params = {"model": "gemini/gemini-2.0-flash", "api_key": "k", "api_base": base}

    with pytest.raises(UpstreamInvalidResponse) as refused:
        ask("", params)

    assert "canary" not in refused.value.message + str(refused.value.__cause__)


GEMINI = "gemini/gemini-2.0-flash"
BEDROCK = "bedrock/anthropic.claude-3-haiku-20240307-v1:0"
IMAGE = {"type": "image_url", "image_url": {"url": URL}}
PDF = {"type": "file", "file": {"file_id": URL, "format": "application/pdf"}}


@pytest.mark.parametrize(("model", "part"), [(GEMINI, IMAGE), (BEDROCK, IMAGE), (BEDROCK, PDF)])
def test_nothing_is_fetched_by_a_clients_url(ask, model, part):
    """Gemini's own API takes a PDF by its URL, and gets it."""
    params = {
        "model": model, "api_key": "k", "api_base": "http://127.0.0.1:9", "aws_access_key_id": "a",
        "aws_secret_access_key": "b", "aws_region_name": "us-east-1",
    }  # fmt: skip

    with pytest.raises(InvalidRequest) as refused:
        ask("", params, messages=[{"role": "user", "content": [part]}])

    assert "canary" not in refused.value.message + str(refused.value.__cause__)


def test_no_other_module_of_litellms_chats_fetches(library):
    able = {name for name, module in sys.modules.items() if name.startswith("litellm") and "safe_get" in vars(module)}

    assert {name for name in able if "litellm_core_utils" in name} == {
        *FETCHING,
        "litellm.litellm_core_utils.url_utils",
    }
    assert len({sys.modules[name].safe_get for name in FETCHING}) == 1


def test_tokens_of_an_image_are_counted_without_it(library):
    content = [{"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/a.png"}}]

    assert library.count_tokens({"model": "gpt-4o"}, {"messages": [{"role": "user", "content": content}]}) > 0
