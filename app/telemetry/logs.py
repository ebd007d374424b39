"""How log records look and where they go: exchanges to stdout, everything else to stderr."""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from app.settings.environment import LOG_LEVELS
from app.telemetry.line_writer import line_writer


class LineHandler(logging.StreamHandler[Any]):
    """Writes a record with one call; no lock: a greenlet is not interrupted in it, and a thread's line stays whole.

    Who does not read a pipe or socket holds up nothing (app/telemetry/line_writer.py).
    """

    def __init__(self, stream: Any = None) -> None:
        super().__init__(stream)
        self.writer = line_writer(self.stream, self.lost_line)
        self.encoding = getattr(self.stream, "encoding", None) or "utf-8"
        self.is_gone = False

    def createLock(self) -> None:  # noqa: N802
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        writer = self.writer
        try:
            line = self.format(record) + self.terminator
            if writer is None:
                self.stream.write(line)
                self.stream.flush()
            else:
                writer.put(line.encode(self.encoding, "backslashreplace"))
                if self.is_gone is (writer.fault is None):
                    self.tell_gone(writer.fault)
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.finish()
        super().close()

    def tell_gone(self, fault: OSError | None) -> None:
        """Say once that nobody reads the exchanges any more; that nobody reads what is said there is not said."""
        self.is_gone = fault is not None
        if fault and self.stream is not sys.stderr:
            gone = "nobody reads standard output any more (%s): its lines are lost"
            logging.getLogger("tollhouse").error(gone, type(fault).__name__)

    def lost_line(self, lost: int) -> bytes:
        """Return the line that stands where others are missing."""
        told = "%d lines of the log were lost: nobody read them in time"
        record = logging.LogRecord("tollhouse", logging.WARNING, "", 0, told, (lost,), None)
        return (self.format(record) + self.terminator).encode(self.encoding, "backslashreplace")


class JsonFormatter(logging.Formatter):
    """One JSON object a line; json escapes control characters, so no text can forge a second line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line |= getattr(record, "facts", {})
        if not hasattr(record, "facts"):
            line["logger"] = record.name
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return _json(line)


class ConsoleFormatter(logging.Formatter):
    """A line for people: time, level, what happened, and the facts as name=value."""

    def format(self, record: logging.LogRecord) -> str:
        facts = getattr(record, "facts", {})
        told = " ".join(f"{name}={value}" for name, value in facts.items() if value is not None)
        text = " ".join(part for part in (record.getMessage(), told) if part)
        line = f"{_time(record)} {record.levelname.lower():7} {escaped(text)}"
        if record.exc_info:
            line += "\n" + "\n".join(map(escaped, self.formatException(record.exc_info).splitlines()))
        return line


def _json(line: dict[str, Any]) -> str:
    try:
        octets = to_json(line, fallback=str)
        # Hardly a line has others than ASCII; to look at every character for them costs as much as the line.
        return (octets if octets.isascii() else to_json(line, ensure_ascii=True, fallback=str)).decode()
    except PydanticSerializationError:  # Half a surrogate pair: no text for UTF-8, but a key's alias may be one.
        return json.dumps(line, default=str)


def leave_out_unused() -> None:
    """Let records do without what no line here tells: place, thread and process (logging HOWTO, Optimization).

    To find the caller alone, a walk up the stack, takes as long as to write the line.
    """
    logging._srcfile = None
    logging.logThreads = logging.logMultiprocessing = logging.logProcesses = False


def escaped(text: str) -> str:
    """Return the text with everything that a terminal or a line reader would act upon written out."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def logging_config(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the dictConfig (PEP 391) for LOG_LEVEL and LOG_FORMAT; raises ValueError for unknown ones."""
    level = (environ.get("LOG_LEVEL") or "INFO").upper()
    if level not in LOG_LEVELS:
        raise ValueError(f"LOG_LEVEL is {level!r}; use one of {', '.join(LOG_LEVELS)}")
    style = (environ.get("LOG_FORMAT") or ("console" if sys.stdout.isatty() else "json")).lower()
    formatters = {"json": JsonFormatter, "console": ConsoleFormatter}
    if style not in formatters:
        raise ValueError(f"LOG_FORMAT is {style!r}; use json or console")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatters[style]}},
        "handlers": {
            "out": {"()": LineHandler, "formatter": "line", "stream": "ext://sys.stdout"},
            "err": {"()": LineHandler, "formatter": "line", "stream": "ext://sys.stderr"},
        },
        "root": {"level": "WARNING", "handlers": ["err"]},
        "loggers": {
            "tollhouse": {"level": level, "handlers": ["err"], "propagate": False},
            "tollhouse.exchange": {"level": "INFO", "handlers": ["out"], "propagate": False},
            # At DEBUG gunicorn prints the octets of requests it cannot read, keys included.
            "gunicorn.error": {"level": max(level, "INFO", key=_rank), "handlers": ["err"], "propagate": False},
            "gunicorn.access": {"level": "ERROR", "handlers": [], "propagate": False},
        },
    }


def _rank(level: str) -> int:
    return LOG_LEVELS.index(level)


def _time(record: logging.LogRecord) -> str:
    second = int(record.created)
    return f"{_second(second)}.{int((record.created - second) * 1000):03}Z"


@lru_cache(maxsize=2)
def _second(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")
