"""The bed all rows are measured on: upstreams that run, and the peers that this machine has."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from bench.load import LoadFailed, load
from bench.processes import await_answer, end, free_port, running
from bench.subject import ROOT, Recipe, Running, Upstreams, started
from bench.subjects.envoy import envoy
from bench.subjects.litellm import litellm
from bench.subjects.nginx import nginx
from bench.subjects.portkey import portkey
from bench.upstreams import http

Figure = TypeVar("Figure")

EVENTS_PER_S = 50
WARM_UP_S = 3
# Where bench/README.md says to install them, below the folder that --peers names.
PROGRAMS = {
    "envoy": ("envoy/bin/envoy", envoy),
    "litellm proxy": ("litellm/bin/litellm", litellm),
    "portkey gateway": ("portkey/node_modules/.bin/gateway", portkey),
}


@dataclass(frozen=True, slots=True)
class Bed:
    """What a row needs to measure."""

    folder: Path
    upstreams: Upstreams
    peers: Mapping[str, Recipe]
    rounds: int
    seconds: int

    def some(self, *names: str) -> list[Recipe]:
        """Return the recipes of those peers that are here."""
        return [self.peers[name] for name in names if name in self.peers]

    @contextmanager
    def started(self, recipes: Sequence[Recipe], upstreams: Upstreams | None = None) -> Iterator[list[Running]]:
        with started(self.folder, upstreams or self.upstreams, recipes) as runs:
            yield runs

    @contextmanager
    def events_at(self, events_per_s: float) -> Iterator[Upstreams]:
        """Run one more upstream of event streams, at another pace."""
        port = free_port()
        command = [sys.executable, "-m", "bench.upstreams.streams", str(port), str(events_per_s)]
        with running(command, {}, self.folder / "events.log", ROOT) as process:
            await_answer(port, process)
            yield replace(self.upstreams, events=port)


def peers(folder: Path) -> dict[str, Recipe]:
    """Return the recipes of the peers that are installed."""
    found: dict[str, Recipe] = {"nginx": nginx} if shutil.which("nginx") else {}
    for name, (program, recipe) in PROGRAMS.items():
        if (folder / program).exists():
            found[name] = recipe(str((folder / program).absolute()))
    return found


@contextmanager
def made(peers_folder: Path, rounds: int, seconds: int) -> Iterator[Bed]:
    """Start the upstreams; they and all files are gone when the block is left."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="bench-")))
        upstream, port = http.start(folder / "upstream")
        stack.callback(end, upstream)
        await_answer(port, upstream)
        bed = Bed(folder, Upstreams(port, 0), peers(peers_folder), rounds, seconds)
        yield replace(bed, upstreams=stack.enter_context(bed.events_at(EVENTS_PER_S)))


def warm_up(runs: Sequence[Running]) -> None:
    """Let each answer for some seconds: what is made once is made, and what is compiled late is compiled."""
    for run in runs:
        with suppress(LoadFailed):
            load(run.subject.call("small"), 16, WARM_UP_S)


def interleaved(runs: Sequence[Running], rounds: int, measure: Callable[[Running], Figure]) -> dict[str, list[Figure]]:
    """Measure each subject in turn, round after round.

    What the machine does beside this meets all subjects alike. One that fails is left out from there on.
    """
    measured: dict[str, list[Figure]] = {run.name: [] for run in runs}
    failed = set()
    for _ in range(rounds):
        for run in runs:
            try:
                figure = None if run.name in failed else measure(run)
            except LoadFailed as fault:
                print(f"{run.name}: {fault}", file=sys.stderr)
                failed.add(run.name)
                continue
            if figure is not None:
                measured[run.name].append(figure)
    return measured
