"""YAML becomes plain values that know their lines, and nothing in it is decided silently."""

from __future__ import annotations

import string
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.settings import document
from app.settings.document import Document, read
from app.settings.problems import Finding, Place


def finding(text: str | bytes) -> Finding:
    (found,) = read(text.encode() if isinstance(text, str) else text).findings
    return found


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        pytest.param("general_settings:\n\tmaster_key: x\n", 2, "'\\t'", id="CE-01 tab"),
        pytest.param("", 1, "is empty", id="CE-01 empty"),
        pytest.param("# only a comment\n\n", 1, "is empty", id="CE-01 only comments"),
        pytest.param('a: 1\nb: "x\nc: 2\n\n', 2, "quoted scalar", id="CE-01 unclosed quote"),
        pytest.param("a: 1\nb: 'x\nc: 2\n\n", 2, "quoted scalar", id="CE-01 unclosed single quote"),
        pytest.param("a: 1\nb: {x: 1,\nc: 2\n", 2, "flow mapping", id="CE-01 unclosed brace"),
        pytest.param("a:\n  - 1\n b: 2\n", 3, "is not YAML", id="wrong indentation"),
        pytest.param("a: 1\n---\nb: 2\n", 2, "single document", id="two documents"),
        pytest.param(b"a: 1\nb: \xff\n", 2, "UTF-8", id="not UTF-8"),
        pytest.param("a: 1\nb: \x07\n", 2, "control character", id="control character"),
        pytest.param("a: 1\nb: *nowhere\n", 2, "undefined alias", id="alias of nothing"),
        pytest.param("a: &a [*a]\n", 1, "refers to itself", id="alias of itself"),
        pytest.param("a: &a\n  <<: *a\n", 1, "refers to itself", id="merge of itself"),
    ],
)
def test_a_file_that_is_no_yaml_is_told_by_its_line(text, line, said):
    found = finding(text)

    assert (found.line, found.place) == (line, ())
    assert said in found.message


def test_a_list_at_the_top_is_read_as_one():
    assert read(b"- 1\n- 2\n").value == (1, 2)


@pytest.mark.parametrize(
    ("text", "line", "place"),
    [
        pytest.param("auth: true\nauth: false\n", 2, ("auth",), id="CE-02 two values"),
        pytest.param("a:\n  - b: 1\n    c: 2\n    b: 1\n", 4, ("a", 0, "b"), id="CE-02 equal values, deep"),
        pytest.param('a: 1\n"a": 2\n', 2, ("a",), id="CE-02 one of them quoted"),
        pytest.param("{a: 1, b: 2, a: 3}\n", 1, ("a",), id="CE-02 flow style"),
        pytest.param("<<: {a: 1}\nb: 2\n<<: {a: 2}\n", 3, ("<<",), id="two merges"),
    ],
)
def test_a_name_that_stands_twice_in_a_mapping_is_refused(text, line, place):
    found = finding(text)

    assert (found.line, found.place) == (line, place)
    assert "twice" in found.message


@pytest.mark.parametrize("text", ["1: a\n", "true: a\n", "[a]: b\n", "{a: 1}: b\n", "null: a\n", "!x a: b\n"])
def test_a_name_that_is_no_text_is_refused(text):
    assert "put quotes around it" in finding(text).message


@pytest.mark.parametrize("text", ["a: !secret x\n", "a: !!binary aGk=\n", "a: !x {b: 1}\n", "a: !!set {b}\n"])
def test_a_tag_that_means_nothing_here_is_refused(text):
    assert finding(text).place == ("a",)


def test_a_number_that_cannot_be_read_is_refused():
    assert "number" in finding("a: !!int x\n").message
    assert "number" in finding(f"a: {'9' * 5000}\n").message


@pytest.mark.parametrize(
    "text",
    [
        "a: *canary-c0ffee\n",
        "a: !canary!c0ffee b\n",
        "a: &canary-c0ffee 1\nb: &canary-c0ffee 2\n",
        "a: %canary-c0ffee\n",
    ],
)
def test_no_complaint_quotes_the_file(text):
    assert "c0ffee" not in finding(text).message


def test_dates_stay_the_text_they_are():
    assert read(b"api-version: 2024-10-21\n").value == {"api-version": "2024-10-21"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("a: &x {b: 1}\nc: *x\n", {"a": {"b": 1}, "c": {"b": 1}}, id="alias"),
        pytest.param(
            "a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  b: 3\n", {"a": {"b": 1, "c": 2}, "d": {"b": 3, "c": 2}}, id="merge"
        ),
        pytest.param("<<: [{a: 1}, {a: 2, b: 2}]\n", {"a": 1, "b": 2}, id="the earlier of two merged wins"),
    ],
)
def test_anchors_aliases_and_merges_work(text, value):
    assert read(text.encode()) == Document(value, read(text.encode()).lines, ())


def test_what_is_merged_keeps_the_line_where_it_is_written():
    lines = read(b"x: &x\n  target: t\ny:\n  <<: *x\n  path: p\n").lines

    assert (lines["y", "target"], lines["y", "path"]) == (2, 5)


def test_a_merge_of_what_is_no_mapping_is_refused():
    assert finding("a: 1\n<<: [x]\n").line == 2


def test_aliases_that_unfold_without_end_are_refused():
    doubling = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 9))

    assert "unfold" in finding(f"l0: &l0 [x]\n{doubling}\n").message


def test_merges_that_unfold_without_end_are_refused():
    doubling = "\n".join(f"l{n}: &l{n}\n  <<: [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 9))

    assert "unfold" in finding(f"l0: &l0 {{x: 1}}\n{doubling}\n").message


def test_a_byte_order_mark_is_no_part_of_the_first_name():
    assert read(b"\xef\xbb\xbfa: 1\n").value == {"a": 1}


names = st.text(string.ascii_lowercase, min_size=1, max_size=5).filter(lambda name: name not in ("null", "y", "n"))
scalars = st.one_of(st.integers(), st.booleans(), st.text(string.ascii_letters + " :#'\"é{[*&!", max_size=12))
values = st.recursive(
    scalars,
    lambda children: (
        st.lists(children, min_size=1, max_size=4).map(tuple) | st.dictionaries(names, children, min_size=1, max_size=4)
    ),
    max_leaves=20,
)


def written(value: object, place: Place, depth: int) -> Iterator[tuple[Place | None, str]]:
    """The value in block style, line by line, each with the place that begins on it."""
    blanks = "  " * depth
    if isinstance(value, dict | tuple):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            here = (*place, key)
            mark = '"' + str(key) + '":' if isinstance(value, dict) else "-"
            if isinstance(child, dict | tuple):
                # An entry of a list begins where its content does.
                yield (here if isinstance(value, dict) else None), blanks + mark
                inner = list(written(child, here, depth + 1))
                yield from inner
            else:
                yield here, f"{blanks}{mark} {scalar(child)}"
        return
    yield place, blanks + scalar(value)


def scalar(value: object) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value).lower()


@given(values.filter(lambda value: isinstance(value, dict)), st.data())
def test_every_value_knows_the_line_it_stands_on(value, data):
    lines: list[str] = []
    expected: dict[Place, int] = {}
    for place, line in written(value, (), 0):
        lines += data.draw(st.lists(st.sampled_from(["", "# comment", "   # comment: x"]), max_size=2))
        lines.append(line)
        if place is not None:
            expected[place] = len(lines)

    document = read("\n".join(lines).encode())

    assert document.value == value
    assert document.findings == ()
    assert {place: document.lines[place] for place in expected} == expected


def test_a_file_may_be_as_large_as_its_operator_writes_it(monkeypatch):
    monkeypatch.setattr(document, "_MOST_VALUES", 100)
    text = "keys:\n" + "".join(f"  - {{key: sk-{number}, rpm_limit: 60}}\n" for number in range(1_000))

    large = read(text.encode())

    assert (len(large.value["keys"]), large.findings) == (1_000, ())
    assert large.lines["keys", 999, "key"] == 1_001


def test_both_loaders_read_the_same(monkeypatch):
    text = b"a: 2024-10-21\nb: &b {c: 1, d: [x, 'y', ~, true, 1.5]}\ne: {<<: *b, c: 2}\nf: |\n  two\n  lines\n"

    fast = read(text)
    monkeypatch.setattr(document, "_FastLoader", document._Loader)

    assert read(text) == fast
    assert fast.value["a"] == "2024-10-21"
