"""Secrets taken out of what is shared."""

from __future__ import annotations

import pytest

from headrace.core.masking import MASK, Masking, is_secret_name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("postgres://me:hunter2@db/x", f"postgres://me:{MASK}@db/x", id="url"),
        pytest.param("Authorization: Bearer abcdefgh12345", f"Authorization: Bearer {MASK}", id="bearer"),
        pytest.param("api_key = 'k 1'; n = 2", f"api_key = {MASK}; n = 2", id="assignment"),
        pytest.param('{"db_password": "p", "n": 1}', f'{{"db_password": {MASK}, "n": 1}}', id="json"),
        pytest.param("db_password: str = 'x y'  # note", f"db_password: str = {MASK}  # note", id="annotated"),
        pytest.param("token: abc", f"token: {MASK}", id="yaml"),
        pytest.param("key AKIAABCDEFGHIJKLMNOP.", f"key {MASK}.", id="known key"),
        pytest.param("a-b-c: token count is 3", "a-b-c: token count is 3", id="plain words"),
        pytest.param("https://example.org/a?b=c", "https://example.org/a?b=c", id="plain address"),
        pytest.param("sent swordfish to you", f"sent {MASK} to you", id="a secret parameter's value"),
    ],
)
def test_text_that_looks_like_a_secret_is_masked(text: str, expected: str) -> None:
    assert Masking({"run": {"password": "swordfish", "month": "sent"}}).text(text) == expected


def test_what_code_gives_a_secret_name_is_masked_wherever_it_turns_up() -> None:
    mask = Masking(None, ["db_password: str = 'swordfish'", "monkey = 'banana'"])
    assert mask.text("login swordfish banana") == f"login {MASK} banana"


def test_values_are_masked_by_the_name_of_their_entry_at_any_depth() -> None:
    value = {"month": 3, "access_token": 12, "db": {"Password": "x", "host": "h"}, "empty_secret": None}
    assert Masking().value(value) == {
        "month": 3,
        "access_token": MASK,
        "db": {"Password": MASK, "host": "h"},
        "empty_secret": None,
    }


@pytest.mark.parametrize("name", ["author", "compass", "monthly", "passenger", "keys"])
def test_names_that_only_begin_alike_are_no_secrets(name: str) -> None:
    assert not is_secret_name(name)
