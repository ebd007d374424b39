"""What is measured: a program, how it is started, and how it is asked for each kind of answer."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.call import Call, chat_body
from bench.processes import Tree, await_answer, end, free_port, launch

ROOT = Path(__file__).parents[1]
SMALL_BODY = chat_body(1000)
STREAM_BODY = chat_body(1000, stream=True)


@dataclass(frozen=True, slots=True)
class Upstreams:
    """The ports of what stands behind: answers, and event streams."""

    http: int
    events: int


@dataclass(frozen=True, slots=True)
class Subject:
    """One program, not yet started. `target` gives path and fields for small, up, down-100k, down-1m or events."""

    name: str
    command: Sequence[str]
    port: int
    target: Callable[[str], tuple[str, Sequence[tuple[str, str]]]]
    config: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)
    folder: Path = ROOT
    health: str = "/"

    def call(self, what: str, body: bytes | None = None) -> Call:
        path, fields = self.target(what)
        return Call(self.port, path, tuple(fields), body or (STREAM_BODY if what == "events" else SMALL_BODY))


@dataclass(frozen=True, slots=True)
class Running:
    """A subject that answers."""

    subject: Subject
    process: subprocess.Popen[bytes]

    @property
    def name(self) -> str:
        return self.subject.name

    @property
    def tree(self) -> Tree:
        return Tree(self.process.pid)


# Makes a subject, its files in a folder of its own.
Recipe = Callable[[Path, Upstreams], Subject]


def chat_path(what: str) -> str:
    """Return the path that leads to this kind of answer, at the subjects that route by path."""
    return "/events/v1/chat/completions" if what == "events" else f"/http/{what}/v1/chat/completions"


@contextmanager
def started(folder: Path, upstreams: Upstreams, recipes: Sequence[Recipe]) -> Iterator[list[Running]]:
    """Start all of them at once; they answer when the block begins, and have ended when it is left."""
    with ExitStack() as stack:
        runs = []
        for number, recipe in enumerate(recipes):
            place = folder / f"subject-{number}-{free_port()}"
            place.mkdir()
            subject = recipe(place, upstreams)
            process = launch(subject.command, subject.environ, place / "log", subject.folder)
            stack.callback(end, process)
            runs.append(Running(subject, process))
        for run in runs:
            await_answer(run.subject.port, run.process, run.subject.health)
        yield runs
