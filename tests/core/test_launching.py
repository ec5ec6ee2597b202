"""How runs that a worker starts are made: what they take from where, and tokens that are filled once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from headrace.core.clock import parse_iso
from headrace.core.deployments import Deployment, ScheduleRow
from headrace.core.errors import Conflict, InvalidParameter
from headrace.core.launching import check_tokens, deployment_run, launch_of, new_run, run_again
from headrace.core.runs import RunKind
from headrace.core.states import StateType

NOW = parse_iso("2026-11-24T06:00:00.5Z")
SLOT = parse_iso("2026-11-30T23:30:00Z")


def deployment(**values: Any) -> Deployment:
    return Deployment(**{"id": "d", "name": "nightly", "owner": "ada", "notebook_path": "/w/r.ipynb", **values})


def schedule(**values: Any) -> ScheduleRow:
    return ScheduleRow(**{"id": "s", "deployment_id": "d", "cron": "30 0 * * *", "timezone": "Europe/Berlin", **values})


def fired(values: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the parameters of a run that a schedule fires."""
    given = more.pop("parameters", None)
    run = deployment_run(
        deployment(parameters=values, **more),
        now=NOW,
        schedule=schedule(),
        slot_at=SLOT,
        interval_start_at=SLOT - 86_400_000_000,
        parameters=given,
    )
    return dict(run.parameters)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("{scheduled_at:%Y-%m-%d}", "2026-12-01", id="on the clocks of the schedule's zone"),
        pytest.param("{interval_start:%d}-{interval_end:%d}", "30-01", id="the stretch of time"),
        pytest.param("{scheduled_at}", "2026-12-01T00:30:00+01:00", id="a lone token, as JSON text"),
        pytest.param("{notebook}", "r", id="the notebook"),
        pytest.param("{{no token}}", "{no token}", id="braces"),
        pytest.param("plain", "plain", id="plain text"),
        pytest.param(3, 3, id="a number"),
    ],
)
def test_tokens_of_default_parameters_are_filled(value: Any, expected: Any) -> None:
    assert fired({"x": value})["x"] == expected


def test_a_parameter_may_name_those_before_it() -> None:
    assert fired({"city": "montreal", "file": "{city}-{scheduled_at:%Y}.csv"})["file"] == "montreal-2026.csv"


def test_what_is_given_for_one_run_is_taken_as_it_is() -> None:
    assert fired({"x": "{scheduled_at:%Y}", "y": 1}, parameters={"x": "{not a token"}) == {"x": "{not a token", "y": 1}


def test_the_output_path_is_filled_and_is_no_template_afterwards() -> None:
    made = deployment(parameters={"city": "a{b"}, output_path="/out/{{x}}-{scheduled_at:%Y}.ipynb")
    with pytest.raises(InvalidParameter):
        deployment_run(made, now=NOW, schedule=schedule(), slot_at=SLOT)
    made = replace(made, parameters={"city": "montreal"}, output_path="/out/{city}-{{x}}-{scheduled_at:%Y}.ipynb")
    run = deployment_run(made, now=NOW, schedule=schedule(), slot_at=SLOT)
    assert run.details["launch"]["output_path"] == "/out/montreal-{{x}}-2026.ipynb"


def test_a_value_cannot_lead_the_output_elsewhere() -> None:
    made = deployment(parameters={"city": "../../etc/x"}, output_path="/out/{city}.ipynb")
    with pytest.raises(InvalidParameter, match="another folder"):
        deployment_run(made, now=NOW)


@pytest.mark.parametrize("value", ["{scheduled}", "{x.__class__}", "{0}", "{", "{later}"])
def test_a_token_that_no_run_could_fill_is_refused_when_it_is_saved(value: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        check_tokens(deployment(parameters={"x": value, "later": 1}))
    assert caught.value.field == "x"
    with pytest.raises(InvalidParameter) as caught:
        check_tokens(deployment(output_path=value))
    assert caught.value.field == "output_path"


def test_good_tokens_are_let_through() -> None:
    check_tokens(deployment(parameters={"a": 1, "b": "{a}-{run_id}"}, output_path="{b}.ipynb"), {"c": "{b}"})


def test_a_run_knows_what_its_process_needs_and_nothing_absent() -> None:
    run = deployment_run(deployment(timeout_seconds=3.0, retries=2, tags=("a",)), now=NOW)
    assert run.details["launch"] == {"timeout_seconds": 3.0}
    assert (run.max_attempts, run.tags, run.kind, run.state_type) == (3, ("a",), RunKind.NOTEBOOK, StateType.SCHEDULED)


def make(**values: Any) -> Any:
    defaults: dict[str, Any] = {"owner": "ada", "now": NOW, "kind": RunKind.NOTEBOOK, "definition": "/w/r.ipynb"}
    return new_run(**{**defaults, "launch": {"cwd": "/w"}, "parameters": {"x": 1, "y": 2}, **values})


def test_a_run_made_again_takes_everything_over_but_its_place_in_time() -> None:
    run = make(tags=("a",), retries=1, pool="gpu", priority=3)
    again = run_again(run, now=NOW + 5, parameters={"y": 3})
    assert (again.parameters, again.tags, again.max_attempts, again.pool) == ({"x": 1, "y": 3}, ("a",), 2, "gpu")
    assert (again.details["launch"], again.scheduled_at, again.resumed_from_id) == ({"cwd": "/w"}, NOW + 5, None)
    assert again.id != run.id


def test_a_run_made_again_keeps_the_earlier_output_where_the_path_tells_runs_apart() -> None:
    subject = deployment(output_path="out/{scheduled_at:%Y-%m-%d}-{run_id}-{x}.ipynb", parameters={"x": 1})
    run = deployment_run(subject, now=NOW, slot_at=NOW - 86_400_000_000)
    again = run_again(replace(run, state_type=StateType.FAILED), now=NOW + 9, parameters={"x": 2})
    day = run.details["launch"]["output_path"].partition(run.id)[0]
    assert again.details["launch"]["output_path"] == f"{day}{again.id}-2.ipynb"
    continued = run_again(replace(run, state_type=StateType.FAILED), now=NOW + 9, resume=True)
    assert continued.details["launch"]["output_path"] == run.details["launch"]["output_path"]


@pytest.mark.parametrize("state", [StateType.RUNNING, StateType.COMPLETED])
def test_only_what_did_not_end_well_is_continued(state: StateType) -> None:
    with pytest.raises(Conflict):
        run_again(replace(make(), state_type=state), now=NOW, resume=True)
    failed = replace(make(), state_type=StateType.FAILED)
    assert run_again(failed, now=NOW, resume=True).resumed_from_id == failed.id


@pytest.mark.parametrize(
    ("kind", "details", "launch"),
    [
        pytest.param(
            RunKind.NOTEBOOK,
            {"spec": {"input_path": "r.ipynb", "cwd": "/w", "kernel_name": "python3", "output_path": "out.ipynb"}},
            {"cwd": "/w", "kernel_name": "python3"},
            id="a notebook of the command line, its result beside it",
        ),
        pytest.param(
            RunKind.FLOW,
            {"origin": {"interpreter": "/py", "cwd": "/w", "entrypoint": "/w/a.py:f", "parameters_id": "sha256:1"}},
            {"interpreter": "/py", "cwd": "/w", "entrypoint": "/w/a.py:f"},
            id="a flow of a script",
        ),
        pytest.param(RunKind.FLOW, {"origin": {"interpreter": "/py", "cwd": "/w"}}, None, id="a flow of nowhere"),
        pytest.param(RunKind.CELL, {"origin": {"entrypoint": "a:f"}}, None, id="a cell"),
    ],
)
def test_runs_of_scripts_and_the_command_line_can_be_run_again_where_they_say_how(
    kind: RunKind, details: dict[str, Any], launch: dict[str, Any] | None
) -> None:
    run = replace(make(), kind=kind, details=details, notebook_path="/w/r.ipynb")
    assert launch_of(run) == launch
    assert launch_of(replace(run, parent_id="x")) is None
    if launch is not None:
        again = run_again(run, now=NOW)
        assert again.details["launch"] == launch
        assert again.details.get("origin") == details.get("origin")


def test_a_run_that_no_worker_started_is_not_run_again() -> None:
    with pytest.raises(Conflict):
        run_again(replace(make(), details={}), now=NOW)
