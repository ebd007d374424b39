"""What the document says is what the pages do, for whatever can be sent to them."""

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from app.issuing.openapi import PAGES
from tests.issuing.house import MASTER, House

load_all_checks()
# Not among them: what depends on pages of other names (use_after_free, ensure_resource_availability).
NAMES = """not_a_server_error status_code_conformance content_type_conformance response_headers_conformance
response_schema_conformance negative_data_rejection missing_required_header unsupported_method
allow_header_conformance ignored_auth""".split()
EXAMPLES = settings(
    max_examples=int(os.environ.get("EXAMPLES", 30)),  # `make soak` wants more (G37)
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    house = House(tmp_path_factory.mktemp("house") / "var")
    yield house
    house.close()


@pytest.fixture(scope="module")
def document(house):
    def app(environ, start_response):
        # The request target as a server would tell it; werkzeug's client leaves the query out.
        target = environ["PATH_INFO"] + (f"?{environ['QUERY_STRING']}" if environ["QUERY_STRING"] else "")
        return house.app(environ | {"RAW_URI": target}, start_response)

    return schemathesis.openapi.from_wsgi("/openapi.json", app)


def test_the_document_is_there_for_everybody(house):
    answer = house.get("/openapi.json", headers={})

    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert answer.json["openapi"].startswith("3.1.")
    assert house.post("/openapi.json").status_code == 405


def test_the_document_tells_every_page_and_no_other(house):
    served = {rule.rule for rule in house.app.url_map.iter_rules()} - {"/openapi.json"}

    assert house.get("/openapi.json").json["paths"].keys() == served


@pytest.mark.parametrize("mode", GenerationMode, ids=lambda mode: mode.value)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.act)
def test_no_request_breaks_what_the_document_says(house, document, page, mode):
    """G37, bounded; each answer is judged by schemathesis, without a 5xx and with the shape it has there."""
    operation = document[page.path]["get" if page.is_read else "post"]
    statuses = set()

    @EXAMPLES
    @given(case=operation.as_strategy(mode), is_known=st.booleans())
    def judged(case, is_known):
        if is_known and mode is GenerationMode.POSITIVE:
            name_a_key(house, case)
        answer = case.call(headers=MASTER)
        statuses.add(answer.status_code)
        case.validate_response(answer, checks=[CHECKS.get_one(name) for name in NAMES], headers=MASTER)

    judged()

    assert statuses & ({200, 404} if mode is GenerationMode.POSITIVE else {400})


def name_a_key(house, case):
    """Let the request mean a key that exists, where it means one at all."""
    issued = house.generate()
    for sent in (case.body, case.query):
        if isinstance(sent, dict) and "key" in sent and case.path != "/key/generate":
            sent["key"] = issued["key"]
        if isinstance(sent, dict) and sent.get("keys"):
            sent["keys"] = [issued["key_id"]]
