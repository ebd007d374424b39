"""RELIABILITY group RP: the request line, from the client's octets to the upstream's."""

from __future__ import annotations

import pytest

from tests.kit.claims import assert_refused, gateway_error
from tests.kit.client import Client
from tests.kit.gateway import Gateway
from tests.kit.upstream import Upstream

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        pytest.param("/tree/files/a%2Fb", "/base/files/a%2Fb", id="RP-01 encoded slash"),
        pytest.param("/tree/files/a%2fb%20c+d", "/base/files/a%2fb%20c+d", id="RP-01 case, space and plus"),
        pytest.param("/tree/%E2%82%AC/%00/%7e~", "/base/%E2%82%AC/%00/%7e~", id="RP-01 any escape"),
        pytest.param("/tree/x%3Fadmin%3D1", "/base/x%3Fadmin%3D1", id="RP-02 encoded question mark"),
        pytest.param("/tree/x%23y", "/base/x%23y", id="RP-02 encoded number sign"),
        pytest.param("/tree", "/base", id="no remainder"),
        pytest.param("/tree/", "/base/", id="remainder of one slash"),
        pytest.param("/tree//a//b/", "/base//a//b/", id="RP-07 doubled slashes below the route"),
        pytest.param("/tree/a;v=1/b:c@d,e!$'()*", "/base/a;v=1/b:c@d,e!$'()*", id="sub-delimiters"),
        pytest.param("/tree/%zz/%", "/base/%zz/%", id="escapes that are none"),
        pytest.param("/tree/...", "/base/...", id="three dots are a name"),
        pytest.param("/slash", "/base/", id="target with a slash, no remainder"),
        pytest.param("/slash/a", "/base/a", id="one slash at the target's end is dropped"),
        pytest.param("/root/a/b", "/a/b", id="target without a path"),
        pytest.param("/root", "/", id="target without a path, no remainder"),
        pytest.param("/named/a%2Fb/x", "/got/a%2Fb/y", id="a name's segment stays raw"),
    ],
)
def test_path_travels_octet_for_octet(gateway: Gateway, upstream: Upstream, sent: str, arrives: str) -> None:
    assert gateway.ask("GET", sent).status == 200

    (seen,) = upstream.requests
    assert seen.raw_head.startswith(b"GET %b HTTP/1.1\r\n" % arrives.encode())


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/v1/rerank/../admin", id="RP-04 leaves the route"),
        pytest.param("/v1/rerank/..", id="RP-04 at the end"),
        pytest.param("/v1/./x", id="RP-04 single dot"),
        pytest.param("/tree/a/../../admin", id="RP-04 below a prefix"),
        pytest.param("/tree/.", id="RP-04 single dot below a prefix"),
        pytest.param("/tree/..?x=1", id="RP-04 before a query"),
        pytest.param("/tree/%2e%2e/admin", id="RP-05 encoded"),
        pytest.param("/tree/%2E%2e%2Fadmin", id="RP-05 encoded with its slash"),
        pytest.param("/tree/.%2e/", id="RP-05 half encoded"),
        pytest.param("/tree/%2e", id="RP-05 encoded single dot"),
        pytest.param("/tree/..%5cadmin", id="RP-05 with an encoded backslash"),
        pytest.param("/tree/..\\admin", id="RP-05 with a backslash"),
        pytest.param("/named/../x", id="RP-04 in a name's place"),
        pytest.param("/named/%2e%2e/x", id="RP-05 in a name's place"),
        pytest.param("/../v1/rerank", id="RP-04 above the root"),
        pytest.param("http://gateway.test/tree/../admin", id="RP-04 in absolute form"),
    ],
)
def test_dot_segment_is_a_400(gateway: Gateway, upstream: Upstream, path: str) -> None:
    answer = gateway.ask("GET", path)

    assert (answer.status, gateway_error(answer)["code"]) == (400, "invalid_request")
    assert upstream.octets == 0


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("//v1/rerank", id="RP-07 doubled slash in front"),
        pytest.param("/v1//rerank", id="RP-07 doubled slash within"),
        pytest.param("//other.test/v1/rerank", id="RP-08 looks like an authority"),
        pytest.param("/v1/rerankX", id="RP-10 longer name"),
        pytest.param("/v1/rerank.json", id="RP-10 with a suffix"),
        pytest.param("/treehouse", id="RP-10 prefix ends within a segment"),
        pytest.param("/tree%2Fa", id="RP-10 encoded slash is no segment border"),
        pytest.param("/v1/rerank/", id="RP-11 slash at the end"),
        pytest.param("/v1/rerank/below", id="below an exact route"),
        pytest.param("/v1/%72erank", id="another spelling"),
        pytest.param("/V1/rerank", id="another case"),
        pytest.param("/named/a/b/x", id="a name takes one segment"),
        pytest.param("/named//x", id="a name takes no empty segment"),
        pytest.param("/", id="the root"),
        pytest.param("/static/x", id="no static files"),
    ],
)
def test_other_spelling_is_a_404_without_redirect(gateway: Gateway, upstream: Upstream, path: str) -> None:
    answer = gateway.ask("POST", path, body=b"{}")

    assert (answer.status, gateway_error(answer)["code"]) == (404, "route_not_found")
    assert answer.fields.every("location") == []
    assert upstream.octets == 0


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("http://other.test/v1/rerank?q=1", id="RP-08 absolute form"),
        pytest.param("HTTPS://other.test:81/v1/rerank?q=1", id="RP-08 other scheme, case and port"),
        pytest.param("http://u:p@other.test/v1/rerank?q=1", id="RP-08 with userinfo"),
    ],
)
def test_host_is_the_configured_one_whatever_the_target_says(gateway: Gateway, upstream: Upstream, target: str) -> None:
    assert gateway.ask("GET", target).status == 200

    (seen,) = upstream.requests
    assert seen.target == "/v1/rerank?q=1"
    assert seen.fields.one("host") == upstream.authority


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        pytest.param("/plain?a=1&a=2&b=&c&a=3", "/plain?a=1&a=2&b=&c&a=3", id="RP-13 order, repeats, empties"),
        pytest.param("/plain?q=a%20b+c%2Bd&%41=%zz", "/plain?q=a%20b+c%2Bd&%41=%zz", id="RP-13 escapes"),
        pytest.param("/plain?a=/../b?c&&=&;d", "/plain?a=/../b?c&&=&;d", id="RP-13 odd octets"),
        pytest.param("/query?x=2", "/query?api-version=1&code=canary-query-2b9e&x=2", id="RP-14 joined"),
        pytest.param("/query", "/query?api-version=1&code=canary-query-2b9e", id="RP-14 target's alone"),
        pytest.param(
            "/query?api-version=9&x=2&code=mine&c%6fde=mine&x=3",
            "/query?api-version=1&code=canary-query-2b9e&x=2&x=3",
            id="RP-14 configured pair stands, whatever the spelling",
        ),
        pytest.param("/query?code", "/query?api-version=1&code=canary-query-2b9e", id="RP-14 a bare name"),
        pytest.param("/defaults", "/defaults?model=small&key=canary-param-58d0", id="defaults are added"),
        pytest.param(
            "/defaults?mo%64el=mine&x", "/defaults?mo%64el=mine&x&key=canary-param-58d0", id="defaults give way"
        ),
        pytest.param("/defaults?key=", "/defaults?key=&model=small", id="an empty value is a value"),
        pytest.param("/tree/a?x=%2F", "/base/a?x=%2F", id="with a remainder"),
    ],
)
def test_query_travels_octet_for_octet(gateway: Gateway, upstream: Upstream, sent: str, arrives: str) -> None:
    assert gateway.ask("GET", sent).status == 200

    assert [seen.target for seen in upstream.requests] == [arrives]


@pytest.mark.parametrize("method", [pytest.param(method, id=f"RP-16 {method}") for method in METHODS])
def test_method_is_relayed(gateway: Gateway, upstream: Upstream, method: str) -> None:
    answer = gateway.ask(method, "/plain")

    assert answer.status == 200
    assert bytes(answer.body) == (b"" if method == "HEAD" else b"plain answer")
    assert [seen.method for seen in upstream.requests] == [method]


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        *(pytest.param(method, "/plain", METHODS, id=f"RP-17 {method}") for method in ("QUERY", "PROPFIND", "REPORT")),
        pytest.param("TRACE", "/plain", METHODS, id="RP-17 TRACE"),
        pytest.param("POST", "/readonly", ["GET"], id="not among the route's methods"),
        pytest.param("HEAD", "/readonly", ["GET"], id="GET does not bring HEAD along"),
        pytest.param("OPTIONS", "/readonly", ["GET"], id="OPTIONS is not answered by the gateway"),
        pytest.param("GET", "/readonly/more", ["POST"], id="no falling through to another route"),
    ],
)
def test_other_method_is_a_405_with_allow(
    gateway: Gateway, upstream: Upstream, method: str, path: str, allow: list[str]
) -> None:
    answer = gateway.ask(method, path)

    assert answer.status == 405
    assert sorted(answer.fields.one("allow").replace(" ", "").split(",")) == sorted(allow)
    if method != "HEAD":
        assert gateway_error(answer)["code"] == "method_not_allowed"
    assert upstream.octets == 0


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"GET  /plain HTTP/1.1\r\nHost: a\r\n\r\n", id="RP-19 two spaces"),
        pytest.param(b"GET /plain  HTTP/1.1\r\nHost: a\r\n\r\n", id="RP-19 two spaces before the version"),
        pytest.param(b"GET\t/plain HTTP/1.1\r\nHost: a\r\n\r\n", id="RP-19 tab"),
        pytest.param(b"GET /plain\r\nHost: a\r\n\r\n", id="RP-19 no version"),
        pytest.param(b"GET /plain HTTP/2.0\r\nHost: a\r\n\r\n", id="RP-19 HTTP/2.0"),
        pytest.param(b"GET /plain http/1.1\r\nHost: a\r\n\r\n", id="RP-19 lower-case version"),
        pytest.param(b"GET /plain HTTP/1.1 \r\nHost: a\r\n\r\n", id="RP-19 trailing space"),
        pytest.param(b" GET /plain HTTP/1.1\r\nHost: a\r\n\r\n", id="RP-19 leading space"),
        pytest.param(b"GET /pl ain HTTP/1.1\r\nHost: a\r\n\r\n", id="RP-19 space in the target"),
        pytest.param(b"GET /plain HTTP/1.1\nHost: a\n\n", id="RP-19 bare LF"),
        pytest.param(b"GET /plain HTTP/1.1\rHost: a\r\n\r\n", id="RP-19 bare CR"),
        pytest.param(b"G@T /plain HTTP/1.1\r\nHost: a\r\n\r\n", id="RP-19 method is no token"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="RP-19 HTTP/2 preface"),
        pytest.param(b"GET /pl\xc3\xa4in HTTP/1.1\r\nHost: a\r\n\r\n", id="RP-23 octets beyond ASCII"),
        pytest.param(b"GET /tree/\x00 HTTP/1.1\r\nHost: a\r\n\r\n", id="RP-23 NUL"),
        pytest.param(b"GET /tree/\x0b HTTP/1.1\r\nHost: a\r\n\r\n", id="RP-23 vertical tab"),
        pytest.param(b"GET /tree/\x7f HTTP/1.1\r\nHost: a\r\n\r\n", id="RP-23 DEL"),
        pytest.param(b"GET /plain?\xff HTTP/1.1\r\nHost: a\r\n\r\n", id="RP-23 in the query"),
    ],
)
def test_broken_request_line_is_refused_and_closed(client: Client, upstream: Upstream, octets: bytes) -> None:
    client.send(octets)

    assert_refused(client, upstream, (400, 505))


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"GET /plain HTTP/1.1\r\n\r\n", id="RP-20 no Host"),
        pytest.param(b"GET /plain HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", id="RP-20 two Hosts"),
        pytest.param(b"GET /plain HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", id="RP-20 two equal Hosts"),
        pytest.param(b"GET /plain HTTP/1.1\r\nHost: a/b\r\n\r\n", id="RP-20 Host is no authority"),
        pytest.param(b"GET /plain HTTP/1.1\r\nHost: a b\r\n\r\n", id="RP-20 Host with a space"),
        pytest.param(b"GET /plain HTTP/1.1\r\nHost:\r\n\r\n", id="RP-20 empty Host"),
        pytest.param(b"DELETE http://a/plain HTTP/1.1\r\nHost: \r\n\r\n", id="RP-20 empty Host beside a URL"),
    ],
)
def test_request_without_one_good_host_is_a_400(client: Client, upstream: Upstream, octets: bytes) -> None:
    client.send(octets)

    answer = client.answer()

    assert (answer.status, gateway_error(answer)["code"]) == (400, "invalid_request")
    assert upstream.octets == 0


@pytest.mark.parametrize("method", ["get", "Post"])
def test_method_of_another_case_is_refused(gateway: Gateway, upstream: Upstream, method: str) -> None:
    """RP-17: methods have case (RFC 9110 §9.1), so this is not the method it resembles."""
    assert gateway.ask(method, "/plain").status in (400, 405, 501)
    assert upstream.octets == 0


def test_fragment_is_a_400_and_not_sent(gateway: Gateway, upstream: Upstream) -> None:
    """RP-23: a fragment never belongs into a request."""
    answer = gateway.ask("GET", "/tree/a#fragment")

    assert (answer.status, gateway_error(answer)["code"]) == (400, "invalid_request")
    assert upstream.octets == 0


@pytest.mark.parametrize("target", ["*", "gateway.test:80", "plain", "ftp://x/plain", "?x"])
def test_target_that_names_no_path_is_a_400(gateway: Gateway, upstream: Upstream, target: str) -> None:
    answer = gateway.ask("OPTIONS", target)

    assert answer.status == 400
    assert upstream.octets == 0


@pytest.mark.parametrize(
    "size", [pytest.param(4000, id="RP-22 4,000 octets"), pytest.param(4100, id="RP-22 4,100 octets")]
)
def test_long_target_is_relayed(gateway: Gateway, upstream: Upstream, size: int) -> None:
    target = "/tree/" + "a" * (size - len("/tree/"))

    assert gateway.ask("GET", target).status == 200
    assert [seen.target for seen in upstream.requests] == [target.replace("/tree", "/base")]


def test_target_over_the_limit_is_a_414(client: Client, upstream: Upstream) -> None:
    """RP-22: the whole request line may have 8,190 octets."""
    client.send(b"GET /tree/%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"a" * 8194))

    answer = client.answer()

    assert (answer.status, gateway_error(answer)["code"]) == (414, "uri_too_long")
    assert upstream.octets == 0


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("SCRIPT_NAME", id="RP-25 SCRIPT_NAME"),
        pytest.param("PATH_INFO", id="RP-25 PATH_INFO"),
        pytest.param("X-Script-Name", id="RP-25 X-Script-Name"),
        pytest.param("X-Original-URL", id="RP-26 X-Original-URL"),
        pytest.param("X-Rewrite-URL", id="RP-26 X-Rewrite-URL"),
        pytest.param("X-Forwarded-Uri", id="RP-26 X-Forwarded-Uri"),
        pytest.param("X-Forwarded-Prefix", id="RP-26 X-Forwarded-Prefix"),
        pytest.param("X-HTTP-Method-Override", id="RP-26 X-HTTP-Method-Override"),
    ],
)
def test_no_field_changes_the_route(gateway: Gateway, upstream: Upstream, name: str) -> None:
    elsewhere = gateway.ask("GET", "/x/plain", [(name, "/x")])
    here = gateway.ask("GET", "/tree/a", [(name, "/readonly")])

    assert (elsewhere.status, here.status) == (404, 200)
    assert [(seen.method, seen.target) for seen in upstream.requests] == [("GET", "/base/a")]
