"""Path and query travel byte for byte; what would leave the route or override the operator does not."""

import re
from urllib.parse import parse_qsl, quote, unquote, unquote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.targets import has_dot_segment, pair_names, split_request_target, upstream_path, upstream_query
from tests.values import PROPERTY

# Octets as they may stand in a request line, escapes more often than by chance.
raw_text = st.lists(
    st.sampled_from(["a", "B", "9", "-", "~", ":", "@", "!", "$", "%2F", "%2f", "%20", "%3F", "%23", "%26", "%", "é"]),
    max_size=6,
).map("".join)
raw_segments = st.one_of(raw_text, st.sampled_from(["...", ".a", "a.", "..a", "%2e%2e%2e", "%252e%252e"]))
raw_remainders = st.lists(raw_segments, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
raw_pairs = st.lists(
    st.sampled_from(["a", "b", "=", "+", "%61", "%20", "%3D", "%26", "%2B", "1", ";", "?", "/", "[]"]), max_size=5
).map("".join)
raw_queries = st.lists(raw_pairs, max_size=6).map("&".join)
fixed_queries = st.lists(st.sampled_from(["a=1", "b=%20", "api-version=2", "%61=3", "c", "a+b=4"]), max_size=3).map(
    "&".join
)

# Each spelling of "." and of the slash behind it that one decoding turns into the plain one.
DOTS = [".", "%2e", "%2E"]
BEHIND = ["", "/", "%2f", "%2F", "\\", "%5c", "%5C"]
CLIMBS = [first + second + behind for first in DOTS for second in DOTS for behind in BEHIND]


@pytest.mark.parametrize(
    ("request_target", "path", "query"),
    [
        ("/a", "/a", None),
        ("/a?", "/a", ""),
        ("/a?b=%2F&b=", "/a", "b=%2F&b="),
        ("/a%3Fb?c?d", "/a%3Fb", "c?d"),
        ("//other.test/a", "//other.test/a", None),
        ("http://other.test/a%2Fb?c", "/a%2Fb", "c"),
        ("HTTPS://user@other.test:1/a", "/a", None),
        ("http://other.test", "/", None),
        ("http://other.test?a=/b", "/", "a=/b"),
        ("http://other.test//a", "//a", None),
    ],
)
def test_a_request_target_is_split_into_raw_path_and_query(request_target, path, query):
    assert split_request_target(request_target) == (path, query)


@pytest.mark.parametrize(
    "request_target",
    [
        pytest.param("*", id="asterisk form"),
        pytest.param("other.test:443", id="authority form"),
        pytest.param("", id="empty"),
        pytest.param("a/b", id="relative"),
        pytest.param("?a", id="only a query"),
        pytest.param("/a#b", id="fragment"),
        pytest.param("/a?b#c", id="fragment behind a query"),
        pytest.param("ftp://other.test/a", id="another scheme"),
        pytest.param("http:/a", id="no authority"),
        pytest.param("http:///a", id="empty authority"),
        pytest.param("http://[::1/a", id="broken address"),
        pytest.param("http://%h/a", id="broken escape in the authority"),
        pytest.param('http://a"b/a', id="authority is no name"),
        pytest.param("http://:80/a", id="port without a host"),
        pytest.param("http://u@/a", id="user without a host"),
    ],
)
def test_a_request_target_that_names_no_path_is_refused(request_target):
    with pytest.raises(ValueError):  # noqa: PT011
        split_request_target(request_target)


@given(path=raw_remainders, query=st.none() | raw_queries)
@PROPERTY
def test_splitting_loses_no_octet(path, query):
    request_target = path if query is None else f"{path}?{query}"

    assert split_request_target(request_target) == (path, query)
    assert split_request_target("http://other.test" + request_target)[1] == query


@pytest.mark.parametrize("climb", CLIMBS)
def test_a_climb_is_seen_in_every_spelling(climb):
    assert has_dot_segment(f"/v1/{climb}")
    assert has_dot_segment(f"/v1/{climb}/x")
    assert has_dot_segment(f"/{climb}x") is (climb[-1] in "/\\" or climb.lower().endswith(("%2f", "%5c")))


@pytest.mark.parametrize("dot", DOTS)
def test_a_single_dot_is_seen_in_every_spelling(dot):
    assert has_dot_segment(f"/v1/{dot}/x")
    assert has_dot_segment(f"/v1/{dot}")


@pytest.mark.parametrize("slash", ["/", "%2f", "%2F", "\\", "%5c"])
def test_a_climb_behind_something_else_is_seen(slash):
    assert has_dot_segment(f"/tree/a{slash}..{slash}..{slash}admin")
    assert has_dot_segment(f"/tree/a{slash}%2e%2e")


@pytest.mark.parametrize("segment", ["...", "a..", "..a", ".well-known", "a.b", "%252e%252e", "%2e%2e%2e", "..;", ""])
def test_a_segment_that_only_has_dots_in_it_is_none(segment):
    assert not has_dot_segment(f"/v1/{segment}/x")


@given(segments=st.lists(st.one_of(raw_segments, st.sampled_from([*CLIMBS, *DOTS])), min_size=1, max_size=5))
@PROPERTY
def test_a_dot_segment_is_one_that_decodes_to_dots_or_holds_a_climb(segments):
    raw_path = "/" + "/".join(segments)
    decoded = [unquote(segment) for segment in raw_path.split("/")]

    expected = any(text == "." or ".." in re.split(r"[/\\]", text) for text in decoded)
    assert has_dot_segment(raw_path) is expected


@pytest.mark.parametrize(
    ("target", "remainder", "path"),
    [
        ("", "", "/"),
        ("/", "", "/"),
        ("", "/a", "/a"),
        ("/", "/a", "/a"),
        ("/base", "", "/base"),
        ("/base", "/a", "/base/a"),
        ("/base/", "/a", "/base/a"),
        ("/base//", "/a", "/base//a"),
        ("/base/", "", "/base/"),
        ("/base", "/", "/base/"),
        ("/base", "//a//", "/base//a//"),
        ("/base", "/a%2Fb%20c+d", "/base/a%2Fb%20c+d"),
    ],
)
def test_a_remainder_is_joined_to_the_target(target, remainder, path):
    assert upstream_path(target, {}, remainder) == path


def test_names_in_the_target_take_the_raw_segments():
    segments = {"tenant": "a%2Fb", "name": "{tenant}"}

    assert upstream_path("/t/{tenant}/{name}/{tenant}", segments, "/x") == "/t/a%2Fb/{tenant}/a%2Fb/x"


def test_braces_of_a_target_without_names_stay():
    assert upstream_path("/a/{b}", {}, "") == "/a/{b}"


@given(base=st.lists(raw_text.filter(bool), max_size=3), remainder=raw_remainders)
@example(base=[], remainder="//x")
@PROPERTY
def test_a_joined_path_ends_with_every_octet_of_the_remainder(base, remainder):
    target = "".join("/" + segment for segment in base)

    assert upstream_path(target, {}, remainder) == target + remainder
    assert upstream_path(target + "/", {}, remainder) == target + remainder


@pytest.mark.parametrize(
    ("target", "client", "sent"),
    [
        pytest.param("", None, None, id="neither has one"),
        pytest.param("", "", "", id="only a question mark"),
        pytest.param("", "a=1&a=2&b=&c&a=3", "a=1&a=2&b=&c&a=3", id="order, repeats, empties, bare names"),
        pytest.param("", "a=%2F&b=%20&c=+&&=", "a=%2F&b=%20&c=+&&=", id="escapes and empty pairs"),
        pytest.param("v=1", None, "v=1", id="only the target's"),
        pytest.param("v=1", "", "v=1", id="only the target's, and a question mark"),
        pytest.param("v=1", "x=2", "v=1&x=2", id="both"),
        pytest.param("v=1", "v=9", "v=1", id="overridden"),
        pytest.param("v=1", "x=1&v=9&y=2&v", "v=1&x=1&y=2", id="overridden among others"),
        pytest.param("v=1", "%76=9&V=2", "v=1&V=2", id="overridden in another spelling"),
        pytest.param("a+b=1", "a%20b=2&a%2Bb=3", "a+b=1&a%2Bb=3", id="plus is a space"),
        pytest.param("flag", "flag=1", "flag", id="a bare name is a name"),
        pytest.param("v=1&v=2", "v=3", "v=1&v=2", id="repeats of the target stay"),
        pytest.param("v=1", "&&x", "v=1&&&x", id="empty pairs behind the target's"),
    ],
)
def test_the_two_queries_are_joined(target, client, sent):
    assert upstream_query(target, client) == sent


@pytest.mark.parametrize(
    ("target", "client", "sent"),
    [
        pytest.param("", None, "key=a%26b&m=", id="added to nothing"),
        pytest.param("", "x=1", "x=1&key=a%26b&m=", id="added behind the client's"),
        pytest.param("", "key=c", "key=c&m=", id="the client's own stays"),
        pytest.param("", "%6Bey=c&m", "%6Bey=c&m", id="in another spelling too"),
        pytest.param("m=1", "key", "m=1&key", id="the target's own stays"),
    ],
)
def test_defaults_are_added_where_no_pair_has_that_name(target, client, sent):
    assert upstream_query(target, client, [("key", "a&b"), ("m", "")]) == sent


@given(query=raw_queries)
@PROPERTY
def test_a_query_that_meets_no_other_travels_byte_for_byte(query):
    assert upstream_query("", query) == query


@given(fixed=fixed_queries, client=raw_queries)
@PROPERTY
def test_fixed_pairs_come_first_and_are_never_overridden(fixed, client):
    sent = upstream_query(fixed, client) or ""

    rest = sent.removeprefix(fixed).removeprefix("&" if fixed else "")
    assert sent.startswith(fixed)
    assert not fixed or not pair_names(rest) & pair_names(fixed)


@given(fixed=fixed_queries, client=raw_queries)
@PROPERTY
def test_the_clients_other_pairs_keep_order_and_bytes(fixed, client):
    names = {unquote_plus(pair.partition("=")[0]) for pair in fixed.split("&")} if fixed else set()
    kept = [pair for pair in client.split("&") if pair and unquote_plus(pair.partition("=")[0]) not in names]

    sent = (upstream_query(fixed, client) or "").removeprefix(fixed)

    assert [pair for pair in sent.split("&") if pair] == kept


@given(
    client=raw_queries,
    defaults=st.lists(st.tuples(st.text(max_size=3), st.text(max_size=4)), unique_by=lambda pair: pair[0], max_size=3),
)
@PROPERTY
def test_a_default_reads_back_as_it_was_written(client, defaults):
    sent = upstream_query("", client, defaults) or ""

    added = sent.removeprefix(client).removeprefix("&" if client else "")
    expected = [pair for pair in defaults if pair[0] not in pair_names(client)]
    assert sent.startswith(client)
    assert parse_qsl(added, keep_blank_values=True) == expected
    assert added == "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in expected)


def test_pair_names_are_decoded():
    assert pair_names("a=1&%61b&c+d=%20&=x&&") == {"a", "ab", "c d", ""}
