"""The files under config/ are what they say: complete, true, and ready to use."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from app.explain import explain
from app.settings.load import Inspection, inspect
from app.settings.models import ConfigFile
from app.settings.problems import SettingsInvalid
from app.settings.schema import schema_text

CONFIG = Path("config")
MAIN = CONFIG / "config.yaml"
EXAMPLES = sorted((CONFIG / "examples").glob("*.yaml"))
# Behind "#- " stands what can be put to use, behind "#coming " what is refused until it is served.
OPTIONAL, COMING = "#- ", "#coming "


def referred(text: str) -> set[str]:
    """The variables that the file refers to, comments left out."""
    return set(re.findall(r"os\.environ/([A-Z0-9_]+)", re.sub(r"#.*", "", text)))


def inspected(file: Path) -> Inspection:
    return inspect(file, {name: f"value-of-{name}" for name in referred(file.read_text())})


def with_lines_behind(mark: str, path: Path, but_for: str = "nothing") -> Path:
    """config.yaml with the lines put to use that stand behind the mark."""
    lines = MAIN.read_text().splitlines()
    path.write_text("\n".join(line if but_for in line else line.replace(mark, "", 1) for line in lines))
    return path


def fields(model):
    """The names of all fields of the model and of those inside it."""
    for name, field in model.model_fields.items():
        yield name
        for part in parts(field.annotation):
            yield from fields(part)


def parts(annotation):
    if hasattr(annotation, "model_fields"):
        return [annotation]
    return [model for argument in getattr(annotation, "__args__", ()) for model in parts(argument)]


def test_the_schema_is_that_of_the_models():
    """`make schema` writes it."""
    assert (CONFIG / "schema.json").read_text() == schema_text()


def test_the_settings_file_names_every_field():
    text = MAIN.read_text()
    named = set(re.findall(r"^ *(?:#- |#coming )? *(?:- )?([a-z_]+):", text, re.MULTILINE))
    named |= set(re.findall(r"[{,] ?([a-z_]+):", text))

    assert set(fields(ConfigFile)) - named == set()


def test_the_settings_file_loads():
    routes = inspected(MAIN).gateway.routes

    assert [(route.path, route.target.authority, route.include_subpath) for route in routes] == [
        ("/v1/rerank", "api.cohere.com", False),
        ("/api/public/ingestion", "us.cloud.langfuse.com", False),
        ("/bria", "engine.prod.bria-api.com", True),
    ]


def test_the_settings_file_tells_which_variables_it_needs():
    beginning = MAIN.read_text().partition("general_settings:")[0]

    assert {name for name in referred(MAIN.read_text()) if name not in beginning} == set()


def test_what_the_settings_file_offers_can_be_put_to_use(tmp_path):
    file = with_lines_behind(OPTIONAL, tmp_path / "config.yaml", but_for="timeouts:")

    gateway = inspected(file).gateway

    assert gateway.max_request_bytes == 100 * 1024 * 1024
    assert gateway.routes[0].timeouts.idle_s == 60


def test_timeouts_can_be_used_instead_of_timeout(tmp_path):
    file = with_lines_behind(OPTIONAL, tmp_path / "config.yaml", but_for="timeout:")

    assert inspected(file).gateway.routes[0].timeouts.first_byte_s == 600


def test_what_the_settings_file_calls_coming_is_understood_and_refused(tmp_path):
    file = with_lines_behind(OPTIONAL, tmp_path / "config.yaml", but_for="timeouts:")
    file.write_text(file.read_text().replace(COMING, ""))

    with pytest.raises(SettingsInvalid) as refused:
        inspected(file)

    assert {problem.message.partition(":")[0] for problem in refused.value.problems} == {
        "is not served by this version yet"
    }
    assert [problem.place.rpartition(".")[2] for problem in refused.value.problems] == [
        "rpm_limit",
        "cost_per_request",
        "tpm_limit",
        "max_budget",
        "budget_duration",
    ]


@pytest.mark.parametrize("file", [MAIN, *EXAMPLES], ids=lambda file: file.name)
def test_editors_find_the_schema_of_every_file(file):
    (schema,) = re.findall(r"\A# yaml-language-server: \$schema=(\S+)\n", file.read_text())

    assert (file.parent / schema).resolve() == (CONFIG / "schema.json").resolve()


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_an_example_tells_which_variables_it_needs(file):
    comments = "\n".join(re.findall(r"^#(.*)", file.read_text(), re.MULTILINE))
    (needs,) = re.findall(r"Needs (.*?)\. ", comments)

    assert set(re.findall(r"[A-Z0-9_]{4,}", needs)) == referred(file.read_text())


def calls(file: Path) -> list[list[str]]:
    """The curl commands in the file's comments, as arguments."""
    comments = "\n".join(line.removeprefix("#") for line in file.read_text().splitlines() if line.startswith("#"))
    return [
        shlex.split(call.replace("\\\n", " "))
        for call in re.findall(r"^   (curl (?:.|\n)*?)\n(?:\n|\Z)", comments + "\n\n", re.MULTILINE)
    ]


def explained(file: Path, call: list[str]) -> str:
    """What the gateway would send for the curl command."""
    (url,) = [argument for argument in call if argument.startswith("http://localhost:4000/")]
    headers = [call[index + 1].split(": ", 1) for index, argument in enumerate(call) if argument == "-H"]
    method = "POST" if "-d" in call else "GET"
    target = url.removeprefix("http://localhost:4000")
    return explain(inspected(file), method, target, [(name, value) for name, value in headers]).text


def json_to(host: str, path: str, *fields: str) -> list[str]:
    """The head of a JSON POST."""
    return [f"POST {path} HTTP/1.1", f"Host: {host}", "Content-Type: application/json", *fields]


LANGFUSE, GOOGLE = "cloud.langfuse.com", "generativelanguage.googleapis.com"
SENT = {
    "anthropic": [
        json_to("api.anthropic.com", "/v1/messages", "Anthropic-Version: 2023-06-01", "x-api-key: ****"),
    ],
    "bria": [
        json_to("engine.prod.bria-api.com", "/v1/text-to-image/base/2.3", "api_token: ****"),
    ],
    "cohere": [
        json_to("api.cohere.com", "/v1/rerank", "Authorization: bearer ****"),
        json_to("api.cohere.com", "/v2/chat", "Authorization: bearer ****"),
    ],
    "gemini": [
        json_to(GOOGLE, "/v1beta/models/gemini-2.5-flash:generateContent", "x-goog-api-key: ****"),
        json_to(GOOGLE, "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse", "x-goog-api-key: ****"),
    ],
    "langfuse": [
        json_to(LANGFUSE, "/api/public/ingestion", "Authorization: Basic ****"),
        json_to(LANGFUSE, "/api/public/otel/v1/traces", "X-Langfuse-Ingestion-Version: 4", "Authorization: Basic ****"),
        json_to(LANGFUSE, "/api/public/scores", "Authorization: Basic ****"),
        [
            "GET /api/public/v2/prompts/team%2Fgreeting HTTP/1.1",
            f"Host: {LANGFUSE}",
            "Authorization: Basic ****",
        ],
    ],
    "mistral-ocr": [
        json_to("api.mistral.ai", "/v1/ocr", "Authorization: Bearer ****"),
    ],
    "own-adapter": [["my-fake-claude-endpoint: model=gpt-3.5-turbo, api_key=****"]],
    "openai": [
        json_to("api.openai.com", "/v1/chat/completions", "Authorization: Bearer ****"),
    ],
}


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_the_calls_in_an_example_lead_where_they_should(file):
    told = [explained(file, call).partition("\n\n")[2].splitlines()[:-1] for call in calls(file)]
    # What an adapter does begins with a line for people.
    told = [lines[1:] if lines[0].startswith("litellm.completion") else lines for lines in told]

    assert told == SENT[file.stem]
