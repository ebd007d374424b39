"""Start: seconds to the first answer, and the memory of a worker that has answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from bench.bed import Bed
from bench.load import load
from bench.processes import Tree, await_answer, running
from bench.subject import Recipe, Upstreams
from bench.subjects.gateway import gateway, keyed_config, open_config
from bench.table import Measured, Table

TIMES = 5
COLUMNS = ("", "to the first answer, s", "fastest", "slowest", "RSS of a worker, MB", "PSS of a worker, MB")
NOTE = f"Median of {TIMES} starts of one worker, from exec to an answer; memory after a second of load."
ADAPTER = """
    - {path: /v1/messages, target: app.adapters.anthropic_adapter}
model_list:
  - {model_name: bench, litellm_params: {model: openai/bench, api_key: sk-none}}
"""


def without_keys(upstreams: Upstreams) -> str:
    """No key to ask for and nobody to manage any: no store is opened."""
    return "\n".join(line for line in open_config(upstreams).splitlines() if "master_key" not in line)


def with_adapter(upstreams: Upstreams) -> str:
    return open_config(upstreams).rstrip() + ADAPTER


CONFIGS: dict[str, tuple[Callable[[Upstreams], str], bool]] = {
    "open URL routes": (without_keys, False),
    "URL routes, with keys": (keyed_config, True),
    "an adapter route (litellm)": (with_adapter, False),
}


def measure(bed: Bed) -> Measured:
    rows: list[list[object]] = []
    raw = {}
    for name, (config, is_keyed) in CONFIGS.items():
        recipe = gateway(name, config) if is_keyed else gateway(name, config, key=None)
        started = [one_start(bed, recipe, number) for number in range(TIMES)]
        times, rss, pss = ([one[part] for one in started] for part in range(3))
        rows.append([name, median(times), min(times), max(times), median(rss), median(pss)])
        raw[name] = {"seconds": times, "rss_mb": rss, "pss_mb": pss}
    of_open, of_keyed = raw["open URL routes"], raw["URL routes, with keys"]
    figures = {
        "start_s": median(of_open["seconds"]),
        "rss_mb": median(of_open["rss_mb"]),
        "keyed_start_s": median(of_keyed["seconds"]),
        "keyed_rss_mb": median(of_keyed["rss_mb"]),
    }
    return Measured([Table("Start", COLUMNS, rows, NOTE)], figures, raw)


def one_start(bed: Bed, recipe: Recipe, number: int) -> tuple[float, float, float]:
    """Return the seconds of one start, and a worker's RSS and PSS in MB."""
    folder = bed.folder / f"start-{number}-{time.monotonic_ns()}"
    folder.mkdir()
    subject = recipe(folder, bed.upstreams)
    began_s = time.perf_counter()
    with running(subject.command, subject.environ, folder / "log", subject.folder) as process:
        await_answer(subject.port, process, subject.health)
        seconds = time.perf_counter() - began_s
        load(subject.call("small"), 16, 1)
        (worker,) = Tree(process.pid).children()
        return seconds, worker.rss_kib() * 1024 / 1e6, worker.pss_kib() * 1024 / 1e6
