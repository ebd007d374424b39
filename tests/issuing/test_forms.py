"""A form takes what LiteLLM's users send, means what it says, and refuses everything else by name."""

import pytest

from app.errors import InvalidRequest
from app.issuing.forms import DeleteForm, GenerateForm, KeyForm, ListQuery, RegenerateForm, UpdateForm
from app.issuing.reading import filled_in, json_form, query_form

NOW_S = 1_000_000.0


# AK-16, AK-17 and "Bad input" of issue 3.
REFUSED = {
    "rpm_limit": (-1, 1.5, 1e9, 60.0, "60", True, 2**31, [], {}),
    "max_parallel_requests": (-1, 0, 1.5, "7", False),
    "duration": (
        30,
        "",
        "0s",
        "-1s",
        "30",
        "30x",
        "1mo",
        "30 d",
        "٣d",
        "1e3s",
        "01h",
        "1234567890s",
        "10000w",
        "30d\n",
    ),
    "expires": (1893456000, "", "soon", "2031-13-01T00:00:00Z", "2031-01-31T00:00:00", "2031-01-31"),
    "key_alias": (7, "", " ", " a", "a\n", "a\x00", "\u202eevil", "\ud800", "a" * 256),
    "metadata": ("{}", [], 1),
    "allowed_passthrough_routes": ("/v1", ["v1"], [""], ["/a b"], ["/\n"], [None], ["/ü"], ["/" + "a" * 1024]),
    "blocked": (1, 0, "true", "no"),
    **dict.fromkeys(("role", "allowed_routes", "is_admin", "models", "team_id", "Rpm_limit", "digest", "key_id"), (1,)),
    **dict.fromkeys(("tpm_limit", "max_budget", "budget_duration", "spend"), (1, None)),
}
CLEARABLE = "key_alias duration rpm_limit max_parallel_requests metadata allowed_passthrough_routes blocked"
BAD_KEYS = (
    1234567890123456, "", "sk-short", "a" * 257, "sk with blanks in it", "sk:colon:user:half", "sk/slash/in/the/scope",
    "sk+plus=in+a+query", "sk-ümlaut-and-more", "0123456789abcdef", "0123456789abcdef" * 4, "sk-newline-at-the-end\n",
)  # fmt: skip
DEEP = b'{"metadata": ' + b'{"a":' * 25 + b"1" + b"}" * 26


def columns(**sent):
    return filled_in(UpdateForm, {"key": "sk-some", **sent}).columns(NOW_S)


def refused(model, sent):
    with pytest.raises(InvalidRequest) as refusal:
        filled_in(model, sent)
    return refusal.value


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [("30s", 30), ("15m", 900), ("12h", 43_200), ("30d", 2_592_000), ("2w", 1_209_600), ("999999999s", 999_999_999)],
)
def test_a_duration_counts_from_now(duration, seconds):
    assert columns(duration=duration) == {"expires_s": NOW_S + seconds}


@pytest.mark.parametrize(
    ("expires", "seconds"),
    [
        ("1970-01-01T00:01:00Z", 60.0),
        ("1970-01-01T01:01:00.5+01:00", 60.5),
        ("1970-01-01 00:01:00+00:00", 60.0),
        ("0001-01-01T00:00:00Z", -62135596800.0),
        ("9999-12-31T23:59:59Z", 253402300799.0),
    ],
)
def test_a_moment_is_that_moment(expires, seconds):
    assert columns(expires=expires) == {"expires_s": seconds}


def test_what_is_left_out_stays_and_null_clears():
    everything = dict.fromkeys(CLEARABLE.split())

    assert columns() == {}
    assert columns(**everything) == {
        "key_alias": None,
        "expires_s": None,
        "rpm_limit": None,
        "max_parallel_requests": None,
        "metadata": {},
        "allowed_passthrough_routes": [],
        "blocked": False,
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rpm_limit", 0),
        ("rpm_limit", 2**31 - 1),
        ("max_parallel_requests", 1),
        ("key_alias", "Zoë’s team / β"),
        ("metadata", {"any": ["thing", None, 1.5]}),
        ("allowed_passthrough_routes", ["/v1/rerank", "/x/{name}", "/"]),
        ("blocked", True),
    ],
)
def test_a_sound_value_is_taken(field, value):
    assert columns(**{field: value}) == {field: value}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field in REFUSED for value in REFUSED[field]])
@pytest.mark.parametrize("model", [GenerateForm, UpdateForm, RegenerateForm])
def test_a_value_that_does_not_fit_is_refused_by_its_name(model, field, value):
    key = {} if model is GenerateForm else {"key": "sk-some"}

    refusal = refused(model, {**key, field: value})

    assert refusal.param == field
    assert refusal.message.startswith(field + " ")
    assert str(value) not in refusal.message or len(str(value)) < 5


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("tpm_limit", "tpm_limit is not served by this version yet; leave it out."),
        ("rpm_limits", "rpm_limits is not a known field; perhaps rpm_limit is meant."),
        ("colour", "colour is not a known field."),
    ],
)
def test_an_unknown_field_is_told_what_it_is(field, told):
    assert refused(GenerateForm, {field: 1}).message == told


def test_one_end_is_enough():
    refusal = refused(GenerateForm, {"duration": "30d", "expires": "2030-01-31T00:00:00Z"})

    assert refusal.message == "duration and expires both say when the key ends; send one of them."


@pytest.mark.parametrize("key", ["sk-" + "a" * 13, "A" * 256, "f" * 17, "team_a.key~2-long"])
def test_a_key_of_ones_own_choice_is_taken(key):
    assert filled_in(GenerateForm, {"key": key}).key.get_secret_value() == key


@pytest.mark.parametrize("key", BAD_KEYS)
@pytest.mark.parametrize(("model", "field"), [(GenerateForm, "key"), (RegenerateForm, "new_key")])
def test_a_key_that_some_carrier_could_not_bring_is_refused(model, field, key):
    refusal = refused(model, {**({} if model is GenerateForm else {"key": "sk-some"}), field: key})

    assert refusal.param == field
    assert str(key) == "" or str(key) not in refusal.message


@pytest.mark.parametrize("model", [UpdateForm, RegenerateForm, KeyForm])
@pytest.mark.parametrize("sent", [{}, {"key": None}, {"key": ""}, {"key": 7}, {"key": "a" * 513}])
def test_a_key_must_be_named(model, sent):
    assert refused(model, sent).param == "key"


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({}, "send either keys or key_aliases."),
        ({"keys": None}, "send either keys or key_aliases."),
        ({"keys": ["sk-a"], "key_aliases": ["a"]}, "send either keys or key_aliases."),
        ({"keys": []}, "keys List should have at least 1 item after validation, not 0."),
        ({"key_aliases": []}, "key_aliases List should have at least 1 item after validation, not 0."),
        ({"keys": "sk-a"}, "keys must be a valid list."),
        ({"keys": [1]}, "keys must be a valid string."),
    ],
)
def test_one_list_names_what_is_to_go(sent, told):
    assert refused(DeleteForm, sent).message.endswith(told)


def test_secrets_do_not_show_in_a_form():
    form = filled_in(RegenerateForm, {"key": "sk-old-secret", "new_key": "sk-new-secret-chosen"})

    assert "secret" not in repr(form) + str(form)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"[]", "The body must be a JSON object."),
        (b"null", "The body must be a JSON object."),
        (b"{", "The body is no JSON (RFC 8259)."),
        (b"\xff", "The body is no JSON (RFC 8259)."),
        (b'{"metadata": ' + b"[" * 100_000, "The body is no JSON (RFC 8259)."),
        (DEEP, "metadata is nested deeper than 20 levels."),
    ],
)
def test_a_body_that_readers_could_take_for_another_is_refused(body, told):
    with pytest.raises(InvalidRequest) as refusal:
        json_form(GenerateForm, body)

    assert refusal.value.message == told


NO_NUMBER = "has NaN or Infinity, which are not JSON (RFC 8259 §6)."
TOO_LARGE = "has a number that is too large."
HALF = "has half of a surrogate pair (RFC 8259 §8.2)."
TWICE = "has a name twice in one JSON object."


@pytest.mark.parametrize(
    ("body", "param", "told"),
    [
        (b'{"rpm_limit": NaN}', "rpm_limit", NO_NUMBER),
        (b'{"blocked": true, "rpm_limit": Infinity}', "rpm_limit", NO_NUMBER),
        (b'{"metadata": {"a": [{"b": -Infinity}]}}', "metadata", NO_NUMBER),
        (b'{"rpm_limit": 1e999}', "rpm_limit", TOO_LARGE),
        (b'{"metadata": {"a": -1e999}}', "metadata", TOO_LARGE),
        (b'{"rpm_limit": ' + b"9" * 10_000 + b"}", "rpm_limit", TOO_LARGE),
        (b'{"metadata": {"a": -' + b"9" * 10_000 + b"}}", "metadata", TOO_LARGE),
        (b'{"rpm_limit": 1, "blocked": true, "rpm_limit": 2}', "rpm_limit", "comes twice."),
        (b'{"rpm_limit": 1, "rpm_limit": 1}', "rpm_limit", "comes twice."),
        (b'{"metadata": [{"a": 1, "a": 2}]}', "metadata", TWICE),
        (b'{"metadata": {"\\ud800": 1}}', "metadata", HALF),
        (b'{"metadata": {"a": ["\\udc00"]}}', "metadata", HALF),
        (b'{"key_alias": "\\udc00"}', "key_alias", HALF),
        (b'{"metadata": {"a": ' + b"[" * 500 + b"NaN" + b"]" * 500 + b"}}", "metadata", NO_NUMBER),
        (b'{"' + b"a" * 100 + b'": NaN}', "a" * 63 + "…", NO_NUMBER),
    ],
)
def test_a_value_that_readers_could_take_for_another_is_refused_by_its_name(body, param, told):
    with pytest.raises(InvalidRequest) as refusal:
        json_form(GenerateForm, body)

    assert (refusal.value.param, refusal.value.message) == (param, f"{param} {told}")


def test_a_name_that_cannot_be_written_is_not_told():
    with pytest.raises(InvalidRequest) as refusal:
        json_form(GenerateForm, b'{"\\ud800": 1}')

    assert (refusal.value.param, refusal.value.message) == (None, f"A name {HALF}")


def test_an_empty_body_asks_for_nothing_special():
    assert json_form(GenerateForm, b"").columns(NOW_S) == {}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (None, (1, 10, False)),
        ("page=2&size=100&return_full_object=true", (2, 100, True)),
        ("return_full_object=false", (1, 10, False)),
    ],
)
def test_a_query_is_read_as_what_it_means(query, expected):
    form = query_form(ListQuery, query)

    assert (form.page, form.size, form.return_full_object) == expected


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("page=0", "page"),
        ("page=", "page"),
        ("page=1.5", "page"),
        ("size=101", "size"),
        ("size=nan", "size"),
        ("return_full_object=perhaps", "return_full_object"),
        ("user_id=x", "user_id"),
        ("page=1&page=2", "page"),
        ("page=9999999999999999999999", "page"),
        ("key_alias=%ff", None),
        ("&".join(f"a{number}=1" for number in range(200)), None),
    ],
)
def test_a_query_that_does_not_fit_is_refused(query, param):
    with pytest.raises(InvalidRequest) as refusal:
        query_form(ListQuery, query)

    assert refusal.value.param == param
