"""The pages under /key: LiteLLM's names and shapes, for the master key alone."""

import sqlite3
from pathlib import Path

import pytest

from app import management
from app.issuing.issuer import Issuer
from app.issuing.openapi import PAGES
from app.principal import Principal, digest_of
from tests.issuing.house import MASTER, NOW_S, House
from tests.values import ask

NO_KEY = "0123456789abcdef"


@pytest.fixture
def house(tmp_path):
    house = House(tmp_path / "var")
    yield house
    house.close()


def error_of(answer):
    error = answer.json["error"]
    return answer.status_code, error["code"], error["param"]


def test_a_new_key_is_told_once_in_litellms_shape(house):
    sent = {
        "key_alias": "team-a",
        "duration": "30d",
        "rpm_limit": 60,
        "max_parallel_requests": 5,
        "metadata": {"team": {"name": "core"}},
        "allowed_passthrough_routes": ["/v1/rerank"],
        "blocked": False,
    }

    answer = house.post("/key/generate", sent)

    key_id = digest_of("sk-issued-0000-abcdefgh")[:16]
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json == {
        "key": "sk-issued-0000-abcdefgh",
        "token": key_id,
        "token_id": key_id,
        "key_id": key_id,
        "key_name": "sk-...efgh",
        "key_alias": "team-a",
        "expires": "2030-04-16T17:46:40.250000Z",
        "rpm_limit": 60,
        "max_parallel_requests": 5,
        "metadata": {"team": {"name": "core"}},
        "allowed_passthrough_routes": ["/v1/rerank"],
        "blocked": False,
        "created_at": "2030-03-17T17:46:40.250000Z",
        "updated_at": "2030-03-17T17:46:40.250000Z",
    }
    assert house.ring.resolve(answer.json["key"]) == Principal(
        key_id,
        digest_of("sk-issued-0000-abcdefgh"),
        "team-a",
        60,
        5,
        ("/v1/rerank",),
        NOW_S + 30 * 86_400,
    )


def test_keys_are_random_where_nobody_chooses_them(house):
    issuer = Issuer(house.store)

    keys = {issuer.generate(management.json_form(page.form, b"")).key for page in PAGES[:1] for _ in range(3)}

    assert len(keys) == 3
    assert {key[:3] for key in keys} == {"sk-"}
    assert {len(key) for key in keys} == {3 + 43}


def test_a_key_of_ones_own_choice_works(house):
    house.generate(key="my-own-key-for-team-a")

    assert house.ring.resolve("my-own-key-for-team-a").key_id == digest_of("my-own-key-for-team-a")[:16]


@pytest.mark.parametrize(
    ("sent", "param"),
    [
        ({"key_alias": "team-a"}, "key_alias"),
        ({"key_alias": "from-the-file"}, "key_alias"),
        ({"key_alias": "master"}, "key_alias"),
        ({"key": "my-own-key-for-team-a"}, "key"),
        ({"key": "sk-key-of-the-file"}, "key"),
    ],
)
def test_what_another_key_has_is_refused_and_nothing_stored(house, sent, param):
    house.generate(key="my-own-key-for-team-a", key_alias="team-a")

    answer = house.post("/key/generate", sent)

    assert error_of(answer) == (400, "invalid_request", param)
    assert house.count() == 1


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"is_admin": True}, "is_admin"),
        ({"rpm_limit": -1}, "rpm_limit"),
        (b'{"rpm_limit": NaN}', "rpm_limit"),
        ({"duration": "soon"}, "duration"),
        ({"max_budget": 1}, "max_budget"),
        (b"[", None),
    ],
)
def test_bad_input_is_refused_by_its_name_and_nothing_stored(house, body, param):
    assert error_of(house.post("/key/generate", body)) == (400, "invalid_request", param)
    assert house.count() == 0


def test_a_body_without_end_is_refused(house):
    body = b'{"metadata": {"a": "' + b"a" * management.MOST_BODY_BYTES + b'"}}'

    assert error_of(house.post("/key/generate", body)) == (413, "request_too_large", None)
    assert house.count() == 0


def test_an_update_changes_what_was_sent_for_every_worker(house):
    issued = house.generate(key_alias="team-a", rpm_limit=60, duration="30d")
    assert house.ring.resolve(issued["key"]).rpm_limit == 60

    answer = house.post("/key/update", {"key": issued["key"], "rpm_limit": None, "max_parallel_requests": 2})

    assert answer.status_code == 200
    assert answer.json["key"] == issued["key_id"]
    assert (answer.json["rpm_limit"], answer.json["max_parallel_requests"]) == (None, 2)
    assert (answer.json["key_alias"], answer.json["expires"]) == ("team-a", issued["expires"])
    principal = house.ring.resolve(issued["key"])
    assert (principal.rpm_limit, principal.max_parallel_requests) == (None, 2)


def test_an_alias_cannot_be_taken_by_an_update(house):
    house.generate(key_alias="team-a")
    issued = house.generate(key_alias="team-b")

    answer = house.post("/key/update", {"key": issued["key_id"], "key_alias": "team-a", "rpm_limit": 1})

    assert error_of(answer) == (400, "invalid_request", "key_alias")
    assert house.store.read(issued["key_id"]).rpm_limit is None


def test_a_blocked_key_is_refused_by_every_worker_at_once_until_unblocked(house):
    """AU-13."""
    issued = house.generate()
    assert not house.ring.resolve(issued["key"]).is_blocked

    blocked = house.post("/key/block", {"key": issued["key"]})
    assert (blocked.status_code, blocked.json["blocked"]) == (200, True)
    assert house.ring.resolve(issued["key"]).is_blocked

    unblocked = house.post("/key/unblock", {"key": issued["key_id"]})
    assert (unblocked.status_code, unblocked.json["blocked"]) == (200, False)
    assert not house.ring.resolve(issued["key"]).is_blocked


def test_a_deleted_key_is_unknown_to_every_worker_at_once(house):
    keys = [house.generate(key_alias=f"team-{name}") for name in "abcd"]
    assert all(house.ring.resolve(key["key"]) for key in keys)
    names = [keys[0]["key"], keys[1]["key_id"], digest_of(keys[2]["key"])]

    by_key = house.post("/key/delete", {"keys": names})
    by_alias = house.post("/key/delete", {"key_aliases": ["team-d"]})

    assert by_key.json == {"deleted_keys": [keys[0]["key_id"], *names[1:]]}
    assert by_alias.json == {"deleted_keys": ["team-d"]}
    assert [house.ring.resolve(key["key"]) for key in keys] == [None] * 4


@pytest.mark.parametrize("sent", [{"keys": ["sk-none"]}, {"key_aliases": ["none"]}])
def test_all_keys_are_deleted_or_none(house, sent):
    issued = house.generate(key_alias="team-a")
    (field,) = sent
    sent[field] = [issued["key"] if field == "keys" else "team-a", *sent[field]]

    assert error_of(house.post("/key/delete", sent)) == (404, "key_not_found", field)
    assert house.ring.resolve(issued["key"])


def test_a_regenerated_key_has_another_secret_and_all_else(house):
    old = house.generate(key_alias="team-a", rpm_limit=60)
    assert house.ring.resolve(old["key"])

    new = house.post("/key/regenerate", {"key": old["key_id"], "rpm_limit": 30}).json

    assert new["key"] != old["key"]
    # Under which its requests are counted: a new secret brings no second budget.
    assert new["key_id"] == house.ring.resolve(new["key"]).key_id == old["key_id"]
    assert (new["key_alias"], new["rpm_limit"], new["created_at"]) == ("team-a", 30, old["created_at"])
    assert house.ring.resolve(old["key"]) is None
    assert house.ring.resolve(new["key"]).key_alias == "team-a"
    assert house.count() == 1


def test_a_regenerated_key_is_deleted_by_its_new_secret_and_called_by_its_key_id(house):
    old = house.generate()
    new = house.post("/key/regenerate", {"key": old["key"]}).json

    by_old, by_new = (house.post("/key/delete", {"keys": [key["key"]]}) for key in (old, new))

    assert error_of(by_old) == (404, "key_not_found", "keys")
    assert by_new.json == {"deleted_keys": [old["key_id"]]}


def test_a_secret_that_was_replaced_is_issued_to_nobody_else(house):
    """Its key_id still names the key that had it."""
    old = house.generate(key="my-own-key-for-team-a")
    house.post("/key/regenerate", {"key": old["key"]})

    answer = house.post("/key/generate", {"key": old["key"]})

    assert error_of(answer) == (400, "invalid_request", "key")


@pytest.mark.parametrize("new_key", ["my-own-key-for-team-b", "sk-key-of-the-file"])
def test_a_key_cannot_be_regenerated_into_another(house, new_key):
    house.generate(key="my-own-key-for-team-b")
    issued = house.generate()

    answer = house.post("/key/regenerate", {"key": issued["key"], "new_key": new_key})

    assert error_of(answer) == (400, "invalid_request", "new_key")
    assert house.ring.resolve(issued["key"])


@pytest.mark.parametrize("page", ["update", "block", "unblock", "regenerate"])
def test_a_key_that_the_store_does_not_have_is_not_found(house, page):
    for key in ("sk-none", NO_KEY, NO_KEY * 4, "sk-master", "sk-key-of-the-file"):
        assert error_of(house.post(f"/key/{page}", {"key": key})) == (404, "key_not_found", "key")


@pytest.mark.parametrize("key", ["sk-master", "sk-key-of-the-file"])
def test_a_key_of_the_file_is_told_to_stand_there(house, key):
    told = "stands in the settings file: change it there and send SIGHUP"

    answers = [house.post("/key/block", {"key": key}), house.get(f"/key/info?key={key}")]
    deleted = house.post("/key/delete", {"keys": [key]})

    for answer in answers:
        assert error_of(answer) == (404, "key_not_found", "key")
        assert answer.json["error"]["message"] == f"The store has no such key; it {told}."
    assert error_of(deleted) == (404, "key_not_found", "keys")
    assert deleted.json["error"]["message"] == f"Not all of keys exist in the store; one {told}; nothing was deleted."
    assert house.ring.resolve(key)


@pytest.mark.parametrize(("alias", "is_told"), [("from-the-file", True), ("master", True), ("nobodys", False)])
def test_an_alias_of_the_file_is_told_to_stand_there(house, alias, is_told):
    answer = house.post("/key/delete", {"key_aliases": [alias]})

    assert error_of(answer) == (404, "key_not_found", "key_aliases")
    assert ("settings file" in answer.json["error"]["message"]) is is_told


def test_info_tells_a_key_without_its_secret(house):
    issued = house.generate(key_alias="team-a", metadata={"a": 1})

    answers = [
        house.get(f"/key/info?key={name}") for name in (issued["key"], issued["key_id"], digest_of(issued["key"]))
    ]

    told = {name: value for name, value in issued.items() if name not in ("key", "token_id")}
    assert [answer.json for answer in answers] == [{"key": issued["key_id"], "info": told}] * 3
    assert error_of(house.get(f"/key/info?key={NO_KEY}")) == (404, "key_not_found", "key")
    assert error_of(house.get("/key/info")) == (400, "invalid_request", "key")


def test_a_list_is_a_page_of_key_ids_or_of_whole_keys(house):
    keys = [house.generate(key_alias=f"n{number}") for number in range(12)]

    short = house.get("/key/list?size=5&page=3").json
    whole = house.get("/key/list?return_full_object=true&key_alias=n7").json

    assert (short["total_count"], short["current_page"], short["total_pages"], len(short["keys"])) == (12, 3, 3, 2)
    told = {name: value for name, value in keys[7].items() if name not in ("key", "token_id")}
    assert whole == {"keys": [told], "total_count": 1, "current_page": 1, "total_pages": 1}
    assert house.get(f"/key/list?key_hash={digest_of(keys[3]['key'])}").json["keys"] == [keys[3]["key_id"]]
    assert house.get("/key/list?key_alias=none").json == {
        "keys": [], "total_count": 0, "current_page": 1, "total_pages": 0
    }  # fmt: skip


def test_secrets_and_digests_are_told_by_no_page_and_kept_in_no_file(house):
    """AK-04, AK-05."""
    issued = house.generate(key_alias="team-a")
    secret, reference = issued["key"], {"key": issued["key"]}

    told = [
        house.get("/key/list?return_full_object=true").data,
        house.get(f"/key/info?key={secret}").data,
        *(house.post(f"/key/{page}", reference).data for page in ("update", "block", "unblock", "delete")),
        house.post("/key/generate", {"key": secret, "rpm_limit": secret}).data,
    ]
    octets = b"".join(path.read_bytes() for path in Path(house.url.database).parent.glob("keys.*"))

    assert [secret.encode() in text for text in [*told, octets]] == [False] * (len(told) + 1)
    assert [digest_of(secret).encode() in text for text in told] == [False] * len(told)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({}, (401, "invalid_api_key"), id="no key"),
        pytest.param({"Authorization": "Bearer sk-unknown"}, (401, "invalid_api_key"), id="unknown key"),
        pytest.param(
            {"Authorization": "Bearer sk-key-of-the-file"}, (403, "master_key_required"), id="key of the file"
        ),
        pytest.param({"Authorization": "Bearer my-ordinary-issued-key"}, (403, "master_key_required"), id="issued key"),
    ],
)
def test_every_page_is_for_the_master_key_alone(house, headers, expected):
    """AK-01, AU-20."""
    house.generate(key="my-ordinary-issued-key")
    calls = [(method, page.path) for page in PAGES for method in (("GET", "HEAD") if page.is_read else ("POST",))]

    for method, path in calls:
        answer = ask(house.client, method, path, data=b"no json", headers=headers)
        assert (method, path, answer.status_code) == (method, path, expected[0])
        assert method == "HEAD" or answer.json["error"]["code"] == expected[1]
    assert house.count() == 1


@pytest.mark.parametrize(
    "path", ["//key/list", "/key/list/", "/Key/list", "/key/%6cist", "/key//list", "/key", "/key/"]
)
def test_another_spelling_of_a_page_is_no_page(house, path):
    """AK-02."""
    assert house.get(path).status_code == 404


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_page_takes_its_method_and_no_other(house, method):
    for page in PAGES:
        allowed = {"GET", "HEAD"} if page.is_read else {"POST"}
        answer = ask(house.client, method, page.path, headers={**MASTER, "X-HTTP-Method-Override": "POST"})
        assert (answer.status_code == 405) == (method not in allowed)
        assert method in allowed or set(answer.headers["Allow"].split(", ")) == allowed


def test_a_locked_store_is_a_503_for_writers_and_keys_go_on(house, monkeypatch):
    """AK-10."""
    issued = house.generate(rpm_limit=7)
    lock = sqlite3.connect(house.url.database, isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")

    answers = [house.post("/key/block", {"key": issued["key"]}), house.post("/key/generate")]
    principal = house.ring.resolve(issued["key"])
    listed = house.get("/key/list")
    lock.execute("ROLLBACK")
    lock.close()

    assert [(*error_of(answer), answer.headers["Retry-After"]) for answer in answers] == [
        (503, "store_unavailable", None, "1")
    ] * 2
    assert (principal.rpm_limit, principal.is_blocked) == (7, False)
    assert listed.status_code == 200
    assert house.count() == 1
