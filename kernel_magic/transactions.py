"""Transactions: what completed inside one is committed together, or undone in reverse order.

A block `with transaction():` and every task run inside it are nodes of one
tree. A task's own node is made when it is needed: inside a block, where its
hooks ask for one, or where its body says `get_transaction()`. Nodes are staged
with the node around them when they are done; the outermost one commits or
rolls back all of them.

Meanings follow Prefect's transactions (reference/prefect.md, section 1.5).
"""

from __future__ import annotations

import contextvars
import logging
import time
from collections.abc import Callable, Iterator
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any

from headrace.core.errors import (
    HeadraceError,
    InvalidOption,
    MissingContextError,
    TransactionRolledBack,
    UnserializableResult,
    UsageError,
    one_line,
)
from headrace.core.states import StateType
from headrace.kernel_magic.engine.live import TRANSACTION, LiveRun, current
from headrace.kernel_magic.engine.undoing import Steps, active, inside, own_of, roll_back, to_end, to_end_async

if TYPE_CHECKING:
    from types import TracebackType

    from headrace.kernel_magic.futures import TaskFuture
    from headrace.kernel_magic.results.shelf import Shelf


class IsolationLevel(str, Enum):
    """Whether two may work on one key at a time."""

    READ_COMMITTED = "READ_COMMITTED"
    SERIALIZABLE = "SERIALIZABLE"


class CommitMode(str, Enum):
    """When a block commits that ended well."""

    LAZY = "LAZY"  # with the outermost block
    EAGER = "EAGER"  # at its own end
    OFF = "OFF"  # only where `commit()` was called; else it is rolled back


class TransactionState(str, Enum):
    """How far a transaction has come."""

    ACTIVE = "ACTIVE"
    STAGED = "STAGED"
    COMMITTED = "COMMITTED"
    ROLLED_BACK = "ROLLED_BACK"


class Transaction:
    """A stretch of work that is committed or undone as a whole; made by `transaction()`.

    Parameters
    ----------
    key : str or None
        Identifies the work across runs: once committed, `is_committed()` is True for everybody.
    isolation_level : IsolationLevel
    commit_mode : CommitMode
    overwrite : bool
        Take the key as not committed yet.
    parent : Transaction or None
    run : LiveRun or None
        The task run whose own transaction this is.
    """

    def __init__(
        self,
        key: str | None = None,
        *,
        isolation_level: IsolationLevel = IsolationLevel.READ_COMMITTED,
        commit_mode: CommitMode = CommitMode.LAZY,
        overwrite: bool = False,
        parent: Transaction | None = None,
        run: LiveRun | None = None,
    ) -> None:
        self.key = key
        self.isolation_level = isolation_level
        self.commit_mode = commit_mode
        self.overwrite = overwrite
        self.parent = parent
        self.state = TransactionState.ACTIVE
        self._run = run
        self._values: dict[str, Any] = {}
        self._children: list[Transaction] = []
        self._staged: Any = None
        self._token: contextvars.Token[Transaction | None] | None = None
        self._let_go: Callable[[], None] | None = None
        self._around: tuple[LiveRun, int] | None = None

    def __repr__(self) -> str:
        name = self.key or (self._run.name if self._run is not None else "")
        return f"<Transaction {name} {self.state.value}>".replace("  ", " ")

    # ---------------------------------------------------------------- values

    def set(self, name: str, value: Any) -> None:
        """Keep a value for the hooks of this transaction and of those inside it.

        Parameters
        ----------
        name : str
        value : object
        """
        self._values[name] = value

    def get(self, name: str, *default: Any) -> Any:
        """Return a value that was set here or in a transaction around this one.

        Parameters
        ----------
        name : str
        *default
            Returned where nothing was set.

        Raises
        ------
        UsageError
            Nothing was set, and there is no default.
        """
        node: Transaction | None = self
        while node is not None:
            if name in node._values:
                return node._values[name]
            node = node.parent
        if default:
            return default[0]
        known = ", ".join(sorted(dict.fromkeys(self._names()))) or "none"
        raise UsageError(f"The transaction has no value {name!r}; known: {known}. Set it by .set(name, value).")

    def _names(self) -> list[str]:
        return [*self._values, *(self.parent._names() if self.parent is not None else ())]

    def stage(self, value: Any) -> None:
        """Take a value that is stored under the key when the transaction commits."""
        self._staged = value

    def is_committed(self) -> bool:
        """Return whether this transaction has committed, or an earlier one with its key."""
        if self.state is TransactionState.COMMITTED:
            return True
        return self.key is not None and not self.overwrite and self._record() is not None

    def read(self) -> Any:
        """Return the value that was stored under the key, None where there is none."""
        found = None if self.key is None or self.overwrite else self._record()
        if found is None:
            return self._staged
        from headrace.kernel_magic.results.cache import opened

        return opened(_shelf().read(found.storage), found.serializer)

    def _record(self) -> Any:
        return _shelf().find(_stored_key(self.key or ""))

    # ---------------------------------------------------------------- the block

    def __enter__(self) -> Transaction:
        for pause in self._opening():
            time.sleep(pause)
        self._begin()
        return self

    async def __aenter__(self) -> Transaction:
        import asyncio

        for pause in self._opening():
            await asyncio.sleep(pause)
        self._begin()
        return self

    def _opening(self) -> Iterator[float]:
        """Take a SERIALIZABLE key; yield the seconds to sleep before each further try."""
        if self._token is not None or self.state is not TransactionState.ACTIVE:
            raise UsageError("A transaction is entered once; call transaction() for each block.")
        if self.key is None or self.isolation_level is not IsolationLevel.SERIALIZABLE:
            return
        from headrace.kernel_magic.results.shelf import until_taken

        shelf, key, run = _shelf(), _stored_key(self.key), current()
        yield from until_taken(shelf, key, "" if run is None else run.id)
        self._let_go = partial(shelf.give_back, key)

    def _begin(self) -> None:
        self.parent = active(current())
        run = current()
        if run is not None:
            self._around = (run.flow, len(run.flow.futures or ()))
        self._token = TRANSACTION.set(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or isinstance(error, Exception):
            for future in self._submitted():
                future._wait()
        try:
            self._finish(to_end(self._close(error)), error)
        finally:
            self._leave()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from headrace.kernel_magic.engine.loops import ended

        if error is None or isinstance(error, Exception):
            for future in self._submitted():
                await ended(future)
        try:
            self._finish(await to_end_async(self._close(error)), error)
        finally:
            self._leave()

    def _submitted(self) -> list[TaskFuture[Any]]:
        """The futures that were submitted in the block: it ends when they have."""
        if self._around is None:
            return []
        flow, first = self._around
        return list((flow.futures or ())[first:])

    def _close(self, error: BaseException | None) -> Steps:
        if self.state in (TransactionState.COMMITTED, TransactionState.ROLLED_BACK):
            return _nothing()
        if error is not None or (self.commit_mode is CommitMode.OFF and self.parent is None):
            return self._undo()
        if self.parent is None or self.commit_mode is CommitMode.EAGER:
            return self._keep()
        self.state = TransactionState.STAGED
        self.parent._children.append(self)
        return _nothing()

    def _finish(self, well: bool, error: BaseException | None) -> None:
        if not well and error is None and self.commit_mode is not CommitMode.OFF:
            raise TransactionRolledBack(
                "The transaction was rolled back because a commit hook failed; the log of its run has the hook's error."
            )

    def _leave(self) -> None:
        if self._token is not None:
            TRANSACTION.reset(self._token)
            self._token = None
        if self._let_go is not None:
            let_go, self._let_go = self._let_go, None
            let_go()

    # ---------------------------------------------------------------- committing and undoing

    def commit(self) -> bool:
        """Commit what is staged so far, without waiting for the end of the block.

        Returns
        -------
        bool
            False: a hook failed, and everything was rolled back.
        """
        if self.state in (TransactionState.COMMITTED, TransactionState.ROLLED_BACK):
            return False
        return to_end(self._keep())

    def rollback(self) -> bool:
        """Undo what is staged so far: hooks in reverse order, runs become RolledBack.

        Returns
        -------
        bool
            False: it has been committed or rolled back already.
        """
        if self.state in (TransactionState.COMMITTED, TransactionState.ROLLED_BACK):
            return False
        to_end(self._undo())
        return True

    def _keep(self) -> Steps:
        """Commit the transactions inside this one, then its own hooks and its key; an error undoes all."""
        for child in list(self._children):
            if child.state is TransactionState.STAGED and not (yield from child._keep()):
                yield from self._undo()
                return False
        for hook in self._hooks("on_commit"):
            error = yield hook, self
            if error is not None:
                self._say(hook, error)
                yield from self._undo()
                return False
        if self.key is not None:
            try:
                self._store()
            except HeadraceError:
                yield from self._undo()
                raise
        self.state = TransactionState.COMMITTED
        return True

    def _undo(self) -> Steps:
        """Undo what is inside in reverse order, then this one; an error in a hook is logged, and the rest goes on."""
        for child in reversed(self._children):
            if child.state is not TransactionState.ROLLED_BACK:
                yield from child._undo()
        for hook in self._hooks("on_rollback"):
            error = yield hook, self
            if error is not None:
                self._say(hook, error)
        self.state = TransactionState.ROLLED_BACK
        if self._run is not None and self._run.state_type is StateType.COMPLETED:
            roll_back(self._run)
        return False

    def _hooks(self, option: str) -> tuple[Callable[..., Any], ...]:
        run = self._run
        if run is None or run.state_type is not StateType.COMPLETED or run.state_name in ("Cached", "Skipped"):
            return ()
        return tuple(getattr(run.options, option, ()))

    def _store(self) -> None:
        from headrace.kernel_magic.results import cache

        run = current()
        record = cache.save(
            _shelf(),
            self._staged,
            key=_stored_key(self.key or ""),
            definition=f"transaction {self.key}",
            definition_key=f"transaction:{self.key}",
            run_id=None if run is None else run.id,
        )
        if "error" in record:
            raise UnserializableResult(f"The transaction {self.key!r} cannot be marked as committed: {record['error']}")

    def _say(self, hook: Callable[..., Any], error: Exception) -> None:
        from headrace.kernel_magic.hooks import hook_name
        from headrace.kernel_magic.run_logging import say

        text = f"Transaction hook {hook_name(hook)!r} raised {type(error).__name__}: {one_line(error)}"
        run = self._run or current()
        if run is not None:
            say(run, logging.ERROR, text)
        else:
            logging.getLogger("headrace").error(text)


def _shelf() -> Shelf:
    """Return the stored results, as the run around the caller reaches them."""
    from headrace.kernel_magic.engine.session import session

    run = current()
    return (session() if run is None else run.session).shelf


def transaction(
    key: str | None = None,
    *,
    isolation_level: IsolationLevel | str = IsolationLevel.READ_COMMITTED,
    commit_mode: CommitMode | str = CommitMode.LAZY,
    overwrite: bool = False,
) -> Transaction:
    """Begin a transaction: `with transaction() as txn:`, or `async with`.

    When the block ends well, the `on_commit` hooks of the tasks that completed in it run, in their order. When it
    raises, their `on_rollback` hooks run in reverse order, their runs become RolledBack, their stored results are
    dropped, and the exception goes on. Hooks are called with the task's own transaction; its `get` sees what the
    block has `set`.

    Parameters
    ----------
    key : str or None, default None
        Names the work: a committed key is remembered in the store, and `is_committed()` tells.
    isolation_level : "READ_COMMITTED" or "SERIALIZABLE", default "READ_COMMITTED"
        SERIALIZABLE: one block of a key at a time among all processes of this machine; others wait.
    commit_mode : "LAZY", "EAGER" or "OFF", default "LAZY"
        LAZY: with the outermost block; EAGER: at the block's own end; OFF: only by `commit()`.
    overwrite : bool, default False
        Do the work of a committed key again.

    Returns
    -------
    Transaction

    Raises
    ------
    InvalidOption
        A value is none of those named.

    Examples
    --------
    >>> with transaction(key="month-3") as txn:
    ...     if not txn.is_committed():
    ...         load(3)
    """
    if key is not None and (not isinstance(key, str) or not key):
        raise InvalidOption(f"transaction: key must be text that is not empty; it is {key!r}.", field="key")
    return Transaction(
        key,
        isolation_level=_member(IsolationLevel, isolation_level, "isolation_level"),
        commit_mode=_member(CommitMode, commit_mode, "commit_mode"),
        overwrite=overwrite,
    )


def _member(kind: Any, value: Any, name: str) -> Any:
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(repr(member.value) for member in kind)
        raise InvalidOption(f"transaction: {name} must be one of {known}; it is {value!r}.", field=name) from None


def get_transaction() -> Transaction:
    """Return the transaction around the caller; in a task, the task's own.

    Raises
    ------
    MissingContextError
        There is neither a task run nor a transaction around the caller.
    """
    run = current()
    if run is not None and run.kind == "task":
        own = own_of(run)
        found = TRANSACTION.get()
        return found if found is not None and inside(found, own) else own
    around = active(None)
    if around is None:
        raise MissingContextError("get_transaction() needs a task run or a `with transaction():` around it.")
    return around


def _stored_key(key: str) -> str:
    return f"transaction:{key}"


def _nothing() -> Steps:
    return True
    yield  # makes this a generator
