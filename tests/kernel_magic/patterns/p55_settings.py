"""55. Settings: the environment decides before the file (`headrace config set`), the file before the default."""

import os

from engine_help import Book

from headrace import INPUTS, flow, task
from headrace.cli.main import run as headrace

NAME = "HEADRACE_TASKS_REFRESH_CACHE"


@task(cache_policy=INPUTS)
def p55_kept() -> int:
    return 1


@flow
def p55_flow() -> int:
    return p55_kept()


def p55_state() -> str:
    p55_flow()
    return Book().of("p55_kept")[-1].state_name


assert [p55_state(), p55_state()] == ["Completed", "Cached"]
assert headrace(["config", "set", "tasks_refresh_cache", "yes"]) == 0
assert p55_state() == "Completed", "the file decides before the default"
os.environ[NAME] = "0"
assert p55_state() == "Cached", "the environment decides before the file"
del os.environ[NAME]
assert p55_state() == "Completed"
assert headrace(["config", "unset", "tasks_refresh_cache"]) == 0
assert p55_state() == "Cached"
