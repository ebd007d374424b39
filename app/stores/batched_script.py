"""One connection to a Redis server, on which all callers of a worker speak at the same time."""

from typing import Any, NamedTuple

import gevent
from gevent.event import AsyncResult
from redis import Redis
from redis.exceptions import NoScriptError

from app.stores.deadline import Deadline

# 50 ms, for what a client waits for.
TICKS = 5


class Asked(NamedTuple):
    """What one caller waits for."""

    words: tuple[str | int, ...]
    ticks: int
    answer: AsyncResult


class BatchedScript:
    """Runs one script for many callers, as many in one round trip as have asked since the last.

    So a crowd needs neither a crowd of connections nor a turn of the loop for each.
    """

    def __init__(self, client: Redis, script: str) -> None:
        """The script takes one key."""
        self._client, self._script = client, script
        self._sha = client.register_script(script).sha
        self._asked: list[Asked] = []
        self._is_speaking = False

    def ask(self, key: str, *arguments: int, ticks: int = TICKS) -> Any:
        """Return what the script returns; waits no longer than so many ticks of a `Deadline`.

        Raises redis.RedisError, OSError or ValueError when it did not run, or may not have.
        """
        asked = Asked((key, *arguments), ticks, AsyncResult())
        self._asked.append(asked)
        if not self._is_speaking:
            self._is_speaking = True
            gevent.spawn(self._speak)
        return asked.answer.get()

    def _speak(self) -> None:
        while self._asked:
            batch, self._asked = self._asked, []
            replies: list[Any]
            try:
                with Deadline(max(asked.ticks for asked in batch)):
                    replies = self._run(batch)
            except Exception as fault:  # Whatever it is, the callers raise it, all that wait now.
                batch, self._asked = batch + self._asked, []
                replies = [fault] * len(batch)
            for asked, reply in zip(batch, replies, strict=True):
                if isinstance(reply, Exception):
                    asked.answer.set_exception(reply)
                else:
                    asked.answer.set(reply)
        self._is_speaking = False

    def _run(self, batch: list[Asked]) -> list[Any]:
        replies = self._send(batch)
        if all(isinstance(reply, NoScriptError) for reply in replies):  # The server has started since, and ran none.
            self._client.script_load(self._script)
            return self._send(batch)
        return replies

    def _send(self, batch: list[Asked]) -> list[Any]:
        with self._client.pipeline(transaction=False) as pipeline:
            for asked in batch:
                pipeline.evalsha(self._sha, 1, *asked.words)
            return pipeline.execute(raise_on_error=False)
