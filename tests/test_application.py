"""What was left out of Flask is not missed: routes on every host, no cookies, and hooks where there are any."""

import gc
import weakref
from contextlib import suppress

import pytest
from flask import Request, Response, has_app_context, has_request_context, request
from werkzeug.test import EnvironBuilder

from app.application import LONGEST_PATH, Application


def the_app():
    app = Application("test", static_folder=None)
    app.add_url_rule("/a/<name>", "a", lambda name: name)
    return app


def test_routes_are_the_same_on_every_host():
    client = the_app().test_client()

    answers = [client.get("/a/b", headers={"Host": host}) for host in ("gateway.test", "other:1", "[::1]:4000")]

    assert [(answer.status_code, answer.text) for answer in answers] == [(200, "b")] * 3


def test_a_path_leads_to_the_same_view_however_often_it_is_asked_for():
    client, long = the_app().test_client(), "x" * (LONGEST_PATH + 1)

    for _ in range(2):
        assert [client.get(f"/a/{name}").text for name in ("b", "c", long)] == ["b", "c", long]
        assert client.post("/a/b").status_code == 405
        assert client.get("/nowhere").status_code == 404


def test_a_view_cannot_change_what_is_remembered_of_its_path():
    app = the_app()

    def view(**parts):
        parts["name"] += "!"
        return parts["name"]

    app.add_url_rule("/view/<name>", "view", view)
    client = app.test_client()

    assert [client.get("/view/b").text for _ in range(2)] == ["b!", "b!"]


def test_nobody_has_a_session():
    answer = the_app().test_client().get("/a/b", headers={"Cookie": "session=eyJhIjoxfQ.x.y"})

    assert "Set-Cookie" not in answer.headers
    assert "Vary" not in answer.headers


def test_a_hook_of_the_app_answers_before_the_view_does():
    app = the_app()
    app.before_request(lambda: Response("hook", status=418))

    assert app.is_plain
    assert app.test_client().get("/a/b").text == "hook"


def test_what_a_hook_raises_meets_its_handler():
    app = the_app()
    app.register_error_handler(LookupError, lambda _: ("handled", 400))

    @app.before_request
    def fail():
        raise LookupError

    assert app.test_client().get("/a/b").text == "handled"


@pytest.mark.parametrize("register", ["after_request", "teardown_request", "teardown_appcontext"])
def test_every_other_hook_is_called_as_flask_would(register):
    app, called = the_app(), []

    def hook(given):
        called.append(given)
        return given

    getattr(app, register)(hook)

    assert not app.is_plain
    assert app.test_client().get("/a/b").text == "b"
    assert len(called) == 1


def test_the_parts_of_a_request_are_those_that_flask_tells():
    app, told = the_app(), []
    names = ("path", "method", "query_string", "remote_addr", "scheme", "root_path", "server", "full_path", "headers")

    def view():
        told.extend((name, getattr(request, name), getattr(Request(request.environ), name)) for name in names)
        return "seen"

    app.add_url_rule("/view", "view", view)

    app.test_client().get("/view?a=b&a=c", headers={"X-Y": "z"})

    assert [name for name, ours, flasks in told if str(ours) != str(flasks)] == []
    assert told[1:3] == [("method", "GET", "GET"), ("query_string", b"a=b&a=c", b"a=b&a=c")]


def test_a_request_has_no_part_that_flask_has_not():
    app = the_app()
    app.add_url_rule("/none", "none", lambda: str(hasattr(request, "no_such_part")))

    assert app.test_client().get("/none").text == "False"


class Unhandled(BaseException):
    pass


@pytest.mark.parametrize("fault", [None, LookupError, Unhandled])
def test_nothing_of_a_request_stays_behind(fault):
    app, seen = the_app(), []

    def view():
        seen.append(weakref.ref(request._get_current_object()))
        assert has_app_context()
        if fault:
            raise fault
        return request.method

    app.add_url_rule("/view", "view", view)
    gc.disable()
    try:
        with suppress(Unhandled):
            app(EnvironBuilder("/view").get_environ(), lambda *_: None)

        assert (has_request_context(), has_app_context()) == (False, False)
        if fault is None:
            assert seen[0]() is None, "the request waits for the collector"
    finally:
        gc.enable()
    assert len(seen) == 1
