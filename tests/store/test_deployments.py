"""The contract of deployments, on every database the store supports."""

from __future__ import annotations

import pytest

from headrace.core.deployments import Deployment, ScheduleRow
from headrace.core.errors import Conflict, NotFound
from headrace.core.events import DEPLOYMENT_CHANGED, DEPLOYMENT_DELETED
from headrace.core.ids import new_id
from headrace.store import Store

from .conftest import make_run


def make_deployment(**values: object) -> Deployment:
    defaults: dict[str, object] = {"id": new_id(), "name": "nightly", "owner": "ada", "notebook_path": "/w/r.ipynb"}
    return Deployment(**{**defaults, **values})  # type: ignore[arg-type]


def test_a_deployment_comes_back_as_it_was_stored(store: Store) -> None:
    made = store.deployments.create(
        make_deployment(
            parameters={"x": [1]},
            tags=("a", "ü"),
            retry_delay_seconds=(1.0, 2.5),
            retention={"runs": 5},
            kernel_spec={"argv": ["python"]},
            paused=True,
            grace_seconds=0.5,
        )
    )
    assert store.deployments.get(made.id) == made
    assert (made.retry_delay_seconds, made.paused, made.tags) == ((1.0, 2.5), True, ("a", "ü"))


def test_a_name_is_one_persons_only_once(store: Store) -> None:
    store.deployments.create(make_deployment())
    store.deployments.create(make_deployment(owner="grace"))
    with pytest.raises(Conflict, match="'nightly'"):
        store.deployments.create(make_deployment())


def test_a_deployment_and_its_schedules_are_stored_together_or_not_at_all(store: Store) -> None:
    deployment = make_deployment()
    twice = [ScheduleRow(id=new_id(), deployment_id=deployment.id, slug="s", cron="0 6 * * *") for _ in range(2)]
    with pytest.raises(Conflict):
        store.deployments.create(deployment, twice)
    with pytest.raises(NotFound):
        store.deployments.get(deployment.id)


def test_a_change_of_a_stale_revision_is_refused(store: Store) -> None:
    made = store.deployments.create(make_deployment())
    changed = store.deployments.update(made.id, revision=1, description="first")
    assert (changed.revision, changed.description) == (2, "first")
    with pytest.raises(Conflict, match="revision 2"):
        store.deployments.update(made.id, revision=1, description="second")
    assert store.deployments.get(made.id).description == "first"


def test_a_new_name_that_is_taken_is_refused(store: Store) -> None:
    store.deployments.create(make_deployment())
    other = store.deployments.create(make_deployment(name="weekly"))
    with pytest.raises(Conflict):
        store.deployments.update(other.id, name="nightly")


def test_pages_follow_each_other_by_name(store: Store) -> None:
    for name in ("c", "a", "b"):
        store.deployments.create(make_deployment(name=name))
    first = store.deployments.page(owner="ada", limit=2)
    rest = store.deployments.page(owner="ada", after=(first[-1].name, first[-1].id))
    assert [d.name for d in (*first, *rest)] == ["a", "b", "c"]
    assert store.deployments.page(owner="nobody") == []


def test_deleting_takes_schedules_along_and_leaves_runs(store: Store) -> None:
    made = store.deployments.create(make_deployment())
    schedule = store.schedules.create(ScheduleRow(id=new_id(), deployment_id=made.id, owner="ada", cron="0 6 * * *"))
    run = store.runs.create(make_run(deployment_id=made.id))
    store.deployments.delete(made.id)
    with pytest.raises(NotFound):
        store.schedules.get(schedule.id)
    assert store.runs.find(run.id) is not None
    kinds = [event.kind for event in store.journal.after(0)]
    assert DEPLOYMENT_CHANGED in kinds
    assert DEPLOYMENT_DELETED in kinds


def test_the_same_content_is_kept_once(store: Store) -> None:
    first = store.deployments.keep_snapshot("notebook", b"{}")
    assert store.deployments.keep_snapshot("notebook", b"{}") == first
    assert store.deployments.snapshot(first) == b"{}"
    with pytest.raises(NotFound):
        store.deployments.snapshot("sha256:0")


def test_an_error_is_told_once(store: Store) -> None:
    made = store.deployments.create(make_deployment())
    seq = store.journal.last_seq()
    store.deployments.set_error(made.id, "gone")
    store.deployments.set_error(made.id, "gone")
    assert len(store.journal.after(seq)) == 1
    assert store.deployments.get(made.id).error == "gone"
