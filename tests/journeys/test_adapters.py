"""What every adapter promises (CONTRACT §5, §8; RELIABILITY AD): by the AWS shapes where one has to be chosen."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer

from tests.kit import canaries
from tests.kit.client import Answer, Client, request
from tests.kit.gateway import Gateway
from tests.kit.openai_server import SENTENCE, WORDS, OpenAIServer
from tests.kit.waiting import eventually

KEY = ("Authorization", f"Bearer {canaries.GATEWAY_KEYS['TEAM_KEY']}")
CREDENTIAL = canaries.OPERATOR["CREDENTIAL"]
GONE_DEADLINE_S = 10.0
AT_ONCE = 50

Json = dict[str, Any]


def said(text: str = "Say hi", **more: Any) -> bytes:
    """A body that Converse takes."""
    return json.dumps({"messages": [{"role": "user", "content": [{"text": text}]}], **more}).encode()


def path(model: str, is_streaming: bool = False) -> str:
    return f"/bedrock/model/{model}/converse" + ("-stream" if is_streaming else "")


def ask(gateway: Gateway, model: str, body: bytes | None = None, *fields: tuple[str, str]) -> Answer:
    return gateway.ask("POST", path(model), [KEY, *fields], said() if body is None else body)


def stream(gateway: Gateway, model: str) -> Answer:
    return gateway.ask("POST", path(model, is_streaming=True), [KEY], said())


def frames(answer: Answer) -> list[tuple[str, Json]]:
    """The events so far, by botocore's decoder: (type, payload)."""
    buffer = EventStreamBuffer()
    buffer.add_data(bytes(answer.body))
    events = (event.to_response_dict() for event in buffer)
    return [
        (str(event["headers"].get(":event-type") or event["headers"][":exception-type"]), json.loads(event["body"]))
        for event in events
    ]


def text_of(answer: Answer) -> str:
    return "".join(data["delta"]["text"] for kind, data in frames(answer) if kind == "contentBlockDelta")


def error(answer: Answer) -> Json:
    """The parts of an error that do not depend on the dialect."""
    return dict(json.loads(bytes(answer.body)))


# --- calls


def test_a_call_reaches_the_model_with_the_operators_credential(
    adapters_gateway: Gateway, openai_server: OpenAIServer
) -> None:
    """AD-01: and with nothing of the client's key."""
    got = ask(adapters_gateway, "gpt-say", said(inferenceConfig={"maxTokens": 9}))

    assert (got.status, got.ending) == (200, "whole")
    assert json.loads(bytes(got.body))["output"]["message"]["content"] == [{"text": SENTENCE}]
    (asked,) = openai_server.asked
    assert asked.fields["authorization"] == f"Bearer {CREDENTIAL}"
    assert asked.body == {"model": "gpt-say", "max_tokens": 9, "messages": [{"role": "user", "content": "Say hi"}]}
    assert canaries.GATEWAY_KEYS["TEAM_KEY"] not in str(asked)


def test_a_stream_comes_frame_by_frame(adapters_gateway: Gateway, openai_server: OpenAIServer) -> None:
    client = adapters_gateway.client()
    client.send(request("POST", path("gpt-paced", is_streaming=True), [KEY], said()))
    got = client.begin_answer("POST")
    client.read_until(got, WORDS[0].encode())
    begun = text_of(got)
    openai_server.proceed.set()

    assert client.finish(got).is_whole
    assert (begun, text_of(got)) == (WORDS[0], SENTENCE)
    assert openai_server.asked[0].body["stream_options"] == {"include_usage": True}
    assert dict(frames(got))["metadata"]["usage"]["totalTokens"] == 18


def test_an_exchange_tells_how_it_went(adapters_gateway: Gateway, openai_server: OpenAIServer) -> None:
    line = adapters_gateway.exchange(stream(adapters_gateway, "gpt-say").request_id)

    assert (line["route"], line["status"], line["upstream_status"]) == ("/bedrock", 200, 200)
    assert (line["outcome"], line["key_alias"]) == ("served", "team")


def test_a_key_is_asked_for(adapters_gateway: Gateway, openai_server: OpenAIServer) -> None:
    got = adapters_gateway.ask("POST", path("gpt-say"), body=said())

    assert (got.status, got.fields.one("x-amzn-errortype")) == (401, "AccessDeniedException")
    assert openai_server.asked == []


def test_other_methods_are_refused(adapters_gateway: Gateway) -> None:
    got = adapters_gateway.ask("GET", path("gpt-say"), [KEY])

    assert (got.status, got.fields.one("allow")) == (405, "POST")


# --- what a client may say


ATTACKS = {
    "api_base": "http://127.0.0.1:9/",
    "base_url": "http://127.0.0.1:9/",
    "api_key": "sk-of-the-attacker",
    "extra_headers": {"X-Evil": "1"},
    "extra_body": {"evil": 1},
    "custom_llm_provider": "huggingface",
    "callbacks": ["langfuse"],
    "success_callback": ["langfuse"],
    "mock_response": "pwned",
    "model_list": [{}],
    "fallbacks": ["other"],
    "aws_access_key_id": "AKIA",
    "organization": "org",
    "timeout": 0.001,
    "max_retries": 9,
}


@pytest.mark.parametrize("name", ATTACKS)
def test_what_is_the_operators_is_removed_and_named(
    adapters_gateway: Gateway, openai_server: OpenAIServer, name: str
) -> None:
    """AD-01: CVE-2024-6587."""
    got = ask(adapters_gateway, "gpt-say", said(**{name: ATTACKS[name]}))

    assert got.status == 200
    assert name in got.fields.one("x-gateway-dropped")
    (asked,) = openai_server.asked
    assert asked.fields["authorization"] == f"Bearer {CREDENTIAL}"
    assert set(asked.body) == {"model", "messages"}
    assert "x-evil" not in asked.fields


def test_no_name_of_a_client_breaks_a_header(adapters_gateway: Gateway, openai_server: OpenAIServer) -> None:
    got = ask(adapters_gateway, "gpt-say", said(**{"x\r\nSet-Cookie: a=b": 1, "naïve €": 2, "y" * 3000: 3}))

    assert (got.status, got.ending) == (200, "whole")
    assert got.fields.every("set-cookie") == []
    assert got.fields.one("x-gateway-dropped").startswith("x%0D%0ASet-Cookie:%20a%3Db, na%C3%AFve%20%E2%82%AC, +1")


@pytest.mark.parametrize(
    "model",
    ["nope", "openai/gpt-4o", "gpt", "gpt-..%2fx", "gpt-a%2f%2fb", "gpt-a%20b", "gpt-http:%2f%2fx"],
)
def test_a_model_that_is_not_listed_is_not_found(
    adapters_gateway: Gateway, openai_server: OpenAIServer, model: str
) -> None:
    """AD-04: no implicit provider, and no path or URL in a `*`."""
    got = ask(adapters_gateway, model)

    assert got.status == 404
    assert openai_server.asked == []


def test_a_model_that_is_not_listed_is_named(adapters_gateway: Gateway) -> None:
    """AD-04."""
    got = ask(adapters_gateway, "nope")

    assert (error(got)["code"], got.fields.one("x-amzn-errortype")) == ("model_not_found", "ResourceNotFoundException")
    assert "nope" in error(got)["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"messages": NaN}',
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b"[" * 200_000,
        b'{"messages":[{"role":"user","content":[{"text":"\\ud800"}]}]}',
        b'{"messages": 1' + b"0" * 5000 + b"}",
    ],
    ids=lambda body: body[:12].decode("latin-1"),
)
def test_a_body_that_is_no_json_object_is_refused(
    adapters_gateway: Gateway, openai_server: OpenAIServer, body: bytes
) -> None:
    got = ask(adapters_gateway, "gpt-say", body)

    assert (got.status, got.fields.one("x-amzn-errortype")) == (400, "ValidationException")
    assert openai_server.asked == []


def test_a_compressed_body_is_refused(adapters_gateway: Gateway) -> None:
    got = ask(adapters_gateway, "gpt-say", said(), ("Content-Encoding", "gzip"))

    assert got.status == 400
    assert "compressed" in error(got)["message"]


def test_a_body_above_32_mib_is_refused_before_it_is_read(
    adapters_gateway: Gateway, openai_server: OpenAIServer
) -> None:
    client = adapters_gateway.client()
    client.send(b"POST /bedrock/model/gpt-say/converse HTTP/1.1\r\nHost: g\r\nContent-Length: 33554433\r\n")
    client.send(f"{KEY[0]}: {KEY[1]}\r\n\r\n".encode())

    assert client.answer("POST").status == 413
    assert openai_server.asked == []


def test_a_chunked_body_is_read(adapters_gateway: Gateway, openai_server: OpenAIServer) -> None:
    client, body = adapters_gateway.client(), said()
    head = f"POST {path('gpt-say')} HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n{KEY[0]}: {KEY[1]}\r\n\r\n"
    client.send(head.encode() + b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (5, body[:5], len(body) - 5, body[5:]))

    assert client.answer("POST").status == 200


def test_an_unknown_operation_is_not_found(adapters_gateway: Gateway) -> None:
    got = adapters_gateway.ask("POST", "/bedrock/model/gpt-say/nothing", [KEY], said())

    assert (got.status, got.fields.one("x-amzn-errortype")) == (404, "ResourceNotFoundException")


# --- what the model's side does


REFUSED = {
    "gpt-400": (400, "upstream_refused_request", "refused", 400),
    "gpt-401": (502, "upstream_credential_refused", "upstream_failed", 401),
    "gpt-403": (502, "upstream_credential_refused", "upstream_failed", 403),
    "gpt-404": (404, "model_not_found", "refused", 404),
    "gpt-429": (429, "upstream_rate_limited", "upstream_failed", 429),
    "gpt-500": (502, "upstream_failed", "upstream_failed", 500),
    "gpt-503": (503, "upstream_unavailable", "upstream_failed", 503),
    "gpt-overlong": (400, "context_length_exceeded", "refused", 400),
    "unreachable": (502, "upstream_unreachable", "upstream_failed", None),
}


@pytest.mark.parametrize("is_streaming", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("model", REFUSED)
def test_an_early_error_has_its_status(
    adapters_gateway: Gateway, openai_server: OpenAIServer, model: str, is_streaming: bool
) -> None:
    """Sent once: a request that may have been processed is never sent twice."""
    got = stream(adapters_gateway, model) if is_streaming else ask(adapters_gateway, model)

    line = adapters_gateway.exchange(got.request_id)
    assert (got.status, error(got)["code"], line["outcome"], line["upstream_status"]) == REFUSED[model]
    assert len(openai_server.asked) == (0 if model == "unreachable" else 1)
    assert CREDENTIAL.encode() not in bytes(got.body)
    assert b"127.0.0.1" not in bytes(got.body)


@pytest.mark.parametrize("model", ["gpt-429", "gpt-503"])
def test_retry_after_survives(adapters_gateway: Gateway, model: str) -> None:
    assert ask(adapters_gateway, model).fields.one("retry-after") == "17"


def test_a_providers_words_are_told_without_secrets(adapters_gateway: Gateway) -> None:
    assert error(ask(adapters_gateway, "gpt-400"))["message"] == "The temperature at **** with **** must be below 2."


def test_a_silent_model_is_given_up(adapters_gateway: Gateway, openai_server: OpenAIServer) -> None:
    body = b'{"model": "gpt-silent", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}'

    got = adapters_gateway.ask("POST", "/hasty", [KEY], body)

    assert (got.status, json.loads(bytes(got.body))["error"]["code"]) == (504, "upstream_timeout")
    (asked,) = openai_server.wait_for(1)
    assert asked.gone.wait(GONE_DEADLINE_S)


@pytest.mark.parametrize("model", ["gpt-breaks", "gpt-errs", "gpt-unfinished"])
def test_a_stream_that_breaks_ends_with_an_error(
    adapters_gateway: Gateway, openai_server: OpenAIServer, model: str
) -> None:
    """AD-05: no event that says it is complete, and a clean end of the transfer, since the error is said."""
    got = stream(adapters_gateway, model)

    assert (got.status, got.ending) == (200, "whole")
    kinds = [kind for kind, _ in frames(got)]
    assert kinds[-1].endswith("Exception")
    assert "messageStop" not in kinds
    assert adapters_gateway.exchange(got.request_id)["outcome"] == "upstream_failed"


@pytest.mark.parametrize("model", ["gpt-empty", "gpt-garbles"])
def test_a_stream_that_says_nothing_is_an_error(adapters_gateway: Gateway, model: str) -> None:
    """AD-05."""
    assert stream(adapters_gateway, model).status == 502


# --- clients that leave


@pytest.mark.parametrize(
    ("model", "is_streaming"),
    [("gpt-silent", False), ("gpt-silent", True), ("gpt-stalls", True)],
    ids=["plain", "before the first frame", "in mid-stream"],
)
@pytest.mark.parametrize("leave", [Client.close, Client.reset])
def test_the_call_is_closed_when_the_client_leaves(
    adapters_gateway: Gateway,
    openai_server: OpenAIServer,
    model: str,
    is_streaming: bool,
    leave: Callable[[Client], None],
) -> None:
    """CONTRACT §8; the 2 s are measured outside the suite."""
    client, target = adapters_gateway.client(), path(model, is_streaming)
    before = len(lines_of(adapters_gateway, target))
    client.send(request("POST", target, [KEY], said()))
    (asked,) = openai_server.wait_for(1)
    if model == "gpt-stalls":
        client.read_until(client.begin_answer("POST"), WORDS[0].encode())

    leave(client)

    assert asked.gone.wait(GONE_DEADLINE_S)
    (line,) = eventually(lambda: lines_of(adapters_gateway, target)[before:] or None, 5.0, "the exchange's line")
    assert line["outcome"] == "client_left"


def lines_of(gateway: Gateway, at: str) -> list[Json]:
    return [line for line in gateway.records() if line.get("event") == "exchange" and line["path"] == at]


# --- many at once


def test_calls_run_side_by_side(adapters_gateway: Gateway, openai_server: OpenAIServer) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = [pool.submit(ask, adapters_gateway, "gpt-patient") for _ in range(AT_ONCE)]
        openai_server.wait_for(AT_ONCE)  # all of them are under way before any is answered
        openai_server.proceed.set()

        assert {answer.result().status for answer in answers} == {200}


def test_streams_run_side_by_side(adapters_gateway: Gateway, openai_server: OpenAIServer) -> None:
    with ThreadPoolExecutor(2 * AT_ONCE) as pool:
        answers = [pool.submit(stream, adapters_gateway, "gpt-paced") for _ in range(2 * AT_ONCE)]
        openai_server.wait_for(2 * AT_ONCE)
        openai_server.proceed.set()

        assert {text_of(answer.result()) for answer in answers} == {SENTENCE}


def test_the_master_has_no_other_thread(adapters_gateway: Gateway) -> None:
    pid = adapters_gateway.process.pid

    assert [task.name for task in Path(f"/proc/{pid}/task").iterdir()] == [str(pid)]


def test_nothing_is_left_unawaited(adapters_gateway: Gateway, openai_server: OpenAIServer) -> None:
    assert stream(adapters_gateway, "gpt-say").status == 200

    assert re.findall(rb".*(?:never awaited|RuntimeWarning|litellm).*", adapters_gateway.words()) == []


# --- adapters of one's own


OWN = """
from litellm.integrations.custom_logger import CustomLogger

from neighbour import GREETING


class Tiny(CustomLogger):
    def translate_completion_input_params(self, kwargs):
        assert kwargs["api_key"] == "canary-credential-7c1f"
        return {"model": kwargs["model"], "messages": [{"role": "user", "content": GREETING + kwargs["prompt"]}]}

    def translate_completion_output_params(self, response):
        return {"said": response.choices[0].message.content, "by": response.model}

    def translate_completion_output_params_streaming(self, completion_stream):
        for chunk in completion_stream:
            if chunk.choices and chunk.choices[0].delta.content:
                yield {"said": chunk.choices[0].delta.content}


class Faulty(Tiny):
    def translate_completion_input_params(self, kwargs):
        raise SystemExit(f"cannot use {kwargs}")


tiny, faulty = Tiny(), Faulty()
"""
OWN_CONFIG = """
general_settings:
  max_waiting_per_upstream: 2
  pass_through_endpoints:
    - {{path: "/tiny/{{model}}", target: custom_callbacks.tiny, auth: false, error_format: cohere}}
    - {{path: /page, target: page.anthropic_adapter, auth: false, error_format: anthropic}}
    - {{path: "/faulty/{{model}}", target: custom_callbacks.faulty, auth: false}}
model_list:
  - model_name: gpt-*
    litellm_params: {{model: "openai/gpt-*", api_key: os.environ/CREDENTIAL, api_base: "{base_url}"}}
  - {{model_name: turns, litellm_params: {{model: openai/first-say, api_key: k, api_base: "{base_url}"}}}}
  - {{model_name: turns, litellm_params: {{model: openai/second-say, api_key: k, api_base: "{base_url}"}}}}
"""
# As LiteLLM's page prints it today: it uses litellm without importing it.
PAGE = '''
from litellm import adapter_completion
from litellm.integrations.custom_logger import CustomLogger
from litellm.types.llms.anthropic import AnthropicMessagesRequest, AnthropicResponse

class AnthropicAdapter(CustomLogger):
    def translate_completion_input_params(self, kwargs):
        """Translate Anthropic format to OpenAI format"""
        request_body = AnthropicMessagesRequest(**kwargs)
        return litellm.AnthropicConfig().translate_anthropic_to_openai(
            anthropic_message_request=request_body
        )

    def translate_completion_output_params(self, response):
        """Translate OpenAI response back to Anthropic format"""
        return litellm.AnthropicConfig().translate_openai_response_to_anthropic(
            response=response
        )

anthropic_adapter = AnthropicAdapter()
'''


@pytest.fixture(scope="module")
def shared_own(start_gateway: Callable[..., Gateway], shared_openai_server: OpenAIServer) -> Gateway:
    files = {"custom_callbacks.py": OWN, "neighbour.py": "GREETING = 'Dear model, '\n", "page.py": PAGE}
    return start_gateway(OWN_CONFIG.format(base_url=shared_openai_server.base_url), workers=1, files=files)


@pytest.fixture
def own(shared_own: Gateway, openai_server: OpenAIServer) -> Iterator[Gateway]:
    """A gateway with adapters of the operator's own."""
    yield shared_own
    shared_own.close_clients()


def test_an_own_adapter_serves(own: Gateway, openai_server: OpenAIServer) -> None:
    got = own.ask("POST", "/tiny/gpt-say", [], b'{"prompt": "say hi", "api_key": "sk-of-the-attacker"}')

    assert json.loads(bytes(got.body)) == {"said": SENTENCE, "by": "gpt-say"}
    assert got.fields.one("x-gateway-dropped") == "api_key"
    (asked,) = openai_server.asked
    assert asked.body["messages"] == [{"role": "user", "content": "Dear model, say hi"}]
    assert asked.fields["authorization"] == f"Bearer {CREDENTIAL}"


def test_an_own_adapter_streams(own: Gateway, openai_server: OpenAIServer) -> None:
    got = own.ask("POST", "/tiny/gpt-say", [], b'{"prompt": "say hi", "stream": true}')

    assert got.fields.one("content-type") == "text/event-stream; charset=utf-8"
    events = [json.loads(event.removeprefix("data: ")) for event in bytes(got.body).decode().split("\n\n")[:-1]]
    assert events == [{"said": word} for word in WORDS]


def test_an_own_adapter_misses_a_field(own: Gateway, openai_server: OpenAIServer) -> None:
    got = own.ask("POST", "/tiny/gpt-say", [], b"{}")

    assert (got.status, error(got)["message"]) == (400, "prompt is missing.")
    assert openai_server.asked == []


def test_an_own_adapters_stream_that_breaks_ends_with_an_error(own: Gateway) -> None:
    """AD-05: in the route's dialect."""
    got = own.ask("POST", "/tiny/gpt-breaks", [], b'{"prompt": "say hi", "stream": true}')

    last = bytes(got.body).decode().split("\n\n")[-2]
    assert json.loads(last.removeprefix("data: "))["code"] == "upstream_stream_broken"


def test_the_pages_adapter_works_as_printed(own: Gateway, openai_server: OpenAIServer) -> None:
    body = {"model": "gpt-say", "max_tokens": 1024, "messages": [{"role": "user", "content": "Hello, world"}]}

    got = own.ask("POST", "/page", [("anthropic-version", "2023-06-01")], json.dumps(body).encode())

    answer = json.loads(bytes(got.body))
    assert (answer["type"], answer["model"], answer["stop_reason"]) == ("message", "gpt-say", "end_turn")
    assert answer["content"] == [{"type": "text", "text": SENTENCE}]
    assert openai_server.asked[0].body["max_tokens"] == 1024


def test_the_pages_adapter_hands_on_only_what_is_the_clients(own: Gateway, openai_server: OpenAIServer) -> None:
    """AD-01: litellm's providers read names that litellm itself does not know."""
    unasked = {"model_id": "arn:other", "fake_stream": True, "deployment_url": "http://127.0.0.1:9", "note": 1}
    body = {"model": "gpt-say", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}], **unasked}

    got = own.ask("POST", "/page", [], json.dumps(body).encode())

    assert (got.status, got.fields.one("x-gateway-dropped")) == (200, ", ".join(unasked))
    assert set(openai_server.asked[0].body) == {"model", "messages", "max_tokens"}


def test_an_own_adapters_fault_is_told_to_the_operator_without_what_it_was_given(own: Gateway) -> None:
    got = own.ask("POST", "/faulty/gpt-say", [], b'{"prompt": "a long confession"}')

    assert (got.status, json.loads(bytes(got.body))["error"]["code"]) == (500, "adapter_failed")
    line = own.exchange(got.request_id)
    assert line["outcome"] == "upstream_failed"
    assert "SystemExit: cannot use" in line["cause"]
    assert "custom_callbacks.py line " in line["cause"]
    assert "confession" not in str(own.records())
    assert CREDENTIAL not in str(own.records())


def test_a_body_with_a_name_twice_is_refused_by_the_name(own: Gateway, openai_server: OpenAIServer) -> None:
    got = own.ask("POST", "/faulty/gpt-say", [], b'{"model": "a", "model": "b"}')

    assert (got.status, json.loads(bytes(got.body))["error"]["param"]) == (400, "model")


def test_the_pages_adapter_says_that_it_does_not_stream(own: Gateway, openai_server: OpenAIServer) -> None:
    body = {"model": "gpt-say", "max_tokens": 5, "stream": True, "messages": [{"role": "user", "content": "Hi"}]}

    got = own.ask("POST", "/page", [], json.dumps(body).encode())

    assert (got.status, json.loads(bytes(got.body))["type"]) == (400, "error")
    assert openai_server.asked == []


@pytest.mark.parametrize("leave", [Client.close, Client.reset])
def test_one_call_too_many_for_one_upstream_is_told_at_once(
    own: Gateway, openai_server: OpenAIServer, leave: Callable[[Client], None]
) -> None:
    """OR-04, on every route that leads there, in its dialect; who leaves makes room, and a stream waits no more."""
    clients = [own.client(), own.client()]
    page_body = json.dumps(
        {"model": "gpt-say", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}
    ).encode()
    for client in clients:
        client.send(request("POST", "/tiny/gpt-silent", [], b'{"prompt": "hi"}'))
    openai_server.wait_for(2)

    refused = own.ask("POST", "/tiny/gpt-say", [], b'{"prompt": "hi"}')
    refused_elsewhere = own.ask("POST", "/page", [], page_body)
    leave(clients[0])
    eventually(lambda: any(asked.gone.is_set() for asked in openai_server.asked), GONE_DEADLINE_S, "one has gone")
    streams = [own.client(), own.client()]
    for client in streams:
        client.send(request("POST", "/tiny/gpt-stalls", [], b'{"prompt": "hi", "stream": true}'))
        client.read_until(client.begin_answer("POST"), WORDS[0].encode())
    served = own.ask("POST", "/tiny/gpt-say", [], b'{"prompt": "hi"}')
    leave(clients[1])
    eventually(lambda: all(asked.gone.is_set() for asked in openai_server.asked[:2]), GONE_DEADLINE_S, "both have gone")

    for got in (refused, refused_elsewhere):
        assert (got.status, got.fields.one("retry-after")) == (503, "1")
    assert (error(refused)["code"], set(error(refused))) == ("upstream_overloaded", {"message", "id", "code"})
    assert error(refused_elsewhere)["error"]["type"] == "overloaded_error"
    assert [asked.model for asked in openai_server.asked] == ["gpt-silent"] * 2 + ["gpt-stalls"] * 2 + ["gpt-say"]
    assert served.status == 200


def test_entries_of_one_name_take_turns(own: Gateway, openai_server: OpenAIServer) -> None:
    body = json.dumps({"model": "turns", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}).encode()

    for _ in range(4):
        assert own.ask("POST", "/page", [], body).status == 200

    assert [asked.model for asked in openai_server.asked] == ["first-say", "second-say"] * 2


def test_a_reload_takes_over_a_changed_adapter(
    start_gateway: Callable[..., Gateway], openai_server: OpenAIServer
) -> None:
    """SIGHUP; a stream that has begun ends as it began."""
    files = {"custom_callbacks.py": OWN, "neighbour.py": "GREETING = ''\n", "page.py": PAGE}
    gateway = start_gateway(OWN_CONFIG.format(base_url=openai_server.base_url), workers=1, files=files)
    client = gateway.client()
    client.send(request("POST", "/tiny/gpt-paced", [], b'{"prompt": "hi", "stream": true}'))
    begun = client.begin_answer("POST")
    (old,) = gateway.worker_pids()
    (gateway.folder / "neighbour.py").write_text("GREETING = 'New: '\n")
    gateway.signal(signal.SIGHUP)

    eventually(lambda: greeting(gateway, openai_server) == "New: hi", 20.0, "the changed adapter serves")
    openai_server.proceed.set()

    assert client.finish(begun).is_whole
    gateway.close_clients()
    eventually(lambda: old not in gateway.worker_pids(), 20.0, "the old worker has ended")
    (gateway.folder / "custom_callbacks.py").write_text("1/0\n")
    gateway.signal(signal.SIGHUP)
    eventually(lambda: b"line 1: ZeroDivisionError" in gateway.words(), 10.0, "the broken adapter is refused")
    assert greeting(gateway, openai_server) == "New: hi"
    (gateway.folder / "custom_callbacks.py").write_text("class L:\n def __getattr__(s, n): return s.x\ntiny = L()\n")
    gateway.signal(signal.SIGHUP)
    eventually(lambda: b"line 2: RecursionError" in gateway.words(), 10.0, "the endless adapter is refused")
    assert greeting(gateway, openai_server) == "New: hi"
    (gateway.folder / "custom_callbacks.py").write_text("import litellm\nlitellm.completion = None\n" + OWN)
    gateway.signal(signal.SIGHUP)
    eventually(lambda: b"stay in force: TypeError" in gateway.words(), 10.0, "what breaks the house is refused")


def greeting(gateway: Gateway, openai_server: OpenAIServer) -> str:
    assert gateway.ask("POST", "/tiny/gpt-say", [], b'{"prompt": "hi"}').status == 200
    return str(openai_server.asked[-1].body["messages"][0]["content"])


@pytest.mark.parametrize("target", ["os.system", "..x", "os.nothing", "no_such_file.adapter"])
def test_what_is_no_adapter_ends_the_start(tmp_path: Path, target: str) -> None:
    """AD-02: before a port is bound, with the place in the file."""
    config = f"general_settings:\n  pass_through_endpoints:\n    - {{path: /a, target: {target}}}\n"
    gateway = Gateway(tmp_path, config, {}, workers=1)

    gateway.launch()

    assert gateway.process.wait(60) == 1
    assert f"{gateway.config_path}:3: general_settings.pass_through_endpoints[0].target: ".encode() in gateway.words()
    assert b"Listening" not in gateway.words()
