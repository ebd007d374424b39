"""One URL leads to SQLite or PostgreSQL, and the tables are there whoever comes first."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from app.stores.engines import bring_up_to_date, opened, store_url
from app.stores.migrations.upgrade import SCRIPTS
from app.stores.schema import METADATA, REVISION

STARTS = 4
# Says that it is there, and makes the tables at the moment all are told to.
STARTER = """
import sys
from sqlalchemy import make_url
import app.stores.migrations.upgrade
from app.stores.engines import bring_up_to_date, opened

engine = opened(make_url(sys.argv[1]), writes=True, timeout_s=20)
print("here", flush=True)
sys.stdin.readline()
bring_up_to_date(engine)
"""


@pytest.fixture
def engine(url):
    engine = opened(url, writes=True, timeout_s=5)
    yield engine
    engine.dispose()


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


def test_the_steps_lead_to_the_tables_that_the_code_knows(engine):
    bring_up_to_date(engine)

    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_the_revision_known_to_the_code_is_the_last_step():
    config = Config()
    config.set_main_option("script_location", SCRIPTS)

    assert ScriptDirectory.from_config(config).get_current_head() == REVISION


def test_workers_that_start_at_once_make_the_tables_once(url):
    command = [sys.executable, "-c", STARTER, url.render_as_string(hide_password=False)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    starters = [subprocess.Popen(command, **pipes) for _ in range(STARTS)]
    assert [starter.stdout.readline() for starter in starters] == ["here\n"] * STARTS

    for starter in starters:
        starter.stdin.write("go\n")
        starter.stdin.flush()
    said = [starter.communicate(timeout=30)[1] for starter in starters]

    assert (said, [starter.returncode for starter in starters]) == ([""] * STARTS, [0] * STARTS)
    engine = opened(url, writes=False, timeout_s=1)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [REVISION]
    engine.dispose()


def test_a_second_start_changes_nothing(engine):
    bring_up_to_date(engine)
    before = inspect(engine).get_table_names()

    bring_up_to_date(engine)

    assert inspect(engine).get_table_names() == before


def test_what_a_newer_version_has_made_is_left_alone(engine):
    bring_up_to_date(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    bring_up_to_date(engine)

    with engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "9999"


def test_a_step_that_fails_leaves_nothing_behind(engine):
    Path(engine.url.database).parent.mkdir(exist_ok=True)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(text("CREATE TABLE gateway_keys (other INTEGER)"))

    with pytest.raises(Exception, match="exists"):
        bring_up_to_date(engine)

    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM alembic_version")) == 0


def test_the_file_is_its_owners_alone(sqlite_url):
    engine = opened(sqlite_url, writes=True, timeout_s=1)
    bring_up_to_date(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE more (x INTEGER)"))

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in Path(sqlite_url.database).parent.iterdir()}
    engine.dispose()

    assert modes.pop("keys.sqlite3") == 0o600
    assert modes.keys() >= {"keys.sqlite3-wal", "keys.sqlite3.lock"}
    assert set(modes.values()) == {0o600}


def test_commits_survive_a_power_cut(sqlite_url):
    """WAL with synchronous = FULL (2): sqlite.org/pragma.html."""
    engine = opened(sqlite_url, writes=True, timeout_s=1)
    bring_up_to_date(engine)

    with engine.connect() as connection:
        pragmas = [connection.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous")]
    engine.dispose()

    assert pragmas == ["wal", 2]
