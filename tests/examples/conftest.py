"""The stand-in, for tests that ask it something."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from examples.standin import CREDENTIALS, StandIn


class Served(StandIn):
    """A stand-in on a free port, its reports kept and its pauses left out."""

    def __init__(self) -> None:
        self.reports: list[dict[str, Any]] = []
        super().__init__(0, CREDENTIALS, self.reports.append, pause_s=0)


@pytest.fixture
def standin() -> Iterator[Served]:
    with Served() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
