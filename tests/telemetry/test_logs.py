"""A record is one line, whatever stands in it; levels and formats are those the contract names."""

import json
import logging
import subprocess
import sys

import pytest

from app.settings.environment import LOG_LEVELS as LEVELS
from app.telemetry.logs import ConsoleFormatter, JsonFormatter, escaped, logging_config

EVIL = 'CR\r LF\n ESC\x1b[31m "quotes" \\ \x85\u2028\x00 \ud800 ä'


def record(message, *args, level=logging.INFO, name="tollhouse", exc_info=None, **extra):
    made = logging.LogRecord(name, level, __file__, 1, message, args, exc_info)
    made.created = 1_767_225_599.25
    for fact, value in extra.items():
        setattr(made, fact, value)
    return made


def test_a_json_line_is_one_object_with_time_level_event_and_logger():
    line = JsonFormatter().format(record("took %s", "it", level=logging.WARNING))

    assert json.loads(line) == {
        "time": "2025-12-31T23:59:59.250Z",
        "level": "warning",
        "event": "took it",
        "logger": "tollhouse",
    }


def test_an_exchanges_facts_stand_in_its_line_as_they_are():
    line = JsonFormatter().format(record("exchange", facts={"status": 200, "route": None, "total_ms": 1.5}))

    assert json.loads(line) == {
        "time": "2025-12-31T23:59:59.250Z",
        "level": "info",
        "event": "exchange",
        "status": 200,
        "route": None,
        "total_ms": 1.5,
    }


@pytest.mark.parametrize("make", [lambda: record(EVIL), lambda: record("exchange", facts={"path": EVIL})])
def test_no_text_can_forge_a_second_json_line(make):
    """DR-16."""
    line = JsonFormatter().format(make())

    assert line.isascii()
    assert line.isprintable()
    assert EVIL in json.loads(line).values()


def test_a_traceback_is_part_of_its_json_line():
    try:
        raise LookupError("why")
    except LookupError:
        line = JsonFormatter().format(record("fault", exc_info=sys.exc_info()))

    assert "\n" not in line
    assert json.loads(line)["traceback"].endswith("LookupError: why")


def test_a_value_that_json_does_not_know_is_written_as_text():
    line = JsonFormatter().format(record("x", facts={"outcome": ValueError("why")}))

    assert json.loads(line)["outcome"] == "why"


def test_half_a_surrogate_pair_is_written_as_json_spells_it():
    line = JsonFormatter().format(record("x", facts={"key_alias": "\ud800"}))

    assert json.loads(line)["key_alias"] == "\ud800"


@pytest.mark.parametrize(
    ("alias", "written"), [("\xe4", r"\u00e4"), ("\x85\u2028", r"\u0085\u2028"), ("\U0001f600", r"\ud83d\ude00")]
)
def test_a_json_line_is_ascii_whatever_is_told(alias, written):
    line = JsonFormatter().format(record("x", facts={"key_alias": alias}))

    assert line.endswith(f'"key_alias":"{written}"}}')


def test_a_console_line_is_for_people():
    facts = {"status": 200, "route": None, "path": "/x"}

    line = ConsoleFormatter().format(record("exchange", facts=facts))

    assert line == "2025-12-31T23:59:59.250Z info    exchange status=200 path=/x"


@pytest.mark.parametrize("make", [lambda: record(EVIL), lambda: record("exchange", facts={"path": EVIL})])
def test_no_text_acts_on_the_console(make):
    line = ConsoleFormatter().format(make())

    assert line.isprintable()
    assert line.splitlines() == [line]
    assert "\\x1b[31m" in line


def test_a_traceback_follows_its_console_line():
    try:
        raise LookupError("why")
    except LookupError:
        line = ConsoleFormatter().format(record("fault", exc_info=sys.exc_info()))

    first, *others = line.split("\n")
    assert first.endswith("fault")
    assert others[-1] == "LookupError: why"


def test_a_traceback_acts_on_no_console():
    try:
        raise LookupError("why\x1b[2J")
    except LookupError:
        line = ConsoleFormatter().format(record("fault", exc_info=sys.exc_info()))

    assert "\x1b" not in line


@pytest.mark.parametrize(
    ("text", "written"), [("plain ä", "plain ä"), ("a\r\nb\tc", "a\\r\\nb\\tc"), ("\x1b\x85", "\\x1b\\x85")]
)
def test_what_a_terminal_would_act_upon_is_written_out(text, written):
    assert escaped(text) == written


@pytest.mark.parametrize(("said", "level"), [({}, "INFO"), *(({"LOG_LEVEL": each.lower()}, each) for each in LEVELS)])
def test_the_level_is_the_environments(said, level):
    assert logging_config(said)["loggers"]["tollhouse"]["level"] == level


@pytest.mark.parametrize(("level", "gunicorns"), [("DEBUG", "INFO"), ("INFO", "INFO"), ("ERROR", "ERROR")])
def test_gunicorn_never_tells_what_it_could_not_read(level, gunicorns):
    """At DEBUG it would print requests with the keys in them."""
    loggers = logging_config({"LOG_LEVEL": level})["loggers"]

    assert loggers["gunicorn.error"]["level"] == gunicorns
    assert loggers["gunicorn.access"]["handlers"] == []


@pytest.mark.parametrize("level", LEVELS)
def test_exchanges_are_told_at_every_level_and_alone_on_stdout(level):
    config = logging_config({"LOG_LEVEL": level})

    on_stdout = [name for name, logger in config["loggers"].items() if "out" in logger["handlers"]]
    assert (on_stdout, config["loggers"]["tollhouse.exchange"]["level"]) == (["tollhouse.exchange"], "INFO")
    assert config["handlers"]["out"]["stream"] == "ext://sys.stdout"
    assert config["root"]["handlers"] == ["err"]


@pytest.mark.parametrize(("said", "formatter"), [("json", JsonFormatter), ("console", ConsoleFormatter)])
def test_the_format_is_the_environments(said, formatter):
    assert logging_config({"LOG_FORMAT": said})["formatters"]["line"]["()"] is formatter


@pytest.mark.parametrize(("is_terminal", "formatter"), [(True, ConsoleFormatter), (False, JsonFormatter)])
@pytest.mark.parametrize("environ", [{}, {"LOG_FORMAT": ""}], ids=["unset", "empty"])
def test_the_format_is_by_default_what_the_reader_can_read(monkeypatch, is_terminal, formatter, environ):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal, raising=False)

    assert logging_config(environ)["formatters"]["line"]["()"] is formatter


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL is 'LOUD'; use one of DEBUG, INFO, WARNING, ERROR"),
        ({"LOG_FORMAT": "xml"}, "LOG_FORMAT is 'xml'; use json or console"),
    ],
)
def test_an_unknown_word_is_refused_with_the_known_ones(environ, message):
    with pytest.raises(ValueError, match=message):
        logging_config(environ)


def test_an_empty_level_is_none_said():
    assert logging_config({"LOG_LEVEL": ""})["loggers"]["tollhouse"]["level"] == "INFO"


def test_exchanges_go_to_stdout_and_all_else_to_stderr():
    program = """
import logging, logging.config
from app.telemetry.logs import logging_config
logging.config.dictConfig(logging_config({"LOG_LEVEL": "DEBUG", "LOG_FORMAT": "json"}))
for name in ("tollhouse.exchange", "tollhouse", "tollhouse.relay", "gunicorn.error", "urllib3"):
    logging.getLogger(name).debug("%s debug", name)
    logging.getLogger(name).error("%s error", name)
logging.getLogger("gunicorn.access").info("GET /?key=canary")
"""

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True)

    told = [[json.loads(line)["event"] for line in stream.splitlines()] for stream in (done.stdout, done.stderr)]
    assert told == [
        ["tollhouse.exchange error"],
        ["tollhouse debug", "tollhouse error", "tollhouse.relay debug", "tollhouse.relay error", "gunicorn.error error",
         "urllib3 error"],
    ]  # fmt: skip
