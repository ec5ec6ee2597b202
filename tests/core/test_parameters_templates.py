"""Tokens in paths and values: a closed list, no attribute, no way out of the folder."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.errors import InvalidParameter
from headrace.core.parameters.templates import check, papermill_facts, render, resolve, resolve_values, tokens

NOW = datetime.datetime(2026, 11, 24, 8, 30, 5, tzinfo=datetime.timezone.utc)
VALUES: dict[str, Any] = {
    "scheduled_at": NOW,
    "interval_start": datetime.date(2026, 11, 1),
    "run_id": "abc",
    "month": 3,
    "share": 0.12345,
    "region": "north",
    "nothing": None,
    "rows": [1, 2],
    **papermill_facts(NOW, "uuid-1"),
}

FILLED: dict[str, tuple[str, str, str]] = {
    "no token": ("a/b.ipynb", "a/b.ipynb", "a/b.ipynb"),
    "a time with a format": ("{scheduled_at:%Y-%m}", "2026-11", "2026-11"),
    "a time": ("{scheduled_at}", "2026-11-24T08:30:05+00:00", "2026-11-24T08-30-05"),
    "a date": ("{interval_start}", "2026-11-01", "2026-11-01"),
    "a parameter": ("{region}-{month}", "north-3", "north-3"),
    "a number's format": ("{month:02d} {share:.1%}", "03 12.3%", "03 12.3%"),
    "papermill's": ("{pm[run_uuid]}", "uuid-1", "uuid-1"),
    "papermill's time": ("{pm[current_datetime_utc]:%H}", "08", "08"),
    "braces": ("{{{month}}}", "{3}", "{3}"),
    "a list": ("{rows}", "[1, 2]", "[1, 2]"),
}


@pytest.mark.parametrize(("template", "text", "path"), FILLED.values(), ids=FILLED.keys())
def test_tokens_are_filled(template: str, text: str, path: str) -> None:
    check(template, list(VALUES))
    assert render(template, VALUES) == text
    assert render(template, VALUES, path=True) == path


REFUSED: dict[str, tuple[str, str]] = {
    "unknown": ("{scheduld_at}", r"unknown \{scheduld_at\}; did you mean \{scheduled_at\}\? known are .*\{month\}"),
    "attribute": ("{month.real}", "not a token"),
    "dunder attribute": ("{region.__class__}", "not a token"),
    "item": ("{rows[0]}", "not a token"),
    "key": ("{region[upper]}", "unknown"),
    "another key of papermill's": ("{pm[secret]}", "unknown"),
    "papermill's mapping": ("{pm}", "unknown"),
    "conversion": ("{region!r}", "not a token"),
    "position": ("{0}", "not a token"),
    "nothing": ("{}", "not a token"),
    "nested": ("{month:{month}}", "lone"),
    "open brace": ("a{b", "lone '{'"),
    "closing brace": ("a}b", "lone '}'"),
    "a huge width": ("{month:9999999999d}", "does not fit"),
    "a format of another type": ("{region:%Y}", "does not fit"),
    "a format that cannot be": ("{region:d}", "region:d"),
    "a format of a list": ("{rows:>5}", "does not fit"),
    "not strftime's": ("{scheduled_at:%Q}", "strftime"),
    "no value": ("{nothing}", "has no value"),
}


@pytest.mark.parametrize(("template", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_known_token_is_refused(template: str, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        render(template, VALUES)


@pytest.mark.parametrize("template", [t for t, message in REFUSED.values() if "unknown" in message])
def test_an_unknown_token_is_refused_when_it_is_saved(template: str) -> None:
    with pytest.raises(InvalidParameter, match="known are"):
        check(template, [name for name in VALUES if name != "pm"])


@pytest.mark.parametrize("value", ["../x", "a/b", "a\\b", "..", ".", "/etc", "a\0", "a\nb", "\x7f"], ids=repr)
def test_a_value_cannot_lead_to_another_folder(value: str) -> None:
    with pytest.raises(InvalidParameter, match="another folder"):
        render("out/{x}/y.ipynb", {"x": value}, path=True)


def test_values_cannot_put_a_way_out_together() -> None:
    with pytest.raises(InvalidParameter, match="another folder"):
        render("out/{a}{b}/y.ipynb", {"a": "", "b": ".."}, path=True)
    with pytest.raises(InvalidParameter, match="another folder"):
        render("out/{a}./y.ipynb", {"a": ""} | {"a": ". "[:1]}, path=True)


def test_the_templates_own_dots_are_its_writers_business() -> None:
    assert render("../{month}/./x.ipynb", VALUES, path=True) == "../3/./x.ipynb"


def test_a_format_of_a_time_cannot_bring_a_folder_into_a_path() -> None:
    with pytest.raises(InvalidParameter, match="another folder"):
        render("{scheduled_at:%Y/%m}.ipynb", VALUES, path=True)


@given(value=st.text())
def test_whatever_a_value_is_the_path_stays_in_its_folder(value: str) -> None:
    try:
        path = render("out/{x}.ipynb", {"x": value}, path=True)
    except InvalidParameter:
        return
    assert path.count("/") == 1
    assert "\\" not in path


@given(template=st.text(alphabet="{}[]:.!a0_%"))
def test_any_template_is_filled_or_refused(template: str) -> None:
    try:
        assert isinstance(render(template, {"a": 1}), str)
    except InvalidParameter:
        return


def test_a_lone_token_keeps_the_values_type() -> None:
    assert resolve("{scheduled_at}", VALUES) is NOW
    assert resolve("{month}", VALUES) == 3
    assert resolve("m{month}", VALUES) == "m3"


def test_a_value_may_name_the_parameters_before_it() -> None:
    templates = {"month": 3, "name": "sales-{month:02d}-{scheduled_at:%Y}", "copy": "{name}", "day": "{scheduled_at}"}
    assert resolve_values(templates, {"scheduled_at": NOW}) == {
        "month": 3,
        "name": "sales-03-2026",
        "copy": "sales-03-2026",
        "day": NOW,
    }
    with pytest.raises(InvalidParameter, match=r"parameter 'a': unknown \{b\}") as caught:
        resolve_values({"a": "{b}", "b": 1}, {})
    assert caught.value.field == "a"


def test_a_parameter_cannot_hide_a_fact() -> None:
    assert resolve_values({"run_id": "fake", "x": "{run_id}"}, {"run_id": "true"})["x"] == "true"


def test_tokens_are_listed_in_order() -> None:
    assert [(t.name, t.spec) for t in tokens("a{b:%Y}{{c}}{pm[run_uuid]}")] == [("b", "%Y"), ("pm[run_uuid]", "")]
