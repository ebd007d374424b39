"""`make demo`: real requests through the gateway to a stand-in for the upstreams, and back.

Starts both, sends the four calls, shows each as the client, the upstream and the operator see it, and stays
up for more until Ctrl-C. PORT moves the gateway; with ONCE=1 it ends by itself, with a status of 0 only when
all four answers were right.
"""

import errno
import http.client
import json
import os
import signal
import socket
import sys
import time
from types import FrameType

from examples.calls import CALLS, Call
from examples.children import Child, running
from examples.sending import sending
from examples.showing import as_typed, receive, show, show_seen
from examples.standin import CREDENTIALS

HEALTH = "/health/liveliness"
READY_WITHIN_S = 60.0
SEEN_WITHIN_S = 5.0
LOGGED_WITHIN_S = 1.0
WORDS_SHOWN = 25


def main() -> int:
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, end)
    port = os.environ.get("PORT") or "4000"
    refuse_taken(port)
    try:
        return visit(port, once=os.environ.get("ONCE", "0") not in ("", "0"))
    except KeyboardInterrupt:
        show("", "Stopped.")
        return 0


def end(signum: int, _frame: FrameType | None) -> None:
    sys.exit(128 + signum)


def refuse_taken(port: str) -> None:
    """Exit with one clear sentence when the gateway could not have the port."""
    if not port.isdecimal() or not 0 < int(port) < 65536:
        sys.exit(f"PORT is a number from 1 to 65535, not {port!r}.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", int(port)))
        except OSError as error:
            why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be had ({error.strerror})"
            sys.exit(f"Port {port} {why}. Choose another: make demo PORT={4001 if port == '4000' else 4000}")


def visit(port: str, once: bool) -> int:
    """Start both programs, walk through the calls, and stay for more unless `once`."""
    with running([sys.executable, "-m", "examples.standin", "--end-with-stdin"], standin_environ()) as standin:
        upstream = json.loads(standin.next_line(READY_WITHIN_S) or "{}")["listening"]
        with running([sys.executable, "-m", "gunicorn", "wsgi:app"], gateway_environ(port, upstream)) as gateway:
            wait_until_ready(gateway, port)
            address = f"http://localhost:{port}"
            show(*(line for line in gateway.printed() if HEALTH not in line))
            show("", f"gateway   {address}  (config/demo.yaml)", f"upstream  {upstream}  (examples/standin.py)")
            right = [walk(number, call, address, standin, gateway) for number, call in enumerate(CALLS, 1)]
            show("", f"{sum(right)} of {len(CALLS)} answers were right.")
            if not once:
                stay(address, standin, gateway)
            return 0 if all(right) else 1


def standin_environ() -> dict[str, str]:
    return {**os.environ, **CREDENTIALS}


def gateway_environ(port: str, upstream: str) -> dict[str, str]:
    """The operator's environment: this one's, with the demo's settings and credentials over it."""
    defaults = {"WEB_CONCURRENCY": "1", "LOG_FORMAT": "console"}
    settings = {"PORT": port, "CONFIG_FILE_PATH": "config/demo.yaml", "DEMO_UPSTREAM": upstream}
    environ = {**defaults, **os.environ, **CREDENTIALS, **settings}
    environ.pop("GUNICORN_CMD_ARGS", None)
    return environ


def wait_until_ready(gateway: Child, port: str) -> None:
    """Return once the gateway answers its health check; exit with its own words if it does not come up."""
    deadline = time.monotonic() + READY_WITHIN_S
    while gateway.is_running and time.monotonic() < deadline:
        if is_live(int(port)):
            return
        time.sleep(0.05)
    words = gateway.printed(wait_s=1)[:WORDS_SHOWN]
    sys.exit("\n".join([*words, "The gateway did not come up; its own words are above."]))


def is_live(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", HEALTH)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def walk(number: int, call: Call, address: str, standin: Child, gateway: Child) -> bool:
    """Send one call and show it from all sides; True when the answer was right."""
    show("", f"--- {number}. {call.title}", "", as_typed(call, address))
    started = time.monotonic()
    with sending(call, address) as lines:
        seen = json.loads(standin.next_line(SEEN_WITHIN_S) or "{}")
        show_seen(seen)
        answer = receive(lines, started)
    show("", "The gateway's log:", "  " + gateway.line_with(call.path, LOGGED_WITHIN_S))
    faults = call.faults(answer)
    body = seen.get("body", "")
    if body != call.body if call.upstream_body is None else call.upstream_body not in body:
        faults.append("the upstream did not see the body as it was sent")
    show("", "Wrong: " + "; ".join(faults) if faults else "Right.")
    return not faults


def stay(address: str, standin: Child, gateway: Child) -> None:
    """Show what else comes by, until Ctrl-C or until one of the two has ended."""
    show(
        f"Both stay up: send your own to {address}, from another terminal. What the upstream sees and",
        "the gateway logs is shown here. `make run` serves your own config/config.yaml. Ctrl-C stops both.",
    )
    while standin.is_running and gateway.is_running:
        for line in standin.printed(wait_s=0.2):
            show_seen(json.loads(line))
        show(*gateway.printed())
    show("One of the two has ended by itself.", *gateway.printed())


if __name__ == "__main__":
    sys.exit(main())
