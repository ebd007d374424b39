"""References are replaced wherever they stand, and a broken one names the variable, never a value."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.settings.references import ReferenceBroken, put_in, resolve, resolve_all

ENVIRON = {"A": "alpha", "B_2": "beta", "EMPTY": ""}
NOWHERE = Path("/nowhere")


@pytest.mark.parametrize(
    ("text", "resolved"),
    [
        pytest.param("os.environ/A", "alpha", id="CE-07 alone"),
        pytest.param("bearer os.environ/A", "bearer alpha", id="CE-07 in the middle"),
        pytest.param("os.environ/A:os.environ/B_2", "alpha:beta", id="CE-07 twice"),
        pytest.param(
            "https://os.environ/A.example/os.environ/B_2?x", "https://alpha.example/beta?x", id="ends at . and ?"
        ),
        pytest.param("os.environ/A-os.environ/A", "alpha-alpha", id="ends at -"),
        pytest.param("os.environ/Aé", "alphaé", id="ends at a letter that is not ASCII"),
        pytest.param("xos.environ/A", "xalpha", id="behind a letter"),
        pytest.param("os_environ/A", "os_environ/A", id="another spelling"),
        pytest.param("profile/x", "profile/x", id="file/ not at the start"),
    ],
)
def test_a_variable_is_replaced_wherever_it_stands(text, resolved):
    assert resolve(text, ENVIRON, NOWHERE)[0] == resolved


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        pytest.param("bearer os.environ/NOPE", ["the environment variable NOPE is not set"], id="CE-07 unset"),
        pytest.param("os.environ/EMPTY", ["the environment variable EMPTY is empty"], id="CE-07 empty"),
        pytest.param("os.environ/", ["os.environ/ is followed by no variable name"], id="no name"),
        pytest.param("os.environ/A2", ["the environment variable A2 is not set"], id="the longest name is meant"),
        pytest.param(
            "os.environ/X os.environ/Y os.environ/X",
            ["the environment variable X is not set", "the environment variable Y is not set"],
            id="all of them, each once",
        ),
    ],
)
def test_a_variable_that_is_unset_or_empty_is_refused_by_its_name(text, messages):
    with pytest.raises(ReferenceBroken) as broken:
        resolve(text, ENVIRON, NOWHERE)

    assert [message.partition(";")[0] for message in broken.value.messages] == messages


def test_an_environment_that_is_no_text_is_refused():
    with pytest.raises(ReferenceBroken, match="BAD is not UTF-8 text"):
        resolve("os.environ/BAD", {"BAD": "canary\udcff"}, NOWHERE)


def test_what_a_variable_brings_in_is_not_searched_again():
    environ = {"OUTER": "os.environ/A and file/x", "A": "alpha"}

    assert resolve("os.environ/OUTER", environ, NOWHERE)[0] == "os.environ/A and file/x"


@pytest.mark.parametrize("content", ["s3cret", "s3cret\n", "s3cret\r\n"])
def test_a_mounted_secret_is_read_without_its_last_newline(tmp_path, content):
    (tmp_path / "key").write_bytes(content.encode())

    assert resolve(f"file/{tmp_path}/key", {}, NOWHERE) == ("s3cret", ("s3cret",))


@pytest.mark.parametrize(
    "spelling",
    [
        pytest.param("file/{folder}/key", id="absolute: file//run/secrets/key"),
        pytest.param("file{folder}/key", id="from the root: file/run/secrets/key"),
        pytest.param("file/os.environ/FOLDER/key", id="the folder from a variable"),
    ],
)
def test_a_mounted_secret_is_found_however_its_path_is_written(tmp_path, spelling):
    (tmp_path / "key").write_text("s3cret")

    text = spelling.format(folder=tmp_path)

    assert resolve(text, {"FOLDER": str(tmp_path)}, NOWHERE)[0] == "s3cret"


def test_a_relative_path_begins_beside_the_settings_file(tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "key").write_text("s3cret")

    assert resolve("file/secrets/key", {}, tmp_path)[0] == "s3cret"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"\n", "is empty", id="only a newline"),
        pytest.param(b"canary\xff", "is not UTF-8 text", id="not UTF-8"),
        pytest.param(b"x" * 65537, "is larger than 64 KiB", id="too large"),
    ],
)
def test_a_mounted_secret_that_is_none_is_refused_by_its_path(tmp_path, content, said):
    (tmp_path / "key").write_bytes(content)

    with pytest.raises(ReferenceBroken) as broken:
        resolve(f"file/{tmp_path}/key", {}, NOWHERE)

    assert f"file/{tmp_path}/key {said}" in str(broken.value)
    assert "canary" not in str(broken.value)


@pytest.mark.parametrize("path", ["nowhere/key", "", "a\0b", "x" * 5000])
def test_a_file_that_cannot_be_read_is_refused(tmp_path, path):
    with pytest.raises(ReferenceBroken, match="cannot be read"):
        resolve(f"file/{path}", {}, tmp_path)


def test_a_device_without_end_is_not_read_to_its_end():
    with pytest.raises(ReferenceBroken, match="64 KiB"):
        resolve("file//dev/zero", {}, NOWHERE)


def test_every_text_of_a_file_is_resolved_and_remembered():
    value = {"a": ("x", "os.environ/A"), "b": {"c": "os.environ/NOPE"}, "d": 1, "os.environ/A": True}

    resolved = resolve_all(value, ENVIRON, NOWHERE)

    assert resolved.value == {"a": ("x", "alpha"), "b": {"c": "os.environ/NOPE"}, "d": 1, "os.environ/A": True}
    assert resolved.secrets == {("a", 1): ("alpha",)}
    assert resolved.broken == {("b", "c")}
    assert [finding.place for finding in resolved.findings] == [("b", "c")]


# No slash, so that no reference comes about by accident.
literals = st.text(st.characters(exclude_characters="/", exclude_categories=("Cs",)), max_size=8)
variables = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=6)
secrets = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)


@given(st.lists(st.tuples(variables, literals), max_size=6), literals, st.data())
def test_a_text_is_its_literals_with_the_values_between_them(references, beginning, data):
    environ = {name: data.draw(secrets) for name, _ in references}
    # What follows a name must not go on with it.
    parts = [(name, literal if re.match(r"[^A-Za-z0-9_]", literal) else f"-{literal}") for name, literal in references]
    text = beginning + "".join(f"os.environ/{name}{literal}" for name, literal in parts)

    resolved, found = resolve(text, environ, NOWHERE)

    assert resolved == beginning + "".join(environ[name] + literal for name, literal in parts)
    assert found == tuple(environ[name] for name, _ in parts)
    assert put_in(text, found) == resolved


@given(st.lists(variables, min_size=1, max_size=4, unique=True), secrets.map(lambda secret: "canary:" + secret))
def test_a_broken_text_tells_no_value_of_its_other_variables(names, secret):
    environ = dict.fromkeys(names, secret)

    with pytest.raises(ReferenceBroken) as broken:
        resolve(" ".join(f"os.environ/{name}" for name in [*names, "_NOT_SET"]), environ, NOWHERE)

    assert secret not in str(broken.value)
