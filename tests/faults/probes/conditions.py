"""MDA2AV/Http11Probe, CAP and COOK: conditions and cookies, which the gateway carries and the upstream judges."""

from tests.faults.probes import Probe, get, refused

UNCHANGED = b'HTTP/1.1 304 Not Modified\r\nETag: "v7"\r\n\r\n'
SINCE = "If-Modified-Since: Tue, 03 Feb 2026 04:05:06 GMT"


def carried(name: str, *fields: str, lines: tuple[str, ...] = (), unchanged: bool = False) -> Probe:
    """The fields arrive as sent, or as `lines` say; the upstream's 200 or 304 comes back."""
    arrive = tuple(line.lower().encode() for line in lines or fields)
    upstream = {"upstream": UNCHANGED} if unchanged else {}
    return Probe(name, get(*fields), (304 if unchanged else 200,), (b"",), "kept", arrive, **upstream)


PROBES = (
    carried("CAP-ETAG-304", 'If-None-Match: "v7"', unchanged=True),
    carried("CAP-LAST-MODIFIED-304", SINCE, unchanged=True),
    carried("CAP-ETAG-IN-304", 'If-None-Match: "v6", "v7"', unchanged=True),
    carried("CAP-INM-PRECEDENCE", 'If-None-Match: "v7"', SINCE, unchanged=True),
    carried("CAP-INM-WILDCARD", "If-None-Match: *", unchanged=True),
    carried("CAP-IMS-FUTURE", "If-Modified-Since: Sun, 05 Jun 2095 01:02:03 GMT"),
    carried("CAP-IMS-INVALID", "If-Modified-Since: the other day"),
    carried("CAP-INM-UNQUOTED", "If-None-Match: v7"),
    carried("CAP-ETAG-WEAK", 'If-None-Match: W/"v7"', unchanged=True),
    carried("COOK-ECHO", "Cookie: night=owl"),
    refused("COOK-OVERSIZED", get("Cookie: c=" + "k" * 66_000), 431),
    carried("COOK-EMPTY", "Cookie:", lines=("cookie:",)),
    refused("COOK-NUL", get("Cookie: a=\x00b")),
    refused("COOK-CONTROL-CHARS", get("Cookie: a=b\x02\x1f")),
    refused("COOK-MANY-PAIRS", get("Cookie: " + "; ".join(f"c{n}={n}" for n in range(1_000))), 431),
    carried("COOK-MALFORMED", "Cookie: =;=;;="),
    carried("COOK-MULTI-HEADER", "Cookie: c=3", "Cookie: d=4", lines=("cookie: c=3; d=4",)),
    carried("COOK-PARSED-BASIC", "Cookie: c=3"),
    carried("COOK-PARSED-MULTI", "Cookie: c=3; d=4; e=5"),
    carried("COOK-PARSED-EMPTY-VAL", "Cookie: c="),
    carried("COOK-PARSED-SPECIAL", "Cookie: c=two words; d=e=f"),
)
