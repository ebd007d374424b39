"""The four requests of the walk, and what makes their answers right."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from examples.standin import REPLY

# A relayed stream is spread over time like the upstream's; one that was held back arrives all at once.
STREAM_SPREAD_S = 0.5


@dataclass(frozen=True)
class Answer:
    """A response; `lines` holds the body's lines, each with the seconds since the request was sent."""

    status: int
    headers: list[tuple[str, str]]
    lines: list[tuple[float, bytes]]

    @property
    def json(self) -> dict[str, Any]:
        """The body as a JSON object; empty when it is none."""
        try:
            value = json.loads(b"".join(line for _, line in self.lines))
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def events(self) -> list[tuple[float, str]]:
        """The data of each event of a stream, with its arrival."""
        return [(at_s, line[6:].decode().strip()) for at_s, line in self.lines if line.startswith(b"data: ")]


@dataclass(frozen=True)
class Call:
    """A POST of JSON; `faults` lists what is wrong with an answer to it, and nothing when it is right."""

    title: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: str
    faults: Callable[[Answer], list[str]]
    upstream_body: str | None = None
    """What the upstream has to see of the body, where that is not all of it."""


def rerank_faults(answer: Answer) -> list[str]:
    if answer.status != 200:
        return [f"status {answer.status}, not 200"]
    results = answer.json.get("results", [])
    return [] if [result["index"] for result in results] == [0] else [f"results are {results}"]


def ingestion_faults(answer: Answer) -> list[str]:
    if answer.status != 207:
        return [f"status {answer.status}, not 207"]
    accepted = answer.json.get("successes", [])
    return [] if [event["id"] for event in accepted] == ["event-1"] else [f"successes are {accepted}"]


def message_faults(answer: Answer) -> list[str]:
    if answer.status != 200:
        return [f"status {answer.status}, not 200"]
    message = answer.json
    texts = [block.get("text") for block in message.get("content", [])]
    return [] if message.get("type") == "message" and texts == [REPLY] else [f"the message is {message}"]


def stream_faults(answer: Answer) -> list[str]:
    if answer.status != 200:
        return [f"status {answer.status}, not 200"]
    if not answer.events or answer.events[-1][1] != "[DONE]":
        return ["the stream does not end with [DONE]"]
    spread_s = answer.events[-1][0] - answer.events[0][0]
    return [] if spread_s > STREAM_SPREAD_S else [f"all events came within {spread_s:.2f} s"]


CALLS = (
    Call(
        title="Rerank, as with Cohere",
        path="/v1/rerank",
        headers=(("accept", "application/json"), ("content-type", "application/json")),
        body="""{
    "model": "rerank-english-v3.0",
    "query": "What is the capital of the United States?",
    "top_n": 3,
    "documents": ["Carson City is the capital city of the American state of Nevada."]
  }""",
        faults=rerank_faults,
    ),
    Call(
        title="A trace, as the Langfuse SDK sends it (with keys of its own that nobody has to know)",
        path="/api/public/ingestion",
        headers=(
            ("authorization", "Basic YW55dGhpbmc6YW55dGhpbmc="),  # anything:anything
            ("content-type", "application/json"),
        ),
        body="""{
    "batch": [{"id": "event-1", "type": "trace-create", "timestamp": "2026-11-22T12:00:00Z",
               "body": {"id": "trace-1", "name": "test-trace-passthrough"}}]
  }""",
        faults=ingestion_faults,
    ),
    Call(
        title="An event stream, as with OpenAI",
        path="/v1/chat/completions",
        headers=(("content-type", "application/json"),),
        body="""{
    "model": "gpt-4o-mini", "stream": true,
    "messages": [{"role": "user", "content": "What is the capital of the United States?"}]
  }""",
        faults=stream_faults,
    ),
    Call(
        title="A message, as Anthropic's SDK sends it, answered by a model of OpenAI's through an adapter",
        path="/v1/messages",
        headers=(("x-api-key", "sk-1234"), ("anthropic-version", "2023-06-01"), ("content-type", "application/json")),
        body="""{
    "model": "my-fake-claude-endpoint", "max_tokens": 1024,
    "messages": [{"role": "user", "content": "What is the capital of the United States?"}]
  }""",
        faults=message_faults,
        upstream_body='"model":"gpt-3.5-turbo"',
    ),
)
