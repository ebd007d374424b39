"""The commands say what they should, where they should, and end with the right status."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.__main__ import ROOT, main

GOOD = """\
general_settings:
  master_key: sk-1234
  pass_through_endpoints:
    - path: /v1/rerank
      target: https://api.cohere.com/v1/rerank?key=canary-query
      headers: {Authorization: bearer os.environ/COHERE_API_KEY}
"""
ENVIRON = {"COHERE_API_KEY": "canary-credential"}


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / "good.yaml"
    file.write_text(GOOD)
    return file


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    file = tmp_path / "bad.yaml"
    file.write_text(GOOD.replace("target:", "traget:").replace("/v1/rerank\n", "v1/rerank\n", 1))
    return file


def test_check_prints_the_routes_of_a_good_file(good, capsys):
    """CE-17"""
    status = main(["check", str(good)], ENVIRON)

    told = capsys.readouterr()
    assert status == 0
    assert told.out.splitlines()[1].split() == [
        "/v1/rerank",
        "all",
        "https://api.cohere.com/v1/rerank?key=****",
        "open",
        "Authorization",
    ]
    assert [line.partition(":")[0] for line in told.err.splitlines()] == ["warning", "warning"]


def test_check_prints_every_problem_of_a_bad_file(bad, capsys):
    """CE-17"""
    status = main(["check", str(bad)], ENVIRON)

    told = capsys.readouterr()
    assert (status, told.out) == (1, "")
    assert [line.partition(": ")[0] for line in told.err.splitlines()] == [f"{bad}:4", f"{bad}:4", f"{bad}:5"]


@pytest.mark.parametrize("name", ["good", "bad"])
def test_check_prints_no_secret(name, request, capsys):
    """CE-17"""
    main(["check", str(request.getfixturevalue(name))], ENVIRON)

    told = capsys.readouterr()
    assert "canary" not in told.out + told.err


def test_check_takes_the_file_that_the_environment_names(good, capsys):
    status = main(["check"], {**ENVIRON, "CONFIG_FILE_PATH": str(good)})

    assert status == 0
    assert "/v1/rerank" in capsys.readouterr().out


def test_check_says_which_variables_the_file_of_make_run_needs(capsys):
    status = main(["check", "config/config.yaml"], {})

    assert status == 1
    assert capsys.readouterr().err.count("is not set") == 4


def test_schema_prints_json(capsys):
    status = main(["schema"], {})

    assert status == 0
    assert json.loads(capsys.readouterr().out)["properties"].keys() >= {"general_settings", "model_list", "keys"}


def test_explain_prints_what_would_be_sent(good, capsys):
    arguments = [
        "explain",
        "POST",
        "/v1/rerank?a=%2F",
        "--config",
        str(good),
        "-H",
        "Accept: */*",
        "-H",
        "X-Secret: canary",
    ]

    status = main(arguments, ENVIRON)

    assert status == 0
    assert capsys.readouterr().out.splitlines()[3:-1] == [
        "POST /v1/rerank?key=****&a=%2F HTTP/1.1",
        "Host: api.cohere.com",
        "Accept: */*",
        "Authorization: bearer ****",
    ]


@pytest.mark.parametrize(("path", "code"), [("/nowhere", "404"), ("/v1/../x", "400"), ("v1/rerank", "400")])
def test_explain_ends_with_1_where_the_gateway_refuses(good, capsys, path, code):
    status = main(["explain", "POST", path, "--config", str(good)], ENVIRON)

    assert status == 1
    assert capsys.readouterr().out.startswith(f"{code}: ")


def test_explain_ends_with_0_where_the_gateway_answers_itself(good, capsys):
    status = main(["explain", "GET", "/health/liveliness", "--config", str(good)], ENVIRON)

    assert status == 0
    assert capsys.readouterr().out.startswith("200: ")


def test_explain_of_a_bad_file_prints_its_problems(bad, capsys):
    assert main(["explain", "GET", "/", "--config", str(bad)], ENVIRON) == 1
    assert capsys.readouterr().err.startswith(f"{bad}:4: ")


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        pytest.param([], {}, id="nothing more"),
        pytest.param(["--port", "5000"], {"PORT": "5000"}, id="port"),
        pytest.param(["--workers", "3"], {"WEB_CONCURRENCY": "3"}, id="workers"),
        pytest.param(["--detailed_debug"], {"LOG_LEVEL": "DEBUG"}, id="detailed_debug"),
        pytest.param(["--detailed-debug"], {"LOG_LEVEL": "DEBUG"}, id="detailed-debug"),
    ],
)
def test_serve_becomes_gunicorn_with_the_options_in_its_environment(options, changed):
    became = []
    environ = {"PORT": "4000", "KEPT": "yes"}

    main(["serve", "--config", "some.yaml", *options], environ, lambda *call: became.append(call))

    ((program, arguments, given),) = became
    assert program == sys.executable
    assert arguments[1:] == ["-m", "gunicorn", "-c", f"{ROOT}/gunicorn.conf.py", "--chdir", str(ROOT), "wsgi:app"]
    assert given == {**environ, "CONFIG_FILE_PATH": str(Path("some.yaml").absolute()), **changed}


def test_serve_takes_the_file_that_the_environment_names():
    became = []

    main(["serve"], {"CONFIG_FILE_PATH": "/etc/tollhouse.yaml"}, lambda *call: became.append(call))

    assert became[0][2]["CONFIG_FILE_PATH"] == "/etc/tollhouse.yaml"


def test_the_root_is_where_gunicorn_finds_its_settings():
    assert (ROOT / "gunicorn.conf.py").is_file()
    assert (ROOT / "wsgi.py").is_file()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["unknown"],
        ["check", "a", "b"],
        ["explain", "GET"],
        ["explain", "GET", "/", "-H", "no colon"],
        ["explain", "GET", "/", "-H", ": no name"],
        ["serve", "--port", "0"],
        ["serve", "--port", "65536"],
        ["serve", "--port", "http"],
        ["serve", "--workers", "0"],
    ],
)
def test_wrong_usage_ends_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments, {}, lambda *_: None)

    assert ended.value.code == 2
    assert "usage: python -m app" in capsys.readouterr().err


def test_the_commands_run_as_a_module(good):
    ran = subprocess.run(
        [sys.executable, "-m", "app", "check", str(good)], env=ENVIRON, capture_output=True, text=True, check=False
    )

    assert (ran.returncode, ran.stdout.count("\n")) == (0, 2)
