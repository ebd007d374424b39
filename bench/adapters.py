"""What an adapter route adds to a bare `litellm.completion` in the same process: CPU a call, CPU a chunk, first frame.

    python -m bench.adapters [--rounds 5] [--calls 60] [--chunks 200]

A model stands in a process of its own. Bare calls and calls through the gateway's app take turns in this one; what is
printed of CPU is the best of the rounds, since others on the machine only ever add. It takes some 30 s.
"""

import argparse
import json
import multiprocessing
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from app.adapters import litellm_library, shipped
from app.factory import create_app
from app.settings.gateway import AdapterTarget, Gateway, Model, Route, Timeouts

USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
HEAD = {"id": "chatcmpl-1", "created": 1, "model": "gpt-3.5-turbo"}
MESSAGES = [{"role": "user", "content": "Say something that takes a while. " * 8}]
BODY = {"model": "m", "max_tokens": 100, "messages": MESSAGES}
ENVIRON = {
    "REQUEST_METHOD": "POST", "RAW_URI": "/v1/messages", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "bench",
    "SERVER_NAME": "bench", "SERVER_PORT": "80", "wsgi.url_scheme": "http", "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
}  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m bench.adapters", description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--calls", type=int, default=60)
    options.add_argument("--chunks", type=int, default=200)
    chosen = options.parse_args()
    began = time.perf_counter(), rss_mb()
    litellm_library.warm_up()
    print(f"litellm: loaded in {time.perf_counter() - began[0]:.1f} s, {rss_mb() - began[1]:.0f} MB")
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    model = multiprocessing.get_context("fork").Process(target=serve, args=(listener, chosen.chunks), daemon=True)
    model.start()
    try:
        measure(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", chosen.rounds, chosen.calls, chosen.chunks)
    finally:
        model.terminate()


def measure(api_base: str, rounds: int, calls: int, chunks: int) -> None:
    params = {"model": "gpt-3.5-turbo", "api_key": "sk-bench", "api_base": api_base}
    bare, through = Bare(params), Through(params)
    for name, per, run in (("call", calls, "call"), ("chunk", chunks, "stream")):
        repeated = calls if run == "call" else 1
        times: dict[str, list[float]] = {"bare": [], "gateway": []}
        for _ in range(rounds + 1):  # the first is for warming up
            for side, way in (("bare", bare), ("gateway", through)):
                times[side].append(cpu_us(getattr(way, run), repeated) / per)
        bare_us, gateway_us = (min(times[side][1:]) for side in ("bare", "gateway"))
        added_us = gateway_us - bare_us
        print(f"CPU a {name}: bare {bare_us:.0f} us, through the gateway {gateway_us:.0f} us, {added_us:+.0f} us")
    first = {side: statistics.median(way.first_ms() for _ in range(20)) for side, way in
             (("bare", bare), ("gateway", through))}  # fmt: skip
    print(f"first of a stream: bare {first['bare']:.2f} ms, gateway {first['gateway']:.2f} ms, "
          f"{first['gateway'] - first['bare']:+.2f} ms")  # fmt: skip


def cpu_us(run: Callable[[], None], times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        run()
    return (time.process_time() - began) * 1e6


def rss_mb() -> float:
    with open("/proc/self/status") as status:  # noqa: PTH123
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))


class Bare:
    """litellm alone, with the arguments that the gateway gives it."""

    def __init__(self, params: dict[str, Any]) -> None:
        self._arguments = {**params, "max_retries": 0, "timeout": 60.0, "messages": MESSAGES, "max_tokens": 100}
        self._complete = litellm_library.module().completion

    def call(self) -> None:
        assert self._complete(**self._arguments).choices

    def stream(self) -> None:
        for _ in self._begun():
            pass

    def first_ms(self) -> float:
        began = time.perf_counter()
        stream = self._begun()
        next(stream)
        took = time.perf_counter() - began
        list(stream)
        return took * 1000

    def _begun(self) -> Iterator[Any]:
        found: Iterator[Any] = self._complete(**self._arguments, stream=True, stream_options={"include_usage": True})
        return found


class Through:
    """The gateway's whole app, by WSGI, Anthropic's schema in front."""

    def __init__(self, params: dict[str, Any]) -> None:
        schema = shipped.adapter("anthropic_adapter").schema
        route = Route(
            "bench", "/v1/messages", AdapterTarget("bench", schema, takes_litellms_own=False), ("POST",), True, False,
            (), (), Timeouts(), "anthropic", auth=False,
        )  # fmt: skip
        self._app = create_app(Gateway((route,), None, None, models=(Model("m", params),)), environ={})

    def call(self) -> None:
        assert b"".join(self._asked(BODY))

    def stream(self) -> None:
        for _ in self._asked({**BODY, "stream": True}):
            pass

    def first_ms(self) -> float:
        began = time.perf_counter()
        frames = self._asked({**BODY, "stream": True})
        next(frames)
        took = time.perf_counter() - began
        list(frames)
        return took * 1000

    def _asked(self, body: dict[str, Any]) -> Iterator[bytes]:
        octets = json.dumps(body).encode()
        environ = {**ENVIRON, "CONTENT_LENGTH": str(len(octets)), "wsgi.input": Input(octets)}
        pieces = self._app.wsgi_app(environ, lambda status, _fields, _exc=None: check(status))
        try:
            yield from pieces
        finally:
            pieces.close()  # type: ignore[attr-defined]


def check(status: str) -> None:
    assert status.startswith("200"), status


class Input:
    """A request body for WSGI."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def read(self, size: int = -1) -> bytes:
        piece, self._octets = self._octets[:size], self._octets[size:]
        return piece


def serve(listener: socket.socket, chunks: int) -> None:
    """Answer chat completions, one connection after the other; a stream has so many chunks."""
    message = {"role": "assistant", "content": "Something. " * 20}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    plain = json.dumps({**HEAD, "object": "chat.completion", "usage": USAGE, "choices": [choice]})
    deltas: list[dict[str, Any]] = [{"delta": {"content": f"word {i} "}, "finish_reason": None} for i in range(chunks)]
    events = [{"choices": [{"index": 0, **delta}]} for delta in (*deltas, {"delta": {}, "finish_reason": "stop"})]
    told = [json.dumps({**HEAD, **event}) for event in (*events, {"choices": [], "usage": USAGE})]
    stream = "".join(f"data: {event}\n\n" for event in (*told, "[DONE]"))
    while True:
        connection, _ = listener.accept()
        told_both = connection, whole(plain, "application/json"), whole(stream, "text/event-stream")
        threading.Thread(target=answer, args=told_both, daemon=True).start()


def whole(body: str, kind: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def answer(connection: socket.socket, plain: bytes, stream: bytes) -> None:
    with connection, connection.makefile("rb") as incoming:
        while line := incoming.readline():
            length = 0
            while line.strip():
                if line.lower().startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
                line = incoming.readline()
            connection.sendall(stream if b'"stream":true' in incoming.read(length).replace(b" ", b"") else plain)


if __name__ == "__main__":
    main()
