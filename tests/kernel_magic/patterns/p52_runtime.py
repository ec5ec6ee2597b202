"""52. headrace.runtime inside a run, and empty outside."""

from headrace import flow, task
from headrace.runtime import flow_run, task_run


@task(tags=["t"])
def p52_task(x: int) -> dict:
    return {
        "task": (task_run.name, task_run.task_name, task_run.parameters, task_run.run_count, task_run.tags),
        "flow": (flow_run.name, flow_run.flow_name, flow_run.parameters),
    }


@flow
def p52_flow(day: str) -> tuple:
    return p52_task(3), flow_run.id, flow_run.name


inner, run_id, name = p52_flow("monday")
assert inner["task"][1:] == ("p52_task", {"x": 3}, 1, ["t"])
assert inner["flow"] == (name, "p52-flow", {"day": "monday"})
assert run_id
assert (flow_run.id, flow_run.name, flow_run.parameters, task_run.tags) == (None, None, {}, [])
