"""The walk believes an answer only when it is right, shows what it ran, and leaves nothing running."""

import dataclasses
import json
import re
import shlex
import socket
import sys
from pathlib import Path

import pytest

from app.settings.load import load
from examples import children, demo, sending
from examples.calls import CALLS, Answer
from examples.children import running
from examples.sending import command
from examples.showing import as_typed, masked, receive
from examples.standin import CREDENTIALS, REPLY

RERANK, INGESTION, STREAM, MESSAGE = CALLS
DEMO_YAML = Path("config/demo.yaml")


def answer(status: int, *lines: tuple[float, bytes]) -> Answer:
    return Answer(status, [], list(lines))


@pytest.mark.parametrize(
    ("call", "given", "fault"),
    [
        pytest.param(RERANK, answer(502), "status 502, not 200", id="rerank, refused"),
        pytest.param(RERANK, answer(200, (0.0, b"<html>")), "results are []", id="rerank, not JSON"),
        pytest.param(INGESTION, answer(200), "status 200, not 207", id="ingestion, another status"),
        pytest.param(INGESTION, answer(207, (0.0, b'{"successes": []}')), "successes are []", id="ingestion, none"),
        pytest.param(STREAM, answer(401), "status 401, not 200", id="stream, refused"),
        pytest.param(MESSAGE, answer(401), "status 401, not 200", id="message, refused"),
        pytest.param(MESSAGE, answer(200, (0.0, b'{"a": 1}')), "the message is {'a': 1}", id="message, another"),
        pytest.param(
            STREAM,
            answer(200, (0.0, b"data: {}\n"), (1.0, b"data: {}\n")),
            "the stream does not end with [DONE]",
            id="stream, cut short",
        ),
        pytest.param(
            STREAM,
            answer(200, (1.0, b"data: {}\n"), (1.01, b"data: [DONE]\n")),
            "all events came within 0.01 s",
            id="stream, held back",
        ),
    ],
)
def test_a_wrong_answer_is_named(call, given, fault):
    assert call.faults(given) == [fault]


@pytest.mark.parametrize(
    ("call", "given"),
    [
        pytest.param(RERANK, answer(200, (0.0, b'{"results": [{"index": 0}]}')), id="rerank"),
        pytest.param(INGESTION, answer(207, (0.0, b'{"successes": [{"id": "event-1"}]}')), id="ingestion"),
        pytest.param(STREAM, answer(200, (0.0, b"data: {}\n"), (1.5, b"data: [DONE]\n")), id="stream"),
        pytest.param(
            MESSAGE,
            answer(200, (0.0, json.dumps({"type": "message", "content": [{"text": REPLY}]}).encode())),
            id="message",
        ),
    ],
)
def test_a_right_answer_has_no_faults(call, given):
    assert call.faults(given) == []


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.path)
def test_the_command_shown_is_the_command_run(call):
    shown = as_typed(call, "http://localhost:4000").partition("$ ")[2]

    assert shlex.split(shown.replace("\\\n", "")) == command(call, "http://localhost:4000")


@pytest.mark.parametrize("sender", [sending.by_curl, sending.by_library])
def test_curl_and_python_send_the_same_call(standin, sender):
    if sender is sending.by_curl and not sending.has_curl():
        pytest.skip("no curl on this machine")
    call = dataclasses.replace(RERANK, headers=(("Authorization", "bearer demo-cohere-key"),))

    with sender(call, standin.url) as lines:
        received = receive(lines, 0.0)

    assert RERANK.faults(received) == []
    assert standin.reports[0]["body"] == call.body


def test_an_answer_that_never_came_has_no_status():
    received = receive(iter([b"curl: (7) Failed to connect\n"]), 0.0)

    assert received.status == 0


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("Authorization", "bearer demo-cohere-key", "bearer demo-**********"),
        ("authorization", "Basic abcdefghijkl", "Basic abcdef******"),
        ("Host", "127.0.0.1:4000", "127.0.0.1:4000"),
    ],
)
def test_of_a_credential_only_the_beginning_is_shown(name, value, shown):
    assert masked(name, value) == shown


def test_a_taken_port_is_one_clear_sentence():
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(SystemExit) as refused:
            demo.refuse_taken(str(port))

    assert refused.value.code == f"Port {port} is taken. Choose another: make demo PORT=4000"


@pytest.mark.parametrize("port", ["http", "0", "65536", "-1"])
def test_a_port_that_is_none_is_refused(port):
    with pytest.raises(SystemExit, match="PORT is a number from 1 to 65535"):
        demo.refuse_taken(port)


def test_the_demo_sets_every_variable_that_its_settings_refer_to():
    environ = demo.gateway_environ("4000", "http://127.0.0.1:1")

    referred = set(re.findall(r"os\.environ/(\w+)", DEMO_YAML.read_text()))
    assert referred == {*CREDENTIALS, "DEMO_UPSTREAM"}
    assert [route.path for route in load(DEMO_YAML, environ).routes] == [call.path for call in CALLS]


def test_credentials_of_the_newcomers_own_environment_stay_out_of_the_demo(monkeypatch):
    monkeypatch.setenv("COHERE_API_KEY", "a real one")

    assert demo.gateway_environ("4000", "http://127.0.0.1:1")["COHERE_API_KEY"] == "demo-cohere-key"
    assert demo.standin_environ()["COHERE_API_KEY"] == "demo-cohere-key"


def test_a_child_ends_with_its_block():
    with running([sys.executable, "-c", "print('up', flush=True); input()"], {}) as child:
        first = child.next_line(within_s=10)

    assert first == "up"
    assert not child.is_running


def test_a_child_that_does_not_want_to_end_is_killed(monkeypatch):
    monkeypatch.setattr(children, "GRACE_S", 0.05)
    program = "import signal; signal.signal(15, signal.SIG_IGN); print('up', flush=True); signal.pause()"

    with running([sys.executable, "-c", program], {}) as child:
        child.next_line(within_s=10)

    assert not child.is_running
