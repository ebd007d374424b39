"""gevent's patches are all there, packages that add to them are heard, and the start is not held up for it."""

import subprocess
import sys

CODE = """
import socket
from importlib import metadata

reads, read = [], metadata.Distribution.entry_points.fget
metadata.Distribution.entry_points = property(lambda found: reads.append(found.name) or read(found))
asked = metadata.entry_points

from gevent import monkey
from app.patching import patch_all

patch_all()

assert socket.socket.__module__ == "gevent._socket3"
assert all(map(monkey.is_module_patched, ("os", "queue", "select", "socket", "ssl", "subprocess", "threading")))
assert metadata.entry_points is asked
print(reads.count("an-addition"))
"""
ADDITION = """
def told(event):
    print(type(event).__name__)
"""
METADATA = "Metadata-Version: 2.1\nName: an-addition\nVersion: 1\n"
ENTRY_POINTS = """
[gevent.plugins.monkey.will_patch_all]
a = addition:told
[gevent.plugins.monkey.did_patch_all]
a = addition:told
"""


def test_all_is_patched_and_an_installed_addition_is_read_once_and_told(tmp_path):
    (tmp_path / "addition.py").write_text(ADDITION)
    described = tmp_path / "an_addition-1.dist-info"
    described.mkdir()
    (described / "METADATA").write_text(METADATA)
    (described / "entry_points.txt").write_text(ENTRY_POINTS)

    code = f"import sys; sys.path.append({str(tmp_path)!r})\n{CODE}"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)

    assert ended.stderr == ""
    assert ended.stdout.split() == ["GeventWillPatchAllEvent", "GeventDidPatchAllEvent", "1"]
