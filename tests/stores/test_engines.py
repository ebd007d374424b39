"""One URL leads to SQLite or PostgreSQL, set up so that what is committed stays."""

import pytest
from sqlalchemy import text

from app.stores.engines import opened, store_url
from app.stores.tables import bring_up_to_date


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param({}, "sqlite:///var/keys.sqlite3", id="nothing said"),
        pytest.param({"DATA_DIR": "/srv/data"}, "sqlite:////srv/data/keys.sqlite3", id="a folder"),
        pytest.param({"DATABASE_URL": "sqlite:///x/k.db", "DATA_DIR": "/d"}, "sqlite:///x/k.db", id="a file"),
        pytest.param({"DATABASE_URL": "postgres://u@h/d"}, "postgresql+psycopg://u@h/d", id="Heroku's spelling"),
        pytest.param(
            {"DATABASE_URL": "postgresql://u:p@h:1/d?sslmode=require"},
            "postgresql+psycopg://u:***@h:1/d?sslmode=require",
            id="PostgreSQL",
        ),
    ],
)
def test_the_environment_names_the_database(environ, expected):
    assert str(store_url(environ)) == expected


@pytest.mark.parametrize(
    "written",
    ["mysql://u:pa55@h/d", "pa55", "sqlite://", "sqlite:///:memory:", "://pa55", "postgresql://u:pa55@h:port/d"],
)
def test_another_url_is_refused_without_its_password(written):
    with pytest.raises(ValueError, match="DATABASE_URL") as refused:
        store_url({"DATABASE_URL": written})

    assert "pa55" not in str(refused.value)


def test_commits_survive_a_power_cut(sqlite_url):
    """WAL with synchronous = FULL (2): sqlite.org/pragma.html."""
    engine = opened(sqlite_url, writes=True, timeout_s=1)
    bring_up_to_date(engine)

    with engine.connect() as connection:
        pragmas = [connection.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous")]
    engine.dispose()

    assert pragmas == ["wal", 2]
