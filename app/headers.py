"""Which header fields cross the gateway, and which end here.

Fields are lists of (name, value) in the order they came, repeats kept apart.
"""

from collections.abc import Callable, Iterable
from fnmatch import translate
from functools import lru_cache
from re import IGNORECASE
from re import compile as compile_pattern

from app.fields import Fields

# RFC 9110 §7.6.1: fields about this connection, not about the message. HTTP2-Settings (RFC 7540 §3.2.1)
# belongs to an h2c upgrade, Proxy-Auth* (RFC 9110 §11.7) to the next proxy. "Trailers" is a common misspelling.
HOP_BY_HOP = frozenset(
    "connection http2-settings keep-alive proxy-authenticate proxy-authentication-info proxy-authorization"
    " proxy-connection te trailer trailers transfer-encoding upgrade".split()
)

# Fields that say how the message is framed or where it goes; they are the sender's own on every hop.
# Expect (RFC 9110 §10.1.1) is answered here: the gateway asks for the body when it wants it.
FRAMING = HOP_BY_HOP | {"content-length", "host", "expect"}

# Sent to every upstream, whatever `forward_headers` says: they describe the body or negotiate the answer
# (RFC 9110 §8, §12.5, §13, §14) or carry the trace (W3C Trace Context).
ALWAYS_FORWARDED = frozenset(
    "content-type content-encoding content-language accept accept-encoding accept-language"
    " range if-range if-match if-none-match if-modified-since if-unmodified-since"
    " traceparent tracestate".split()
)

# Fields that carry a credential. `x-pass-` cannot set them: only the operator speaks for the gateway.
CREDENTIALS = frozenset(
    "authorization proxy-authorization cookie api-key x-api-key x-goog-api-key x-litellm-api-key"
    " x-amz-security-token x-langfuse-public-key".split()
)

NOT_TO_PASS = FRAMING | CREDENTIALS

# LiteLLM's prefix: `x-pass-NAME: v` from the client goes upstream as `NAME: v`.
PASS_PREFIX = "x-pass-"

# Of so many names is remembered how they are spelled, and for each route what becomes of them. Clients think of the
# names, so long ones are not kept: a thousand routes would hold a thousand times as many.
MOST_NAMES = 1024
MOST_NAMES_A_ROUTE = 128
LONGEST_NAME = 64

# Server and Date are the gateway's own (RFC 9110 §6.6.1, §10.2.4); gunicorn writes them.
NOT_RELAYED_BACK = HOP_BY_HOP | {"server", "date", "x-gateway-request-id"}

# Of a client's field: the name under which it is sent; the name of the field that an `x-pass-NAME` field asks for;
# whether it is a Connection field. The first two are "" where nothing is sent.
Fate = tuple[str, str, bool]


def named_by_connection(fields: Iterable[tuple[str, str]]) -> set[str]:
    """Return the canonical names that Connection fields declare hop-by-hop."""
    return _options([value for name, value in fields if canonical(name) == "connection"])


def end_to_end(fields: Fields, never: frozenset[str] = HOP_BY_HOP) -> Fields:
    """Return the fields that may travel on, in the order they came.

    Leaves out those in `never` (canonical names) and Connection with every field that it names (RFC 9110 §7.6.1).
    Order is kept: a proxy may not reorder fields of one name (§5.3).
    """
    travelling, connection = [], []
    for field in fields:
        name = canonical(field[0])
        if name == "connection":
            connection.append(field[1])
        elif name not in never:
            travelling.append(field)
    if connection and (named := _options(connection) - never):
        return [field for field in travelling if canonical(field[0]) not in named]
    return travelling


def _options(connection: Iterable[str]) -> set[str]:
    """Return the options that values of Connection list, as canonical names."""
    return {canonical(option.strip()) for value in connection for option in value.split(",")}


class UpstreamFields:
    """The fields that one route sends upstream, without Host and without framing; decided once for each name.

    `forwards` says of a lower-case name whether the client's field of that name travels (see `forwarding`);
    `configured` are the operator's and replace the client's, whatever the case; `hidden` are names that stop
    here, such as the one the gateway key comes in.
    """

    def __init__(
        self, forwards: Callable[[str], bool], configured: Fields, hidden: frozenset[str] = frozenset()
    ) -> None:
        self._forwards = forwards
        self._configured = configured
        self._replaced = {canonical(name) for name in (*hidden, *(name for name, _ in configured))}
        self._fates = Remembered(self._fate)

    def of(self, client_fields: Fields) -> Fields:
        """Return what of the client's fields travels, in order, and the operator's behind it."""
        kept: Fields = []
        passed: Fields = []
        ends_here: set[str] = set()
        for name, value in client_fields:
            kept_as, passed_as, is_connection = self._fates[name]
            if kept_as:
                kept.append((kept_as, value))
            elif passed_as:
                passed.append((passed_as, value))
            elif is_connection:
                ends_here |= named_by_connection([(name, value)]) - FRAMING
        if ends_here:
            ends_here.add("connection")
            return self.of([field for field in client_fields if canonical(field[0]) not in ends_here])
        if passed:
            wanted = {canonical(name) for name, _ in passed}
            kept = [field for field in kept if canonical(field[0]) not in wanted] + passed
        return one_cookie_line(kept) + self._configured

    def _fate(self, name: str) -> Fate:
        return self._kept_as(name), self._passed_as(name), canonical(name) == "connection"

    def _kept_as(self, name: str) -> str:
        """Return the name under which a client's field of this name is sent; "" where it is not."""
        known = canonical(name)
        ends_here = known in FRAMING or known in self._replaced or is_pass(name)
        return title(name) if not ends_here and self._forwards(name.lower()) else ""

    def _passed_as(self, name: str) -> str:
        """Return the name of the field that an `x-pass-NAME` field asks for; "" for any other field."""
        wanted = name[len(PASS_PREFIX) :] if is_pass(name) else ""
        known = canonical(wanted)
        return "" if known in NOT_TO_PASS or known in self._replaced else title(wanted)


def forwarding(forward_headers: bool | tuple[str, ...]) -> Callable[[str], bool]:
    """Return the predicate over lower-case names that `forward_headers` stands for.

    A tuple holds names and globs (`anthropic-*`); they add to the fields always forwarded.
    """
    if forward_headers is True:
        return lambda _name: True
    if not forward_headers:
        return ALWAYS_FORWARDED.__contains__
    listed = compile_pattern("|".join(translate(name) for name in forward_headers), IGNORECASE)
    return lambda name: name in ALWAYS_FORWARDED or listed.match(name) is not None


def relayed_back(fields: Fields) -> Fields:
    """Return the upstream's fields that go to the client, in order, repeats apart."""
    return end_to_end(fields, NOT_RELAYED_BACK)


def one_cookie_line(fields: Fields) -> Fields:
    """Return the fields with all Cookie lines joined into the first, by "; ".

    A server may see only one Cookie field (RFC 6265 §5.4); RFC 9113 §8.2.3 gives the joint.
    """
    cookies = [value for name, value in fields if name == "Cookie"]
    if len(cookies) < 2:
        return fields
    first = next(i for i, (name, _) in enumerate(fields) if name == "Cookie")
    others = [field for field in fields if field[0] != "Cookie"]
    return [*others[:first], ("Cookie", "; ".join(cookies)), *others[first:]]


class Remembered(dict[str, Fate]):
    """What was decided about names, the long ones left out; when there are too many, all are forgotten."""

    def __init__(self, decide: Callable[[str], Fate]) -> None:
        self._decide = decide

    def __missing__(self, name: str) -> Fate:
        fate = self._decide(name)
        if len(name) <= LONGEST_NAME:
            if len(self) == MOST_NAMES_A_ROUTE:
                self.clear()
            self[name] = fate
        return fate


@lru_cache(MOST_NAMES)
def title(name: str) -> str:
    """Return the name in the usual spelling: gunicorn hands names over in capitals."""
    return name.title()


@lru_cache(MOST_NAMES)
def canonical(name: str) -> str:
    """Return the name to compare by: lower-case, and with dashes where CGI-like servers see no difference.

    An upstream that turns both into HTTP_CONTENT_LENGTH (RFC 3875 §4.1.18) must not get a second one from a client.
    """
    return name.lower().replace("_", "-")


def is_pass(name: str) -> bool:
    """Tell whether this is an `x-pass-NAME` field."""
    return name.lower().startswith(PASS_PREFIX)
