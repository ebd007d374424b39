"""What gunicorn's settings file leaves behind when the settings are read and the house is loaded."""

import os
import subprocess
import sys

import pytest

from app.__main__ import ROOT

LOADED = """
import gc, os, runpy, signal, sys
from types import SimpleNamespace

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may ignore it
conf = runpy.run_path("gunicorn.conf.py")
os.kill(os.getpid(), signal.SIGHUP)
heard = []
arbiter = SimpleNamespace(reload=None, stop=None, reap_workers=None, signal=lambda number, _frame: heard.append(number))
conf["on_starting"](arbiter)
os.kill(os.getpid(), signal.SIGHUP)
assert heard == [signal.SIGHUP], heard
print(gc.isenabled(), gc.get_freeze_count() > 10_000, *sorted({"sqlite3", "psycopg", "redis"} & sys.modules.keys()))
"""
RELOADED = """
from pathlib import Path
from app.settings import snapshot

Path(os.environ["CONFIG_FILE_PATH"]).write_text(os.environ["NEXT_FILE"])
conf["_reload"](lambda: print("replaced"))
print(*(route.path for route in snapshot.current(os.environ).routes))
"""
OPEN_FILE = 'general_settings: {pass_through_endpoints: [{path: /open, target: "http://localhost/"}]}'
FILE = """
general_settings:
  master_key: sk-0123456789-abcdef
  pass_through_endpoints: [{path: /a, target: "http://localhost/", auth: true}]
"""


@pytest.fixture
def start(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(FILE)
    own = {"PYTHONPATH": ".", "DATA_DIR": str(tmp_path), "CONFIG_FILE_PATH": str(file), "REDIS_URL": ""}

    def start(*, within=(), script=LOADED, **environ):
        """Return status and what was said, on both streams, by a master that is about to fork."""
        told = {**os.environ, "DATABASE_URL": "", **own, **environ}
        command = [*within, sys.executable, "-c", script]
        ended = subprocess.run(command, cwd=ROOT, env=told, capture_output=True, text=True, timeout=30, check=False)
        return ended.returncode, ended.stdout, ended.stderr

    return start


def test_a_worker_collects_garbage_and_leaves_alone_what_was_there_before_it(start):
    status, out, err = start()

    assert (status, out.split()[:2], err) == (0, ["True", "True"], "")


@pytest.mark.parametrize(
    ("environ", "loaded"),
    [
        pytest.param({}, ["sqlite3"], id="one machine"),
        pytest.param({"DATABASE_URL": "postgres://h/d"}, ["psycopg"], id="PostgreSQL"),
        pytest.param({"REDIS_URL": "redis://h"}, ["redis", "sqlite3"], id="Redis"),
    ],
)
def test_drivers_that_are_needed_are_loaded_before_the_fork_and_no_others(start, environ, loaded):
    _, out, _ = start(**environ)

    assert out.split()[2:] == loaded


def test_a_database_of_another_kind_ends_the_start_with_a_way_out_and_no_password(start):
    status, out, err = start(DATABASE_URL="mysql://u:pa55@h/d")

    assert (status, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("environment: DATABASE_URL is no URL of a database served here; write sqlite:///PATH")
    assert "pa55" not in err


def test_too_few_files_end_the_start_with_the_limit_and_a_way_out(start):
    status, out, err = start(within=("prlimit", "--nofile=64"))

    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "only 64 files" in err
    assert "ulimit -n" in err


def test_a_worker_is_started_with_the_fewest_files_that_serve_some_clients(start):
    status, _, err = start(within=("prlimit", "--nofile=160"))

    assert (status, err) == (0, "")


def test_the_collector_goes_on_when_a_reload_runs_the_file_again(start):
    """gunicorn does so before it forks the next workers, which keep what they find."""
    status, out, _ = start(script=LOADED + 'runpy.run_path("gunicorn.conf.py")\nprint(gc.isenabled())')

    assert (status, out.splitlines()[-1]) == (0, "True")


def test_a_refused_file_does_not_stay_in_force_when_the_house_cannot_be_loaded_for_it(start, tmp_path):
    """Else a worker that is replaced would serve it."""
    (tmp_path / "config.yaml").write_text(OPEN_FILE)

    status, out, err = start(script=LOADED + RELOADED, DATABASE_URL="mysql://h/d", NEXT_FILE=FILE)

    assert (status, out.splitlines()[1:]) == (0, ["/open"])
    assert "was not reloaded" in err
