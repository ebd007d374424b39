"""MDA2AV/Http11Probe, the names that begin with SMUG: two readers, two opinions where a request ends."""

from tests.faults.probes import Probe, chunked, get, head, post, refused, spoken, taken

BOTH = ("Content-Length: 2", "Transfer-Encoding: chunked")
NEXT = get(path="/p/next")
LAST = b"0\r\n\r\n"


def coded(value: str, *fields: str, body: bytes = b"hi") -> bytes:
    """Return a POST with this Transfer-Encoding field beside a length."""
    return post(f"Transfer-Encoding:{value}", "Content-Length: 2", *fields, body=body)


def hidden(length: str, *coding: str, method: str = "GET") -> bytes:
    """Return a POST in whose body, by its length, another request lies, which begins behind a last chunk."""
    body = LAST + head(f"{method} /p/hidden HTTP/1.1")
    return post(f"Content-Length: {length.format(len(body))}", *coding, body=body)


LENGTHS = (
    refused("SMUG-DUPLICATE-CL", post("Content-Length: 2", "Content-Length: 3", body=b"abc")),
    taken("SMUG-CL-LEADING-ZEROS", post("Content-Length: 0002", body=b"hi"), b"hi"),
    refused("SMUG-CL-NEGATIVE", post("Content-Length: -3", body=b"abc")),
    taken("SMUG-CL-TRAILING-SPACE", post("Content-Length: 2  ", body=b"hi"), b"hi"),
    taken("SMUG-CL-EXTRA-LEADING-SP", post("Content-Length:    2", body=b"hi"), b"hi"),
    refused("SMUG-CL-COMMA-DIFFERENT", post("Content-Length: 2, 3", body=b"abc")),
    refused("SMUG-CL-OCTAL", post("Content-Length: 0o3", body=b"abc")),
    refused("SMUG-CL-HEX-PREFIX", post("Content-Length: 0x3", body=b"abc")),
    refused("SMUG-CL-INTERNAL-SPACE", post("Content-Length: 1 1", body=b"elevenwords")),
    refused("SMUG-CL-COMMA-SAME", post("Content-Length: 3, 3", body=b"abc")),
    refused("SMUG-CL-COMMA-TRIPLE", post("Content-Length: 3,3,3", body=b"abc")),
    refused("SMUG-CL-UNDERSCORE", post("Content-Length: 1_1", body=b"elevenwords")),
    refused("SMUG-CL-NEGATIVE-ZERO", post("Content-Length: -0")),
    taken("SMUG-CL-DOUBLE-ZERO", post("Content-Length: 00")),
    taken("SMUG-CL-LEADING-ZEROS-OCTAL", post("Content-Length: 0100", body=b"o" * 100), b"o" * 100),
    refused("SMUG-DUPLICATE-CL-SMUGGLED-GET",
            post("Content-Length: 2", f"Content-Length: {2 + len(NEXT)}", body=b"hi" + NEXT)),
)  # fmt: skip
CODINGS = (
    refused("SMUG-CL-TE-BOTH", post("Content-Length: 13", "Transfer-Encoding: chunked", body=b"3\r\nabc\r\n" + LAST)),
    refused("SMUG-TE-XCHUNKED", coded(" notchunked")),
    refused("SMUG-TE-TRAILING-SPACE", coded(" chunked  ")),
    refused("SMUG-TE-SP-BEFORE-COLON", post("Transfer-Encoding : chunked", body=b"3\r\nabc\r\n" + LAST)),
    refused("SMUG-TE-DOUBLE-CHUNKED", coded(" chunked,chunked")),
    refused("SMUG-TE-CASE-MISMATCH", coded(" cHUNKED")),
    refused("SMUG-TE-NOT-FINAL-CHUNKED", post("Transfer-Encoding: chunked, deflate", body=LAST)),
    refused("SMUG-TE-HTTP10", head("POST /p/a HTTP/1.0", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n" + LAST),
    refused("SMUG-TE-EMPTY-VALUE", post("Transfer-Encoding:", body=b"hi")),
    refused("SMUG-TE-LEADING-COMMA", coded(" ,chunked")),
    refused("SMUG-TE-DUPLICATE-HEADERS", coded(" chunked", "Transfer-Encoding: identity")),
    refused("SMUG-TE-VTAB", post("Transfer-Encoding:\x0bchunked", body=LAST)),
    refused("SMUG-TE-FORMFEED", post("Transfer-Encoding:\x0cchunked", body=LAST)),
    refused("SMUG-TE-NULL", post("Transfer-Encoding: chunked\x00", body=LAST)),
    refused("SMUG-TE-IDENTITY", coded(" identity")),
    refused("SMUG-CHUNKED-WITH-PARAMS", coded(" chunked;q=1")),
    refused("SMUG-TE-OBS-FOLD", coded("\r\n\tchunked")),
    refused("SMUG-TE-TRAILING-COMMA", coded(" chunked,")),
    refused("SMUG-TE-TAB-BEFORE-VALUE", coded("\tchunked")),
    taken("SMUG-TRANSFER_ENCODING", post("Transfer_Encoding: chunked", "Content-Length: 2", body=b"hi"), b"hi",
          why="another name, which frames nothing; not sent on, where it may be read as one (app.headers.canonical)"),
    refused("SMUG-OPTIONS-TE-OBS-FOLD",
            head("OPTIONS /p/a HTTP/1.1", "Transfer-Encoding:", " chunked", "Content-Length: 2") + b"hi" + NEXT),
)  # fmt: skip
CHUNKS = (
    refused("SMUG-CHUNK-BARE-SEMICOLON", chunked(b"3;\r\nabc\r\n" + LAST)),
    refused("SMUG-CHUNK-EXT-INVALID-TOKEN", chunked(b"3;a{b}=c\r\nabc\r\n" + LAST)),
    refused("SMUG-CHUNK-UNDERSCORE", chunked(b"0_3\r\nabc\r\n" + LAST)),
    refused("SMUG-CHUNK-HEX-PREFIX", chunked(b"0X3\r\nabc\r\n" + LAST)),
    refused("SMUG-CHUNK-SIZE-PLUS", chunked(b"+3\r\nabc\r\n" + LAST)),
    refused("SMUG-CHUNK-SIZE-TRAILING-OWS", chunked(b"3\t\r\nabc\r\n" + LAST)),
    refused("SMUG-CHUNK-LEADING-SP", chunked(b"\t3\r\nabc\r\n" + LAST)),
    refused("SMUG-CHUNK-MISSING-TRAILING-CRLF", chunked(b"3\r\nabc" + LAST)),
    refused("SMUG-CHUNK-EXT-LF", chunked(b"3;a\nabc\r\n" + LAST)),
    refused("SMUG-CHUNK-SPILL", chunked(b"3\r\nabcde\r\n" + LAST)),
    refused("SMUG-CHUNK-LF-TERM", chunked(b"3\r\nabc\n" + LAST)),
    refused("SMUG-CHUNK-EXT-CTRL", chunked(b"3;a\x00b\r\nabc\r\n" + LAST)),
    refused("SMUG-CHUNK-EXT-CR", chunked(b"3;a\rb\r\nabc\r\n" + LAST)),
    refused("SMUG-CHUNK-LF-TRAILER", chunked(b"3\r\nabc\r\n0\r\n\n")),
    refused("SMUG-CHUNK-NEGATIVE", chunked(b"-3\r\nabc\r\n" + LAST)),
    refused("SMUG-CHUNK-BARE-CR-TERM", chunked(b"3\rabc\r\n" + LAST)),
    refused("SMUG-CHUNK-INVALID-SIZE-DESYNC", chunked(b"+0\r\n\r\n") + b"Y" + NEXT),
    refused("SMUG-TRAILER-CL", chunked(b"3\r\nabc\r\n0\r\nContent-Length: 3\r\n\r\n")),
    refused("SMUG-TRAILER-TE", chunked(b"3\r\nabc\r\n0\r\nTransfer-Encoding: deflate\r\n\r\n")),
    refused("SMUG-TRAILER-HOST", chunked(b"3\r\nabc\r\n0\r\nHost: far.test\r\n\r\n")),
    refused("SMUG-TRAILER-AUTH", chunked(b"3\r\nabc\r\n0\r\nAuthorization: Basic eDp5\r\n\r\n")),
    refused("SMUG-TRAILER-CONTENT-TYPE", chunked(b"3\r\nabc\r\n0\r\nContent-Type: a/b\r\n\r\n")),
)  # fmt: skip
BEHIND = (
    refused("SMUG-CLTE-PIPELINE", post(*BOTH, body=LAST) + NEXT),
    refused("SMUG-TECL-PIPELINE", post(*reversed(BOTH), body=LAST) + NEXT),
    refused("SMUG-CLTE-CONN-CLOSE", post(*BOTH, body=LAST) + NEXT),
    refused("SMUG-TECL-CONN-CLOSE", post(*reversed(BOTH), body=LAST) + NEXT),
    refused("SMUG-CLTE-DESYNC", post("Content-Length: 6", "Transfer-Encoding: chunked", body=LAST + b"Y") + NEXT),
    refused("SMUG-TECL-DESYNC", post("Transfer-Encoding: chunked", "Content-Length: 25", body=LAST + b"Y") + NEXT),
    refused("SMUG-CLTE-SMUGGLED-GET", hidden("{}", "Transfer-Encoding: chunked")),
    refused("SMUG-CLTE-SMUGGLED-GET-CL-PLUS", hidden("+{}", "Transfer-Encoding: chunked")),
    refused("SMUG-CLTE-SMUGGLED-GET-CL-NON-NUMERIC", hidden("{}th", "Transfer-Encoding: chunked")),
    refused("SMUG-CLTE-SMUGGLED-GET-TE-OBS-FOLD", hidden("{}", "Transfer-Encoding:", "\tchunked")),
    refused("SMUG-CLTE-SMUGGLED-HEAD", hidden("{}", "Transfer-Encoding: chunked", method="HEAD")),
    refused("SMUG-CLTE-SMUGGLED-GET-TE-TRAILING-SPACE", hidden("{}", "Transfer-Encoding: chunked\t")),
    refused("SMUG-CLTE-SMUGGLED-GET-TE-LEADING-COMMA", hidden("{}", "Transfer-Encoding: ,chunked")),
    refused("SMUG-CLTE-SMUGGLED-GET-TE-CASE-MISMATCH", hidden("{}", "Transfer-Encoding: CHUNKED")),
    refused("SMUG-TE-DUPLICATE-HEADERS-SMUGGLED-GET",
            hidden("{}", "Transfer-Encoding: chunked", "Transfer-Encoding: identity")),
    refused("SMUG-TECL-SMUGGLED-GET",
            post("Transfer-Encoding: chunked", "Content-Length: 4", body=b"%x\r\n%b\r\n" % (len(NEXT), NEXT) + LAST)),
    taken("SMUG-PIPELINE-SAFE", get() + NEXT, b"", b""),
    taken("SMUG-GET-CL-PREFIX-DESYNC", get("Content-Length: 24") + b"GET /p/hidden HTTP/1.1\r\n" + NEXT,
          b"GET /p/hidden HTTP/1.1\r\n", b""),
    taken("SMUG-GET-CL-BODY-DESYNC", get("Content-Length: 2") + b"hi" + NEXT, b"hi", b""),
    taken("SMUG-OPTIONS-CL-BODY-DESYNC", head("OPTIONS /p HTTP/1.1", "Content-Length: 2") + b"hi" + NEXT, b"hi", b""),
    taken("SMUG-EXPECT-100-CL-DESYNC", post("Expect: 100-continue", "Content-Length: 2", body=b"hi") + NEXT, b"hi",
          b""),
    Probe("SMUG-CL0-BODY-POISON", post("Content-Length: 0", body=b"Y") + NEXT, (200, 405), (b"",), "kept",
          why="what stands behind a body of no octets is the client's next request, however odd its method"),
)  # fmt: skip
REST = (
    refused("SMUG-BARE-CR-HEADER-VALUE", post("X-A: b\rc", "Content-Length: 2", body=b"hi")),
    taken("SMUG-EXPECT-100-CL", post("Expect: 100-continue", "Content-Length: 2", body=b"hi"), b"hi"),
    taken("SMUG-HEAD-CL-BODY", head("HEAD /p/a HTTP/1.1", "Content-Length: 2") + b"hi", b"hi"),
    taken("SMUG-OPTIONS-CL-BODY", head("OPTIONS /p/a HTTP/1.1", "Content-Length: 2") + b"hi", b"hi"),
    taken("SMUG-ABSOLUTE-URI-HOST-MISMATCH", get(path="http://far.test/p/a"),
          why="the upstream's host is the configured one whatever either says (RP-08)"),
    spoken("SMUG-MULTIPLE-HOST-COMMA", get(host="gateway.test, far.test"), 400),
)  # fmt: skip
PROBES = LENGTHS + CODINGS + CHUNKS + BEHIND + REST
