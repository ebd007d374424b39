"""The tree of what can go wrong is the one its docstring draws, and each leaf says what clients rely on."""

import errno
import re

import pytest

from app import errors
from app.errors import (
    ClientLeft,
    GatewayError,
    InvalidRequest,
    MethodNotAllowed,
    Refusal,
    TransferBroken,
    UpstreamBroke,
    UpstreamError,
)

LINE = re.compile(r"^    (?P<branch>[│├└─ ]*)(?P<name>[A-Z]\w+)(?: +(?:(?P<status>\d{3}) (?P<code>\w+)|.*))?$")


def drawn():
    """Return (name, parent's name, status, code) of each line of the drawing; 4 columns are one level."""
    ancestors = []
    for line in errors.__doc__.splitlines():
        found = LINE.match(line)
        if found is None:
            continue
        depth = len(found["branch"]) // 4
        ancestors[depth:] = [found["name"]]
        parent = ancestors[depth - 1] if depth else None
        yield found["name"], parent, found["status"] and int(found["status"]), found["code"]


def written():
    """Return the classes of the module that belong to the tree, by name."""
    return {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and value.__module__ == errors.__name__
    }


def test_the_drawing_shows_every_class_of_the_tree():
    assert {name for name, *_ in drawn()} == set(written())


@pytest.mark.parametrize(("name", "parent"), [(name, parent) for name, parent, *_ in drawn() if parent])
def test_a_class_hangs_where_the_drawing_says(name, parent):
    assert written()[name].__bases__[0] is written()[parent]


@pytest.mark.parametrize(
    ("name", "status", "code"), [(name, status, code) for name, _, status, code in drawn() if status]
)
def test_a_refusal_has_the_status_and_code_that_the_drawing_says(name, status, code):
    assert (written()[name].status, written()[name].code) == (status, code)


def test_every_refusal_that_is_answered_stands_in_the_drawing_with_its_status():
    answered = {name for name, found in written().items() if issubclass(found, Refusal) and hasattr(found, "status")}

    assert answered - {name for name, _, status, _ in drawn() if status} == {"StreamBroken"}


def test_no_two_refusals_share_a_code():
    codes = [found.code for found in written().values() if hasattr(found, "code")]

    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("name", [name for name, _, status, _ in drawn() if status])
def test_a_status_line_has_the_usual_reason(name):
    refusal = written()[name]("no", **({"allow": ("GET",)} if name == "MethodNotAllowed" else {}))

    assert re.fullmatch(r"[45]\d\d [A-Z][A-Za-z -]+", refusal.status_line)
    assert refusal.status_line.startswith(str(refusal.status))


def test_a_refusal_carries_message_and_param():
    refusal = InvalidRequest("The Host header is missing.", param="Host")

    assert (str(refusal), refusal.message, refusal.param) == ("The Host header is missing.",) * 2 + ("Host",)
    assert refusal.fields() == []


def test_405_tells_what_is_allowed():
    assert MethodNotAllowed("no", allow=("GET", "POST")).fields() == [("Allow", "GET, POST")]


def test_upstream_errors_are_told_apart_by_type():
    kinds = {found.type for found in written().values() if issubclass(found, UpstreamError)}

    assert kinds == {"upstream_error"}


@pytest.mark.parametrize("broken", [UpstreamBroke, ClientLeft, TransferBroken])
def test_a_broken_transfer_is_what_gunicorn_takes_for_a_reset(broken):
    fault = broken("the upstream closed its connection in mid-body")

    assert isinstance(fault, ConnectionResetError)
    assert isinstance(fault, GatewayError)
    assert (fault.errno, fault.strerror) == (errno.ECONNRESET, "the upstream closed its connection in mid-body")


def test_a_broken_transfer_is_no_refusal():
    assert not issubclass(TransferBroken, Refusal)
