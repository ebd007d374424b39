"""The gateway says that it lives, and until when it should be sent work."""

import pytest
from flask import Flask

from app import health


@pytest.fixture
def app():
    app = Flask("healthy")
    health.init_app(app)
    return app


@pytest.mark.parametrize("path", ["/health/liveliness", "/health/liveness"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_live_worker_says_so(app, path, method):
    answer = app.test_client().open(path, method=method)

    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert answer.get_json(silent=True) == ("I'm alive!" if method == "GET" else None)


def test_a_worker_is_ready_until_it_is_told_to_stop(app):
    client = app.test_client()

    before = client.get("/health/readiness")
    app.extensions["readiness"].stop()
    after = client.get("/health/readiness")

    assert (before.status_code, before.json) == (200, {"status": "ready"})
    assert (after.status_code, after.json) == (503, {"status": "stopping"})
    assert after.headers["Cache-Control"] == "no-store"


def test_a_stopping_worker_still_lives(app):
    app.extensions["readiness"].stop()

    assert app.test_client().get("/health/liveliness").status_code == 200


def test_one_apps_stop_is_not_anothers(app):
    other = Flask("other")
    health.init_app(other)

    app.extensions["readiness"].stop()

    assert other.test_client().get("/health/readiness").status_code == 200
