"""From the operator's URL to an open database: SQLite in a file of this machine, or PostgreSQL."""

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import QueuePool

from app.stores.schema import REVISION

SQLITE = "sqlite"
POSTGRESQL = "postgresql"
# Heroku and LiteLLM write postgres://, SQLAlchemy knows only the other name.
_DRIVERS = {"sqlite": "sqlite", "postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}

# PostgreSQL connections: how long the network may be silent before a connection counts as dead.
_NETWORK = {
    "connect_timeout": 3,
    "tcp_user_timeout": 5_000,
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "application_name": "tollhouse",
    # A pooler between us and the server gives each transaction another session (PgBouncer).
    "prepare_threshold": None,
}
# Any number that no other user of the database takes for its advisory locks.
_MIGRATION_LOCK = 0x70_11_40_05_E


def store_url(environ: Mapping[str, str]) -> URL:
    """Return where the keys are: DATABASE_URL, or a file in DATA_DIR.

    Raises ValueError, with a way out and without the password, for a URL that is neither.
    """
    written = environ.get("DATABASE_URL")
    if not written:
        path = Path(environ.get("DATA_DIR") or "var") / "keys.sqlite3"
        return URL.create(SQLITE, database=str(path))
    try:
        url = make_url(written)
        driver = _DRIVERS[url.drivername]
    except (ArgumentError, KeyError, ValueError):
        raise ValueError(
            "DATABASE_URL is no URL of a database served here; write sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME"
        ) from None
    if driver == SQLITE and url.database in (None, "", ":memory:"):
        raise ValueError("DATABASE_URL names no file; write sqlite:///PATH, an absolute path as sqlite:////PATH")
    return url.set(drivername=driver)


def opened(url: URL, *, writes: bool, timeout_s: float) -> Engine:
    """Return an engine with one connection, made when first used.

    `timeout_s` is how long it waits for another's lock. An engine that does not write keeps no transaction
    open, so that it never holds up one that does.
    """
    is_sqlite = url.get_backend_name() == SQLITE
    connect_args: dict[str, Any] = {"timeout": timeout_s, "check_same_thread": False} if is_sqlite else {**_NETWORK}
    options: dict[str, Any] = {} if writes else {"isolation_level": "AUTOCOMMIT"}
    engine = create_engine(
        url,
        connect_args=connect_args,
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        # Asks first whether the connection still stands: a write cannot be tried again.
        pool_pre_ping=writes,
        hide_parameters=True,  # they end up in messages, and hold digests
        **options,
    )
    if is_sqlite:
        event.listen(engine, "connect", _set_up_sqlite)
        if writes:
            event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "connect", _bound_statements(timeout_s))
    return engine


def bring_up_to_date(engine: Engine) -> None:
    """Make the tables, or alter them to what this version needs; any number of processes may do so at once.

    A database that a newer version has altered is left as it is: steps only add, so that machines can be
    upgraded one after another.
    """
    with _alone(engine), engine.begin() as connection:
        if engine.dialect.name == POSTGRESQL:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        if _revision(connection) < REVISION:
            from app.stores.migrations.upgrade import upgrade

            upgrade(connection)


def _revision(connection: Connection) -> str:
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.scalar(text("SELECT version_num FROM alembic_version")) or "")


@contextlib.contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Hold a file lock around the change to a SQLite file, which is made here, for its owner only.

    The change to WAL, by which readers and a writer do not wait for one another (sqlite.org/wal.html), needs
    the file for itself and does not wait for it.
    """
    if engine.dialect.name != SQLITE:
        yield
        return
    path = Path(str(engine.url.database))
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        connection = engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA journal_mode = WAL")
        finally:
            connection.close()
        yield
    finally:
        os.close(lock)


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    # Transactions are begun by us, not by the driver in front of some statements (docs.python.org, sqlite3).
    connection.isolation_level = None
    # With WAL, NORMAL could forget the last commits when the power fails; a revoked key must stay revoked.
    connection.execute("PRAGMA synchronous = FULL")


def _begin_sqlite(connection: Connection) -> None:
    # Takes the write lock at once, where waiting is possible; a reader that becomes a writer cannot wait.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _bound_statements(timeout_s: float) -> Any:
    def bound(connection: Any, _record: Any) -> None:
        connection.execute(f"SET statement_timeout = {int(timeout_s * 1000)}")
        connection.commit()

    return bound
