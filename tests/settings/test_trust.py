"""Whom upstreams are verified by: which files are read, and what is said of those that cannot be."""

import ssl

import certifi
import pytest

from app.settings import trust
from app.settings.problems import SettingsInvalid
from tests.conftest import CERTS

AUTHORITY, OTHER = str(CERTS / "authority.pem"), str(CERTS / "self-signed.pem")


def test_both_bundles_are_trusted_where_both_are_named():
    context = trust.read({"SSL_CERT_FILE": AUTHORITY, "REQUESTS_CA_BUNDLE": OTHER})

    assert context.cert_store_stats()["x509"] == 2
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_a_bundle_that_two_variables_name_is_read_once():
    assert trust.ca_bundles({"SSL_CERT_FILE": "/a", "REQUESTS_CA_BUNDLE": "/a"}) == ["/a"]
    assert trust.ca_bundles({"SSL_CERT_FILE": "/a", "REQUESTS_CA_BUNDLE": "/b"}) == ["/a", "/b"]
    assert trust.ca_bundles({"REQUESTS_CA_BUNDLE": "/b", "SSL_CERT_FILE": ""}) == ["/b"]


def test_what_is_unset_or_empty_leaves_certifis():
    assert trust.read({"SSL_CERT_FILE": ""}).cert_store_stats()["x509"] > 50


@pytest.mark.parametrize("name", trust.CA_BUNDLES)
@pytest.mark.parametrize("file", ["/nowhere", "/", __file__])
def test_a_bundle_that_cannot_be_used_is_told_with_a_way_out(name, file):
    with pytest.raises(SettingsInvalid, match=f"^environment: {name}: .*or unset it$"):
        trust.read({name: file})


@pytest.mark.parametrize("ssl_cert_file", [__file__, AUTHORITY])
def test_every_variable_with_a_bad_bundle_is_told_of(ssl_cert_file):
    with pytest.raises(SettingsInvalid) as refused:
        trust.read({"SSL_CERT_FILE": ssl_cert_file, "REQUESTS_CA_BUNDLE": __file__})

    bad = ["REQUESTS_CA_BUNDLE"] + ["SSL_CERT_FILE"] * (ssl_cert_file == __file__)
    assert [problem.place for problem in refused.value.problems] == bad


@pytest.mark.parametrize("file", [AUTHORITY, "/nowhere"])
def test_a_log_of_keys_that_cannot_be_written_is_not_the_bundles_fault(monkeypatch, file):
    monkeypatch.setenv("SSLKEYLOGFILE", "/nowhere/keys.log")

    with pytest.raises(SettingsInvalid) as refused:
        trust.read({"SSL_CERT_FILE": file})

    (problem,) = refused.value.problems
    assert problem.place == ("SSLKEYLOGFILE" if file == AUTHORITY else "SSL_CERT_FILE")


def test_certifis_bundle_may_be_gone(monkeypatch):
    monkeypatch.setattr(certifi, "where", lambda: "/nowhere/cacert.pem")

    with pytest.raises(SettingsInvalid, match=r"^/nowhere/cacert\.pem: certifi.*install"):
        trust.read({})
