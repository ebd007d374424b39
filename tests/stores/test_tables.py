"""The tables are there, whoever comes first, and whether they were made at once or step by step."""

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

from app.stores.engines import opened
from app.stores.migrations.upgrade import SCRIPTS, upgrade
from app.stores.schema import KEYS, METADATA, REVISION, STEPS_TAKEN
from app.stores.tables import bring_up_to_date

STARTS = 4
# Says that it is there, and makes the tables at the moment all are told to.
STARTER = """
import sys
from sqlalchemy import make_url
from app.stores.engines import opened
from app.stores.tables import bring_up_to_date

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


@pytest.fixture
def stepped(engine):
    """The tables as the steps make them, one after the other."""
    Path(engine.url.database).parent.mkdir(exist_ok=True)
    with engine.begin() as connection:
        upgrade(connection)
    return engine


def shape(engine):
    """Return all that a database tells of its tables."""
    found = inspect(engine)
    told = (found.get_columns, found.get_pk_constraint, found.get_unique_constraints, found.get_indexes)
    with engine.connect() as connection:
        steps = connection.execute(text("SELECT * FROM alembic_version")).mappings().all()
    return {name: [str(tell(name)) for tell in told] for name in found.get_table_names()}, steps


def test_the_steps_lead_to_the_tables_that_the_code_knows(stepped):
    with stepped.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_tables_made_at_once_are_those_that_the_steps_make(stepped):
    by_steps = shape(stepped)
    with stepped.begin() as connection:
        METADATA.drop_all(connection)
        STEPS_TAKEN.drop(connection)

    bring_up_to_date(stepped)

    assert shape(stepped) == by_steps
    assert by_steps[0].keys() == {KEYS.name, STEPS_TAKEN.name}


def test_steps_that_are_missing_are_taken(engine):
    bring_up_to_date(engine)
    with engine.begin() as connection:
        METADATA.drop_all(connection)
        connection.execute(text("DELETE FROM alembic_version"))

    bring_up_to_date(engine)

    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_neither_a_first_nor_a_later_start_loads_alembic(url):
    """It takes 12 MB, and more time than all else that a start does with the tables."""
    code = f"{STARTER}\nbring_up_to_date(engine)\nassert 'alembic' not in sys.modules"
    arguments = [sys.executable, "-c", code, url.render_as_string(hide_password=False)]

    started = subprocess.run(arguments, input="go\n", capture_output=True, text=True, timeout=30, check=False)

    assert (started.returncode, started.stderr) == (0, "")


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
    said = [starter.communicate(timeout=60)[1] for starter in starters]

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
