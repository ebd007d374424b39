"""Flask's router, made exact: what is not a rule's path to the octet is no rule's, and no method is added."""

import pytest
from flask import Flask
from werkzeug.exceptions import Gone

from app import router


@pytest.fixture
def app():
    app = Flask("exact")
    router.init_app(app)
    return app


def add(app, rule, methods=("GET",)):
    """Serve the rule; the answer tells the rule and what stood for its parts."""
    app.add_url_rule(
        rule, rule, lambda **parts: {"rule": rule, **parts}, methods=methods, provide_automatic_options=False
    )


def refuse(**_parts):
    raise Gone


@pytest.mark.parametrize("path", ["/a/", "//a", "/A", "/a/b"])
def test_no_other_spelling_of_a_path_is_served_or_redirected(app, path):
    add(app, "/a")

    answer = app.test_client().get(path, base_url="http://gateway.test")

    assert (answer.status_code, "Location" in answer.headers) == (404, False)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "POST"])
def test_a_rule_takes_the_methods_it_names_and_no_others(app, method):
    add(app, "/a", methods=["GET"])

    answer = app.test_client().open("/a", method=method)

    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize(
    ("path", "below"), [("/a/", ""), ("/a/b", "b"), ("/a/b//c/", "b//c/"), ("/a//b", "/b"), ("/a/..x", "..x")]
)
def test_a_remainder_keeps_slashes_and_empty_segments(app, path, below):
    add(app, "/a/<remainder:below>")

    assert app.test_client().get(path).json == {"rule": "/a/<remainder:below>", "below": below}


@pytest.mark.parametrize(("path", "status"), [("/a/", 200), ("/a", 404), ("/a/b", 404), ("/a//", 404)])
def test_nothing_behind_a_slash_asks_for_the_slash(app, path, status):
    add(app, "/a/<nothing:behind>")

    assert app.test_client().get(path).status_code == status


def test_a_closed_rule_hands_no_method_to_a_less_specific_one(app):
    add(app, "/<remainder:below>", methods=["GET", "POST"])
    add(app, "/a", methods=["GET"])
    router.close(app, "/a", refuse)
    client = app.test_client()

    answers = [client.get("/a"), client.post("/a"), client.post("/b")]

    assert [answer.status_code for answer in answers] == [200, 410, 200]
    assert (answers[0].json["rule"], answers[2].json["rule"]) == ("/a", "/<remainder:below>")


def test_the_longer_of_two_remainders_is_left_to_the_longer_rule(app):
    for rule in ("/<remainder:below>", "/a/<remainder:below>", "/a/b/<remainder:below>"):
        add(app, rule)

    assert app.test_client().get("/a/b/c").json == {"rule": "/a/b/<remainder:below>", "below": "c"}


def test_nothing_is_compiled_to_make_urls_of_a_rule(app):
    """It would take as long as all else of a start with many routes."""
    add(app, "/a")

    with pytest.raises(NotImplementedError):
        app.url_map.bind("").build("/a")
