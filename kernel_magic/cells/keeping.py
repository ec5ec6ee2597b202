"""What a cell's stored outputs are keyed by, and the engine's side of looking them up and keeping them."""

from __future__ import annotations

import hashlib
import logging
import types
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from headrace.core.cells import CellOptions
from headrace.core.clock import instant
from headrace.core.dataflow import CellFlow, normalise_source
from headrace.core.settings import flag
from headrace.kernel_magic.cells.last_value import VALUE_BYTES, LastValue
from headrace.kernel_magic.cells.lazy import LAZY_BYTES, outputs_key
from headrace.kernel_magic.cells.values import CellValues, collect, culprits, has_widgets, put_back, show_again
from headrace.kernel_magic.results.hashing import TooLong, UnhashableInput, digest, within
from headrace.kernel_magic.results.policies import INPUTS, TASK_SOURCE, CachePolicy, KeyContext, key_of, parse_policy
from headrace.kernel_magic.results.source import source_digest

if TYPE_CHECKING:
    from headrace.kernel_magic.cells.session import CellSession
    from headrace.kernel_magic.engine.live import LiveRun
    from headrace.kernel_magic.results.cache import CacheDecision
    from headrace.kernel_magic.results.shelf import Shelf

#: Outputs of a cell are saved without being asked for where that costs less than this part of its run time
#: (DESIGN.md, "Continuing a run").
CHEAP_PART = 0.05
#: What saving is reckoned to manage, bytes a second, and what it costs at least, seconds.
SAVE_BYTES_PER_SECOND, SAVE_SECONDS = 200e6, 0.005
#: What the inputs of a cell may cost before it runs where nothing was asked for, seconds: that is not felt.
UNASKED_SECONDS = 0.001
#: Stands for the digest of an input that is hashed when the cell has run, for then it is known what that may cost.
LATER = ""
_CODE = (types.FunctionType, type)


def identity(session: CellSession, cell_id: str, name: str) -> str:
    """Return what a cell's results belong to: the notebook with the cell's id, else with the task's name."""
    return f"{session.document_key()}#{cell_id or name}"


def parts_of(
    session: CellSession, key: str, flow: CellFlow, source: str, options: CellOptions, root_id: str | None
) -> dict[str, str]:
    """Return what the key of a cell's outputs is made of: part → digest, LATER for what takes too long (see `within`).

    Source and inputs always count, whatever the policy: the outputs of another code or other inputs are not this cell's.

    Raises
    ------
    UnhashableInput
    """
    code = hashlib.sha256(normalise_source(session.plain_python(source)).encode()).hexdigest()
    found = {"task": hashlib.sha256(key.encode()).hexdigest(), "source:code": code}
    for path, mark in session.file_marks(flow, options).items():
        found[f"source:file {path}"] = mark
    policy = asked_policy(options) or CachePolicy()
    for name in sorted(flow.reads | flow.mutates | flow.augments):
        if name in session.shell.user_ns:
            part, make = _digest_of(session, name)
            if part.startswith("source:") or name not in policy.excluded:
                try:
                    found[part] = make()
                except TooLong:
                    found[part] = LATER
    waiting = session.lazy.digests()
    for name in waiting.keys() & (flow.reads | flow.mutates | flow.augments):
        if name not in policy.excluded and name not in session.shell.user_ns:
            found[f"input:{name}"] = waiting[name]
    if "RUN_ID" in policy.parts:
        found["run"] = root_id or ""
    return found


def _digest_of(session: CellSession, name: str) -> tuple[str, Callable[[], str]]:
    """Return the part of a key that a variable is, and what makes its digest."""
    value = session.shell.user_ns[name]
    if isinstance(value, types.ModuleType):
        return f"source:{name}", lambda: session.module_digest(value)
    if isinstance(value, _CODE) or isinstance(getattr(value, "fn", None), types.FunctionType):
        return f"source:{name}", lambda: source_digest(value)
    return f"input:{name}", lambda: session.digest(name, value)


def asked_policy(options: CellOptions) -> CachePolicy | None:
    """Return the policy by which a cell may be left out because its outputs are stored; None: it runs each time."""
    if options.cache_policy is None:
        return None
    policy = parse_policy(options.cache_policy)
    return policy + INPUTS + TASK_SOURCE if policy else None


class CellKeeper:
    """Looks up and keeps one cell run's outputs (see `headrace.kernel_magic.results.keeper`).

    Parameters
    ----------
    session : CellSession
    key : str
        The cell's identity.
    name, source : str
    flow : CellFlow
    options : CellOptions
    """

    def __init__(
        self, session: CellSession, key: str, name: str, source: str, flow: CellFlow, options: CellOptions
    ) -> None:
        self._session = session
        self._key, self._name, self._source = key, name, source
        self._flow, self._options = flow, options
        #: Whether its outputs are to be stored whatever that costs.
        self._asked = asked_policy(options) is not None or bool(options.persist_result)
        #: What the cell shows, for keeping it with its values.
        self.outputs: Any = None
        #: IPython's of the cell: it gets the value of the last expression.
        self.result: Any = None
        #: The run under way, and what the cache knew about it.
        self.run: LiveRun | None = None
        self.decision: CacheDecision | None = None

    def lookup(self, run: LiveRun) -> CacheDecision:
        """Return what is known; on a hit the namespace and the display are as if the cell had run."""
        self.run = run
        self.decision = self._decide(run)
        return self.decision

    def _decide(self, run: LiveRun) -> CacheDecision:
        from headrace.kernel_magic.results.cache import CacheDecision

        try:
            with nullcontext() if self._asked else within(UNASKED_SECONDS):
                parts = parts_of(self._session, self._key, self._flow, self._source, self._options, run.chain_id)
        except UnhashableInput as error:
            return CacheDecision(reason=f"not cached: {error}", warning=str(error) if self._asked else "")
        if asked_policy(self._options) is None:
            key = None if LATER in parts.values() else key_of(parts)
            return CacheDecision(key=key, parts=parts, reason="not looked up: the cell has no cache policy")
        refresh = self._options.refresh_cache or flag("TASKS_REFRESH_CACHE")
        decision = find(run.session.shelf, self._key, parts, refresh=refresh)
        if decision.hit:
            self.bring_back(decision.value)
        return decision

    def bring_back(self, values: CellValues) -> None:
        """Put a stored cell's outputs back and show again what it showed."""
        put_back(values, self._session.shell)
        show_again(values, self._session)
        last = getattr(values, "last", None)  # older ones have none
        if last is not None and last.there:
            self._session.shell.displayhook.update_user_ns(last.value)
            self.result.result = last.value
        if self._session.kernel is None or self._session.is_interactive:  # an executed notebook keeps no times
            made = instant(values.made_at).astimezone().strftime("%d %b %Y %H:%M")
            self._session.shell.display_pub.publish({"text/plain": f"cached, from {made}"})

    def keep(self, run: LiveRun, _value: Any, decision: CacheDecision | None) -> Mapping[str, Any]:
        """Store the outputs where that was asked for, or is cheap."""
        from headrace.kernel_magic.results import cache

        options, asked = self._options, self._asked
        if options.persist_result is False or decision is None or not decision.parts:
            return {}
        namespace = self._session.shell.user_ns
        names = [name for name in self._flow.binds | self._flow.mutates if name in namespace]
        if not asked and not is_cheap([namespace[name] for name in names], run):
            return {}
        parts = self._late(decision.parts, run) if decision.key is None else decision.parts
        if parts is None:
            return {}
        key = decision.key or key_of(parts)
        now = run.session.store.clock.now_us()
        python = self._session.plain_python(self._source)
        shown = self.outputs.snapshot() if self.outputs is not None else []
        if has_widgets(shown):
            words = "it shows a widget, which ends with its kernel, so this cell runs again instead of being restored"
            return {"error": words} if asked else {}
        changed = [*options.mutates, *self._changed_inputs(parts)] if asked else list(options.mutates)
        values = collect(self._flow, python, namespace, shown, now, changed)
        last = getattr(self.result, "result", None)
        if last is not None and rough_bytes(last) <= VALUE_BYTES:
            values.last = LastValue(last)
        record = cache.save(
            run.session.shelf,
            values,
            key=key,
            definition=self._name,
            definition_key=self._key,
            run_id=run.id,
            parts=parts,
            notebook_path=self._session.notebook_path or None,
            expiration_seconds=options.cache_expiration,
        )
        if "error" not in record and int(record.get("size_bytes") or 0) > LAZY_BYTES:
            self._keep_digests(run, values, key)
        if "error" in record:
            if not asked:
                return {}
            which = ", ".join(culprits(values)) or "a value"
            record["error"] = f"{which} cannot be stored, so this cell runs again instead of being restored"
        return record

    def _late(self, parts: Mapping[str, str], run: LiveRun) -> Mapping[str, str] | None:
        """Return the parts with what was left for later; None where that would cost too much, or the cell changes it.

        What a cell changed though its code does not show it gives a key that its input never has: it runs again then.
        """
        found = dict(parts)
        changed = self._flow.binds | self._flow.mutates | self._flow.augments | self._flow.deletes
        try:
            with within(CHEAP_PART * seconds_of(run)):
                for part in [name for name, text in parts.items() if text == LATER]:
                    variable = part.partition(":")[2]
                    if variable in changed or variable not in self._session.shell.user_ns:
                        return None
                    found[part] = _digest_of(self._session, variable)[1]()
        except (TooLong, UnhashableInput):
            return None
        return found

    def _keep_digests(self, run: LiveRun, values: CellValues, key: str) -> None:
        """Keep the digests of large outputs beside them, so that they need not be loaded to be known."""
        from headrace.kernel_magic.results import cache

        try:
            digests = {name: digest(value, name=name) for name, value in values.names.items()}
        except UnhashableInput:
            return
        name = f"{self._name} outputs"
        cache.save(
            run.session.shelf,
            CellValues(names=digests, deleted=values.deleted, definitions=values.definitions),
            key=outputs_key(key),
            definition=name,
            definition_key=outputs_key(self._key),
            run_id=run.id,
            notebook_path=self._session.notebook_path or None,
        )

    def _changed_inputs(self, parts: Mapping[str, str]) -> list[str]:
        """Inputs whose content differs now: the cell changed them though its code does not show it."""
        found = []
        namespace = self._session.shell.user_ns
        for name, before in parts.items():
            kind, _, variable = name.partition(":")
            if kind == "input" and variable in namespace and variable not in self._flow.binds | self._flow.mutates:
                try:
                    if digest(namespace[variable]) != before:
                        found.append(variable)
                except UnhashableInput:
                    continue
        return found


class _Ready(CachePolicy):
    """The parts of a key that are known already."""

    def key_parts(self, context: KeyContext) -> dict[str, str]:
        return dict(context.source or {})


_READY = _Ready(frozenset({"INPUTS"}))


def find(shelf: Shelf, key: str, parts: Mapping[str, str], *, refresh: bool = False) -> CacheDecision:
    """Look stored outputs of a cell up by the parts of their key."""
    from headrace.kernel_magic.results import cache

    context = KeyContext(definition_key=key, inputs={}, flow_parameters={}, source=parts)
    return cache.lookup(shelf, _READY, context, refresh=refresh)


def find_large(store: Any, key: str) -> tuple[Any, CellValues] | None:
    """Return the record of large stored outputs, and what is kept beside them: digests in the place of values.

    None for small ones, or where nothing is beside them.
    """
    from headrace.kernel_magic.results.cache import open_result

    found = store.results.find(key)
    if found is None or found.size_bytes <= LAZY_BYTES:
        return None
    beside = store.results.find(outputs_key(key))
    if beside is None or (found.expires_at is not None and found.expires_at <= store.clock.now_us()):
        return None
    try:
        kept: CellValues = open_result(beside.storage, beside.serializer)
        return found, kept
    except Exception as error:
        logging.getLogger("headrace.cells").debug("no digests of %s: %r", key, error)
        return None


def is_cheap(values: list[Any], run: LiveRun) -> bool:
    """Return whether saving values costs less than 5 % of the time that the cell took."""
    size = sum(rough_bytes(value) for value in values)
    return SAVE_SECONDS + size / SAVE_BYTES_PER_SECOND <= CHEAP_PART * seconds_of(run)


def seconds_of(run: LiveRun) -> float:
    """Return how long a run's attempt has taken so far, seconds."""
    return float(run.session.store.clock.now_us() - run.state_at) / 1e6


def rough_bytes(value: Any) -> int:
    """Return about how many bytes a value has, without walking into it far."""
    for attribute in ("nbytes", "estimated_size"):
        size = getattr(value, attribute, None)
        size = size() if callable(size) else size
        if isinstance(size, int):
            return size
    usage = getattr(value, "memory_usage", None)
    if callable(usage):
        try:
            total = usage(deep=False)
            return int(total.sum() if hasattr(total, "sum") else total) * 2
        except Exception as error:
            logging.getLogger("headrace.cells").debug("no size of %s: %s", type(value), error)
    import sys

    try:
        size = sys.getsizeof(value)
        if isinstance(value, list | tuple | set | frozenset | dict) and value:
            size += len(value) * sys.getsizeof(next(iter(value)))
    except Exception:
        return 1 << 30
    return int(size)
