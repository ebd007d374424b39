"""Nobody waits for the log: what its reader does not take is kept for a while, then counted, and the reader is told."""

import errno
import json
import os
import socket
import subprocess
import sys

import gevent
import pytest

from app.telemetry import line_writer as module
from app.telemetry.line_writer import LineWriter, line_writer
from app.telemetry.logs import JsonFormatter, LineHandler


def told(lost):
    return f"{lost} lost\n".encode()


class Ends:
    """A pipe or socket with its two ends; `read` takes what is there, and never waits."""

    def __init__(self, kind):
        if kind == "socket":
            reader, writer = socket.socketpair()
            self.reader, self.writer = reader.detach(), writer.detach()
            os.set_blocking(self.writer, True)
        else:
            self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)

    def read(self):
        parts = []
        while True:
            try:
                parts.append(os.read(self.reader, 1 << 20))
            except BlockingIOError:
                return b"".join(parts)
            if not parts[-1]:
                return b"".join(parts)

    def read_with(self, go_on):
        """Return all that comes, while what waits goes on."""
        parts = [self.read()]
        while parts[-1]:
            go_on()
            parts.append(self.read())
        return b"".join(parts)

    def close(self, *ends):
        for end in ends or ("reader", "writer"):
            if (fd := getattr(self, end)) is not None:
                os.close(fd)
            setattr(self, end, None)


@pytest.fixture(params=["pipe", "socket", "pipe of another user"])
def ends(request, monkeypatch):
    if request.param == "pipe of another user":  # /proc lets nobody else open it
        monkeypatch.setattr(module.os, "open", refuse)
    made = Ends(request.param)
    yield made
    made.close()


def refuse(*_args):
    raise PermissionError


@pytest.fixture
def writer(ends):
    return LineWriter(ends.writer, told)


def numbered(count, size=300):
    return [f"{number}".zfill(size - 1).encode() + b"\n" for number in range(count)]


def test_lines_come_at_once_whole_and_in_order(ends, writer):
    lines = [*numbered(20), b"x" * 20_000 + b"\n", *numbered(20)]

    for line in lines:
        writer.put(line)

    assert ends.read_with(writer.go_on) == b"".join(lines)


def test_what_nobody_reads_waits_and_comes_in_order(ends, writer):
    lines = [*numbered(1_000), b"x" * 100_000 + b"\n", *numbered(1_000)]
    for line in lines:
        writer.put(line)

    assert ends.read_with(writer.go_on) == b"".join(lines)


def test_what_is_too_much_is_lost_in_one_place_and_told_there(ends, writer):
    lines = numbered(10_000)
    for line in lines:
        writer.put(line)

    came = ends.read_with(writer.go_on)
    writer.put(b"after\n")
    *kept, note = came.splitlines(keepends=True)

    assert len(b"".join(kept)) > 1 << 20
    assert kept == lines[: len(kept)]
    assert note == told(10_000 - len(kept))
    assert ends.read() == b"after\n"


def test_the_descriptor_that_others_share_still_waits(ends, writer):
    writer.put(b"line\n")

    assert os.get_blocking(ends.writer)


def test_a_later_line_takes_along_what_waits(ends, writer):
    lines = numbered(2_000)
    for line in lines:
        writer.put(line)
    first = ends.read()
    writer.put(b"last\n")

    assert (first + ends.read_with(lambda: writer.put(b""))).startswith(b"".join(lines) + b"last\n")


def test_what_waits_goes_on_by_itself_where_the_loop_runs(ends, writer):
    lines, came = numbered(2_000), b""
    gevent.get_hub()
    for line in lines:
        writer.put(line)

    with gevent.Timeout(10):
        while len(came) < len(b"".join(lines)):
            came += ends.read()
            gevent.sleep(0)

    assert came == b"".join(lines)


def test_a_line_from_within_a_line_follows_it(ends, writer):
    """A signal's handler may log while a line is being written."""
    write = writer._write

    def interrupted(octets):
        if octets.startswith(b"x"):
            writer._write = write
            writer.put(b"within\n")
            return write(octets[:10])
        return write(octets)

    writer._write = interrupted
    writer.put(b"x" * 100 + b"\n")

    assert ends.read() == b"x" * 100 + b"\nwithin\n"


@pytest.fixture
def forked(monkeypatch):
    """Calls what a child process calls first; ask for it before a writer."""
    called = []
    monkeypatch.setattr(module.os, "register_at_fork", lambda *, after_in_child: called.append(after_in_child))
    return lambda: [begin() for begin in called]


def test_a_child_leaves_to_its_parent_what_the_parent_has_waiting(ends, forked, writer):
    for line in numbered(10_000):
        writer.put(line)
    forked()
    ends.read()

    writer.put(b"child\n")

    assert ends.read() == b"child\n"


def test_a_childs_own_first_lines_wait_like_all_others(ends, forked, writer):
    for line in numbered(10_000):
        writer.put(line)
    forked()
    writer.put(b"child 1\n")
    writer.put(b"child 2\n")
    before = ends.read()  # short ones may have fitted in

    writer.put(b"child 3\n")

    assert (before + ends.read()).endswith(b"child 1\nchild 2\nchild 3\n")


def test_a_reader_that_has_gone_is_a_fault_and_no_more(ends, writer):
    ends.close("reader")

    for line in numbered(10):
        writer.put(line)

    assert isinstance(writer.fault, OSError)
    assert writer.fault.errno == errno.EPIPE


def test_a_named_pipe_may_get_another_reader(tmp_path):
    os.mkfifo(tmp_path / "log")
    reader = os.open(tmp_path / "log", os.O_RDONLY | os.O_NONBLOCK)
    with (tmp_path / "log").open("wb") as stream:
        writer = line_writer(stream, told)
        os.close(reader)
        for line in numbered(3):
            writer.put(line)
        reader = os.open(tmp_path / "log", os.O_RDONLY | os.O_NONBLOCK)
        writer.put(b"after\n")

    assert (os.read(reader, 1000), writer.fault) == (b"3 lost\nafter\n", None)
    os.close(reader)


def test_the_end_waits_for_a_reader_but_not_for_long(ends, writer, monkeypatch):
    monkeypatch.setattr(module, "END_S", 0.01)
    lines = numbered(2_000)
    for line in lines:
        writer.put(line)

    writer.finish()

    came = ends.read()
    assert b"".join(lines).startswith(came)


def test_a_named_pipes_next_reader_is_found_where_the_loop_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "AGAIN_S", 0.001)
    gevent.get_hub()
    os.mkfifo(tmp_path / "log")
    reader = os.open(tmp_path / "log", os.O_RDONLY | os.O_NONBLOCK)
    with (tmp_path / "log").open("wb") as stream:
        writer = line_writer(stream, told)
        os.close(reader)
        writer.put(b"line\n")
        reader = os.open(tmp_path / "log", os.O_RDONLY | os.O_NONBLOCK)
        with gevent.Timeout(10):
            while writer.fault:
                gevent.sleep(0)

    assert os.read(reader, 1000) == b"1 lost\n"
    os.close(reader)


@pytest.mark.parametrize("kind", ["file", "memory", "closed"])
def test_what_always_takes_lines_has_no_writer(tmp_path, kind):
    with (tmp_path / "log").open("wb") as stream:
        if kind == "closed":
            stream.close()

        assert line_writer(None if kind == "memory" else stream, told) is None


def test_two_logs_in_one_pipe_take_turns():
    ends = Ends("pipe")
    with os.fdopen(os.dup(ends.writer), "w") as out, os.fdopen(os.dup(ends.writer), "w") as err:
        handlers = [LineHandler(out), LineHandler(err)]

    assert handlers[0].writer is handlers[1].writer
    ends.close()


def run(program, out, err):
    return subprocess.Popen([sys.executable, "-c", PROGRAM + program], stdout=out, stderr=err)


PROGRAM = """
import logging, logging.config, sys
from app.telemetry.logs import logging_config
logging.config.dictConfig(logging_config({"LOG_FORMAT": "json"}))
log = logging.getLogger("tollhouse.exchange")
def exchanges(count, size):
    for number in range(count):
        log.info("exchange", extra={"facts": {"number": number, "path": "x" * size}})
"""


def test_a_process_says_once_that_nobody_reads_its_exchanges():
    ends = Ends("pipe")
    ends.close("reader")
    with run("exchanges(60, 10)", ends.writer, subprocess.PIPE) as process:
        _out, err = process.communicate(timeout=20)
    ends.close("writer")

    assert [json.loads(line)["event"] for line in err.splitlines()] == [
        "nobody reads standard output any more (BrokenPipeError): its lines are lost"
    ]
    assert process.returncode == 0


def test_a_process_whose_logs_nobody_reads_is_silent_and_ends_well():
    ends = Ends("pipe")
    ends.close("reader")
    with run("exchanges(60, 10); logging.getLogger('tollhouse').error('x')", ends.writer, ends.writer) as process:
        ends.close("writer")

        assert process.wait(20) == 0


def test_the_last_lines_are_read_before_a_process_ends():
    # Nobody reads before all is said; then it waits for the reader however busy the machine is.
    program = "from app.telemetry import line_writer as w; w.END_S = 20; exchanges(1000, 300); print(file=sys.stderr)"
    with run(program, subprocess.PIPE, subprocess.PIPE) as process:
        assert process.stderr.readline() == b"\n"
        out, err = process.communicate(timeout=20)

    assert [json.loads(line)["number"] for line in out.splitlines()] == list(range(1000))
    assert err == b""


def test_the_line_about_lost_lines_is_a_record():
    handler = LineHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())

    record = json.loads(handler.lost_line(7))

    assert (record["level"], record["event"]) == ("warning", "7 lines of the log were lost: nobody read them in time")
