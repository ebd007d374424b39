"""What is fuzzed, and what must hold (G32): each takes octets, lets through what is promised and fails on all else."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from unittest.mock import patch
from urllib.parse import unquote_to_bytes

import h11

from app import headers, targets
from app.errors import Refusal
from app.framing import FIELD_LINE, NOT_IN_TRAILERS, ChunkedDecoder, Malformed
from app.serving.head import Limits, request_head
from app.settings import load
from app.settings.adapters import Loaded
from app.settings.problems import Finding, Place, SettingsInvalid
from app.settings.understanding import Candidate

LIMITS = Limits()
ENVIRON = {"KEY": "sk-environ-value-1", "PORT": "4000"}
# White space before the semicolon of an extension, which h11 refuses and RFC 9112 §7.1.1 allows.
SPACED = re.compile(rb"[0-9A-Fa-f;][^\r\n]*[ \t]+[;=]|;[ \t]|=[ \t]")


def path(octets: bytes) -> None:
    """A request target, joined to a route's target."""
    text = octets.decode("latin-1")
    try:
        raw_path, query = targets.split_request_target(text)
    except ValueError:
        return
    assert raw_path.startswith("/")
    assert "#" not in raw_path
    is_climbing = targets.has_dot_segment(raw_path)
    joined = targets.upstream_path("/base/", {}, raw_path)
    assert joined == "/base" + raw_path
    segments = [unquote_to_bytes(segment) for segment in joined.split("/")]
    assert is_climbing or not any(s == b"." or b".." in s.replace(b"\\", b"/").split(b"/") for s in segments)
    sent = targets.upstream_query("a=1&b%20c=2", query, [("d", "e")]) or ""
    assert sent.startswith("a=1&b%20c=2")
    assert not {"a", "b c"} & targets.pair_names(sent.removeprefix("a=1&b%20c=2"))


def merge(octets: bytes) -> None:
    """Fields of a client, of which only some may travel."""
    lines = (FIELD_LINE.match(line + b"\r\n") for line in octets.split(b"\n"))
    fields = [(line[1].decode(), line[2].decode("latin-1").strip()) for line in lines if line]
    configured = [("Authorization", "ours"), ("X-Team", "ours")]
    for forwards in (True, ("x-*", "cookie"), False):
        hidden = frozenset(["x-my-key"])
        sent = headers.UpstreamFields(headers.forwarding(forwards), configured, hidden).of(fields)
        assert sent[-2:] == configured
        names = [headers.canonical(name) for name, _ in sent[:-2]]
        assert not {"authorization", "x-team", "x-my-key", "", *headers.FRAMING} & set(names)
        assert names.count("cookie") <= 1


def no_adapters(candidates: Mapping[Place, Candidate], *_: object) -> Loaded:
    """Stand for `load_all`, which would run what a target names."""
    named = [place for place, candidate in candidates.items() if isinstance(candidate.endpoint.target, str)]
    return Loaded({}, tuple(Finding((*place, "target"), "names an adapter; not here") for place in named))


def config(octets: bytes) -> None:
    """A settings file; no other file is read for it."""
    if b"file/" in octets:
        return
    with patch.object(load, "_octets", lambda _path: octets), patch.object(load.adapters, "load_all", no_adapters):
        told = ""
        try:
            load.load(Path("/nowhere/config.yaml"), ENVIRON)
        except SettingsInvalid as invalid:
            told = str(invalid)
    assert "sk-environ-value-1" not in told


def head(octets: bytes) -> None:
    """A request's head, beside h11's reading of it."""
    end = octets.find(b"\r\n\r\n") + 4
    if end < 4:
        return
    try:
        read = request_head(octets[:end], LIMITS)
    except Refusal:
        return
    assert not (read.is_chunked and read.length is not None)
    assert not any(sign in value for _, value in read.fields for sign in "\r\n\0")
    judge = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 17)
    judge.receive_data(octets[:end])
    try:
        event = judge.next_event()
    except h11.RemoteProtocolError as broken:
        if "Host" not in str(broken):  # That is refused later, by app.arrival.
            raise
        return
    assert isinstance(event, h11.Request)
    assert (event.method.decode(), event.target.decode("latin-1")) == (read.method, read.target)
    assert len(event.headers) == len(read.fields)


def chunks(octets: bytes) -> None:
    """A chunked body, whole and in pieces whose sizes its first octets tell; read as h11 reads it."""
    sizes, octets = octets[:2] or b"x", octets[2:]
    whole, pieces = chunked(octets, [len(octets) or 1]), chunked(octets, [size + 1 for size in sizes])
    assert whole == pieces
    if whole is not None:
        judge = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 17)
        judge.receive_data(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + octets)
        body = b""
        try:
            while not isinstance(event := judge.next_event(), h11.EndOfMessage):
                assert isinstance(event, h11.Request | h11.Data)
                body += event.data if isinstance(event, h11.Data) else b""
        except h11.RemoteProtocolError:
            if SPACED.search(octets) is None:
                raise
        else:
            assert (body, bytes(judge.trailing_data[0])) == whole


def chunked(octets: bytes, sizes: list[int]) -> tuple[bytes, bytes] | None:
    """Return the body and what follows it; None where it is broken or has no end."""
    decoder = ChunkedDecoder(NOT_IN_TRAILERS, checks_extensions=True)
    body, at, number = b"", 0, 0
    while at < len(octets) and not decoder.is_complete:
        piece = octets[at : at + sizes[number % len(sizes)]]
        at, number = at + len(piece), number + 1
        try:
            data, rest = decoder.decode(piece)
        except Malformed:
            return None
        body += data
    return (body, rest + octets[at:]) if decoder.is_complete else None


Target = Callable[[bytes], None]
TARGETS: dict[str, Target] = {"path": path, "merge": merge, "config": config, "head": head, "chunks": chunks}
