"""A target leads where it says, or is refused with a way out and without being quoted."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.settings.urls import cut, http_target, is_adapter, is_loopback


@pytest.mark.parametrize(
    ("text", "scheme", "host", "port", "authority"),
    [
        ("https://api.cohere.com/v1", "https", "api.cohere.com", 443, "api.cohere.com"),
        ("http://up.example", "http", "up.example", 80, "up.example"),
        ("HTTPS://API.Example:443/x", "https", "api.example", 443, "api.example"),
        ("http://up.example:8080/x", "http", "up.example", 8080, "up.example:8080"),
        ("https://up.example:80/x", "https", "up.example", 80, "up.example:80"),
        ("http://192.0.2.7:1/x", "http", "192.0.2.7", 1, "192.0.2.7:1"),
        ("http://[2001:DB8:0:0::1]:81/x", "http", "2001:db8::1", 81, "[2001:db8::1]:81"),
        ("http://[2001:db8::1]/x", "http", "2001:db8::1", 80, "[2001:db8::1]"),
        ("https://bücher.example/x", "https", "xn--bcher-kva.example", 443, "xn--bcher-kva.example"),
        ("http://my_service/x", "http", "my_service", 80, "my_service"),
    ],
)
def test_scheme_host_and_port_are_brought_into_one_form(text, scheme, host, port, authority):
    target = http_target(text)

    assert (target.scheme, target.host, target.port, target.authority) == (scheme, host, port, authority)


@pytest.mark.parametrize(
    ("text", "path", "query"),
    [
        ("https://up.example", "", ""),
        ("https://up.example/", "/", ""),
        ("https://up.example?a=1", "", "a=1"),
        ("https://up.example/A%2Fb%20c//d;e/?k=a%20b+c&k=&x?y", "/A%2Fb%20c//d;e/", "k=a%20b+c&k=&x?y"),
        ("https://up.example/{name}/x:{id}.json", "/{name}/x:{id}.json", ""),
    ],
)
def test_path_and_query_stay_as_written(text, path, query):
    target = http_target(text)

    assert (target.path, target.query.get_secret_value()) == (path, query)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("api.cohere.com/v1", "is not http, https", id="CE-10 no scheme"),
        pytest.param("//up.example/x", "is not http, https", id="CE-10 no scheme, two slashes"),
        pytest.param("/v1/rerank", "is not http, https", id="CE-10 only a path"),
        pytest.param("", "is not http, https", id="CE-10 nothing"),
        pytest.param("file:///etc/passwd", "is file:", id="CE-10 file"),
        pytest.param("ftp://up.example/x", "is ftp:", id="CE-10 ftp"),
        pytest.param("unix:/run/x.sock", "is unix:", id="CE-10 unix"),
        pytest.param("https:/up.example/x", "is not http, https", id="CE-10 one slash"),
        pytest.param("https://", "has no host", id="CE-10 no host"),
        pytest.param("https:///x", "has no host", id="CE-10 no host, a path"),
        pytest.param("https://:443/x", "has no host", id="CE-10 only a port"),
        pytest.param(" https://up.example", "has blanks", id="CE-10 blank in front"),
        pytest.param("https://up.example/a b", "has blanks", id="CE-10 blank in the path"),
        pytest.param("https://up.example/\n", "has blanks", id="CE-10 newline at the end"),
        pytest.param("https://up.example/\x7f", "has blanks", id="CE-10 DEL"),
        pytest.param("https://up.example:x/", "has a host or port", id="port of letters"),
        pytest.param("https://up.example:/", "has a host or port", id="port of nothing"),
        pytest.param("https://up.example:0/", "has a port outside", id="port 0"),
        pytest.param("https://up.example:65536/", "has a port outside", id="port 65536"),
        pytest.param("https://user:canary@up.example/", "has a user", id="user and password"),
        pytest.param("https://canary@up.example/", "has a user", id="user"),
        pytest.param("https://up.example/x#canary", "has a fragment", id="fragment"),
        pytest.param("https://up.example\\@evil.example/", "has a user", id="backslash and at"),
        pytest.param("https://up.example/a\\b", "cannot be sent", id="backslash"),
        pytest.param("https://up.example/é", "cannot be sent", id="path beyond ASCII"),
        pytest.param("https://up.example/?k=é", "cannot be sent", id="query beyond ASCII"),
        pytest.param("https://up_.example-/x", "is no name or address", id="label ends in a dash"),
        pytest.param("https://a..b/x", "is no name or address", id="empty label"),
        pytest.param("https://exa$mple/x", "is no name or address", id="dollar in a name"),
        pytest.param("https://" + "a" * 64 + ".b/", "is no name or address", id="label of 64"),
        pytest.param("https://[::g]/x", "no IPv6 address", id="no IPv6 address"),
        pytest.param("https://[fe80::1%25eth0]/x", "IPv6 zone", id="IPv6 zone"),
        pytest.param("https://[::1/x", "has a host or port", id="open bracket"),
        pytest.param("https://256.1.1.1/x", "is no plain IPv4", id="IPv4 of 256"),
        pytest.param("https://1.2.3/x", "is no plain IPv4", id="IPv4 of three parts"),
        pytest.param("https://0177.0.0.1/x", "is no plain IPv4", id="IPv4 in octal"),
        pytest.param("https://up.example/a/../b", "has a segment", id="dot segment"),
        pytest.param("https://up.example/a/%2e%2E/b", "has a segment", id="dot segment, encoded"),
        pytest.param("https://up.example/{a", "has braces", id="open brace"),
        pytest.param("https://up.example/{a b}", "has blanks", id="brace with a blank"),
        pytest.param("https://up.example/{}", "has braces", id="empty braces"),
        pytest.param("https://up.example/x?a={name}", "has braces in its query", id="name in the query"),
    ],
)
def test_a_target_that_leads_nowhere_is_refused(text, said):
    with pytest.raises(ValueError, match=said) as refused:
        http_target(text)

    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.170.2",
        "[fe80::a9fe:a9fe]",
        "[::ffff:169.254.169.254]",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "168.63.129.16",
        "metadata.google.internal",
        "METADATA.google.internal.",
        "metadata",
    ],
)
def test_a_metadata_service_is_no_target(host):
    """CE-11: it hands the machine's credentials to whoever asks."""
    with pytest.raises(ValueError, match="metadata service"):
        http_target(f"http://{host}/latest/meta-data/")


@pytest.mark.parametrize(
    "host", ["2852039166", "0xa9fea9fe", "0xa9.0xfe.0xa9.0xfe", "0251.0376.0251.0376", "169.16689662"]
)
def test_an_address_cannot_be_written_around_the_rule_about_metadata(host):
    """CE-11: the resolver takes all of these for 169.254.169.254."""
    with pytest.raises(ValueError, match="is no plain IPv4"):
        http_target(f"http://{host}/latest/meta-data/")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "[::1]", "0.0.0.0"])
def test_this_machine_may_be_a_target(host):
    """CE-11: the operator wrote it; only the gateway's own port is refused, in checks.py."""
    assert is_loopback(http_target(f"http://{host}:9/x").host)


@pytest.mark.parametrize("host", ["up.example", "localhost.example", "128.0.0.1", "::2"])
def test_other_machines_are_no_loopback(host):
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("custom_callbacks.anthropic_adapter", True),
        ("app.adapters.gemini_adapter", True),
        ("anthropic_adapter", False),
        ("module.", False),
        ("a..b", False),
        ("http://up.example", False),
        ("up.example/x", False),
        (None, False),
    ],
)
def test_an_adapter_is_a_dotted_path(text, is_one):
    assert is_adapter(text) is is_one


def test_a_target_shows_neither_its_query_nor_its_path():
    shown = repr(http_target("https://up.example/bot-canary/x?key=canary"))

    assert "canary" not in shown
    assert "up.example" in shown


def test_path_and_query_can_be_cut_from_another_text():
    assert cut("http://h/path?query", "........./PATH?QUERY"[1:]) == ("/PATH", "QUERY")


unreserved = st.text(string.ascii_letters + string.digits + "-_~", max_size=8)


@given(st.lists(unreserved, max_size=5), st.lists(st.tuples(unreserved, unreserved), max_size=3))
def test_what_can_be_sent_is_never_changed(segments, pairs):
    path = "".join(f"/{segment}" for segment in segments)
    query = "&".join(f"{name}={value}" for name, value in pairs)

    target = http_target(f"http://up.example:81{path}?{query}")

    assert (target.path, target.query.get_secret_value()) == (path, query)


def complaint(text: str) -> str | None:
    try:
        http_target(text)
    except ValueError as refused:
        return str(refused)
    return None


@given(st.one_of(st.text(max_size=30), st.text(max_size=30).map("https://{}".format)))
def test_whatever_stands_there_is_a_target_or_refused_with_a_way_out(text):
    said = complaint(text)

    assert said is None or "; " in said
    assert said is not None or text.lower().startswith(("http://", "https://"))
