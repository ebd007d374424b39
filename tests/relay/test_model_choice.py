"""The exact name wins, then the longest pattern; equal names take turns; nothing else is a model."""

from __future__ import annotations

import pytest

from app.model_errors import ModelNotFound
from app.relay.model_choice import ModelChoice
from app.settings.gateway import Model


def choice(*entries):
    return ModelChoice(Model(name, {"model": model}) for name, model in entries)


@pytest.mark.parametrize(
    ("asked", "model"),
    [
        ("claude", "openai/exact"),
        ("claude-3", "anthropic/claude-3"),
        ("claude-3-haiku", "bedrock/haiku"),
        ("other", "openrouter/other"),
        ("meta/llama:8b@x+y", "openrouter/meta/llama:8b@x+y"),
        (
            "arn:aws:bedrock:us-east-1:1:inference-profile/us.a",
            "openrouter/arn:aws:bedrock:us-east-1:1:inference-profile/us.a",
        ),
    ],
)
def test_the_nearest_entry_serves(asked, model):
    models = choice(
        ("*", "openrouter/*"),
        ("claude", "openai/exact"),
        ("claude-*", "anthropic/claude-*"),
        ("claude-3-*", "bedrock/*"),
    )

    assert models.params(asked)["model"] == model


@pytest.mark.parametrize(
    ("pattern", "model", "asked", "found"),
    [
        ("a-*-b-*", "x/*/*", "a-1-b-2", "x/1/2"),
        ("a-*", "x/*-*", "a-1", "x/1-1"),
        ("a-*", "fixed", "a-1", "fixed"),
        ("a.*", "x/*", "a.1", "x/1"),
    ],
)
def test_each_star_is_what_matched(pattern, model, asked, found):
    assert choice((pattern, model)).params(asked)["model"] == found


@pytest.mark.parametrize(
    "name",
    ["", "a", "a-", "a-../x", "a-x/../y", "a-x//y", "a-http://x", "a- x", "a-x?y", "a-x#y", "a-x%2f", "a-é", "a-\n",
     "b*", "a-.x", "a-x\\y", "a-" + "x" * 300],
)  # fmt: skip
def test_nothing_else_is_a_model(name):
    """AD-04."""
    with pytest.raises(ModelNotFound) as refused:
        choice(("a-*", "x/*"), ("b*", "y/*")).params(name)

    assert refused.value.param == "model"
    assert len(refused.value.message) < 200
    assert refused.value.message.isprintable()


def test_entries_of_one_name_take_turns():
    models = choice(("m", "1"), ("other", "9"), ("m", "2"), ("m", "3"))

    assert [models.params("m")["model"] for _ in range(7)] == ["1", "2", "3", "1", "2", "3", "1"]


def test_entries_of_one_pattern_take_turns():
    models = choice(("m-*", "1/*"), ("m-*", "2/*"))

    assert [models.params(name)["model"] for name in ("m-a", "m-b", "m-c")] == ["1/a", "2/b", "1/c"]


def test_asking_for_an_entrys_name_takes_no_turn():
    models = choice(("m", "1"), ("m", "2"), ("a-*", "x/*"))

    assert (models.entry("m"), models.entry("a-b")) == ("m", "a-*")
    assert [models.params("m")["model"] for _ in range(2)] == ["1", "2"]
    with pytest.raises(ModelNotFound):
        models.entry("nope")
