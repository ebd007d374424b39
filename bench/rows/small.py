"""Small requests: CPU of the whole process tree for a JSON POST of 1 KB, 16 connections, one worker."""

from __future__ import annotations

from bench.bed import Bed, interleaved, warm_up
from bench.figures import medians, ratio
from bench.load import load
from bench.subject import Running
from bench.subjects.gateway import GATEWAY, GATEWAY_OPEN
from bench.subjects.hello import NAME as HELLO
from bench.subjects.hello import hello
from bench.table import Measured, Table

CONNECTIONS = 16
NAMES = ("nginx", "envoy", "portkey gateway", "litellm proxy")
COLUMNS = ("", "CPU per request, µs", "of hello's", "lowest round", "highest round")
NOTE = (
    "1,000 octets each way, 16 connections, one worker. `gateway` checks a key, counts its limit, writes a log line, "
    "counts metrics; the open route does all that but key and limit. The others do none of it."
)


def measure(bed: Bed) -> Measured:
    with bed.started([hello, *bed.some("nginx", "envoy"), GATEWAY_OPEN, GATEWAY, *bed.some(*NAMES[2:])]) as runs:
        warm_up(runs)
        rounds = interleaved(runs, bed.rounds, lambda run: cpu_us(run, "small", bed.seconds))
        configs = {run.name: run.subject.config for run in runs}
    cpu = medians(rounds)
    rows = [[name, us, ratio(us, cpu.get(HELLO)), min(rounds[name]), max(rounds[name])] for name, us in cpu.items()]
    figures = {
        "cpu_us": cpu.get("gateway"),
        "litellm_ratio": ratio(cpu.get("litellm proxy"), cpu.get("gateway")),
        "portkey_ratio": ratio(cpu.get("portkey gateway"), cpu.get("gateway")),
        "hello_ratio": ratio(cpu.get("gateway"), cpu.get(HELLO)),
    }
    return Measured([Table("Small JSON requests", COLUMNS, rows, NOTE)], figures, rounds, configs)


def cpu_us(run: Running, what: str, seconds: int, connections: int = CONNECTIONS, body: bytes | None = None) -> float:
    """Return the µs of CPU per request under load; raises LoadFailed."""
    before_s = run.tree.cpu_s()
    loaded = load(run.subject.call(what, body), connections, seconds)
    return (run.tree.cpu_s() - before_s) / loaded.requests * 1e6
