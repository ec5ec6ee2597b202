"""Help for tests of flows: a store of their own, and quiet.

>>> from headrace.testing import headrace_test
>>> with headrace_test() as store:
...     my_flow()
...     assert store.runs.page()[0][0].state_name == "Completed"

With pytest, `from headrace.testing import headrace_store` in a `conftest.py`
makes the same a fixture. `my_task.fn(…)` calls the plain function;
`disable_run_logger` lets it log without a run.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from headrace.core import settings

if TYPE_CHECKING:
    from headrace.store import Store

_SET_ASIDE = (settings.DATABASE_URL, settings.DATA_DIR, settings.HANDED, "HEADRACE_LOGGING_TO_CONSOLE")


@contextmanager
def headrace_test(*, console: bool = False) -> Iterator[Store]:
    """Give the block a store of its own, in a folder that is removed afterwards.

    Child processes of the block use it, too.

    Parameters
    ----------
    console : bool, default False
        Show run logs on stderr.

    Yields
    ------
    Store
        What runs in the block have recorded is in it at the latest 50 ms later; `store.recorder.flush()` waits.
    """
    from headrace.store import forget_stores, get_store

    before = {name: os.environ.get(name) for name in _SET_ASIDE}
    forget_stores()
    with tempfile.TemporaryDirectory(prefix="headrace-test-", ignore_cleanup_errors=True) as folder:
        os.environ[settings.DATA_DIR] = folder
        os.environ.pop(settings.DATABASE_URL, None)
        os.environ.pop(settings.HANDED, None)
        if not console:
            os.environ["HEADRACE_LOGGING_TO_CONSOLE"] = "0"
        try:
            yield get_store()
        finally:
            forget_stores()
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def __getattr__(name: str) -> Any:
    """Make the pytest fixture when it is asked for: pytest is not needed for anything else."""
    if name != "headrace_store":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import pytest

    @pytest.fixture
    def headrace_store() -> Iterator[Store]:
        """A store of the test's own."""
        with headrace_test() as store:
            yield store

    globals()[name] = headrace_store
    return headrace_store
