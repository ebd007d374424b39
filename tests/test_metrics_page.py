"""/metrics is for who has the master key, unless the operator has opened it."""

import threading

import pytest
from flask import Flask
from pydantic import SecretStr

from app import ledger, metrics_page, refusals, router
from app.admission import Admission, FileKeys
from app.principal import Principal, digest_of
from app.settings.gateway import GatewayKey
from app.stores.native_thread import ThreadBusy
from tests.values import a_gateway, logged

MASTER, KEY = "canary-master", "canary-key"


class Told:
    """An exposition that remembers where and with what it was asked."""

    def __init__(self):
        self.asked = []

    def told(self, accept):
        self.asked.append((accept, threading.get_native_id()))
        return b"up 1\n", "text/plain; version=0.0.4; charset=utf-8"


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def page(told):
    """Call it with the master key, or None, for a client; with is_open for a page without a lock."""

    def serving(master_key=MASTER, is_open=False):
        key = GatewayKey(SecretStr(KEY), Principal(digest_of(KEY)[:16], digest_of(KEY)))
        gateway = a_gateway(keys=(key,), **({"master_key": SecretStr(master_key)} if master_key else {}))
        app = Flask("measured")
        ledger.init_app(app)
        refusals.init_app(app)
        router.init_app(app)
        metrics_page.init_app(app, told, None if is_open else Admission(FileKeys(gateway)).require_master)
        return app.test_client()

    return serving


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_master_key_sees_the_metrics(page, told, method):
    answer = page().open("/metrics", method=method, headers={**bearer(MASTER), "Accept": "text/plain"})

    assert (answer.status_code, answer.headers.getlist("Content-Type")) == (
        200,
        ["text/plain; version=0.0.4; charset=utf-8"],
    )
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.data == (b"up 1\n" if method == "GET" else b"")
    assert [accept for accept, _ in told.asked] == ["text/plain"]


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        pytest.param({}, 401, "invalid_api_key", id="no key"),
        pytest.param(bearer("wrong"), 401, "invalid_api_key", id="unknown key"),
        pytest.param(bearer(KEY), 403, "master_key_required", id="an ordinary key"),
    ],
)
def test_nobody_else_does(page, told, headers, status, code):
    answer = page().get("/metrics", headers=headers)

    assert (answer.status_code, answer.json["error"]["code"]) == (status, code)
    assert ("WWW-Authenticate" in answer.headers) is (status == 401)
    assert told.asked == []


def test_without_a_master_key_nobody_does(page, told):
    client = page(master_key=None)

    assert [client.get("/metrics").status_code, client.get("/metrics", headers=bearer(MASTER)).status_code] == [401] * 2
    assert told.asked == []


def test_everybody_does_where_the_page_is_open(page):
    client = page(master_key=None, is_open=True)

    assert [client.get("/metrics").status_code, client.get("/metrics", headers=bearer("wrong")).status_code] == [
        200
    ] * 2


def test_other_methods_are_refused(page, told):
    answer = page().post("/metrics", headers=bearer(MASTER))

    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert told.asked == []


def test_adding_up_does_not_hold_up_the_event_loop(page, told):
    page().get("/metrics", headers=bearer(MASTER))

    ((_, thread),) = told.asked
    assert thread != threading.get_native_id()


def test_a_scrape_that_takes_too_long_is_told_to_come_again(page, monkeypatch):
    def run(thread, work, timeout_s):
        raise ThreadBusy

    monkeypatch.setattr(metrics_page.NativeThread, "run", run)

    answer = page().get("/metrics", headers=bearer(MASTER))

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


def test_files_that_cannot_be_read_are_told_to_the_operator(page, told, monkeypatch):
    def read(accept):
        raise NotADirectoryError(20, "Not a directory", "var/metrics")

    monkeypatch.setattr(told, "told", read)

    with logged("tollhouse") as records:
        answer = page().get("/metrics", headers=bearer(MASTER))

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert b"var/metrics" not in answer.data
    assert ["var/metrics" in record.getMessage() for record in records if record.levelname == "ERROR"] == [True]
