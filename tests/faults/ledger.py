"""What reached an upstream: kept by the upstream, and followed from another process through a file.

A line is a word and what it is about. The file outlives an upstream that is killed.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from pathlib import Path
from typing import Self

FOLLOW_S = 0.01


class Ledger:
    """Requests by tag, connections, and what should not have happened."""

    def __init__(self, file: Path | None = None) -> None:
        self.whole: Counter[str] = Counter()
        """Requests that arrived to their last octet, by tag."""
        self.begun: Counter[str] = Counter()
        self.stranded: Counter[str] = Counter()
        """Requests that came when our side of the connection had ended."""
        self.ended_s: dict[str, float] = {}
        """When the gateway ended a connection on which we would have gone on, by tag."""
        self.connections = 0
        self.open = 0
        self.busy = 0
        """Requests that have begun and are not answered to their end."""
        self.over = 0
        """Requests that were done with, well or not; the others were killed with their upstream."""
        self.complaints: list[str] = []
        self.generations: Counter[str] = Counter()
        """By X-Generation, which the gateway's file sets twice: both must be of one file."""
        self._file = None if file is None else os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def enter(self, word: str, about: str = "") -> None:
        """Take something down; in the file, too, before anybody can see that it has happened."""
        self._count(word, about)
        if self._file is not None:
            os.write(self._file, f"{word} {about}\n".encode())

    def forget(self) -> None:
        """Begin with no requests again: a million of them take some room."""
        for counts in (self.whole, self.begun, self.stranded):
            counts.clear()
        self.ended_s.clear()

    async def caught_up(self) -> Self:
        """Return this ledger with all in it that has been entered by now."""
        return self

    def _count(self, word: str, about: str) -> None:
        match word:
            case "begun":
                self.begun[about] += 1
                self.busy += 1
            case "whole":
                self.whole[about] += 1
            case "over":
                self.busy -= 1
                self.over += 1
            case "connected":
                self.connections += 1
                self.open += 1
            case "closed":
                self.open -= 1
            case "generation":
                self.generations[about] += 1
            case "stranded":
                self.stranded[about] += 1
            case "left":
                tag, _, at_s = about.partition(" ")
                self.ended_s[tag] = float(at_s)
            case "wrong":
                self.complaints.append(about)
            case "started":
                self.open = self.busy = 0


class Followed(Ledger):
    """The ledger of an upstream in another process; some hundredths of a second behind it."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        file.touch()
        self._source = file.open("rb")
        self._half = b""

    async def __aenter__(self) -> Self:
        self._following = asyncio.create_task(self._follow())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._following.cancel()
        await asyncio.gather(self._following, return_exceptions=True)
        self._source.close()

    async def caught_up(self) -> Self:
        self._read()
        return self

    async def _follow(self) -> None:
        while True:
            self._read()
            await asyncio.sleep(FOLLOW_S)

    def _read(self) -> None:
        *lines, self._half = (self._half + self._source.read()).split(b"\n")
        for line in lines:
            word, _, about = line.decode().partition(" ")
            self._count(word, about)


def left(tag: str) -> str:
    """Return what is entered of a gateway that has ended a connection just now."""
    return f"{tag} {time.monotonic()}"
