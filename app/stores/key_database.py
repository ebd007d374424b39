"""Connections to the key store, each with a thread of its own, and what is said when nobody answers."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import gevent
from sqlalchemy import URL, Connection, Engine, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.principal import Principal
from app.store_errors import StoreUnavailable
from app.stores.circuit_breaker import CircuitBreaker, Server
from app.stores.engines import FILE_ID, POSTGRESQL, SQLITE, opened
from app.stores.file_id import FileId, file_id
from app.stores.native_thread import NativeThread, ThreadBusy, ThreadStuck
from app.stores.tables import bring_up_to_date

T = TypeVar("T")
# Whom the keys of a change resolve to once it is committed, by digest; None for nobody.
After = Mapping[str, Principal | None]

# A request whose key is not known here waits this long for the store and no longer. PostgreSQL can be gone
# without a word; a file of this machine is only ever slow.
LOOK_UP_S = {POSTGRESQL: 0.09, SQLITE: 1.0}
WRITE_S = 2.0
START_S = 10.0
GONE = "the key store cannot be reached"
BACK = "the key store answers again"


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
        self,
        url: URL,
        changing: Callable[[After], AbstractContextManager[object]],
        report: Callable[[bool], bool] = lambda _is_away: True,
        wait: Callable[[float], None] = gevent.sleep,
    ) -> None:
        """`changing` surrounds the commit of a change, in another thread, even when nobody waits for it any more.

        `report` and `wait` as `CircuitBreaker` wants them.
        """
        look_up_s = LOOK_UP_S[url.get_backend_name()]
        self._writer = ThreadedEngine(opened(url, writes=True, timeout_s=WRITE_S / 2), NativeThread(), WRITE_S)
        self._reader = ThreadedEngine(opened(url, writes=False, timeout_s=WRITE_S / 2), NativeThread(), WRITE_S)
        self.look_ups = ThreadedEngine(opened(url, writes=False, timeout_s=look_up_s / 2), NativeThread(), look_up_s)
        self.renewals = ThreadedEngine(opened(url, writes=False, timeout_s=look_up_s / 2), NativeThread(), look_up_s)
        self._changing = changing
        self._is_up_to_date = False
        self._path = Path(str(url.database)) if url.get_backend_name() == SQLITE else None
        self._file_id: FileId | None = None
        self._breaker = CircuitBreaker(Server(self._probe, (StoreUnavailable,), GONE, BACK), report, wait)

    @property
    def is_away(self) -> bool:
        """Whether this worker has found the store away, and it has not answered since."""
        return self._breaker.is_open

    def open(self) -> None:
        """Bring the tables up to date. A store that is away is logged; when it is found back, it is done then."""
        self._breaker.look()

    @property
    def opened_id(self) -> FileId | None:
        """Which SQLite file is in use."""
        return self._file_id

    def lost(self) -> Path | None:
        """Return the path of the SQLite file in use when it shows another file, or none; else None."""
        if self._path is None or self._file_id is None or self._file_id == file_id(self._path):
            return None
        return self._path

    def take_up(self) -> None:
        """Go on with the file that is at the path now, made if need be."""
        self._is_up_to_date, self._file_id = False, None
        for threaded in (self._writer, self._reader, self.look_ups, self.renewals):
            threaded.engine.dispose()
        self._breaker.look()

    def close(self) -> None:
        """End the connections and the threads."""
        self._breaker.end()
        for threaded in (self._writer, self._reader, self.look_ups, self.renewals):
            threaded.thread.close()
            threaded.engine.dispose()

    def asked(self, threaded: ThreadedEngine, look: Callable[[Connection], T]) -> T:
        """Return what `look` finds in the look-ups or among the renewals.

        While the store is away nobody waits for it.
        """
        if self._breaker.is_open:
            raise StoreUnavailable
        try:
            return self._look(threaded, look)
        except StoreUnavailable as refusal:
            if not isinstance(refusal.__cause__, ThreadBusy):
                self._breaker.open(refusal)
            raise

    def _look(self, threaded: ThreadedEngine, look: Callable[[Connection], T]) -> T:
        self._bring_up_to_date(threaded.timeout_s)
        return _run(threaded, lambda: _looked(threaded.engine, look))

    def _probe(self) -> None:
        """No client waits for this: making the tables may take longer than a look-up may."""
        timeout_s = self.look_ups.timeout_s if self._is_up_to_date else START_S
        try:
            self._look(replace(self.look_ups, timeout_s=timeout_s), _select_1)
        except DBAPIError as fault:  # It answers, and is of no use.
            raise StoreUnavailable from fault

    def written(self, work: Callable[[Connection], tuple[T, After]]) -> T:
        """Return the first of what `work` returns, once it is committed and the machine told. Raises IntegrityError.

        A failure does not count as the store's absence: a file that is locked can still be read. Nor is anything
        committed to a file that is no longer at its path.
        """

        def write() -> T:
            with self._writer.engine.connect() as connection, connection.begin() as transaction:
                result, after = work(connection)
                if self._path is not None and connection.info[FILE_ID] != file_id(self._path):
                    raise StoreUnavailable
                if after:
                    with self._changing(after):
                        transaction.commit()
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
            self._file_id = None if self._path is None else file_id(self._path)
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


def _select_1(connection: Connection) -> None:
    connection.execute(text("SELECT 1"))
