"""What was left out of Flask is not missed: routes on every host, no cookies, and hooks where there are any."""

import pytest
from flask import Response

from app.application import Application


def the_app():
    app = Application("test", static_folder=None)
    app.add_url_rule("/a/<name>", "a", lambda name: name)
    return app


def test_routes_are_the_same_on_every_host():
    client = the_app().test_client()

    answers = [client.get("/a/b", headers={"Host": host}) for host in ("gateway.test", "other:1", "[::1]:4000")]

    assert [(answer.status_code, answer.text) for answer in answers] == [(200, "b")] * 3


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
