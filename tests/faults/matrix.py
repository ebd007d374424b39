"""Routes x spellings x methods x header tricks, none of them with a right key (G34, AU-07): nobody gets in."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import tempfile
import threading
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tests.faults.differential import Counting
from tests.faults.scenarios import Findings
from tests.kit import canaries
from tests.kit.gateway import Gateway
from tests.kit.house import MASTER, House

CONFIG = """
general_settings:
  master_key: os.environ/MASTER_KEY
  pass_through_endpoints:
    - {{path: /closed, target: "{up}/u", auth: true, forward_headers: true}}
    - {{path: /v1/rerank, target: "{up}/u", auth: true, headers: {{Authorization: bearer x}}, forward_headers: true}}
    - {{path: /mine, target: "{up}/u", headers: {{litellm_user_api_key: X-My-Key}}, forward_headers: true}}
    - {{path: /tree, target: "{up}/u", include_subpath: true, auth: true, forward_headers: true}}
    - {{path: "/named/{{name}}/x", target: "{up}/u/{{name}}", auth: true}}
    - {{path: /langfuse, target: "{up}/u", include_subpath: true, custom_auth_parser: langfuse}}
keys:
  - {{key: os.environ/TEAM_KEY, key_alias: team}}
  - {{key: os.environ/NARROW_KEY, key_alias: narrow, allowed_passthrough_routes: [/elsewhere]}}
  - {{key: os.environ/BLOCKED_KEY, key_alias: blocked, blocked: true}}
  - {{key: os.environ/EXPIRED_KEY, key_alias: expired, expires: "2020-01-31T00:00:00Z"}}
"""
KEYS = canaries.GATEWAY_KEYS
TEAM = KEYS["TEAM_KEY"]
MASTER_KEY = canaries.OPERATOR["MASTER_KEY"]
STORED = "sk-canary-stored-key-of-the-matrix"
ROUTES = ("/closed", "/v1/rerank", "/mine", "/tree/a", "/named/n/x", "/langfuse/api/public/ingestion")
PAGES = tuple(f"/key/{page}" for page in "generate update delete block unblock regenerate info list".split())
PATHS = (*ROUTES, *PAGES, "/metrics")
METHODS = tuple("GET HEAD POST PUT PATCH DELETE OPTIONS TRACE CONNECT PROPFIND QUERY get".split())
BEHIND = tuple(
    "/ // /. /.. /../ /./ /..;/ ;v=1 ; ? ?x=1 ?key=wrong ?key= #f %00 %20 %09 %0a %0d%0aX:%20y %2f %2F.. %5c \\ ~ .json"
    " ..%2f /%2e%2e /%2e /..%5c /a/../ %3f %23 : @ , //x ?/../ %c0%af %ef%bc%8f %252e%252e".split()
)
FRONT = tuple(
    "/ // /. /.. /./ /x/.. /%2e%2e /%2e /; /%2f \\ http: http://gateway.test http://gateway.test/ http://far.test:80"
    " https://a:b@far.test gateway.test /health/.. /health/liveliness/..".split()
)


def spellings(path: str) -> list[str]:
    """Return ways to write a path, itself first."""
    first, _, rest = path[1:].partition("/")
    others = [path.upper(), path.title(), path[1:], f"/{quote_all(first)}" + (f"/{rest}" if rest else ""), "*"]
    others += [
        quote(path, safe=""),
        "/" + quote_all(path[1:]),
        path.replace("/", "//"),
        path.replace("/", "\\"),
        path[:-1],
    ]
    return [path, *(path + end for end in BEHIND), *(front + path for front in FRONT), *others]


def quote_all(text: str) -> str:
    return "".join(f"%{ord(letter):02x}" for letter in text)


def bearer(key: str) -> str:
    return f"Authorization: Bearer {key}"


def basic(user: str, password: str = "x") -> str:
    return "Authorization: Basic " + b64encode(f"{user}:{password}".encode()).decode()


TRICKS: tuple[tuple[str, ...], ...] = (
    (),
    (bearer("sk-wrong"),),
    ("Authorization: Bearer ",),
    (bearer(TEAM[:-1]),),
    (bearer(TEAM + "x"), f"x-api-key: {MASTER_KEY[1:]}"),
    (bearer(MASTER_KEY.upper()),),
    (bearer(KEYS["BLOCKED_KEY"]), basic(KEYS["BLOCKED_KEY"])),
    (f"x-litellm-api-key: {KEYS['EXPIRED_KEY']}", f"X-My-Key: {KEYS['EXPIRED_KEY']}"),
    (bearer(KEYS["NARROW_KEY"]), f"X-My-Key: {KEYS['NARROW_KEY']}"),
    (basic(KEYS["NARROW_KEY"]),),
    (basic("sk-wrong", MASTER_KEY),),
    (f"Cookie: key={TEAM}; Authorization=Bearer {TEAM}", f"User-Agent: {TEAM}", f"Referer: http://x/?key={TEAM}"),
    (f"Proxy-Authorization: Bearer {TEAM}", f"X-Forwarded-Authorization: Bearer {TEAM}", f"X-Auth: {MASTER_KEY}"),
    (f"x_api_key: {TEAM}", f"Authorization_: Bearer {TEAM}", f"HTTP_AUTHORIZATION: Bearer {MASTER_KEY}"),
    ("X-Original-URL: /health/liveliness", "X-Rewrite-URL: /health/liveliness", "X-Accel-Redirect: /closed"),
    ("X-Forwarded-Prefix: /health", "X-Forwarded-Uri: /health/liveliness", "X-Forwarded-Host: gateway.test"),
    ("SCRIPT_NAME: /closed", "PATH_INFO: /health/liveliness", "REMOTE_USER: admin", "REMOTE-USER: admin"),
    ("X-HTTP-Method-Override: GET", "X-Method-Override: OPTIONS", "X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1"),
    ("Connection: Authorization, X-My-Key", bearer("' OR 1=1 --"), "X-My-Key: %"),
    ("x-gateway-key-id: team", "x-litellm-user: admin", "Authorization: Negotiate YWJj", "api-key: "),
)  # fmt: skip
FORMS = {
    "generate": {"key_alias": "intruder"},
    "update": {"key": STORED, "key_alias": "intruder"},
    "delete": {"keys": [STORED]},
    **{page: {"key": STORED} for page in ("block", "unblock", "regenerate")},
}
COUNT = len(PATHS) * len(spellings("/x")) * len(METHODS) * len(TRICKS)


def attempt(number: int) -> bytes:
    """Return the octets of one combination; the numbers go through all of them."""
    number, trick = divmod(number, len(TRICKS))
    number, method = divmod(number, len(METHODS))
    path, spelling = divmod(number, len(spellings("/x")))
    name = PATHS[path].rpartition("/")[2]
    body = json.dumps(FORMS[name]).encode() if name in FORMS and METHODS[method] in ("POST", "PUT", "PATCH") else b""
    framing = [f"Content-Length: {len(body)}", "Content-Type: application/json"] if body else []
    line = f"{METHODS[method]} {spellings(PATHS[path])[spelling]} HTTP/1.1"
    return "\r\n".join([line, "Host: gateway.test", *TRICKS[trick], *framing, "", ""]).encode() + body


@dataclass
class Knocker:
    """One client: sends a request, reads its answer the plain way, and connects anew where the gateway closed."""

    port: int
    sock: socket.socket | None = None

    def ask(self, octets: bytes) -> int:
        """Return the status of the answer."""
        if self.sock is None:
            self.sock = socket.create_connection(("127.0.0.1", self.port), 10)
        self.sock.sendall(octets)
        got = b""
        while b"\r\n\r\n" not in got:
            got += self._more()
        head, _, body = got.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
        while not octets.startswith(b"HEAD ") and len(body) < length:
            body += self._more()
        if b"connection: close" in lines:
            self.close()
        return int(head[9:12])

    def _more(self) -> bytes:
        assert self.sock is not None
        octets = self.sock.recv(65_536)
        if not octets:
            raise ConnectionError("the gateway closed without an answer")
        return octets

    def close(self) -> None:
        if self.sock is not None:
            self.sock.close()
            self.sock = None


@contextlib.contextmanager
def guarded() -> Iterator[tuple[Gateway, Counting]]:
    """Start a gateway of which each route asks for a key, before an upstream that counts."""
    upstream = Counting()
    with tempfile.TemporaryDirectory() as folder:
        environ = {**KEYS, **canaries.OPERATOR, "LOG_LEVEL": "ERROR"}
        gateway = Gateway(Path(folder), CONFIG.format(up=f"http://127.0.0.1:{upstream.port}"), environ)
        gateway.start()
        try:
            House(gateway).new_key(key=STORED, key_alias="stored")
            yield gateway, upstream
        finally:
            gateway.stop()


def knock(gateway: Gateway, upstream: Counting, numbers: list[int], callers: int = 4) -> Findings:
    """Make these attempts; complain of each that the upstream or the management noticed, or that got a 2xx."""
    found, statuses = Findings(), Counter[int]()
    keys_before = listed(gateway)
    octets_before = upstream.octets
    rest = iter(numbers)
    lock = threading.Lock()

    def work() -> None:
        knocker = Knocker(gateway.port)
        with contextlib.closing(knocker):
            while (number := next_of(rest, lock)) is not None:
                status = knocker.ask(attempt(number))
                statuses[status] += 1
                if status < 400 or upstream.octets > octets_before:
                    found.complaints.append(f"{status} {attempt(number)!r}")

    workers = [threading.Thread(target=work) for _ in range(callers)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if listed(gateway) != keys_before:
        found.complaints.append("the management has changed a key")
    if sum(statuses.values()) != len(numbers):
        found.complaints.append(f"{len(numbers) - sum(statuses.values())} attempts had no answer")
    found.figures = {"attempts": len(numbers), "octets upstream": upstream.octets - octets_before}
    found.figures |= {f"answered {status}": count for status, count in sorted(statuses.items())}
    return found


def next_of(numbers: Iterator[int], lock: threading.Lock) -> int | None:
    with lock:
        return next(numbers, None)


def listed(gateway: Gateway) -> str:
    return json.dumps(House(gateway).listed(), sort_keys=True)


def right_keys_open(gateway: Gateway, upstream: Counting) -> list[str]:
    """Return the routes and pages that a right key does not open: what shows that the attempts could succeed."""
    shut = []
    for path in ROUTES:
        before = upstream.octets
        fields = [("X-My-Key", TEAM)] if path == "/mine" else [tuple(bearer(TEAM).split(": ", 1))]
        fields = [tuple(basic(TEAM).split(": ", 1))] if path.startswith("/langfuse") else fields
        got = gateway.ask("GET", path, fields)  # type: ignore[arg-type]
        shut += [] if got.status == 200 and upstream.octets > before else [path]
    return shut + [path for path in ("/key/list", "/metrics") if gateway.ask("GET", path, [MASTER]).status != 200]


def g34(scale: float) -> Findings:
    """All combinations, or at a smaller scale some of them."""
    chance = random.Random(34)
    numbers = list(range(COUNT)) if scale >= 1 else chance.sample(range(COUNT), int(COUNT * scale))
    with guarded() as (gateway, upstream):
        shut = right_keys_open(gateway, upstream)
        found = knock(gateway, upstream, numbers)
        found.complaints += [f"{path} is closed to a right key" for path in shut]
    return found
