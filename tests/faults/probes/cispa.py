"""cispa/http-conformance: those of its 106 rules that judge a server by what it makes of a request.

The others judge what a site says (cookies, policies, caching, redirects, grammar of an answer's fields): the gateway
relays that as it came. Each answer of the table is read by h11, which holds the rules about framing.
"""

from tests.faults.probes import Probe, get, head, post, refused, spoken, taken

HINTED = b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"
STALE = b'HTTP/1.1 304 Not Modified\r\nETag: "v7"\r\n\r\n'
BY_CODING = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"

PROBES = (
    taken("continue_before_upgrade", get("Connection: upgrade", "Upgrade: tls/1.3", "Expect: 100-continue"),
          why="an offer may be ignored, and there is no body to wait for"),
    refused("reject_fields_contaning_cr_lf_nul: CR", get("X-A: b\r")),
    refused("reject_fields_contaning_cr_lf_nul: LF", get("X-A: b\n")),
    refused("reject_fields_contaning_cr_lf_nul: NUL", get("X-A: b\x00")),
    spoken("code_400_after_bad_host_request: none", get("X-A: b", host=None), 400),
    refused("code_400_after_bad_host_request: two", get("Host: gateway.test:80")),
    spoken("code_400_after_bad_host_request: no name", get(host="<>"), 400),
    spoken("code_501_unknown_methods", head("XYZZY /p/a HTTP/1.1"), 405,
           why="a recommendation; the operator names the methods of a route, and others are a 405 (CONTRACT §2)"),
    spoken("code_405_blocked_methods", head("TRACE /p/a HTTP/1.1"), 405),
    spoken("code_405_allow", head("PUT /only-get HTTP/1.1"), 405),
    taken("content_head_request", head("HEAD /p/a HTTP/1.1")),
    taken("head_get_headers", head("HEAD /p/a HTTP/1.1"), why="as the upstream answers"),
    taken("content_length_same_head_get", head("HEAD /p/a HTTP/1.1"), why="as the upstream answers"),
    taken("allow_crlf_start", b"\r\n" + get()),
    refused("reject_msgs_with_whitespace_between_startline_and_first_header_field",
            b"GET /p/a HTTP/1.1\r\n X-A: b\r\nHost: gateway.test\r\n\r\n"),
    refused("code_400_if_msg_with_whitespace_between_header_field_and_colon", get("X-A\t: b")),
    refused("content_length_2XX_connect", head("CONNECT gateway.test:443 HTTP/1.1")),
    refused("transfer_encoding_2XX_connect", head("CONNECT gateway.test HTTP/1.1", "Transfer-Encoding: chunked")),
    refused("post_invalid_response_codes", post("Content-Length: none"),
            why="an answer of the gateway's own to a POST is never a 206, 304 or 416"),
    refused("no_bare_cr", get("X-A: b\r c")),
    Probe("content_length_1XX_204", get(), (204,), (b"",), "kept", upstream=HINTED),
    Probe("code_204_no_additional_content", get() + get(), (204, 204), (b"", b""), "kept", upstream=HINTED),
    Probe("code_304_no_content", get() + get(), (304, 304), (b"", b""), "kept", upstream=STALE),
    taken("send_upgrade_101", get("Upgrade: tls/1.3", "Connection: upgrade")),
    taken("switch_protocol_without_client", get()),
    taken("close_option_in_final_response", get("Connection: close"), end="closed"),
    Probe("transfer_encoding_http11", head("GET /p/a HTTP/1.0"), (200,), (b"",), "closed", upstream=BY_CODING),
    taken("date_header_required", get(), why="each answer of this table must have one Date"),
)  # fmt: skip
