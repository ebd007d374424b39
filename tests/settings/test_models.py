"""Types are strict, nothing unknown is accepted, and no model tells a secret."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from app.settings.models import ConfigFile, KeyEntry, ModelEntry, PassThroughEndpoint
from tests.settings.conftest import one_route


@pytest.mark.parametrize(
    "written",
    [
        pytest.param('"true"', id="CE-04 quoted true"),
        pytest.param('"false"', id="CE-04 quoted false"),
        pytest.param("1", id="CE-04 one"),
        pytest.param("0", id="CE-04 zero"),
        pytest.param("{a: true}", id="CE-04 mapping"),
        pytest.param("maybe", id="CE-04 another word"),
    ],
)
@pytest.mark.parametrize("field", ["auth", "include_subpath", "forward_headers"])
def test_what_is_no_boolean_is_refused(problems, field, written):
    (problem,) = problems(one_route(f"{field}: {written}"))

    assert (problem.line, problem.place) == (5, f"general_settings.pass_through_endpoints[0].{field}")
    assert "must be true or false, not" in problem.message


def test_the_booleans_of_yaml_1_1_are_booleans(loaded):
    """CE-04: `yes` is a boolean to the loader that LiteLLM uses, and so it is here."""
    route = loaded(one_route("auth: no\ninclude_subpath: yes\nforward_headers: True")).routes[0]

    assert (route.auth, route.include_subpath, route.forward_headers) == (False, True, True)


@pytest.mark.parametrize(
    ("fields", "place", "said"),
    [
        pytest.param("auht: true", "auht", "did you mean auth?", id="CE-05 auht"),
        pytest.param("Forward_headers: true", "Forward_headers", "did you mean forward_headers?", id="CE-05 case"),
        pytest.param("header: {}", "header", "did you mean headers?", id="CE-05 header"),
        pytest.param("timeouts: {first_bite: 1}", "timeouts.first_bite", "did you mean first_byte?", id="CE-05 deep"),
        pytest.param("zzz: 1", "zzz", "use one of: path, target, headers", id="CE-05 nothing near"),
        pytest.param("master_key: x", "master_key", "under general_settings", id="CE-05 known elsewhere"),
    ],
)
def test_an_unknown_field_is_refused_with_the_nearest_known(problems, fields, place, said):
    (problem,) = problems(one_route(fields))

    assert problem.place == f"general_settings.pass_through_endpoints[0].{place}"
    assert said in problem.message


def test_an_unknown_section_is_refused(problems):
    (problem,) = problems("general_setings: {}\n")

    assert (problem.line, problem.place) == (1, "general_setings")
    assert "did you mean general_settings?" in problem.message


@pytest.mark.parametrize(
    ("fields", "place", "said"),
    [
        ("timeout: 0", "timeout", "must be greater than 0"),
        ("timeout: -1", "timeout", "must be greater than 0"),
        ("timeout: .nan", "timeout", "must be a finite number"),
        ("timeout: .inf", "timeout", "must be"),
        ("timeout: 1.0e+300", "timeout", "must be less than"),
        ('timeout: "5"', "timeout", "must be a number, not text; write it without quotes"),
        ("timeout: true", "timeout", "must be a number, not true or false"),
        ("timeouts: {idle: 0}", "timeouts.idle", "must be greater than 0"),
        ("timeouts: 5", "timeouts", "must be a mapping, not a number"),
        ("error_format: azure", "error_format", "must be openai, anthropic, google, bedrock, cohere or langfuse"),
        ("custom_auth_parser: x", "custom_auth_parser", "must be langfuse"),
        ("methods: []", "methods", "is empty"),
        ("methods: GET", "methods", "must be a list, not text"),
        ("methods: [get]", "methods[0]", "must be GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS"),
        ("methods: [QUERY]", "methods[0]", "must be GET"),
        ("methods: [GET, POST, GET]", "methods", "names a method twice"),
        ("headers: [a, b]", "headers", "must be a mapping, not a list"),
        ("headers: {X-A: 5}", "headers.X-A", "must be text, not a number; put quotes around it"),
        ("headers: {X-A: true}", "headers.X-A", "must be text, not true or false"),
        ("headers: {X-A: [a]}", "headers.X-A", "must be text, not a list"),
        ("default_query_params: {a: 1.5}", "default_query_params.a", "must be text, not a number"),
        ("default_query_params: {a: true}", "default_query_params.a", "must be text, not true or false"),
        ("forward_headers: [1]", "forward_headers[0]", "must be text, not a number"),
    ],
)
def test_a_wrong_type_or_number_is_refused_where_it_stands(problems, fields, place, said):
    (problem,) = problems(one_route(fields))

    assert (problem.line, problem.place) == (5, f"general_settings.pass_through_endpoints[0].{place}")
    assert problem.message.startswith(said)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("general_settings:\n", "general_settings"),
        ("general_settings:\n  pass_through_endpoints:\n", "general_settings.pass_through_endpoints"),
        (one_route("headers:\n  X-A:"), "general_settings.pass_through_endpoints[0].headers.X-A"),
        (one_route("auth:"), "general_settings.pass_through_endpoints[0].auth"),
        ("general_settings:\n  pass_through_endpoints:\n    -\n", "general_settings.pass_through_endpoints[0]"),
        ("model_list:\n", "model_list"),
    ],
)
def test_a_name_without_a_value_is_refused(problems, text, place):
    (problem,) = problems(text)

    assert (problem.place, problem.message.partition(";")[0]) == (place, "is empty")


def test_what_an_entry_needs_is_named(problems):
    missing = problems("general_settings:\n  pass_through_endpoints:\n    - auth: false\n")

    assert [(problem.line, problem.place.partition("].")[2]) for problem in missing] == [(3, "path"), (3, "target")]


@pytest.mark.parametrize("megabytes", ["0", "-1", ".nan", '"5"', "true"])
def test_a_size_that_is_none_is_refused(problems, megabytes):
    (problem,) = problems(f"general_settings:\n  max_request_size_mb: {megabytes}\n")

    assert (problem.line, problem.place) == (2, "general_settings.max_request_size_mb")


SECRETIVE = [
    pytest.param(
        PassThroughEndpoint,
        {
            "path": "/a",
            "target": "https://up.example/canary?canary",
            "headers": {"X": "canary"},
            "default_query_params": {"a": "canary"},
        },
        id="endpoint",
    ),
    pytest.param(KeyEntry, {"key": "canary", "metadata": {"a": "canary"}}, id="key"),
    pytest.param(
        ModelEntry,
        {"model_name": "m", "litellm_params": {"model": "x", "api_key": "canary"}, "model_info": {"a": "canary"}},
        id="model",
    ),
    pytest.param(ConfigFile, {"general_settings": {"master_key": "canary"}, "litellm_settings": "canary"}, id="file"),
]


@pytest.mark.parametrize(("model", "fields"), SECRETIVE)
def test_a_model_prints_no_secret(model, fields):
    entry = model.model_validate(fields)

    assert "canary" not in f"{entry!r} {entry}"


@pytest.mark.parametrize(("model", "fields"), SECRETIVE)
def test_an_error_of_a_model_prints_no_secret(model, fields):
    with pytest.raises(ValidationError) as invalid:
        model.model_validate({**fields, "unknown": "canary"})

    assert "canary" not in str(invalid.value)


def test_a_model_cannot_be_changed():
    entry = KeyEntry.model_validate({"key": "k"})

    with pytest.raises(ValidationError, match="frozen"):
        entry.blocked = True


def test_every_field_says_what_it_does():
    models = [ConfigFile]
    for model in models:
        for field in model.model_fields.values():
            models += [part for part in parts(field.annotation) if part not in models]

    silent = [
        f"{model.__name__}.{name}"
        for model in models
        for name, field in model.model_fields.items()
        if not field.description
    ]
    assert len(models) == 7
    assert silent == []


def parts(annotation):
    """The models inside an annotation."""
    if hasattr(annotation, "model_fields"):
        return [annotation]
    return [model for argument in getattr(annotation, "__args__", ()) for model in parts(argument)]
