"""Which fields cross the gateway: nothing hop-by-hop, nothing invented, and the operator's word wins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.headers import (
    ALWAYS_FORWARDED,
    CREDENTIALS,
    FRAMING,
    HOP_BY_HOP,
    MOST_NAMES_A_ROUTE,
    NOT_RELAYED_BACK,
    PASS_PREFIX,
    UpstreamFields,
    end_to_end,
    forwarding,
    named_by_connection,
    one_cookie_line,
    relayed_back,
    title,
)
from tests.values import PROPERTY

EVERYTHING = forwarding(True)
NOTHING_MORE = forwarding(False)

INTERESTING = sorted(FRAMING | ALWAYS_FORWARDED | CREDENTIALS | {"x-a", "x_a", "x-b", "x_b", "set-cookie"})


def cased(name):
    return st.sampled_from([name, name.upper(), name.title(), name.swapcase()])


token = st.text("!#$%&'*+-.^_`|~09azAZ", min_size=1, max_size=6)
names = st.one_of(st.sampled_from(INTERESTING).flatmap(cased), token)
passed_names = names.map(lambda name: PASS_PREFIX + name)
values = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="\x7f,"), max_size=8)
named = names.filter(lambda name: "_" not in name)
connection = st.tuples(cased("connection"), st.lists(named, max_size=3).map(", ".join))
client_lists = st.lists(st.one_of(st.tuples(names, values), connection), max_size=12)
configured_lists = st.lists(st.tuples(names, values), max_size=4, unique_by=lambda field: field[0].lower()).map(
    lambda fields: [field for field in fields if field[0].lower() not in FRAMING]
)


def upstream_fields(client_fields, forwards, configured, hidden=frozenset()):
    return UpstreamFields(forwards, configured, hidden).of(client_fields)


@pytest.mark.parametrize("name", ["X-A", "X-" + "A" * 8_000], ids=["short", "long"])
def test_a_name_is_decided_the_same_each_time(name):
    fields = UpstreamFields(EVERYTHING, [("x-b", "operator")])

    assert [fields.of([(name, "1")]) for _ in range(2)] == [[(name.title(), "1"), ("x-b", "operator")]] * 2


def test_long_names_that_clients_think_of_are_not_remembered():
    asked = []
    fields = UpstreamFields(lambda name: asked.append(name) is None, [])

    for _ in range(2):
        fields.of([("X-SHORT", "1"), ("X-" + "A" * 8_000, "1")])

    assert [len(name) for name in asked] == [7, 8_002, 8_002]


def test_of_names_that_clients_think_of_a_route_remembers_only_so_many():
    asked = []
    fields = UpstreamFields(lambda name: asked.append(name) is None, [])

    for number in range(10 * MOST_NAMES_A_ROUTE):
        fields.of([(f"X-{number}", "1")])
    fields.of([(f"X-{number}", "1"), ("X-0", "1")])

    assert len(fields._fates) <= MOST_NAMES_A_ROUTE
    assert asked.count("x-0") == 2
    assert asked.count(f"x-{number}") == 1


def lower_names(fields):
    return [name.lower() for name, _ in fields]


def alike(names):
    """Return the names as a CGI-like server compares them: without case, dash and underscore being one."""
    return {name.lower().replace("_", "-") for name in names}


@pytest.mark.parametrize(
    "name",
    "connection keep-alive proxy-connection te trailer transfer-encoding upgrade"
    " proxy-authenticate proxy-authorization http2-settings content-length host expect".split(),
)
def test_a_field_of_this_hop_is_not_sent_upstream(name):
    sent = [(name.upper(), "1"), ("X-A", "1")]

    assert upstream_fields(sent, EVERYTHING, []) == [("X-A", "1")]


@pytest.mark.parametrize(
    ("connection", "kept"),
    [
        pytest.param("close", ["X-Trace", "X-Hop"], id="names no field"),
        pytest.param("x-trace", ["X-Hop"], id="names one"),
        pytest.param("X-Trace , x-hop", [], id="names two, spaced and cased"),
        pytest.param(",, ,x-hop,", ["X-Trace"], id="has empty options"),
        pytest.param("", ["X-Trace", "X-Hop"], id="is empty"),
    ],
)
def test_fields_named_by_connection_end_here(connection, kept):
    sent = [("Connection", connection), ("X-Trace", "1"), ("X-Hop", "2")]

    assert [name for name, _ in end_to_end(sent)] == kept


@pytest.mark.parametrize(
    ("connection", "name"), [("x_foo", "X_FOO"), ("X_Foo", "x_foo"), ("X-Foo", "X_FOO"), ("x_foo", "X-FOO")]
)
def test_a_field_named_by_connection_ends_here_with_underscores_too(connection, name):
    sent = [("CONNECTION", connection), (name, "1"), ("X-A", "2")]

    assert upstream_fields(sent, EVERYTHING, []) == [("X-A", "2")]
    assert relayed_back(sent) == [("X-A", "2")]


@pytest.mark.parametrize("hidden", ["x_key", "x-key"])
@pytest.mark.parametrize("name", ["X_KEY", "X-KEY", "X-PASS-X_KEY", "X-PASS-X-KEY"])
def test_a_hidden_field_stops_here_with_underscores_too(hidden, name):
    assert upstream_fields([(name, "secret")], EVERYTHING, [], frozenset({hidden})) == []


def test_every_connection_line_counts():
    sent = [("connection", "x-a"), ("X-A", "1"), ("X-B", "2"), ("CONNECTION", "x-b")]

    assert named_by_connection(sent) == {"x-a", "x-b"}
    assert end_to_end(sent) == []


@pytest.mark.parametrize("configured", ["Authorization", "authorization", "AUTHORIZATION"])
def test_the_operators_field_replaces_the_clients_whatever_the_case(configured):
    sent = [("AUTHORIZATION", "Bearer client"), ("AUTHORIZATION", "Bearer again"), ("X-A", "1")]

    assert upstream_fields(sent, EVERYTHING, [(configured, "Bearer operator")]) == [
        ("X-A", "1"),
        (configured, "Bearer operator"),
    ]


def test_a_hidden_field_stops_here_even_when_asked_for_by_x_pass():
    sent = [("X-API-KEY", "client"), ("X-PASS-X-GATE", "1"), ("X-GATE", "2")]

    assert upstream_fields(sent, EVERYTHING, [], frozenset({"x-api-key", "x-gate"})) == []


def test_the_operators_field_of_a_hidden_name_is_sent():
    sent = [("X-API-KEY", "client")]

    assert upstream_fields(sent, EVERYTHING, [("x-api-key", "operator")], frozenset({"x-api-key"})) == [
        ("x-api-key", "operator")
    ]


def test_without_forwarding_only_what_describes_body_and_answer_travels():
    sent = [(name.upper(), "1") for name in INTERESTING]

    assert set(lower_names(upstream_fields(sent, NOTHING_MORE, []))) == ALWAYS_FORWARDED


@pytest.mark.parametrize(
    ("listed", "name", "travels"),
    [
        pytest.param(("openai-beta",), "openai-beta", True, id="a name"),
        pytest.param(("openai-beta",), "openai-beta-2", False, id="a longer name"),
        pytest.param(("openai-beta",), "x-openai-beta", False, id="a name with something before it"),
        pytest.param(("anthropic-*",), "anthropic-version", True, id="a glob"),
        pytest.param(("anthropic-*",), "anthropic", False, id="less than the glob"),
        pytest.param(("a.c",), "abc", False, id="a dot is a dot"),
        pytest.param(("x-?",), "x-a", True, id="a question mark is one character"),
        pytest.param(("x-[ab]", "y"), "x-c", False, id="a set without it"),
        pytest.param(("x-a", "x-b"), "x-b", True, id="the second of two"),
        pytest.param(("x-a",), "accept", True, id="always forwarded"),
        pytest.param((), "x-a", False, id="an empty list"),
        pytest.param((), "accept", True, id="an empty list, always forwarded"),
    ],
)
def test_a_list_adds_names_and_globs(listed, name, travels):
    assert forwarding(listed)(name) is travels


def test_x_pass_sends_the_field_it_names_even_where_nothing_is_forwarded():
    sent = [("X-PASS-ANTHROPIC-BETA", "tools"), ("X-CUSTOM", "1")]

    assert upstream_fields(sent, NOTHING_MORE, []) == [("Anthropic-Beta", "tools")]


def test_x_pass_wins_over_the_clients_own_field_of_that_name():
    sent = [("X-A", "own"), ("X-PASS-X-A", "passed"), ("X-A", "own too")]

    assert upstream_fields(sent, EVERYTHING, []) == [("X-A", "passed")]


def test_the_operators_field_wins_over_x_pass():
    assert upstream_fields([("X-PASS-X-A", "client")], EVERYTHING, [("x-a", "operator")]) == [("x-a", "operator")]


@pytest.mark.parametrize("name", [*sorted(CREDENTIALS | FRAMING), ""])
def test_x_pass_can_set_no_credential_and_no_framing(name):
    assert upstream_fields([(f"X-PASS-{name}", "1")], EVERYTHING, []) == []


def test_a_refused_x_pass_leaves_the_clients_own_field_alone():
    sent = [("AUTHORIZATION", "Bearer own"), ("X-PASS-AUTHORIZATION", "Bearer forged")]

    assert upstream_fields(sent, EVERYTHING, []) == [("Authorization", "Bearer own")]


def test_names_with_underscores_and_repeats_travel_apart():
    sent = [("X_B", "1"), ("X-B", "2"), ("X_B", "3")]

    assert upstream_fields(sent, EVERYTHING, []) == [("X_B", "1"), ("X-B", "2"), ("X_B", "3")]


@pytest.mark.parametrize(
    ("sent", "joined"),
    [
        pytest.param(["a=1", "b=2"], [("X-A", "1"), ("Cookie", "a=1; b=2"), ("X-B", "2")], id="two"),
        pytest.param(["a=1"], [("X-A", "1"), ("Cookie", "a=1"), ("X-B", "2")], id="one, as it is"),
        pytest.param([], [("X-A", "1"), ("X-B", "2")], id="none"),
    ],
)
def test_cookie_lines_become_one_in_the_place_of_the_first(sent, joined):
    first, *others = [("COOKIE", cookie) for cookie in sent] or [None]
    fields = [("X-A", "1"), *([first] if first else []), ("X-B", "2"), *others]

    assert upstream_fields(fields, EVERYTHING, []) == joined


def test_the_operators_cookie_is_not_joined_with_the_clients():
    assert upstream_fields([("COOKIE", "a=1"), ("COOKIE", "b=2")], EVERYTHING, [("Cookie", "op=1")]) == [
        ("Cookie", "op=1")
    ]


def test_one_cookie_line_keeps_other_fields_in_order():
    assert one_cookie_line([("Cookie", "a"), ("X", "1"), ("Cookie", "b"), ("Y", "2")]) == [
        ("Cookie", "a; b"),
        ("X", "1"),
        ("Y", "2"),
    ]


@pytest.mark.parametrize(("received", "spelled"), [("X-API-KEY", "X-Api-Key"), ("ETAG", "Etag"), ("X_B", "X_B")])
def test_names_go_upstream_in_the_usual_spelling(received, spelled):
    assert title(received) == spelled


def test_an_answers_own_fields_come_back_in_order_with_repeats():
    answer = [
        ("Set-Cookie", "a=1; Expires=Thu, 01 Jan 2026"), ("Vary", "A"), ("Set-Cookie", "b=2"), ("vary", "B"),
        ("x-request-id", "theirs"),
    ]  # fmt: skip

    assert relayed_back(answer) == answer


@pytest.mark.parametrize("name", sorted(NOT_RELAYED_BACK))
def test_a_field_of_the_upstreams_hop_does_not_come_back(name):
    assert relayed_back([(name.title(), "1"), ("X-A", "1")]) == [("X-A", "1")]


def test_a_field_that_the_upstreams_connection_names_does_not_come_back():
    assert relayed_back([("X-Foo", "1"), ("Connection", "x-foo, close")]) == []


@given(client=client_lists, configured=configured_lists)
@PROPERTY
def test_configured_fields_are_sent_exactly_once_and_last(client, configured):
    sent = upstream_fields(client, EVERYTHING, configured)

    assert sent[len(sent) - len(configured) :] == configured
    others = alike(name for name, _ in sent[: len(sent) - len(configured)])
    assert not others & alike(name for name, _ in configured)


@given(client=st.lists(st.one_of(st.tuples(names | passed_names, values), connection), max_size=12))
@PROPERTY
def test_nothing_of_this_hop_ever_travels(client):
    sent = set(lower_names(upstream_fields(client, EVERYTHING, [])))
    asked_for = {name.lower().removeprefix(PASS_PREFIX) for name, _ in client if name.lower().startswith(PASS_PREFIX)}

    assert alike(sent) & FRAMING == set()
    assert alike(sent) & alike(named_by_connection(client)) <= alike(asked_for)
    assert not {name for name in sent if name.startswith(PASS_PREFIX)} - asked_for


@given(client=client_lists, configured=configured_lists)
@PROPERTY
def test_the_rest_keeps_its_order_its_repeats_and_its_values(client, configured):
    gone = FRAMING | alike(named_by_connection(client)) | alike(name for name, _ in configured) | {"cookie"}
    rest = [(name.lower(), value) for name, value in client if not alike([name]) & gone]

    sent = upstream_fields(client, EVERYTHING, configured)

    kept = sent[: len(sent) - len(configured)]
    assert [(name.lower(), value) for name, value in kept if name != "Cookie"] == rest


@given(
    client=st.lists(st.tuples(names | passed_names, values), max_size=12),
    configured=configured_lists,
    forward_headers=st.sampled_from([True, False, ("x-*",), ("accept", "x_b")]),
)
@PROPERTY
def test_nothing_appears_that_neither_client_nor_operator_wrote(client, configured, forward_headers):
    said = {(name.lower(), value) for name, value in client}
    asked = {(name.removeprefix(PASS_PREFIX), value) for name, value in said if name.startswith(PASS_PREFIX)}
    cookies = {value for name, value in said if name == "cookie"}

    sent = upstream_fields(client, forwarding(forward_headers), configured)

    for name, value in sent[: len(sent) - len(configured)]:
        is_cookies = name == "Cookie" and set(value.split("; ")) <= {part for c in cookies for part in c.split("; ")}
        assert (name.lower(), value) in said | asked or is_cookies


@given(client=client_lists)
@PROPERTY
def test_cookies_are_all_sent_on_one_line(client):
    gone = named_by_connection(client)
    cookies = [value for name, value in client if name.lower() == "cookie" and "cookie" not in gone]

    sent = [value for name, value in upstream_fields(client, EVERYTHING, []) if name == "Cookie"]

    assert sent == (["; ".join(cookies)] if cookies else [])


@given(answer=client_lists)
@PROPERTY
def test_relaying_back_only_leaves_out(answer):
    back = relayed_back(answer)

    gone = NOT_RELAYED_BACK | alike(named_by_connection(answer))
    assert back == [field for field in answer if not alike([field[0]]) & gone]
    assert not set(lower_names(back)) & HOP_BY_HOP


@pytest.mark.parametrize("name", ["CONTENT_LENGTH", "Transfer_Encoding", "proxy_authorization", "x_api_key"])
def test_a_name_that_a_cgi_like_server_takes_for_another_ends_here(name):
    sent = upstream_fields([(name, "1"), ("LANGFUSE_SDK", "2")], forwarding(True), [("x-api-key", "operator's")])

    assert sent == [("Langfuse_Sdk", "2"), ("x-api-key", "operator's")]
