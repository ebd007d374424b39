"""The request that every subject of a row is sent: where to, with which fields."""

from __future__ import annotations

import json
from dataclasses import dataclass

# What OpenAI's SDK sends along, give or take.
USUAL_FIELDS = (
    ("Content-Type", "application/json"),
    ("Accept", "application/json"),
    ("User-Agent", "OpenAI/Python 2.54.0"),
)


@dataclass(frozen=True, slots=True)
class Call:
    """A POST to a port of loopback."""

    port: int
    path: str
    fields: tuple[tuple[str, str], ...]
    body: bytes

    def octets(self) -> bytes:
        """Return the request as it goes over the wire."""
        lines = [f"POST {self.path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}"]
        lines += [f"{name}: {value}" for name, value in (*USUAL_FIELDS, *self.fields)]
        lines += [f"Content-Length: {len(self.body)}", "", ""]
        return "\r\n".join(lines).encode() + self.body

    def lua(self) -> str:
        """Return the same as a script for wrk."""
        fields = "".join(f"wrk.headers[{name!r}] = {value!r}\n" for name, value in (*USUAL_FIELDS, *self.fields))
        return f'wrk.method = "POST"\nwrk.body = {self.body.decode()!r}\n{fields}'


def chat_body(octets: int, **more: object) -> bytes:
    """Return a chat completion request of just this many octets."""
    empty = chat_json("", **more)
    return chat_json("x" * (octets - len(empty)), **more)


def chat_json(text: str, **more: object) -> bytes:
    message = {"role": "user", "content": text}
    return json.dumps({"model": "gpt-4o-mini", "messages": [message], **more}).encode()
