"""53. A flow is drawn without running a task: edges by data and order, mapped tasks, subflows, examples of values."""

import pytest
from engine_help import Book

from headrace import UsageError, flow, task, unmapped

ran = []


@task
def p53_load(day):
    ran.append(day)


@task(viz_return_value=[1, 2, 3])
def p53_list(data):
    ran.append(data)


@task
async def p53_double(x, data):
    ran.append(x)


@flow
def p53_child(values):
    ran.append(values)


@task
def p53_notify():
    ran.append("notified")


@flow
def p53_flow(day="monday"):
    data = p53_load(day)
    numbers = p53_list(data["rows"].column)
    doubled = p53_double.map(numbers, unmapped(data))
    single = [p53_double.submit(n, 0) for n in numbers]
    p53_child({"all": [doubled.result(), single[0]]})
    p53_notify.submit(wait_for=[doubled]).result()


@flow
def p53_fan():
    loaded = p53_load.map(["monday", "tuesday"])
    for future in loaded:
        p53_list.submit(future)
    p53_notify(wait_for=loaded)


@flow
async def p53_async():
    return await p53_double(await p53_double(1, 2), 3)


@flow
def p53_needs():
    for row in p53_load("x"):
        p53_list(row)


async def main():
    picture = p53_flow.visualize()
    names = {node.id: node.label for node in picture.nodes}
    edges = [(names[a], names[b]) for a, b in picture.edges]
    mapped = "p53_double (mapped)"
    assert edges[:3] == [("p53_load", "p53_list"), ("p53_list", mapped), ("p53_load", mapped)]
    assert {(mapped, "p53-child"), ("p53_double", "p53-child"), (mapped, "p53_notify")} <= set(edges)
    assert list(names.values()).count("p53_double") == 3
    assert "-->" in p53_flow.generate_mermaid_graph("tuesday")
    assert picture._repr_svg_().startswith("<svg")
    assert "p53_load" in str(picture)
    assert [(a, b) for a, b in p53_async.visualize().edges] == [("task-0", "task-1")]
    assert p53_fan.visualize().edges == [("task-0", "task-1"), ("task-0", "task-2")]
    with pytest.raises(UsageError, match="viz_return_value"):
        p53_needs.visualize()
    assert ran == []
    assert not [run for run in Book().all() if run.definition.startswith("p53")]
