"""How cost grows: with workers, header fields, routes, and keys in the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from bench.bed import Bed, interleaved, warm_up
from bench.figures import medians, ratio
from bench.load import load
from bench.rows.small import cpu_us
from bench.subject import Running, Upstreams
from bench.subjects.gateway import GATEWAY, NEVER_REACHED, gateway, keyed_config
from bench.table import Measured, Table

WORKERS = (1, 2)
CONNECTIONS = 64
FIELDS = (5, 20, 80)
ROUTES = (1, 100, 10_000)
KEYS = (10, 100_000)
# What a call of ours has anyway: Host, three of an SDK, Authorization, Content-Length.
USUAL = 6
COLUMNS = ("", "CPU per request, µs", "of the first")


def measure(bed: Bed) -> Measured:
    throughput, per_s = _workers(bed)
    fields, fields_us = _fields(bed)
    routes, routes_us = _configs(bed, "routes", ROUTES, with_routes)
    keys, keys_us = _configs(bed, "keys in the file", KEYS, with_keys)
    raw = {"workers": per_s, "fields": fields_us, "routes": routes_us, "keys": keys_us}
    figures = {
        name: max(medians(us).values()) / min(medians(us).values())
        for name, us in (("fields", fields_us), ("routes", routes_us), ("keys", keys_us))
    }
    return Measured([throughput, fields, routes, keys], figures, raw)


def _workers(bed: Bed) -> tuple[Table, dict[str, list[float]]]:
    """Requests a second; wrk and the upstream want their share of the same cores."""
    recipes = [gateway(_counted(workers, "worker"), keyed_config, workers) for workers in WORKERS]
    with bed.started(recipes) as runs:
        warm_up(runs)
        per_s = interleaved(
            runs, bed.rounds, lambda run: load(run.subject.call("small"), CONNECTIONS, bed.seconds).per_s
        )
    found = medians(per_s)
    first = next(iter(found.values()))
    rows = [[name, figure, ratio(figure, first)] for name, figure in found.items()]
    note = f"{CONNECTIONS} connections; the load generator and the upstream run on the same cores."
    return Table("Workers", ("", "requests a second", "of the first"), rows, note), per_s


def _fields(bed: Bed) -> tuple[Table, dict[str, list[float]]]:
    with bed.started([GATEWAY]) as (run,):
        warm_up([run])
        runs = [replace(run, subject=replace(run.subject, name=_counted(count, "field"))) for count in FIELDS]
        more = {runs[place].name: _more_fields(run, count) for place, count in enumerate(FIELDS)}
        us = interleaved(runs, bed.rounds, lambda one: cpu_us(more[one.name], "small", 1))
    return _table("Header fields", us), us


def _more_fields(run: Running, count: int) -> Running:
    """Return the same subject, asked with so many header fields in all."""
    path, fields = run.subject.target("small")
    wanted = [(f"x-field-{number}", f"value {number}") for number in range(max(0, count - USUAL))]
    return replace(run, subject=replace(run.subject, target=lambda _what: (path, [*fields, *wanted])))


def _configs(
    bed: Bed, what: str, sizes: Sequence[int], config: Callable[[int], Callable[[Upstreams], str]]
) -> tuple[Table, dict[str, list[float]]]:
    recipes = [gateway(f"{size:,} {what}", config(size)) for size in sizes]
    with bed.started(recipes) as runs:
        warm_up(runs)
        us = interleaved(runs, bed.rounds, lambda run: cpu_us(run, "small", 1))
    return _table(what[0].upper() + what[1:], us), us


def with_routes(count: int) -> Callable[[Upstreams], str]:
    """Return the usual file with so many routes in all, each with what lies below it."""

    def config(upstreams: Upstreams) -> str:
        more = "".join(
            f"    - {{path: /more/{number}, target: 'http://127.0.0.1:{upstreams.http}', include_subpath: true}}\n"
            for number in range(count - 1)
        )
        head, keys, tail = keyed_config(upstreams).partition("\nkeys:")
        return f"{head}\n{more}{keys}{tail}"

    return config


def with_keys(count: int) -> Callable[[Upstreams], str]:
    """Return the usual file with so many keys in all."""

    def config(upstreams: Upstreams) -> str:
        more = "".join(
            f"  - {{key: sk-more-{number:09d}, rpm_limit: {NEVER_REACHED}}}\n" for number in range(count - 1)
        )
        return keyed_config(upstreams) + more

    return config


def _table(title: str, us: Mapping[str, Sequence[float]]) -> Table:
    found = medians(us)
    first = next(iter(found.values()), None)
    return Table(title, COLUMNS, [[name, figure, ratio(figure, first)] for name, figure in found.items()])


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" + "s" * (count != 1)
