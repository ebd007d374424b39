"""What is in force: together, until something is taken that can be served."""

import pytest

from app.settings import snapshot
from app.settings.problems import SettingsInvalid
from tests.conftest import CERTS

AUTHORITY, OTHER = (CERTS / "authority.pem").read_bytes(), (CERTS / "self-signed.pem").read_bytes()


def file_of(target):
    return f'general_settings: {{pass_through_endpoints: [{{path: /a, target: "{target}"}}]}}'


@pytest.fixture
def operator(tmp_path, monkeypatch):
    """Write a file and a CA bundle, and return the environment that names both."""
    monkeypatch.setattr(snapshot, "_current", None)

    def write(target="https://x.test/", bundle=AUTHORITY):
        (tmp_path / "config.yaml").write_text(file_of(target))
        (tmp_path / "bundle.pem").write_bytes(bundle)
        return {"CONFIG_FILE_PATH": str(tmp_path / "config.yaml"), "SSL_CERT_FILE": str(tmp_path / "bundle.pem")}

    return write


def test_what_was_taken_stays_in_force_whatever_becomes_of_the_files(operator):
    environ = operator()
    with snapshot.taken(environ) as gateway:
        pass
    trusted = snapshot.authorities(environ)

    operator("ftp://", b"no certificate")

    assert snapshot.current(environ) is gateway
    assert snapshot.authorities(environ) is trusted
    operator(bundle=OTHER)
    with snapshot.taken(environ) as newer:
        pass
    assert snapshot.current(environ) is newer is not gateway
    assert snapshot.authorities(environ) is not trusted


@pytest.mark.parametrize(("target", "bundle"), [("ftp://", OTHER), ("https://y.test/", b"no certificate")])
def test_what_cannot_be_taken_leaves_what_was(operator, target, bundle):
    environ = operator()
    with snapshot.taken(environ) as gateway:
        pass
    trusted = snapshot.authorities(environ)
    operator(target, bundle)

    with pytest.raises(SettingsInvalid), snapshot.taken(environ):
        pass

    assert (snapshot.current(environ), snapshot.authorities(environ)) == (gateway, trusted)


def test_what_cannot_be_served_leaves_what_was(operator):
    environ = operator()
    with snapshot.taken(environ) as gateway:
        pass
    trusted = snapshot.authorities(environ)
    operator(bundle=OTHER)

    with pytest.raises(ZeroDivisionError), snapshot.taken(environ):
        _ = 1 / 0

    assert (snapshot.current(environ), snapshot.authorities(environ)) == (gateway, trusted)


@pytest.mark.parametrize("target", ["https://x.test/", "http://x.test/"])
def test_a_named_bundle_that_cannot_be_used_ends_the_start_under_any_server(operator, target):
    with pytest.raises(SettingsInvalid, match="SSL_CERT_FILE"):
        snapshot.current(operator(target, b"no certificate"))


@pytest.mark.parametrize(("target", "are_read"), [("https://x.test/", True), ("http://x.test/", False)])
def test_certifis_authorities_are_read_where_an_upstream_speaks_tls(operator, monkeypatch, target, are_read):
    environ = {**operator(target), "SSL_CERT_FILE": ""}
    asked = []
    monkeypatch.setattr("app.settings.trust.read", asked.append)

    with snapshot.taken(environ):
        pass

    assert asked == [environ] * are_read
