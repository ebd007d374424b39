"""What the environment may say, and how it is told what it may not."""

from pathlib import Path

import pytest

from app.settings.environment import read
from app.settings.problems import SettingsInvalid


def test_what_is_unset_or_empty_has_its_default():
    found = read({"PORT": "", "DATA_DIR": "", "LOG_LEVEL": ""})

    assert (found.port, found.data_dir, found.drain_s) == (4000, Path("var"), 3)
    assert found.workers >= 1


def test_what_is_set_counts():
    environ = {"PORT": "5", "WEB_CONCURRENCY": "3", "DATA_DIR": "/d", "DRAIN_SECONDS": "0"}

    found = read(environ)

    assert (found.port, found.workers, found.data_dir, found.drain_s) == (5, 3, Path("/d"), 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "4000 "),
        ("PORT", "٤٠٠٠"),
        ("WEB_CONCURRENCY", "0"),
        ("WEB_CONCURRENCY", "-1"),
        ("DRAIN_SECONDS", "1.5"),
        ("DRAIN_SECONDS", "-1"),
        ("LOG_LEVEL", "verbose"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_a_wrong_value_is_told_with_a_way_out(name, value):
    with pytest.raises(SettingsInvalid, match=f"^environment: {name}: .*or unset it$"):
        read({name: value})


def test_all_wrong_values_are_told_at_once():
    with pytest.raises(SettingsInvalid) as refused:
        read({"PORT": "x", "LOG_LEVEL": "x", "LOG_FORMAT": "x"})

    assert [problem.place for problem in refused.value.problems] == ["LOG_FORMAT", "LOG_LEVEL", "PORT"]
