"""What gunicorn's settings file leaves behind when the settings are read and the house is loaded."""

import os
import subprocess
import sys

from app.__main__ import ROOT

LOADED = """
import gc, runpy
from types import SimpleNamespace

conf = runpy.run_path("gunicorn.conf.py")
conf["on_starting"](SimpleNamespace(reload=None, stop=None, reap_workers=None))
print(gc.isenabled(), gc.get_freeze_count() > 10_000)
"""
FILE = """
general_settings:
  master_key: sk-0123456789-abcdef
  pass_through_endpoints: [{path: /a, target: "http://localhost/", auth: true}]
"""


def test_a_worker_collects_garbage_and_leaves_alone_what_was_there_before_it(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(FILE)
    environ = {**os.environ, "PYTHONPATH": ".", "DATA_DIR": str(tmp_path), "CONFIG_FILE_PATH": str(file)}

    ended = subprocess.run(
        [sys.executable, "-c", LOADED], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=30, check=False
    )

    assert (ended.stdout, ended.stderr) == ("True True\n", "")
