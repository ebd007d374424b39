"""Mutated requests to this gateway, nginx and HAProxy, before one upstream that counts octets (`make differential`).

What we forward must be what at least one of the two forwards, too, or stand in EXCUSED with its reason. Each target
has an upstream port of its own, so that what arrives there is known to have come through it.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import h11

from tests.kit.gateway import Gateway, free_port

SEEDS = (
    b"GET /f HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /f?a=1&a=2&b HTTP/1.1\r\nHost: h\r\nAccept: */*\r\nCookie: a=1\r\n\r\n",
    b"POST /f HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello",
    b"POST /f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"POST /f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX-T: u\r\n\r\n",
    b"HEAD /f/a%2Fb HTTP/1.1\r\nHost: h\r\nConnection: X-A\r\nX-A: b\r\n\r\n",
    b"DELETE http://h/f HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /f HTTP/1.0\r\nHost: h\r\n\r\n",
)
BITS = (
    b"\r", b"\n", b"\x00", b" ", b"\t", b":", b"\x0b", b"\x7f", b"\xff", b"%", b"%2e%2e", b"/../", b"//", b"#x", b"\\",
    b"Content-Length: 5\r\n", b"Content-Length: 6\r\n", b"Content-Length: +5\r\n", b"Content-Length: 5, 5\r\n",
    b"Content_Length: 3\r\n", b"Content-Length : 5\r\n", b"Content-Length: \r\n", b"Content-Length: 0x5\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: xchunked\r\n", b"Transfer-Encoding:\x0bchunked\r\n",
    b"Transfer-Encoding: chunked, chunked\r\n", b"Transfer-Encoding: identity\r\n",
    b"transfer-encoding: CHUNKED\r\n", b"Host: other\r\n", b"Host: a b\r\n", b"Host: a/b\r\n",
    b"X-A: b\rX-B: c\r\n", b"X-A: b\nX-B: c\r\n", b" folded\r\n", b": empty\r\n", b"no colon\r\n",
    b"X-A: \x00\r\n", b"Expect: 100-continue\r\n", b"Upgrade: h2c\r\n", b"TE: trailers\r\n", b"0\r\n\r\n",
    b"\r\n\r\n", b"GET /admin HTTP/1.1\r\nHost: h\r\n\r\n", b"HTTP/1.1 HTTP/1.1", b"HTTP/2.0", b"-5", b"f" * 17,
)  # fmt: skip
WAIT_S = 0.25
# For a second look at what seems to be forwarded by us alone.
PATIENCE_S = 3.0
LANES = 8

NAME = rb"(?:[A-Za-z0-9.\-_~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+"
NAMING = re.compile(rb"[A-Z]+ (?:http://(%b))?/f\d HTTP/1\.1\r\nHost: (%b)\r\n\r\n" % (NAME, NAME))
OF_DNS = re.compile(rb"[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)*\.?")


def names_oddly(octets: bytes) -> bool:
    """Tell whether all that is odd is a name that RFC 3986 §3.2.2 allows and DNS does not."""
    naming = NAMING.match(octets)  # What stands behind the request is another one.
    return naming is not None and any(name and not OF_DNS.fullmatch(name) for name in naming.groups())


def has_no_end(octets: bytes) -> bool:
    """Tell whether a good head announces a body that is never completed, as h11 reads it."""
    judge = h11.Connection(h11.SERVER)
    judge.receive_data(octets)
    try:
        if not isinstance(judge.next_event(), h11.Request):
            return False
    except h11.RemoteProtocolError:
        return False
    with contextlib.suppress(h11.RemoteProtocolError):
        while isinstance(event := judge.next_event(), h11.Data):
            pass
        return not isinstance(event, h11.EndOfMessage)
    return True


# What we forward and both others refuse, and why that is right: a predicate over the request's octets each.
EXCUSED = {
    "a body without an end: its good octets are streamed on, and the request is broken off (RB-05)": has_no_end,
    "a name, in an absolute target or a Host, that RFC 3986 allows and DNS does not: it decides nothing and is not sent"
    " on (RP-08)": names_oddly,
}


@dataclass
class Counting:
    """An upstream that answers 204 to whatever comes, and knows how many octets came."""

    octets: int = 0
    said: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock:
            while octets := sock.recv(65_536):
                self.octets += len(octets)
                self.said += octets
                sock.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
                sock.settimeout(0.05)


def mutant(seed: int, lane: int = 0) -> bytes:
    """Return the octets of a request with one or two things changed."""
    chance = random.Random(seed)
    octets = chance.choice(SEEDS).replace(b"/f", b"/f%d" % lane, 1)
    for _ in range(chance.choice((1, 1, 2))):
        at = chance.randrange(len(octets) + 1)
        to = min(len(octets), at + chance.choice((0, 1, 3)))
        lines = octets.split(b"\r\n")
        match chance.randrange(5):
            case 0:
                octets = octets[:at] + bytes([chance.randrange(256)]) + octets[at + 1 :]
            case 1:
                octets = octets[:at] + octets[to:]
            case 2:
                octets = octets[:at] + chance.choice(BITS) + octets[to:]
            case 3:
                lines.insert(chance.randrange(1, len(lines)), chance.choice(BITS).removesuffix(b"\r\n"))
                octets = b"\r\n".join(lines)
            case _:
                octets = octets[:to] + octets[at:]
    return octets


def ask(port: int, octets: bytes, wait_s: float = WAIT_S) -> int:
    """Return the status of the first answer, 0 for none; our side ends after the request."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 2) as client:
        client.settimeout(wait_s)
        client.sendall(octets)
        answer = client.recv(65_536)
        while answer.startswith(b"HTTP/1.1 100"):
            answer = answer.partition(b"\r\n\r\n")[2] or client.recv(65_536)
        if answer.startswith(b"HTTP/1.") and answer[9:12].isdigit():
            return int(answer[9:12])
    return 0


NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log /dev/null;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port}; proxy_http_version 1.1; proxy_request_buffering off;
{lanes}
  }}
}}
"""
NGINX_LANE = "    location /f{lane} {{ proxy_pass http://127.0.0.1:{upstream}; }}\n"
HAPROXY = """
defaults
  mode http
  timeout connect 2s
  timeout client 2s
  timeout server 2s
frontend f
  bind 127.0.0.1:{port}
  http-request deny deny_status 404 unless {{ path_beg /f }}
{lanes}
"""
HAPROXY_LANE = "  use_backend b{lane} if {{ path_beg /f{lane} }}\n"
HAPROXY_BACKEND = "backend b{lane}\n  server s 127.0.0.1:{upstream}\n"
OURS = "general_settings:\n  pass_through_endpoints:\n"
OUR_LANE = (
    '    - {{path: /f{lane}, target: "http://127.0.0.1:{upstream}/f{lane}",'
    " include_subpath: true, forward_headers: true}}\n"
)


def missing() -> str | None:
    """Return why the comparison cannot be made here."""
    absent = [name for name in ("nginx", "haproxy") if shutil.which(name) is None]
    return f"{' and '.join(absent)} not found; apt install nginx haproxy" if absent else None


@contextlib.contextmanager
def three() -> Iterator[tuple[dict[str, int], dict[str, list[Counting]]]]:
    """Start the gateway and the two others; give {name: port} and {name: what arrives behind it, by lane}."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        behind = {name: [Counting() for _ in range(LANES)] for name in ("ours", "nginx", "haproxy")}
        ports = {name: free_port() for name in ("nginx", "haproxy")}
        backends = _lanes(HAPROXY_BACKEND, behind["haproxy"])
        texts = {
            "nginx": NGINX.format(folder=folder, port=ports["nginx"], lanes=_lanes(NGINX_LANE, behind["nginx"])),
            "haproxy": HAPROXY.format(port=ports["haproxy"], lanes=_lanes(HAPROXY_LANE, behind["haproxy"])) + backends,
        }
        for name, text in texts.items():
            path = folder / f"{name}.conf"
            path.write_text(text)
            command = [name, "-c" if name == "nginx" else "-f", str(path)]
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.terminate)
        config = OURS + _lanes(OUR_LANE, behind["ours"])
        gateway = Gateway(folder / "ours", config, {"LOG_LEVEL": "WARNING"}, workers=1)
        gateway.start()
        stack.callback(gateway.stop)
        ports["ours"] = gateway.port
        _until_up(ports)
        yield ports, behind


def _lanes(text: str, behind: list[Counting]) -> str:
    return "".join(text.format(lane=lane, upstream=end.port) for lane, end in enumerate(behind))


def _until_up(ports: dict[str, int]) -> None:
    until_s = time.monotonic() + 20
    for port in ports.values():
        while ask(port, SEEDS[0].replace(b"/f", b"/f0")) == 0:
            if time.monotonic() > until_s:
                raise RuntimeError("a proxy did not start")
            time.sleep(0.05)


@dataclass
class Compared:
    """How the three judged, and what only we let pass."""

    verdicts: Counter[str] = field(default_factory=Counter)
    excused: Counter[str] = field(default_factory=Counter)
    ours_alone: list[bytes] = field(default_factory=list)

    def take(self, octets: bytes, forwarded_by: list[str]) -> None:
        self.verdicts[" ".join(sorted(forwarded_by)) or "nobody"] += 1
        if forwarded_by == ["ours"]:
            reason = next((reason for reason, holds in EXCUSED.items() if holds(octets)), None)
            if reason is None:
                self.ours_alone.append(octets)
            else:
                self.excused[reason] += 1


def compare(count: int, seed: int) -> Compared:
    """Show each mutant to all three; lanes go side by side, since most mutants are waited for in vain."""
    compared = Compared()
    numbers = iter(range(count))
    with three() as (ports, behind):

        def work(lane: int) -> None:
            for number in numbers:
                octets = mutant(seed * 1_000_000 + number, lane)
                takers = [n for n in ports if _forwards(ports[n], behind[n][lane], octets)]
                if takers == ["ours"]:  # Or the others had not the time.
                    takers = [n for n in ports if _forwards(ports[n], behind[n][lane], octets, PATIENCE_S)]
                compared.take(octets, takers)

        threads = [threading.Thread(target=work, args=(lane,)) for lane in range(LANES)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return compared


def _forwards(port: int, behind: Counting, octets: bytes, wait_s: float = WAIT_S) -> bool:
    """Tell whether the request, whole, was taken: something reached the upstream and its answer came back."""
    before = behind.octets
    status = ask(port, octets, wait_s)
    return behind.octets > before and status in range(200, 400)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=32)
    wanted = parser.parse_args()
    if why := missing():
        print(f"skipped: {why}")
        return 0
    compared = compare(wanted.count, wanted.seed)
    print(f"{wanted.count} mutated requests, seed {wanted.seed}; forwarded by:")
    for names, number in compared.verdicts.most_common():
        print(f"  {number:7d}  {names}")
    for reason, number in compared.excused.items():
        print(f"  {number:7d}  of ours alone are excused: {reason}")
    for octets in compared.ours_alone[:50]:
        print(f"  FORWARDED BY US ALONE: {octets!r}")
    return 1 if compared.ours_alone else 0


if __name__ == "__main__":
    sys.exit(main())
