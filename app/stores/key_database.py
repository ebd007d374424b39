"""Connections to the key store, each with a thread of its own, and what is said when nobody answers."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from sqlalchemy import URL, Connection, Engine, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.store_errors import StoreUnavailable
from app.stores.engines import POSTGRESQL, SQLITE, bring_up_to_date, opened
from app.stores.native_thread import NativeThread, ThreadBusy, ThreadStuck
from app.stores.reach import Reach

T = TypeVar("T")

# A request whose key is not known here waits this long for the store and no longer. PostgreSQL can be gone
# without a word; a file of this machine is only ever slow.
LOOK_UP_S = {POSTGRESQL: 0.09, SQLITE: 1.0}
WRITE_S = 2.0
START_S = 10.0


@dataclass(frozen=True, slots=True)
class ThreadedEngine:
    """A connection, the thread that uses it, and the time its callers have."""

    engine: Engine
    thread: NativeThread
    timeout_s: float


class KeyDatabase:
    """Where work for the database is handed in; every call ends in time, with StoreUnavailable if need be.

    Look-ups of unknown keys cannot hold up the renewal of known ones, and neither waits behind
    management, whose lists can still be read while its writes wait for a lock. A connection is made when it is
    first used. Make this in the worker, after the fork.
    """

    def __init__(
        self, url: URL, after_write: Callable[[], object], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`after_write` is called in another thread when a change is committed, even when nobody waits any more."""
        look_up_s = LOOK_UP_S[url.get_backend_name()]
        self._writer = ThreadedEngine(opened(url, writes=True, timeout_s=WRITE_S / 2), NativeThread(), WRITE_S)
        self._reader = ThreadedEngine(opened(url, writes=False, timeout_s=WRITE_S / 2), NativeThread(), WRITE_S)
        self.look_ups = ThreadedEngine(opened(url, writes=False, timeout_s=look_up_s / 2), NativeThread(), look_up_s)
        self.renewals = ThreadedEngine(opened(url, writes=False, timeout_s=look_up_s / 2), NativeThread(), look_up_s)
        self._after_write = after_write
        self._is_up_to_date = False
        self.reach = Reach("key store", clock)

    def open(self) -> None:
        """Bring the tables up to date. A store that is away is logged; the first call that reaches it does it then."""
        try:
            self.asked(
                replace(self.look_ups, timeout_s=START_S), lambda connection: connection.execute(text("SELECT 1"))
            )
        except StoreUnavailable:
            return

    def close(self) -> None:
        """End the connections and the threads."""
        for threaded in (self._writer, self._reader, self.look_ups, self.renewals):
            threaded.thread.close()
            threaded.engine.dispose()

    def asked(self, threaded: ThreadedEngine, look: Callable[[Connection], T]) -> T:
        """Return what `look` finds in the look-ups or among the renewals.

        While the store is away only one caller a second waits for it.
        """
        if not self.reach.may_ask():
            raise StoreUnavailable
        try:
            self._bring_up_to_date(threaded.timeout_s)
            found = _run(threaded, lambda: _looked(threaded.engine, look))
        except StoreUnavailable as refusal:
            if not isinstance(refusal.__cause__, ThreadBusy):
                self.reach.failed(_reason(refusal.__cause__))
            raise
        self.reach.answered()
        return found

    def written(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` returns, once it is committed and everybody told. Raises IntegrityError.

        A failure says nothing about reach: a file that is locked can still be read.
        """

        def write() -> T:
            with self._writer.engine.begin() as connection:
                result = work(connection)
            self._after_write()
            return result

        self._bring_up_to_date(self._writer.timeout_s)
        return _run(self._writer, write)

    def listed(self, look: Callable[[Connection], T]) -> T:
        """Return what `look` finds, for management: lists may be long."""
        self._bring_up_to_date(self._writer.timeout_s)
        return _run(self._reader, lambda: _looked(self._reader.engine, look))

    def _bring_up_to_date(self, timeout_s: float) -> None:
        def bring() -> None:
            bring_up_to_date(self._writer.engine)
            self._is_up_to_date = True

        if not self._is_up_to_date:
            _run(replace(self._writer, timeout_s=timeout_s), bring)


def _run(threaded: ThreadedEngine, work: Callable[[], T]) -> T:
    """Do the work in its thread; what the database's absence raises becomes StoreUnavailable."""
    try:
        return threaded.thread.run(work, threaded.timeout_s)
    except (IntegrityError, DataError, ProgrammingError):
        raise
    # The driver's own errors: those of the statements that set a connection up come as they are.
    except (
        DBAPIError,
        threaded.engine.dialect.loaded_dbapi.Error,
        PoolTimeout,
        OSError,
        ThreadBusy,
        ThreadStuck,
    ) as fault:
        raise StoreUnavailable from fault


def _looked(engine: Engine, look: Callable[[Connection], T]) -> T:
    """Look, and once more on a fresh connection where the one we had turns out to be dead."""
    try:
        with engine.connect() as connection:
            return look(connection)
    except DBAPIError as fault:
        if not fault.connection_invalidated:
            raise
    with engine.connect() as connection:
        return look(connection)


def _reason(fault: BaseException | None) -> str:
    """Return what the driver says, without the statement."""
    told = str(getattr(fault, "orig", None) or fault or "")
    return told.partition("\n")[0] or type(fault).__name__
