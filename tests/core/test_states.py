"""The full square of states: allowed moves pass, all others raise and change nothing."""

from __future__ import annotations

import pickle
from itertools import product

import pytest

from headrace.core.errors import InvalidTransition
from headrace.core.states import MOVES, NAMES, TERMINAL, State, StateType, can_move, check_move

#: Written by hand, apart from the table: what a person may rely on.
ALLOWED = {
    "SCHEDULED": "SCHEDULED PENDING RUNNING PAUSED CANCELLING COMPLETED FAILED CANCELLED CRASHED",
    "PENDING": "SCHEDULED PENDING RUNNING PAUSED CANCELLING COMPLETED FAILED CANCELLED CRASHED",
    "RUNNING": "SCHEDULED RUNNING PAUSED CANCELLING COMPLETED FAILED CANCELLED CRASHED",
    "PAUSED": "SCHEDULED PENDING RUNNING PAUSED CANCELLING COMPLETED FAILED CANCELLED CRASHED",
    "CANCELLING": "CANCELLING COMPLETED FAILED CANCELLED CRASHED",
    "COMPLETED": "",
    "FAILED": "",
    "CANCELLED": "",
    "CRASHED": "",
}


@pytest.mark.parametrize(("old", "new"), list(product(StateType, StateType)), ids=lambda s: s.value)
def test_a_move_passes_exactly_if_the_contract_lists_it(old: StateType, new: StateType) -> None:
    if new.value in ALLOWED[old.value].split():
        check_move(old, new)
    else:
        with pytest.raises(InvalidTransition, match=f"from {old.value} to {new.value}"):
            check_move(old, new)


def test_every_type_has_a_row_in_the_tables() -> None:
    assert set(MOVES) == set(NAMES) == set(StateType)


def test_nothing_follows_a_terminal_type() -> None:
    assert all(not MOVES[state] for state in TERMINAL)


def test_only_a_completed_run_can_be_rolled_back() -> None:
    rolled = [old for old in TERMINAL if can_move(old, old, "RolledBack")]
    assert rolled == [StateType.COMPLETED]


def test_no_name_belongs_to_two_types() -> None:
    names = [name for group in NAMES.values() for name in group]
    assert len(names) == len(set(names))


def test_a_state_takes_its_types_first_name_and_answers_what_it_is() -> None:
    state = State(type=StateType.FAILED)
    assert state.name == "Failed"
    assert state.is_failed() and state.is_final() and not state.is_completed()
    assert state.timestamp.tzinfo is not None


def test_a_state_crosses_processes() -> None:
    state = State(type=StateType.COMPLETED, name="Cached", data=[1])
    assert pickle.loads(pickle.dumps(state)) == state
