"""A server on loopback that speaks OpenAI's chat completions as the model's name says, and remembers what it saw.

The last part of the name decides: `gpt-say` answers a sentence, `gpt-tools` calls tools, `gpt-429` refuses. See MODELS.
"""

from __future__ import annotations

import json
import select
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.kit.waiting import eventually

DEADLINE_S = 10.0
# Longer than the client's: a test that fails fails there.
SCRIPT_DEADLINE_S = 30.0

WORDS = ("Hel", "lo ", "wörld", " 🌍")
SENTENCE = "".join(WORDS)
USAGE = {
    "prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18,
    "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 2},
}  # fmt: skip
PLACES = ({"city": "Paris"}, {"city": "Łódź", "days": 2})

Json = dict[str, Any]


@dataclass(eq=False)
class Asked:
    """A request as the server received it."""

    path: str
    fields: dict[str, str]
    body: Json
    gone: threading.Event = field(default_factory=threading.Event)
    """The gateway has closed this connection while an answer was due."""

    @property
    def model(self) -> str:
        return str(self.body["model"])


class OpenAIServer(ThreadingHTTPServer):
    """Serves until `stop`; `proceed` lets answers go on that wait for it."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Visit)
        self.asked: list[Asked] = []
        self.proceed = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    @property
    def base_url(self) -> str:
        """What `api_base` has to be."""
        return f"http://127.0.0.1:{self.server_port}/v1"

    def forget(self) -> None:
        self.proceed.set()
        self.proceed = threading.Event()
        self.asked = []

    def wait_for(self, count: int = 1) -> list[Asked]:
        """Return the requests once there are so many."""
        return eventually(lambda: self.asked if len(self.asked) >= count else None, DEADLINE_S, f"{count} requests")

    def stop(self) -> None:
        self.proceed.set()
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A gateway that hangs up is what some tests are about."""


class _Visit(BaseHTTPRequestHandler):
    server: OpenAIServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        fields = {name.lower(): value for name, value in self.headers.items()}
        self.asked = Asked(self.path, fields, body)
        self.server.asked.append(self.asked)
        name = body["model"].rpartition("-")[2]
        if name.isdigit():
            self.refuse(int(name), *ERRORS.get(name, ("The server had a bad day.", None)))
        else:
            MODELS.get(name, say)(self, body)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def refuse(self, status: int, message: str, code: str | None = None, **fields: str) -> None:
        if status in (429, 503):
            fields = {"Retry-After": "17", **fields}
        message = message.format(
            key=self.headers.get("Authorization", "").removeprefix("Bearer "), host=self.headers["Host"]
        )
        error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
        self.send_json({"error": error}, status, **fields)

    def send_json(self, value: Any, status: int = 200, **fields: str) -> None:
        octets = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Type": "application/json", "Content-Length": str(len(octets)), **fields}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(octets)

    def complete(self, body: Json, message: Json, finish_reason: str, deltas: list[Json]) -> None:
        """Answer with the message, or with the deltas where a stream was asked for."""
        if not body.get("stream"):
            choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish_reason}
            self.send_json({**head("chat.completion", body), "choices": [choice], "usage": USAGE})
            return
        self.begin_stream()
        for delta in deltas:
            self.send_chunk(body, delta)
        self.send_chunk(body, {}, finish_reason)
        self.end_stream(body)

    def begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def send_chunk(self, body: Json, delta: Json, finish_reason: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        self.send_event(json.dumps({**head("chat.completion.chunk", body), "choices": [choice]}))

    def send_event(self, data: str) -> None:
        event = f"data: {data}\n\n".encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))

    def end_stream(self, body: Json) -> None:
        if (body.get("stream_options") or {}).get("include_usage"):
            self.send_event(json.dumps({**head("chat.completion.chunk", body), "choices": [], "usage": USAGE}))
        self.send_event("[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def wait_until_gone(self) -> None:
        """Wait for the gateway to hang up, and remember that it did."""
        if select.select([self.connection], [], [], SCRIPT_DEADLINE_S)[0]:
            with _quiet():
                if self.connection.recv(1) == b"":
                    self.asked.gone.set()
        self.close_connection = True


class _quiet:  # noqa: N801 - a context
    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, fault: Any, trace: Any) -> bool:
        return isinstance(fault, OSError)


def head(kind: str, body: Json) -> Json:
    return {"id": "chatcmpl-7", "object": kind, "created": 1_700_000_000, "model": body["model"]}


def say(visit: _Visit, body: Json) -> None:
    """Answers SENTENCE, in a stream word by word."""
    words = [{"role": "assistant", "content": ""}, *({"content": word} for word in WORDS)]
    visit.complete(body, {"content": SENTENCE}, "stop", words)


def long(visit: _Visit, body: Json) -> None:
    """Answers as `say` does, and ends for want of tokens."""
    visit.complete(body, {"content": SENTENCE}, "length", [{"content": word} for word in WORDS])


def think(visit: _Visit, body: Json) -> None:
    """Thinks first, as DeepSeek's servers tell it."""
    deltas = [{"reasoning_content": "Let me "}, {"reasoning_content": "see."}, {"content": SENTENCE}]
    visit.complete(body, {"content": SENTENCE, "reasoning_content": "Let me see."}, "stop", deltas)


def tools(visit: _Visit, body: Json) -> None:
    """Calls the first tool it is given for each of PLACES, in parallel; says something once it has results."""
    if any(message["role"] == "tool" for message in body["messages"]) or not body.get("tools"):
        say(visit, body)
        return
    name = body["tools"][0]["function"]["name"]
    texts = [json.dumps(place, ensure_ascii=False) for place in PLACES]
    calls = [
        {"id": f"call_{i}", "type": "function", "function": {"name": name, "arguments": text}}
        for i, text in enumerate(texts)
    ]
    deltas: list[Json] = [{"role": "assistant", "content": "One moment."}]
    for i, call in enumerate(calls):
        begun = {**call, "index": i, "function": {"name": name, "arguments": ""}}
        deltas.append({"tool_calls": [begun]})
        deltas += ({"tool_calls": [{"index": i, "function": {"arguments": part}}]} for part in pieces(texts[i]))
    visit.complete(body, {"content": "One moment.", "tool_calls": calls}, "tool_calls", deltas)


def pieces(text: str) -> Iterator[str]:
    yield from (text[i : i + 3] for i in range(0, len(text), 3))


def patient(visit: _Visit, body: Json) -> None:
    """Answers as `say` does once the test lets it."""
    assert visit.server.proceed.wait(SCRIPT_DEADLINE_S)
    say(visit, body)


def paced(visit: _Visit, body: Json) -> None:
    """Streams a first word, and the rest once the test lets it."""
    proceed = visit.server.proceed
    visit.begin_stream()
    visit.send_chunk(body, {"role": "assistant", "content": WORDS[0]})
    assert proceed.wait(SCRIPT_DEADLINE_S)
    for word in WORDS[1:]:
        visit.send_chunk(body, {"content": word})
    visit.send_chunk(body, {}, "stop")
    visit.end_stream(body)


def silent(visit: _Visit, body: Json) -> None:
    """Says nothing until the gateway has gone."""
    visit.wait_until_gone()


def stalls(visit: _Visit, body: Json) -> None:
    """Streams a first word and then nothing, until the gateway has gone."""
    visit.begin_stream()
    visit.send_chunk(body, {"role": "assistant", "content": WORDS[0]})
    visit.wait_until_gone()


def breaks(visit: _Visit, body: Json) -> None:
    """Streams a first word, then closes its connection."""
    visit.begin_stream()
    visit.send_chunk(body, {"role": "assistant", "content": WORDS[0]})
    visit.connection.shutdown(socket.SHUT_RDWR)
    visit.close_connection = True


def unfinished(visit: _Visit, body: Json) -> None:
    """Streams a first word, then ends as if that were all."""
    visit.begin_stream()
    visit.send_chunk(body, {"role": "assistant", "content": WORDS[0]})
    visit.wfile.write(b"0\r\n\r\n")


def errs(visit: _Visit, body: Json) -> None:
    """Streams a first word, then an error where a chunk is due."""
    visit.begin_stream()
    visit.send_chunk(body, {"role": "assistant", "content": WORDS[0]})
    visit.send_event(json.dumps({"error": {"message": "The server had a bad day.", "type": "server_error"}}))
    visit.end_stream(body)


def empty(visit: _Visit, body: Json) -> None:
    """Ends a stream that has not begun."""
    visit.begin_stream()
    visit.send_event("[DONE]")
    visit.wfile.write(b"0\r\n\r\n")


def choiceless(visit: _Visit, body: Json) -> None:
    """Answers without a choice."""
    visit.send_json({**head("chat.completion", body), "choices": [], "usage": USAGE})


def redirects(visit: _Visit, body: Json) -> None:
    """Sends its visitor elsewhere: to itself."""
    visit.send_json({}, 307, Location=f"{visit.server.base_url}/elsewhere")


def limits(visit: _Visit, body: Json) -> None:
    """Begins a stream with an error, as servers do that answer before they ask."""
    visit.begin_stream()
    visit.send_event(json.dumps({"error": {"message": "Slow down.", "type": "rate_limit", "code": 429}}))
    visit.end_stream(body)


def unmetered(visit: _Visit, body: Json) -> None:
    """Thinks, says SENTENCE, and tells no usage."""
    if body.get("stream"):
        visit.begin_stream()
        for delta in ({"reasoning_content": "Let me see."}, {"content": SENTENCE}):
            visit.send_chunk(body, delta)
        visit.send_chunk(body, {}, "stop")
        visit.end_stream({})
    else:
        message = {"role": "assistant", "content": SENTENCE, "reasoning_content": "Let me see."}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        visit.send_json({**head("chat.completion", body), "choices": [choice]})


def garbles(visit: _Visit, body: Json) -> None:
    """Sends what is no JSON."""
    visit.send_json(b"<html>It works!</html>")


def overlong(visit: _Visit, body: Json) -> None:
    visit.refuse(400, "This model's maximum context length is 8 tokens.", "context_length_exceeded")


MODELS: dict[str, Callable[[_Visit, Json], None]] = {
    found.__name__: found
    for found in (
        say, long, think, tools, patient, paced, silent, stalls, breaks, unfinished, errs, empty, choiceless, redirects,
        limits, unmetered, garbles, overlong
    )
}  # fmt: skip
ERRORS: dict[str, tuple[str, str | None]] = {
    "400": ("The temperature at {host} with {key} must be below 2.", None),
    "401": ("Incorrect API key provided: {key}.", "invalid_api_key"),
    "403": ("The key {key} may not use this model.", None),
    "404": ("The model does not exist.", "model_not_found"),
    "429": ("Rate limit reached.", "rate_limit_exceeded"),
}
