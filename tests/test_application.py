"""What was left out of Flask is not missed: routes on every host, and no cookies."""

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
