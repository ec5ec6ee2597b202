"""Whatever schedulers, workers, people and clocks do, in whatever order: the promises P2 to P4 hold (reliability.md, T-06)."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from headrace.core.clock import ManualClock
from headrace.core.deployments import ScheduleRow
from headrace.core.errors import Conflict, InvalidTransition
from headrace.core.runs import Run, RunFilter
from headrace.core.settings import find_store
from headrace.core.states import StateType
from headrace.store import Store
from headrace.store.claims import Ending

from .test_claims import claim, waiting
from .test_schedules import firing, make_deployment, make_schedule

S = StateType
SCHEDULERS, WORKERS = st.sampled_from("ab"), st.sampled_from(["w1", "w2", "w3"])
#: What somebody read a while ago, and still believes.
ANY = st.integers(0, 1000)


class StoreUnderManyHands(RuleBasedStateMachine):
    """Two schedulers, three workers and a person, each of whom may act on what was true a while ago."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp()
        self.clock = ManualClock()
        self.store = Store(find_store(f"sqlite:///{self.folder}/headrace.db"), clock=self.clock)
        self.deployment = make_deployment(self.store)
        self.schedule = make_schedule(self.store, self.deployment)
        self.seen: dict[str, ScheduleRow] = {}
        self.held: list[Run] = []
        self.began: set[tuple[str, int]] = set()
        self.ended: dict[str, tuple[StateType, str, int]] = {}

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    def runs(self) -> list[Run]:
        return self.store.runs.page(RunFilter(), sort="created_at", limit=1000)[0]

    def one_held(self, number: int) -> Run | None:
        return self.held[number % len(self.held)] if self.held else None

    @rule(who=SCHEDULERS)
    def look(self, who: str) -> None:
        self.seen[who] = self.store.schedules.get(self.schedule.id)

    @rule(who=SCHEDULERS, slots=st.integers(1, 3))
    def fire(self, who: str, slots: int) -> None:
        schedule = self.seen.get(who, self.schedule)
        first = schedule.next_slot_at or 0
        due = [first + n * 60_000_000 for n in range(slots)]
        self.store.schedules.fire([firing(self.deployment, schedule, *due)])

    @rule(retries=st.integers(0, 2))
    def start_by_hand(self, retries: int) -> None:
        waiting(self.store, retries=retries)

    @rule(worker=WORKERS)
    def claim(self, worker: str) -> None:
        self.held += claim(self.store, worker, limit=2)

    @rule(number=ANY)
    def begin(self, number: int) -> None:
        if run := self.one_held(number):
            with suppress(InvalidTransition):
                self.store.runs.advance(run.id, S.RUNNING, "Running", attempt=run.attempt, expected=(S.PENDING,))
                # A claim that was given back unused is claimed again as the same attempt, which nobody has begun.
                assert (run.id, run.attempt) not in self.began
                self.began.add((run.id, run.attempt))

    @rule(number=ANY, state=st.sampled_from([S.COMPLETED, S.FAILED]))
    def finish(self, number: int, state: StateType) -> None:
        if run := self.one_held(number):
            with suppress(InvalidTransition):
                self.store.runs.advance(run.id, state, state.value.title(), attempt=run.attempt, expected=(S.RUNNING,))

    @rule(number=ANY)
    def find_dead(self, number: int) -> None:
        if run := self.one_held(number):
            self.store.claims.end_attempt(run, Ending(reason="gone"))

    @rule(number=ANY)
    def give_back(self, number: int) -> None:
        if run := self.one_held(number):
            self.store.claims.requeue(run, reason="its worker ended")

    @rule(number=ANY)
    def cancel(self, number: int) -> None:
        if runs := self.runs():
            with suppress(Conflict):
                self.store.runs.request_cancel(runs[number % len(runs)].id)

    @rule(seconds=st.integers(-3600, 3600))
    def adjust_the_clock(self, seconds: int) -> None:
        self.clock.jump(seconds)

    @invariant()
    def a_slot_has_one_run(self) -> None:
        slots = self.store.schedules.slots(self.schedule.id, limit=1000)
        assert len({slot.slot_at for slot in slots}) == len(slots)
        fired = [run.slot_at for run in self.runs() if run.schedule_id == self.schedule.id]
        assert sorted(fired, key=str) == sorted((slot.slot_at for slot in slots if slot.run_id), key=str)

    @invariant()
    def an_end_is_final_and_attempts_are_bounded(self) -> None:
        for run in self.runs():
            now = (run.state_type, run.state_name, run.attempt)
            assert run.attempt <= run.max_attempts
            assert self.ended.get(run.id, now) == now
            if run.is_final:
                self.ended[run.id] = now


TestStoreUnderManyHands = StoreUnderManyHands.TestCase
TestStoreUnderManyHands.settings = settings(
    max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
