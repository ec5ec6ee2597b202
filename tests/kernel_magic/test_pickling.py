"""What travels keeps what tracebacks and caches need, whatever version of cloudpickle is there."""

from __future__ import annotations

import pickle
import sys
from typing import Any

import pytest

from headrace.kernel_magic import pickling


def _cell_function() -> Any:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    source = "def outer(x):\n    def inner():\n        return x\n    return inner\n"
    exec(compile(source, "<ipython-input-3>", "exec"), namespace)
    return namespace["outer"]


@pytest.mark.parametrize("nameless", [False, True], ids=["the version that is there", "one that drops names"])
def test_functions_keep_the_names_of_their_files(monkeypatch: pytest.MonkeyPatch, nameless: bool) -> None:
    import types

    import cloudpickle

    plain = cloudpickle.CloudPickler.dispatch_table[types.CodeType]
    if nameless:

        def drop(code: types.CodeType) -> Any:
            kind, arguments, *rest = plain(code)
            kept = tuple("<dynamic-code>" if each == code.co_filename else each for each in arguments)
            return (kind, kept, *rest)

        monkeypatch.setitem(cloudpickle.CloudPickler.dispatch_table, types.CodeType, drop)
    pickling.pickler_class.cache_clear()
    try:
        made = pickle.loads(pickling.dumps(_cell_function()))
    finally:
        pickling.pickler_class.cache_clear()
    assert made.__code__.co_filename == "<ipython-input-3>"
    inner = next(each for each in made.__code__.co_consts if isinstance(each, types.CodeType))
    assert inner.co_filename == "<ipython-input-3>"
    assert made(3)() == 3


def test_threads_that_pickle_one_module_by_value_do_not_disturb_each_other() -> None:
    import cloudpickle

    here = sys.modules[__name__]
    with pickling.by_value(here):
        with pickling.by_value(here):
            pass
        assert __name__ in cloudpickle.list_registry_pickle_by_value()
    assert __name__ not in cloudpickle.list_registry_pickle_by_value()


def test_a_module_that_the_user_registered_stays_registered() -> None:
    import cloudpickle

    here = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(here)
    try:
        with pickling.by_value(here):
            pass
        assert __name__ in cloudpickle.list_registry_pickle_by_value()
    finally:
        cloudpickle.unregister_pickle_by_value(here)
