"""From the operator's URL to an open database: SQLite in a file of this machine, or PostgreSQL."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import QueuePool

from app.stores.file_id import file_id

SQLITE = "sqlite"
POSTGRESQL = "postgresql"
# Under this name a connection's `info` has the id of its SQLite file.
FILE_ID = "file id"
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
        event.listen(engine, "connect", _set_up_sqlite(Path(str(url.database))))
        if writes:
            event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "connect", _bound_statements(timeout_s))
    return engine


def _set_up_sqlite(path: Path) -> Any:
    def set_up(connection: Any, record: Any) -> None:
        # Transactions are begun by us, not by the driver in front of some statements (docs.python.org, sqlite3).
        connection.isolation_level = None
        # With WAL, NORMAL could forget the last commits when the power fails; a revoked key must stay revoked.
        connection.execute("PRAGMA synchronous = FULL")
        record.info[FILE_ID] = file_id(path)

    return set_up


def _begin_sqlite(connection: Connection) -> None:
    # Takes the write lock at once, where waiting is possible; a reader that becomes a writer cannot wait.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _bound_statements(timeout_s: float) -> Any:
    def bound(connection: Any, _record: Any) -> None:
        connection.execute(f"SET statement_timeout = {int(timeout_s * 1000)}")
        connection.commit()

    return bound
