"""A stand-in for three upstreams: Cohere's rerank, Langfuse's ingestion, OpenAI's chat completions.

A real HTTP server on loopback, for the demo and for trying out an own config.yaml without an account:

    python -m examples.standin --port 4100

It wants the CREDENTIALS below, or those of its environment, as the real ones do, and prints one JSON line for
each request: the request line, the headers and the body, as they came. The first line tells its address.
"""

import argparse
import base64
import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

# What an operator would export. None of them is a secret: they only look like it.
CREDENTIALS = {
    "COHERE_API_KEY": "demo-cohere-key",
    "LANGFUSE_DEV_PUBLIC_KEY": "pk-lf-demo",
    "LANGFUSE_DEV_SK_KEY": "sk-lf-demo",
    "OPENAI_API_KEY": "demo-openai-key",
}

# Long enough for a person to see the events come one by one.
PAUSE_S = 0.15

REPLY = "It is Washington, D.C., and has been since 1800."


@dataclass(frozen=True)
class Answer:
    """What to send back: a whole `body`, or `events` to send one by one in chunks."""

    status: int
    body: dict[str, Any]
    events: tuple[str, ...] = ()


class StandIn(ThreadingHTTPServer):
    """The server; `report` is called with each request that came, before it is answered."""

    daemon_threads = True

    def __init__(
        self,
        port: int,
        environ: Mapping[str, str],
        report: Callable[[dict[str, Any]], None],
        pause_s: float = PAUSE_S,
    ) -> None:
        super().__init__(("127.0.0.1", port), Visit)
        self.credentials = credentials(environ)
        self.report = report
        self.pause_s = pause_s

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a reader who leaves is no fault of ours
            super().handle_error(request, client_address)


def credentials(environ: Mapping[str, str]) -> dict[str, str]:
    """The Authorization value each path asks for."""
    pair = f"{environ['LANGFUSE_DEV_PUBLIC_KEY']}:{environ['LANGFUSE_DEV_SK_KEY']}"
    return {
        "/v1/rerank": "bearer " + environ["COHERE_API_KEY"],
        "/api/public/ingestion": "Basic " + base64.b64encode(pair.encode()).decode(),
        "/v1/chat/completions": "Bearer " + environ["OPENAI_API_KEY"],
    }


class Visit(BaseHTTPRequestHandler):
    """One client's connection."""

    server: StandIn
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "stand-in", ""
    # Head and body are two small writes: Nagle would hold the second for the client's delayed ACK, 40 ms.
    disable_nagle_algorithm = True
    answers: ClassVar[dict[str, Callable[[Any], Answer]]] = {}

    def do_POST(self) -> None:
        body = self._body()
        self.server.report(
            {
                "request_line": self.requestline,
                "headers": self.headers.items(),
                "body": body.decode(errors="replace"),
            }
        )
        answer = self._answer(self.path.partition("?")[0], body)
        if answer.events:
            self._stream(answer)
        else:
            self._send(answer)

    do_GET = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_POST  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent: the report of the request says it all."""

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(self._chunks())
        return self._exactly(int(self.headers.get("Content-Length", 0)))

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().partition(b";")[0] or b"-1", 16):
            yield self._exactly(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass

    def _exactly(self, size: int) -> bytes:
        body = self.rfile.read(size) if size >= 0 else b""
        if len(body) != size:
            raise ConnectionResetError("the body broke off")
        return body

    def _answer(self, path: str, body: bytes) -> Answer:
        if self.command != "POST" or path not in self.answers:
            return Answer(404, {"message": f"no {self.command} {path} here"})
        if self.headers.get("Authorization") != self.server.credentials[path]:
            return Answer(401, {"message": "invalid api token"})
        try:
            return self.answers[path](json.loads(body))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return Answer(400, {"message": f"invalid request: {error!r}"})

    def _send(self, answer: Answer) -> None:
        body = compact(answer.body).encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number, event in enumerate(answer.events):
            time.sleep(self.server.pause_s if number else 0)
            frame = f"data: {event}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(frame), frame))
        self.wfile.write(b"0\r\n\r\n")


def rerank(request: Any) -> Answer:
    """Cohere's v1 rerank: documents by the share of the query's words they hold."""
    words = set(request["query"].lower().split())
    shares = [len(words & set(text.lower().split())) / len(words) for text in request["documents"]]
    best = sorted(range(len(shares)), key=lambda index: -shares[index])[: request.get("top_n")]
    return Answer(
        200,
        {
            "id": "37103a5b-8cfb-48d3-87c7-da288bedd429",
            "results": [{"index": index, "relevance_score": round(shares[index], 6)} for index in best],
            "meta": {"api_version": {"version": "1"}, "billed_units": {"search_units": 1}},
        },
    )


def ingest(request: Any) -> Answer:
    """Langfuse's ingestion: 207, with a status for each event of the batch."""
    accepted = [{"id": event["id"], "status": 201} for event in request["batch"]]
    return Answer(207, {"successes": accepted, "errors": []})


def complete(request: Any) -> Answer:
    """OpenAI's chat completions, whole or as an event stream."""
    if not request.get("stream"):
        message = {"role": "assistant", "content": REPLY}
        return Answer(200, _completion("chat.completion", {"message": message, "finish_reason": "stop"}, request))
    words = [word + " " for word in REPLY.split()]
    deltas: list[dict[str, Any]] = [{"delta": {"content": word}, "finish_reason": None} for word in words]
    deltas.append({"delta": {}, "finish_reason": "stop"})
    events = [compact(_completion("chat.completion.chunk", delta, request)) for delta in deltas]
    return Answer(200, {}, (*events, "[DONE]"))


def _completion(kind: str, choice: dict[str, Any], request: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": kind,
        "created": 1700000000,
        "model": request["model"],
        "choices": [{"index": 0, **choice}],
    }


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


Visit.answers = {
    "/v1/rerank": rerank,
    "/api/public/ingestion": ingest,
    "/v1/chat/completions": complete,
}


def say(record: dict[str, Any]) -> None:
    # One write for the whole line: several requests may be reported at once.
    sys.stdout.write(json.dumps(record) + "\n")
    sys.stdout.flush()


def end_with_stdin(server: StandIn) -> None:
    """Stop once standard input closes, as it does when the process that holds its other end is gone."""
    sys.stdin.read()
    server.shutdown()


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m examples.standin")
    options.add_argument("--port", type=int, default=0, help="default: a free one")
    options.add_argument("--end-with-stdin", action="store_true", help="stop when standard input closes")
    chosen = options.parse_args()
    with StandIn(chosen.port, {**CREDENTIALS, **os.environ}, say) as server:
        say({"listening": server.url})
        if chosen.end_with_stdin:
            threading.Thread(target=end_with_stdin, args=(server,), daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


if __name__ == "__main__":
    main()
