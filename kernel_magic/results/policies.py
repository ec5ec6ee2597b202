"""Cache policies: which parts make a key. `+` adds parts, `- "name"` leaves an input out.

Every key includes the task's identity: two tasks with equal inputs never share a result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from headrace.core.errors import InvalidOption
from headrace.kernel_magic.results.hashing import UnhashableInput, digest
from headrace.kernel_magic.results.source import source_parts

PARTS = frozenset({"INPUTS", "TASK_SOURCE", "RUN_ID", "FLOW_PARAMETERS"})


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyContext:
    """What a key may be made of.

    Parameters
    ----------
    definition_key : str
        The task's identity.
    function : callable or None
        What TASK_SOURCE looks at.
    inputs : mapping
        Argument name → value.
    root_id : str or None
        The flow run.
    flow_parameters : mapping
    source : mapping or None, default None
        Ready-made source parts (cells), in place of `function`.
    """

    definition_key: str
    function: Any = None
    inputs: Mapping[str, Any]
    root_id: str | None = None
    flow_parameters: Mapping[str, Any]
    source: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """A set of parts, inputs left out, and a key function of the user's.

    Parameters
    ----------
    parts : frozenset of str
        Of INPUTS, TASK_SOURCE, RUN_ID, FLOW_PARAMETERS; empty (and no key function) never caches.
    excluded : frozenset of str, default empty
        Inputs that do not count.
    key_fn : callable or None, default None
        `key_fn(context, parameters) -> str | None`; None as the key means: do not cache this call.
    isolation : str, default "READ_COMMITTED"
        "SERIALIZABLE": of two processes that compute one key at a time, one waits for the other's result.
    """

    parts: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()
    key_fn: Callable[..., Any] | None = None
    isolation: str = "READ_COMMITTED"

    def __post_init__(self) -> None:
        if self.isolation not in ("READ_COMMITTED", "SERIALIZABLE"):
            raise InvalidOption(
                f"isolation_level is {self.isolation!r}; known: READ_COMMITTED, SERIALIZABLE.", field="isolation_level"
            )

    def __add__(self, other: CachePolicy) -> CachePolicy:
        if not isinstance(other, CachePolicy):
            raise InvalidOption(
                f"A cache policy can be added to another policy, not to {other!r}.", field="cache_policy"
            )
        return replace(
            self,
            parts=self.parts | other.parts,
            excluded=self.excluded | other.excluded,
            key_fn=self.key_fn or other.key_fn,
            isolation="SERIALIZABLE" if "SERIALIZABLE" in (self.isolation, other.isolation) else "READ_COMMITTED",
        )

    def __sub__(self, name: str) -> CachePolicy:
        if not isinstance(name, str):
            raise InvalidOption(
                f'An input is left out by its name, e.g. INPUTS - "debug", not by {name!r}.', field="cache_policy"
            )
        return replace(self, excluded=self.excluded | {name})

    def __bool__(self) -> bool:
        return bool(self.parts) or self.key_fn is not None

    @property
    def looks_at_flow(self) -> bool:
        """Whether the parameters of the flow around a task may count."""
        return "FLOW_PARAMETERS" in self.parts or self.key_fn is not None

    def configure(self, *, isolation_level: str | None = None, **others: Any) -> CachePolicy:
        """Return a copy with another isolation level (`key_storage` and `lock_manager` are not needed here)."""
        unknown = set(others) - {"key_storage", "lock_manager"}
        if unknown:
            raise InvalidOption(f"A cache policy has no option {sorted(unknown)[0]!r}.", field=sorted(unknown)[0])
        return replace(self, isolation=str(isolation_level or self.isolation).rpartition(".")[2])

    def key_parts(self, context: KeyContext) -> dict[str, str] | None:
        """Return what the key is made of: part → digest; None when this call is not to be cached.

        Raises
        ------
        UnhashableInput
            An input that counts cannot be hashed.
        """
        if not self:
            return None
        found = {"task": hashlib.sha256(context.definition_key.encode()).hexdigest()}
        if self.key_fn is not None:
            own = self.key_fn(context, dict(context.inputs))
            if own is None:
                return None
            found["key"] = hashlib.sha256(str(own).encode()).hexdigest()
        if "TASK_SOURCE" in self.parts:
            source = context.source if context.source is not None else source_parts(context.function)
            found.update({f"source:{name}": value for name, value in source.items()})
        if "INPUTS" in self.parts:
            for name, value in context.inputs.items():
                if name not in self.excluded:
                    found[f"input:{name}"] = digest(value, name=name)
        if "RUN_ID" in self.parts:
            found["run"] = context.root_id or ""
        if "FLOW_PARAMETERS" in self.parts:
            found["flow_parameters"] = digest(dict(context.flow_parameters), name="flow parameters")
        return found


#: Grows when digests or stored results take another form: what was stored before is not found any more.
KEY_VERSION = 2


def key_of(parts: Mapping[str, str]) -> str:
    """Return the key of parts: 64 hexadecimal characters."""
    lines = [f"version={KEY_VERSION}", *(f"{name}={parts[name]}" for name in sorted(parts))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def task_input_hash(context: KeyContext, arguments: Mapping[str, Any]) -> str | None:
    """Return a key made of a call's arguments, for `@task(cache_key_fn=task_input_hash)`: what `cache_policy=INPUTS` does.

    Parameters
    ----------
    context : KeyContext
    arguments : mapping

    Returns
    -------
    str or None
        None where an argument cannot be hashed: the call is not cached.
    """
    try:
        return digest(dict(arguments), name="arguments")
    except UnhashableInput:
        return None


INPUTS = CachePolicy(frozenset({"INPUTS"}))
TASK_SOURCE = CachePolicy(frozenset({"TASK_SOURCE"}))
RUN_ID = CachePolicy(frozenset({"RUN_ID"}))
FLOW_PARAMETERS = CachePolicy(frozenset({"FLOW_PARAMETERS"}))
DEFAULT = INPUTS + TASK_SOURCE + RUN_ID
NO_CACHE = CachePolicy()
NONE = NO_CACHE

_WORDS = {
    "INPUTS": INPUTS,
    "TASK_SOURCE": TASK_SOURCE,
    "RUN_ID": RUN_ID,
    "FLOW_PARAMETERS": FLOW_PARAMETERS,
    "DEFAULT": DEFAULT,
    "NO_CACHE": NO_CACHE,
    "NONE": NO_CACHE,
}


def parse_policy(text: str) -> CachePolicy:
    """Return the policy of text such as `INPUTS + TASK_SOURCE - "debug"` (see headrace.core.cells)."""
    policy, sign = NO_CACHE, "+"
    for word in text.split():
        if word in "+-":
            sign = word
        elif sign == "+":
            policy = policy + _WORDS[word]
        else:
            policy = policy - word.strip("\"'")
    return policy
