"""A gateway whose log nobody reads serves on, and whoever reads it later is told what is missing."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.gateway import Gateway
from tests.kit.upstream import Upstream, answer
from tests.kit.waiting import eventually

CONFIG = 'general_settings: {{pass_through_endpoints: [{{path: /x, target: "http://{}/", include_subpath: true}}]}}\n'
LONG_PATH = "/x/" + "y" * 3000
READ_DEADLINE_S = 30.0


class Log:
    """A named pipe in the place of the gateway's stdout; its reader is this test."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True)
        os.mkfifo(path)
        self.path = path
        self.reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.octets = b""

    def read_until(self, word: bytes) -> list[dict[str, object]]:
        """Return the records as far as the line with that word: what has come may end within a line."""
        whole = eventually(lambda: self._lines_with(word), READ_DEADLINE_S, f"a line with {word!r}")
        return [json.loads(line) for line in whole.splitlines()]

    def _lines_with(self, word: bytes) -> bytes | None:
        whole = self._read().rpartition(b"\n")[0]
        return whole if word in whole else None

    def _read(self) -> bytes:
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(self.reader, 1 << 16):
                self.octets += piece
        return self.octets

    def close(self) -> None:
        """Leave a plain file in the pipe's place: the kit reads it once the gateway has ended."""
        os.close(self.reader)
        self.path.unlink()
        self.path.write_bytes(self.octets)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "unread" / "stdout.log")


@pytest.fixture
def unread_gateway(tmp_path: Path, log: Log, upstream: Upstream, gateway_environ: dict[str, str]) -> Iterator[Gateway]:
    upstream.plays(answer(200, body=b"x"))
    gateway = Gateway(tmp_path / "unread", CONFIG.format(upstream.authority), gateway_environ, workers=1).start()
    try:
        yield gateway
    finally:
        if log.path.is_fifo():
            log.close()
        gateway.stop()


def test_a_full_pipe_holds_nobody_up_and_tells_later_what_was_lost(unread_gateway: Gateway, log: Log) -> None:
    client = unread_gateway.client()
    statuses = [client.ask("GET", LONG_PATH).status for _ in range(1000)]
    liveliness = unread_gateway.ask("GET", "/health/liveliness").status

    records = log.read_until(b"lines of the log were lost")

    assert (set(statuses), liveliness) == ({200}, 200)
    paths = [record["path"] for record in records if record["event"] == "exchange"]
    (lost,) = [str(record["event"]) for record in records if record["event"] != "exchange"]
    assert paths.count(LONG_PATH) + int(lost.split()[0]) in (1000, 1001)  # the last one's may be liveliness
    assert len(paths) > 300


def test_an_end_does_not_wait_for_a_full_pipe(unread_gateway: Gateway, log: Log) -> None:
    client = unread_gateway.client()
    for _ in range(100):
        assert client.ask("GET", LONG_PATH).status == 200
    unread_gateway.close_clients()

    unread_gateway.begin_stop()

    assert unread_gateway.process.wait(15) == 0


def test_a_reader_that_has_gone_is_told_once(unread_gateway: Gateway, log: Log) -> None:
    log.close()

    client = unread_gateway.client()
    statuses = {client.ask("GET", "/x/short").status for _ in range(60)}

    assert statuses == {200}
    words = unread_gateway.words()
    assert words.count(b"nobody reads standard output any more") == 1
    assert b"Traceback" not in words
