"""Keys are found in texts, few or many, as if each were looked for by itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.key_index import FEW, KeyIndex

MANY = [f"some-key-of-the-tests-{number}" for number in range(10 * FEW)]
ODD = ["gk-short", "with/slash+and=equal-signs==", "ends-with-equal-sign=", "0123456789abcdefg"]

keys = st.lists(st.text("ab-=%", min_size=1, max_size=24), max_size=5)
words = st.text("ab-=% ", max_size=40)


@given(own=keys, others=keys, text=words, is_crowded=st.booleans())
def test_what_stands_in_a_text_is_found(own, others, text, is_crowded):
    index = KeyIndex([*own, *(MANY if is_crowded else ())], base=KeyIndex(others))
    text += "".join(own[:1])

    assert set(index.within(text)) == {key for key in (*own, *others) if key in text}


@pytest.mark.parametrize("key", [*ODD, MANY[7]])
@pytest.mark.parametrize("text", ["{}", "Bearer {}", "a={};b", "https://x?key={}", "%3D{}", 'x "{}"'])
@pytest.mark.parametrize("crowd", [[], MANY], ids=["few", "many"])
def test_a_word_is_found_among_few_and_many(key, text, crowd):
    index = KeyIndex([key, *crowd])

    assert set(index.among_words(text.format(key))) == {key}


def test_nothing_is_found_where_nothing_stands():
    index = KeyIndex(MANY, base=KeyIndex(ODD))

    assert index.within("some-key-of-the-tests") == index.among_words("Bearer some-other-key-of-the-tests") == []


def test_an_index_is_true_where_there_is_a_key():
    assert [bool(index) for index in (KeyIndex(), KeyIndex(["a"]), KeyIndex([], KeyIndex(["a"])))] == [
        False,
        True,
        True,
    ]
    assert "a" in KeyIndex([], KeyIndex(["a"]))
    assert "b" not in KeyIndex([], KeyIndex(["a"]))
