"""What importing the gateway does to the world: nothing (G38, SC-05)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

# It raises nothing, so that what is looked for is seen whoever swallows what. urllib3 binds a socket to ::1 to learn
# whether there is IPv6: that asks nobody.
LOOK = """
import json, sys
seen = []
NAMED = ("socket.connect", "socket.getaddrinfo", "socket.gethost", "socket.send", "subprocess.", "os.exec", "os.fork",
         "os.posix_spawn", "os.spawn", "os.system", "urllib.Request")
sys.addaudithook(lambda event, args: seen.append(event) if event.startswith(NAMED) else None)
import importlib, pathlib
for path in sorted(pathlib.Path("app").rglob("*.py")):
    if "migrations" not in path.parts:  # Alembic runs those.
        importlib.import_module(".".join(path.with_suffix("").parts).removesuffix(".__init__"))
{more}
found = sorted(set(seen))
import socket
with socket.socket() as sock:
    sock.connect_ex(("127.0.0.1", 9))
print(json.dumps([found, seen[-1:]]))
"""


@pytest.mark.parametrize(
    "more",
    [
        pytest.param("import wsgi", id="the gateway"),
        pytest.param("from app.adapters import litellm_library; litellm_library.load()", id="SC-05 litellm"),
    ],
)
def test_an_import_connects_nowhere_and_starts_nothing(tmp_path: Path, more: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "general_settings:\n  master_key: a-master-key-of-some-length\n"
        '  pass_through_endpoints: [{path: /x, target: "http://127.0.0.1:9/", auth: true}]\n'
    )
    environ = {"CONFIG_FILE_PATH": str(config), "DATA_DIR": str(tmp_path / "var"), "PATH": "/usr/bin:/bin"}
    ended = subprocess.run(
        [sys.executable, "-c", LOOK.format(more=more)],
        cwd=Path(__file__).parents[1], env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr[-2_000:]
    assert json.loads(ended.stdout.splitlines()[-1]) == [[], ["socket.connect"]]
