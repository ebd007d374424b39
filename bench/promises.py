"""CONTRACT §7, promise by promise, each held against the figure that was measured for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.table import cell

Figures = Mapping[str, Mapping[str, float | None]]

# CPU of a request to a bare gunicorn hello on the machine that the promises were made on (CONTRACT §7).
PROMISED_HELLO_US = 67.0
TIMES = ("ms", "s")


@dataclass(frozen=True, slots=True)
class Promise:
    """`bound` is the most that `figure` of `row` may be, or the least where `is_least`."""

    name: str
    text: str
    row: str
    figure: str
    bound: float
    unit: str
    is_least: bool = False

    def found(self, figures: Figures) -> float | None:
        return figures.get(self.row, {}).get(self.figure)

    def is_kept(self, figures: Figures) -> bool | None:
        """Tell whether it is kept; None where nothing was measured."""
        found = self.found(figures)
        if found is None:
            return None
        return found >= self.bound if self.is_least else found <= self.bound


PROMISES = (
    Promise(
        "litellm", "a small JSON POST takes 20 times less CPU than the LiteLLM proxy",
        "small", "litellm_ratio", 20, "times", True,
    ),
    Promise("portkey", "and 3 times less than Portkey's gateway", "small", "portkey_ratio", 3, "times", True),
    Promise("alone", "alone, 0.25 ms are added to p50", "alone", "added_p50_ms", 0.25, "ms"),
    Promise(
        "events", "event streams, 300 at 50 events/s: CPU per event no more than Envoy's",
        "streams", "of_envoy", 1.0, "times Envoy's",
    ),
    Promise("stream_memory", "45 KB of memory per stream", "open_streams", "kib_per_stream", 45, "KiB"),
    Promise(
        "open_streams", "5,000 open streams in one worker, none stalled",
        "open_streams", "failed", 0, "stalled, refused or ended",
    ),
    Promise("bulk", "1 GiB up or down: RSS grows by less than 16 MiB", "bulk", "growth_mib", 16, "MiB"),
    Promise("start", "start to first answer, without adapters: 0.6 s", "start", "start_s", 0.6, "s"),
    Promise("keyed_start", "and where routes ask for keys: 0.6 s", "start", "keyed_start_s", 0.6, "s"),
    Promise("worker_memory", "70 MB a worker", "start", "rss_mb", 70, "MB RSS"),
    Promise("keyed_memory", "and where routes ask for keys: 70 MB", "start", "keyed_rss_mb", 70, "MB RSS"),
    Promise(
        "over_limit", "RPM over 4 workers, 10,000 requests in a burst: not one too many",
        "exact", "over", 0, "over",
    ),
    Promise("under_limit", "and not one too few", "exact", "lost", 0, "lost"),
)  # fmt: skip


NOTE = (
    "`Reached` is said of the figure as it was measured here. Ratios hold on other machines and times do not: a "
    "request to a bare gunicorn hello took {here} µs of CPU here, and {there} on the machine that the promises were "
    "made on. The last column is what a time would be there, by that ratio."
)


def table(figures: Figures) -> str:
    """Return the promises as Markdown, with what was found, and what a time would be on the promises' machine."""
    hello_us = _hello_us(figures)
    lines = ["| promise | figure | reached | there |", "| --- | ---: | --- | ---: |"]
    for promise in PROMISES:
        found, is_kept = promise.found(figures), promise.is_kept(figures)
        figure = "–" if found is None else f"{cell(found)} {promise.unit}"
        word = {True: "yes", False: "**no**", None: "not measured"}[is_kept]
        is_time = promise.unit in TIMES and found is not None and hello_us is not None
        there = f" {cell(found * PROMISED_HELLO_US / hello_us)} {promise.unit}" if is_time else ""
        lines.append(f"| {promise.text} | {figure} | {word} |{there} |")
    if hello_us is not None:
        lines += ["", NOTE.format(here=cell(hello_us), there=cell(PROMISED_HELLO_US))]
    return "\n".join(lines)


def _hello_us(figures: Figures) -> float | None:
    small = figures.get("small", {})
    cpu_us, ratio = small.get("cpu_us"), small.get("hello_ratio")
    return cpu_us / ratio if cpu_us and ratio else None


def unmet(figures: Figures) -> list[Promise]:
    return [promise for promise in PROMISES if promise.is_kept(figures) is not True]
