"""The dotted path of a target: a file beside the settings file, else an installed module; its faults are problems."""

from __future__ import annotations

import json
import os
import sys
from importlib import metadata
from pathlib import Path

import pytest

from app.adapters import litellm_library
from app.adapters.withheld import without
from app.settings.gateway import AdapterTarget
from app.settings.load import inspect
from app.settings.problems import SettingsInvalid
from tests.settings.conftest import one_route

METHODS = "translate_completion_input_params translate_completion_output_params".split()
ADAPTER = "class A:\n" + "".join(f"    def {name}(self, value): return value\n" for name in METHODS) + "own = A()\n"
TOO_DEEP = "RecursionError: maximum recursion depth exceeded"


@pytest.fixture
def beside(file):
    """Write a Python file beside the settings file."""

    def write(text, name="custom.py"):
        path = file.parent / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return write


def test_a_file_beside_the_settings_file_is_an_adapter(loaded, beside):
    beside(ADAPTER)

    (route,) = loaded(one_route(target="custom.own")).routes

    assert isinstance(route.target, AdapterTarget)
    assert (route.target.name, route.target.takes_litellms_own) == ("custom.own", True)
    assert (route.auth, route.methods, route.include_subpath, route.error_format) == (True, ("POST",), False, "openai")


def test_a_file_in_a_folder_is_found_by_its_dotted_path(loaded, beside):
    beside(ADAPTER, "ours/deep.py")

    assert loaded(one_route(target="ours.deep.own")).routes[0].target.name == "ours.deep.own"


def test_a_file_wins_over_an_installed_module(loaded, beside):
    beside(ADAPTER, "json.py")

    assert loaded(one_route(target="json.own")).routes[0].target.name == "json.own"
    assert sys.modules["json"] is json


@pytest.mark.parametrize(
    ("name", "dialect"), [("anthropic", "anthropic"), ("bedrock", "bedrock"), ("gemini", "google")]
)
def test_a_shipped_adapter_takes_what_lies_below_and_speaks_its_own_dialect(loaded, name, dialect):
    (route,) = loaded(one_route(target=f"app.adapters.{name}_adapter")).routes

    assert (route.auth, route.methods, route.include_subpath, route.error_format) == (True, ("POST",), True, dialect)
    assert not route.target.takes_litellms_own


def test_what_is_written_wins_over_what_an_adapter_route_would_be(loaded):
    text = one_route("auth: false\nmethods: [PUT]\nerror_format: cohere", target="app.adapters.bedrock_adapter")

    (route,) = loaded(text).routes

    assert (route.auth, route.methods, route.error_format) == (False, ("PUT",), "cohere")


def test_each_load_runs_the_file_anew(loaded, beside):
    beside(ADAPTER + "own.number = 1\n")
    first = loaded(one_route(target="custom.own")).routes[0].target.schema
    beside(ADAPTER + "own.number = 22\n")
    second = loaded(one_route(target="custom.own")).routes[0].target.schema

    assert (first._adapter.number, second._adapter.number) == (1, 22)


def test_a_neighbour_is_found_and_is_as_new_as_the_file(loaded, beside):
    beside("from neighbour import NUMBER\n" + ADAPTER + "own.number = NUMBER\n")
    for number in (1, 22):
        beside(f"NUMBER = {number}\n", "neighbour.py")
        assert loaded(one_route(target="custom.own")).routes[0].target.schema._adapter.number == number


@pytest.mark.parametrize(
    ("target", "says"),
    [
        pytest.param("os.system", "has no method translate_completion_input_params", id="AD-02 os.system"),
        pytest.param("os.path", "has no method translate_completion_input_params", id="AD-02 a module"),
        pytest.param("os.nothing", "names nothing, which", id="AD-02 a missing attribute"),
        pytest.param("no_such.thing", "no no_such.py beside this file, and no module no_such", id="no module"),
        pytest.param("os.no_such.thing", "no module os.no_such", id="no submodule"),
        pytest.param("app.adapters.other_adapter", "names other_adapter", id="none of ours"),
        pytest.param("custom.A", "name an instance: a = A()", id="a class"),
        pytest.param("custom.half", "has no method translate_completion_output_params", id="half an adapter"),
        pytest.param("..x", "is not http, https or an adapter path", id="AD-02 ..x"),
        pytest.param("custom", "is not http, https or an adapter path", id="no instance"),
    ],
)
def test_what_is_no_adapter_is_refused(problems, beside, target, says):
    half = "class H:\n    def translate_completion_input_params(self, kwargs): pass\nhalf = H()\n"
    beside(ADAPTER + half)

    (problem,) = problems(one_route(target=target))

    assert problem.place == "general_settings.pass_through_endpoints[0].target"
    assert says in problem.message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1\n1 / 0\n", "line 2: ZeroDivisionError: division by zero"),
        ("x = (\n", "line 1: SyntaxError: '(' was never closed"),
        ("\nimport no_such_module\n", "line 2: ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit(3)\n", "line 1: SystemExit: 3"),
        ("def f(): raise KeyError('x')\n\nf()\n", "line 1: KeyError: 'x'"),
        ("x = '\\udc80'\nraise ValueError('a\\nb')\n", "line 2: ValueError: a b"),
        ("raise KeyboardInterrupt\n", "line 1: KeyboardInterrupt: "),
        ("class F(Exception):\n    def __str__(self): return 1 / 0\nraise F\n", "line 3: F: "),
        ("def __getattr__(name): return __getattr__(name)\n", f"line 1: {TOO_DEEP}"),
        ("class L:\n    def __getattr__(self, name): return self.inner\nown = L()\n", f"line 2: {TOO_DEEP}"),
        (
            ADAPTER.replace("own = ", f"A.{METHODS[0]} = property(lambda s: 1 / 0)\nown = "),
            "line 4: ZeroDivisionError: division by zero",
        ),
        (
            ADAPTER.replace("own = ", f"A.{METHODS[1]}_streaming = property(lambda s: 1 / 0)\nown = "),
            "line 4: ZeroDivisionError: division by zero",
        ),
    ],
)
def test_a_file_that_cannot_be_run_is_told_with_its_line(problems, beside, text, says):
    path = beside(text)

    (problem,) = problems(one_route(target="custom.own"))

    assert problem.message == f"cannot be loaded: {path}, {says}; correct it"


def test_the_line_is_told_of_a_file_named_from_where_one_stands(problems, beside, file, monkeypatch):
    beside("x = 1\n1 / 0\n")
    file.write_text(one_route(target="custom.own"))
    monkeypatch.chdir(file.parent.parent)

    with pytest.raises(SettingsInvalid, match=r"cannot be loaded: [^/]*/custom\.py, line 2: ZeroDivisionError"):
        inspect(Path(file.parent.name, file.name), {})


@pytest.mark.parametrize("quoted", ["{0}", "<{0!r}>"])
def test_no_secret_is_told_by_a_file_that_quotes_it(problems, beside, monkeypatch, quoted):
    """Neither what the settings refer to nor any other variable with a telling name."""
    beside("import os\nraise ValueError('cannot use ' + " + repr(quoted) + ".format(os.environ['UPSTREAM']))\n")
    monkeypatch.setenv("UPSTREAM", "canary-of-the-upstream-1")

    (referred,) = problems(one_route("headers: {A: os.environ/UPSTREAM}", target="custom.own"), **os.environ)
    assert "canary" not in referred.message
    monkeypatch.setenv("OTHER_API_KEY", "canary-of-the-upstream-1")
    (named,) = problems(one_route(target="custom.own"), **os.environ)
    assert "canary" not in named.message


def test_a_piece_of_a_secret_is_none_of_it():
    assert without("bad value 'secret-0123...", ["secret-0123456789"]) == "bad value 'secret-0123..."
    assert without("bad value 'secret-012345...", ["secret-0123456789"]) == "****"
    assert without("at https://api.example/v1/x", ["https://api.example/v1", "abc"]) == "at ****/x"


def test_an_adapters_fault_is_told_with_all_the_others(problems, beside):
    beside("1/0\n")

    found = problems(one_route("auth: 3\nheaders: {A: os.environ/NONE}", target="custom.own"))

    assert [problem.place.rpartition(".")[2] for problem in found] == ["target", "auth", "A"]


@pytest.mark.parametrize("version", ["1.82.7", "1.82.8", "1.107", "1.107.3"])
def test_a_bad_litellm_is_refused(problems, monkeypatch, version):
    monkeypatch.setattr(metadata, "version", lambda _name: version)

    (problem,) = problems(one_route(target="app.adapters.bedrock_adapter"))

    assert problem.message == f"needs litellm, of which {version} must never be run; {litellm_library.INSTALL}"


def test_a_missing_litellm_is_told_with_a_way_out(problems, monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)

    (problem,) = problems(one_route(target="app.adapters.bedrock_adapter"))

    assert problem.message == f"needs litellm, which is not installed; {litellm_library.INSTALL}"


def test_url_routes_do_without_litellm(problems, monkeypatch):
    monkeypatch.setattr(metadata, "version", lambda _name: "1.82.7")

    assert problems(one_route()) == []


def test_a_models_parameters_are_litellms_own_with_references_resolved(loaded):
    text = (
        "model_list:\n  - model_name: m\n    litellm_params:\n"
        "      {model: x/y, api_key: os.environ/KEY, stop: [a, b], extra: {deep: [os.environ/KEY]}, rpm: 3}\n"
    )

    (model,) = loaded(text, KEY="s3cret").models

    assert model.litellm_params == {
        "model": "x/y", "api_key": "s3cret", "stop": ["a", "b"], "extra": {"deep": ["s3cret"]}, "rpm": 3
    }  # fmt: skip
    assert "s3cret" not in repr(model)
