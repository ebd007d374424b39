"""What an exchange may cost (G8), and a worker without memory (OR-08)."""

from __future__ import annotations

import gzip
import os
import resource
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.faults import aside
from tests.faults.aside import OK, Caller, once
from tests.faults.scenarios import Findings
from tests.kit.gateway import Gateway
from tests.kit.waiting import eventually

CONFIG = """
general_settings:
  pass_through_endpoints:
    - {{path: /a, target: "http://127.0.0.1:{port}", include_subpath: true}}
"""
TEN_GIB = 10 * 1024**3
PIECE = 64 * 1024**2
TURNS = 20


def gzip_bomb(size: int = TEN_GIB) -> bytes:
    """Return a gzip file that expands to so many zeros, a multiple of PIECE: one piece, deflated once, and repeated."""
    zeros = bytes(PIECE)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    # A full flush forgets what came before, so that the block stands anywhere (RFC 1951; zlib's manual).
    block = deflate.compress(zeros) + deflate.flush(zlib.Z_FULL_FLUSH)
    check = 0
    for _ in range(size // PIECE):
        check = zlib.crc32(zeros, check)
    head = gzip.compress(b"")[:10]
    end = zlib.compressobj(9, zlib.DEFLATED, -15).flush()
    return head + block * (size // PIECE) + end + check.to_bytes(4, "little") + (size % 2**32).to_bytes(4, "little")


def bomb(_scale: float) -> Findings:
    """G8: the bomb is relayed, in turn with as many octets that say nothing of themselves."""
    coded = gzip_bomb()
    plain = os.urandom(len(coded))
    head = "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{}\r\n"
    answers = {
        b"/bomb": head.format(len(coded), "Content-Encoding: gzip\r\n").encode() + coded,
        b"/plain": head.format(len(plain), "").encode() + plain,
    }

    class Visit(aside.Visit):
        def answer(self, head: bytes) -> None:
            self.transport.write(answers.get(head.split()[1], OK))

    with aside.upstream(Visit) as port, aside.gateway(CONFIG.format(port=port), {}, workers=1) as gateway:
        caller = Caller(gateway.port, "-")
        (pid,) = gateway.worker_pids()
        whole = [
            measured(pid, lambda path=path: len(caller.ask(target=f"/a{path}").head)) for path in ("/plain", "/bomb")
        ]
        costs: dict[str, list[tuple[float, float]]] = {"/plain": [], "/bomb": []}
        for turn in range(2 * TURNS):
            path = ("/plain", "/bomb")[turn % 2]
            cpu_ms, grown_kib, octets = measured(pid, lambda path=path: len(caller.ask(target=f"/a{path}").head))
            costs[path].append((cpu_ms, grown_kib))
            whole.append((cpu_ms, grown_kib, octets))
    figures = {"octets": float(len(coded)), "expand to GiB": TEN_GIB / 1024**3}
    for path, name in (("/bomb", "bomb"), ("/plain", "plain octets")):
        figures[f"{name}: CPU ms, median"] = sorted(cpu for cpu, _ in costs[path])[TURNS // 2]
        figures[f"{name}: at most"] = max(cpu for cpu, _ in costs[path])
        figures[f"{name}: VmHWM grows by KiB at most"] = max(grown for _, grown in costs[path])
    short = sum(octets < len(coded) for *_, octets in whole)
    return Findings([f"{short} answers were short"] if short else [], figures)


def measured(pid: int, act: Callable[[], int]) -> tuple[float, float, int]:
    """Return the worker's CPU in ms, the KiB by which its highest size exceeds that before, and what `act` returns."""
    # Sets VmHWM to what is resident now (proc(5)).
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    before_kib, before_ms = kib(pid, "VmHWM"), cpu_ms(pid)
    got = act()
    return cpu_ms(pid) - before_ms, kib(pid, "VmHWM") - before_kib, got


def cpu_ms(pid: int) -> float:
    """Return the CPU time of all threads so far, to the microsecond: ticks are 10 ms."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e6


def kib(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))


def without_memory(scale: float) -> Findings:
    """OR-08: a worker that may take no more address space, under load; it serves, or another one does."""
    found, told = Findings(), Counter[int]()
    with aside.upstream() as port, aside.gateway(CONFIG.format(port=port), {}, workers=1) as gateway:
        rounds = max(1, int(10 * scale))
        for _ in range(rounds):
            (pid,) = eventually(gateway.worker_pids, 10, "a worker")
            assert once(gateway.port, target="/a/a").status == 200
            resource.prlimit(pid, resource.RLIMIT_AS, (kib(pid, "VmSize") * 1024, resource.RLIM_INFINITY))
            told += crowd(gateway, 100)
            began_s = time.monotonic()
            eventually(lambda: once(gateway.port, target="/a/a").status == 200, 30, "it serves again")
            found.figures["back after s, at most"] = max(
                found.figures.get("back after s, at most", 0.0), time.monotonic() - began_s
            )
            (now,) = eventually(gateway.worker_pids, 10, "a worker")
            found.figures["replaced"] = found.figures.get("replaced", 0) + (now != pid)
            if now == pid:
                os.kill(pid, 9)
                eventually(lambda pid=pid: pid not in gateway.worker_pids(), 10, "it is gone")
                eventually(lambda: once(gateway.port, target="/a/a").status == 200, 10, "another serves")
    odd = {status: number for status, number in told.items() if status not in (0, 200, 500, 502, 503, 504)}
    found.complaints += [f"answered {odd}"] if odd else []
    names = {0: "lost"}
    return Findings(
        found.complaints, {"rounds": rounds, **found.figures} | {names.get(s, str(s)): n for s, n in told.items()}
    )


def crowd(gateway: Gateway, size: int) -> Counter[int]:
    """Return how so many were answered who ask at once, with a large upload each."""
    told: Counter[int] = Counter()

    def one() -> None:
        told[once(gateway.port, "-", "POST", "/a/a", bytes(200_000)).status] += 1

    threads = [threading.Thread(target=one) for _ in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told
