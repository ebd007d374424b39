"""A body is one JSON object of a bearable size and depth, or a 400 or 413 that says why."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.errors import ClientLeft, InvalidRequest, RequestTooLarge
from app.relay.json_body import DEEPEST, json_body
from tests.values import PROPERTY, Upload, an_exchange


def read(*pieces, max_bytes=10_000, fields=(), **facts):
    return json_body(an_exchange(body=Upload(*pieces, **facts), fields=list(fields)), max_bytes)


def nested(levels):
    return b'{"a":' * (levels - 1) + b"{}" + b"}" * (levels - 1)


def test_pieces_are_joined():
    assert read(b'{"a"', b": [1, ", b'"\xc3\xa9"]}', arrived=b" ") == {"a": [1, "é"]}


def test_a_byte_order_mark_is_no_part_of_it():
    assert read(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(
    ("octets", "says"),
    [
        (b"", "not JSON, at line 1 column 1"),
        (b'{"a": 1,}', "not JSON, at line 1"),
        (b"[1]", "not a JSON object"),
        (b"\xff", "not UTF-8"),
        (nested(DEEPEST + 1), "nested deeper"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"\\uDFFF": 1}', "A name has half of a surrogate pair"),
    ],
)
def test_anything_else_is_refused(octets, says):
    with pytest.raises(InvalidRequest, match=says):
        read(octets, max_bytes=200_000)


@pytest.mark.parametrize(
    ("octets", "param", "says"),
    [
        (b'{"a": Infinity}', "a", "a has NaN or Infinity"),
        (b'{"b": 1, "a": {"x": [NaN]}}', "a", "a has NaN or Infinity"),
        (b'{"a": 1e999}', "a", "a has a number that is too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "a", "a has a number that is too large"),
        (b'{"a": "\\ud83c"}', "a", "a has half of a surrogate pair"),
        (b'{"model": "a", "b": 1, "model": "a"}', "model", "model comes twice"),
        (b'{"a": [{"x": 1, "x": 2}]}', "a", "a has a name twice"),
        (b'{"' + b"a" * 100 + b'": NaN}', "a" * 63 + "…", "has NaN"),
    ],
)
def test_what_readers_could_take_for_another_is_refused_by_its_name(octets, param, says):
    with pytest.raises(InvalidRequest, match=says) as refused:
        read(octets)

    assert refused.value.param == param


def test_depth_and_surrogate_pairs_are_no_fault_by_themselves():
    assert read(nested(DEEPEST))
    assert read(b'{"a": "\\ud83c\\udf0d"}') == {"a": "🌍"}


@pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip"])
def test_a_compressed_body_is_refused(coding):
    with pytest.raises(InvalidRequest) as refused:
        read(b"{}", fields=[("content-encoding", coding)])

    assert refused.value.param == "Content-Encoding"


def test_identity_is_no_compression():
    assert read(b"{}", fields=[("Content-Encoding", "Identity")]) == {}


def test_a_length_above_the_limit_is_refused_before_anything_is_read():
    upload = Upload(b"{}", length=11)

    with pytest.raises(RequestTooLarge):
        json_body(an_exchange(body=upload), 10)

    assert upload.received == 0


def test_a_body_without_length_is_refused_at_the_piece_that_is_too_much():
    upload = Upload(b'{"a": "', b"xxxx", b'"}')

    with pytest.raises(RequestTooLarge):
        json_body(an_exchange(body=upload), 10)

    assert upload.received == 11


def test_a_client_that_leaves_in_mid_upload_is_told_as_such():
    with pytest.raises(ClientLeft):
        read(b"{", ClientLeft("gone"))


@PROPERTY
@given(
    some.recursive(
        some.none() | some.booleans() | some.floats(allow_nan=False, allow_infinity=False) | some.text(),
        lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(), inner, max_size=4),
        max_leaves=30,
    )
)
def test_any_object_comes_through(value):
    assert read(json.dumps({"x": value}).encode(), max_bytes=1_000_000) == {"x": value}
