"""A body of 1 GiB each way: is it whole, and how far does the gateway's memory grow?"""

from __future__ import annotations

import hashlib
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bench.bed import Bed
from bench.processes import await_answer, free_port, running
from bench.subject import ROOT, Running
from bench.subjects.gateway import GATEWAY, KEY
from bench.table import Measured, Table
from bench.upstreams.bulk import BLOCK, pattern

OCTETS = 1 << 30
DEADLINE_S = 300.0
COLUMNS = ("1 GiB", "growth of RSS at its highest, MiB", "whole", "seconds", "CPU, s")
NOTE = "The highest resident size (VmHWM) of the process tree against the one before; whole by SHA-256."


def measure(bed: Bed) -> Measured:
    port = free_port()
    command = [sys.executable, "-m", "bench.upstreams.bulk", str(port)]
    upstreams = replace(bed.upstreams, http=port)
    with running(command, {}, bed.folder / "bulk.log", ROOT) as process:
        await_answer(port, process, "/0")
        with bed.started([GATEWAY], upstreams) as (run,):
            download(run, len(BLOCK))
            expected = _digest()
            rows = [_row("up", run, upload, expected), _row("down", run, download, expected)]
    figures = {"growth_mib": max(float(row[1]) for row in rows), "whole": float(all(row[2] == "yes" for row in rows))}
    return Measured([Table("1 GiB", COLUMNS, rows, NOTE)], figures)


def upload(run: Running, octets: int = OCTETS) -> str:
    """Send a body; return the digest of what the upstream got."""
    with _asking(run, "POST", "upload", f"Content-Length: {octets}\r\n") as client:
        for block in pattern(octets):
            client.sendall(block)
        return b"".join(iter(lambda: client.recv(65536), b"")).rpartition(b"\r\n")[2].decode()


def download(run: Running, octets: int = OCTETS) -> str:
    """Ask for a body; return the digest of what came."""
    digest = hashlib.sha256()
    with _asking(run, "GET", str(octets)) as client, client.makefile("rb") as reader:
        while reader.readline() not in (b"\r\n", b""):
            pass
        while piece := reader.read1(len(BLOCK)):
            digest.update(piece)
    return digest.hexdigest()


def _asking(run: Running, method: str, path: str, fields: str = "") -> socket.socket:
    client = socket.create_connection(("127.0.0.1", run.subject.port), timeout=DEADLINE_S)
    head = (
        f"{method} /http/{path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {KEY}\r\nConnection: close\r\n{fields}"
    )
    client.sendall(f"{head}\r\n".encode())
    return client


def _row(name: str, run: Running, carry: Callable[[Running], str], expected: str) -> list[Any]:
    before_kib, before_s, began_s = run.tree.high_water_kib(), run.tree.cpu_s(), time.perf_counter()
    whole = "yes" if carry(run) == expected else "NO"
    growth_mib = (run.tree.high_water_kib() - before_kib) / 1024
    return [name, growth_mib, whole, time.perf_counter() - began_s, run.tree.cpu_s() - before_s]


def _digest() -> str:
    digest = hashlib.sha256()
    for block in pattern(OCTETS):
        digest.update(block)
    return digest.hexdigest()
